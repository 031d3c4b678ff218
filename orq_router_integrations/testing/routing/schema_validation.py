"""Validation against a pydantic model, with errors as the router words them."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from orq_router_integrations.testing.routing.error_responses import HTTPError

M = TypeVar("M", bound=BaseModel)
Location = Sequence[int | str]


class RequestModel(BaseModel):
    """Base of the request models: strict types, immutable, no unknown members."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def get_member(value: Any, name: str, default: str | None = None) -> Any:
    """A member of an object that is still to be checked, or already is: a tag of unions."""
    if isinstance(value, Mapping):
        return value.get(name, default)
    return getattr(value, name, default)


def validate_body(model: type[M], body: Mapping[str, Any], *, lenient: bool, prefix: str = "") -> M:
    """The body as this model.

    Args:
        model: what the contract wants.
        body: what was sent.
        lenient: whether members that the contract does not know are ignored.
        prefix: path of the body in the request, for the error.

    Raises:
        Refusal: 400; ``param`` is the path of the deepest member at fault.
    """
    try:
        return model.model_validate(body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)
    mended = _repair(body, errors, lenient=lenient)
    if mended is not None:
        return validate_body(model, mended, lenient=lenient, prefix=prefix)
    found = [
        (_find_path(body, item["loc"], item["type"]), _describe_error(item)) for item in errors
    ]
    steps, message = max(found, key=lambda it: len(it[0]))
    param = _format_path(prefix, steps)
    raise HTTPError(400, f"{param}: {message}" if param else message, param=param or None)


def _describe_error(item: ErrorDetails) -> str:
    if item["type"] == "extra_forbidden":
        return "the router's documented schemas know no such member"
    return item["msg"].removeprefix("Value error, ")


def _find_path(body: Any, location: Location, kind: str) -> list[int | str]:
    """The path in the body that a location means.

    pydantic puts the tags of unions among the keys, and a tag may be spelled as a key is: of all
    readings, the one that follows the body furthest is right.
    """
    return max(_iter_paths(body, list(location), kind), key=len, default=[])


def _iter_paths(here: Any, location: list[int | str], kind: str) -> Iterator[list[int | str]]:
    if not location:
        yield []
        return
    step, *rest = location
    must_end_here = not rest and kind in {"missing", "extra_forbidden"}
    if _contains(here, step):
        yield from ([step, *path] for path in _iter_paths(here[step], rest, kind))
    elif must_end_here and isinstance(here, Mapping):
        yield [step]
    if isinstance(step, str) and not must_end_here:
        yield from _iter_paths(here, rest, kind)


def _contains(here: Any, step: int | str) -> bool:
    if isinstance(here, list):
        return isinstance(step, int)
    return isinstance(here, Mapping) and step in here


def _format_path(prefix: str, steps: Location) -> str:
    path = prefix
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")


def _repair(
    body: Mapping[str, Any], errors: Sequence[ErrorDetails], *, lenient: bool
) -> dict[str, Any] | None:
    """The body without what is no fault: floats that are whole numbers, and unknown members.

    JSON knows no difference between 2 and 2.0, and the vendor's SDK writes the latter.
    """
    whole = [item for item in errors if item["type"] == "int_type" and _is_integral(item["input"])]
    unknown = [item for item in errors if lenient and item["type"] == "extra_forbidden"]
    if not whole and not unknown:
        return None
    mended: dict[str, Any] = copy.deepcopy(dict(body))
    for item in (*whole, *unknown):
        *path, last = _find_path(mended, item["loc"], item["type"])
        here: Any = mended
        for step in path:
            here = here[step]
        if item["type"] == "int_type":
            here[last] = int(item["input"])
        else:
            del here[last]
    return mended


def _is_integral(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()
