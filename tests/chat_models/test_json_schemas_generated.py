"""Schemas of generated pydantic models: valid, in the strict subset, and parsed back."""

from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Generic, Literal, Optional, TypeVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from pydantic import BaseModel, Field, create_model
from support.chat import create_model as create_chat_model
from support.chat import last_body
from support.strict_subset import find_dangling_refs, find_strict_problems

from orq_router_integrations import OfflineRouter

T = TypeVar("T")


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Size(IntEnum):
    SMALL = 1
    LARGE = 2


class Box(BaseModel, Generic[T]):
    """A generic model."""

    content: T
    count: int = 1


class Node(BaseModel):
    """A recursive model."""

    name: str
    parent: Optional["Node"] = None
    children: list["Node"] = []


SCALARS = [
    *(str, int, float, bool, Decimal, date, datetime, time, timedelta, UUID, type(None)),
    *(Color, Size, Literal["a", 1], Node, Box[date]),
]


def create_types(*, dicts: bool) -> st.SearchStrategy[Any]:
    """Create a strategy of types; strict mode does not support dicts."""

    def extend(types: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
        containers = [
            types.map(lambda type_: list[type_]),
            types.map(lambda type_: type_ | None),
            st.tuples(types, types).map(lambda pair: pair[0] | pair[1]),
            types.map(lambda type_: Box[type_]),
            create_models(types),
        ]
        if dicts:
            containers.append(types.map(lambda type_: dict[str, type_]))
        return st.one_of(containers)

    return st.recursive(st.sampled_from(SCALARS), extend, max_leaves=6)


@st.composite
def create_models(draw: st.DrawFn, types: st.SearchStrategy[Any]) -> type[BaseModel]:
    """Create a model whose fields have the given types."""
    fields: dict[str, Any] = {}
    for index in range(draw(st.integers(0, 4))):
        default = draw(st.sampled_from([..., None]))
        description = draw(st.sampled_from([None, "A field."]))
        type_ = draw(types)
        type_ = type_ if default is ... else type_ | None
        fields[f"field_{index}"] = (type_, Field(default, description=description))
    return create_model(draw(st.sampled_from(["Model", "Answer", "Item"])), **fields)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("strict", [None, True])
def test_generated_models_are_sent_and_parsed_back(strict: bool | None, method: str) -> None:
    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(create_models(create_types(dicts=not strict)))
    def check(cls: type[BaseModel]) -> None:
        router = OfflineRouter()
        model = create_chat_model(router)
        runnable = model.with_structured_output(cls, method=method, strict=strict)
        parsed = runnable.invoke("Answer")
        body = last_body(router)
        schema = (
            body["response_format"]["json_schema"]["schema"]
            if method == "json_schema"
            else body["tools"][0]["function"]["parameters"]
        )
        Draft202012Validator.check_schema(schema)
        assert not find_dangling_refs(schema)
        assert not strict or not find_strict_problems(schema)
        assert isinstance(parsed, cls)
        Draft202012Validator(schema).validate(parsed.model_dump(mode="json"))

    check()
