"""The comparison used by the schema tests reports every dropped or changed field."""

import pytest
from pydantic import BaseModel, ValidationError
from support.schema_loss import find_lost_fields


class Inner(BaseModel):
    count: float = 3


class Outer(BaseModel):
    model: str
    retry: Inner | None = None
    items: list[Inner] = []


BODIES = {
    "complete": ({"model": "m"}, []),
    "nested": ({"model": "m", "retry": {"count": 2}, "items": [{"count": 2.0}, {}]}, []),
    "unknown field": ({"model": "m", "cache": {}}, ["cache"]),
    "unknown nested field": ({"model": "m", "retry": {"count": 2, "codes": [1]}}, ["retry.codes"]),
    "unknown field in a list": ({"model": "m", "items": [{}, {"x": 1}]}, ["items[].x"]),
    "changed value": ({"model": "m", "retry": {"count": "2"}}, ["retry.count: '2' became 2.0"]),
}


@pytest.mark.parametrize(("body", "missing"), BODIES.values(), ids=BODIES)
def test_dropped_and_changed_fields_are_reported(body, missing):
    assert find_lost_fields(Outer, body) == missing


def test_invalid_body_raises():
    with pytest.raises(ValidationError):
        find_lost_fields(Outer, {"retry": {}})
