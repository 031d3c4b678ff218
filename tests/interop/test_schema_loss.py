"""The comparison that the tests against the vendor's schemas rest on sees every loss."""

import pytest
from pydantic import BaseModel, ValidationError
from support.schema_loss import lost


class Inner(BaseModel):
    count: float = 3


class Outer(BaseModel):
    model: str
    retry: Inner | None = None
    many: list[Inner] = []


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ({"model": "m"}, []),
        ({"model": "m", "retry": {"count": 2}, "many": [{"count": 2.0}, {}]}, []),
        ({"model": "m", "cache": {}}, ["cache"]),
        ({"model": "m", "retry": {"count": 2, "codes": [1]}}, ["retry.codes"]),
        ({"model": "m", "many": [{}, {"x": 1}]}, ["many[].x"]),
        ({"model": "m", "retry": {"count": "2"}}, ["retry.count: '2' became 2.0"]),
    ],
)
def test_what_a_schema_drops_or_changes_is_told(body, missing):
    assert lost(Outer, body) == missing


def test_what_is_against_a_schema_is_an_error():
    with pytest.raises(ValidationError):
        lost(Outer, {"retry": {}})
