"""Validate request bodies with pydantic and report errors in the router's format."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from orq_router_integrations.testing.routing.error_responses import HTTPError

M = TypeVar("M", bound=BaseModel)
Location = Sequence[int | str]


class RequestModel(BaseModel):
    """Base of the request models: strict types, immutable, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def get_member(value: Any, name: str, default: str | None = None) -> Any:
    """Return a field of a dict or of a model. Used as a discriminator of unions."""
    if isinstance(value, Mapping):
        return value.get(name, default)
    return getattr(value, name, default)


def validate_body(model: type[M], body: Mapping[str, Any], *, lenient: bool, prefix: str = "") -> M:
    """Validate a body, or raise a 400 that names the most deeply nested invalid field."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)
    repaired = _repair(body, errors, lenient=lenient)
    if repaired is not None:
        return validate_body(model, repaired, lenient=lenient, prefix=prefix)
    errors_by_path = [
        (_find_path(body, item["loc"], item["type"]), _describe_error(item)) for item in errors
    ]
    steps, message = max(errors_by_path, key=lambda item: len(item[0]))
    param = _format_path(prefix, steps)
    raise HTTPError(400, f"{param}: {message}" if param else message, param=param or None)


def _describe_error(item: ErrorDetails) -> str:
    if item["type"] == "extra_forbidden":
        return (
            "is not a documented field of the router. To ignore such fields, use "
            "OfflineRouter(lenient=True) or orq-router serve --lenient"
        )
    return item["msg"].removeprefix("Value error, ")


def _find_path(body: Any, location: Location, error_type: str) -> list[int | str]:
    """Translate a pydantic error location to a path in the body.

    pydantic inserts the tags of unions into the location, and a tag may equal a key. Of all
    possible paths, the longest one that exists in the body is returned.
    """
    return max(_iter_paths(body, list(location), error_type), key=len, default=list(location[:1]))


def _iter_paths(
    value: Any, location: list[int | str], error_type: str
) -> Iterator[list[int | str]]:
    if not location:
        yield []
        return
    step, *remaining = location
    if not remaining and error_type in {"missing", "extra_forbidden"}:
        if isinstance(value, Mapping) and (step in value) != (error_type == "missing"):
            yield [step]
        return
    if _contains(value, step):
        yield from ([step, *path] for path in _iter_paths(value[step], remaining, error_type))
    if isinstance(step, str):
        yield from _iter_paths(value, remaining, error_type)


def _contains(value: Any, step: int | str) -> bool:
    if isinstance(value, list):
        return isinstance(step, int)
    return isinstance(value, Mapping) and step in value


def _format_path(prefix: str, steps: Location) -> str:
    path = prefix
    for step in steps:
        path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return path.removeprefix(".")


def _repair(
    body: Mapping[str, Any], errors: Sequence[ErrorDetails], *, lenient: bool
) -> dict[str, Any] | None:
    """Convert integral floats to integers and, if lenient, drop unknown fields.

    JSON does not distinguish 2 from 2.0, and the vendor's SDK writes the latter.
    """
    integral = [
        item for item in errors if item["type"] == "int_type" and _is_integral(item["input"])
    ]
    unknown = [item for item in errors if lenient and item["type"] == "extra_forbidden"]
    if not integral and not unknown:
        return None
    repaired: dict[str, Any] = copy.deepcopy(dict(body))
    for item in (*integral, *unknown):
        *path, last = _find_path(repaired, item["loc"], item["type"])
        value: Any = repaired
        for step in path:
            value = value[step]
        if item["type"] == "int_type":
            value[last] = int(item["input"])
        else:
            del value[last]
    return repaired


def _is_integral(value: Any) -> bool:
    return isinstance(value, float) and value.is_integer()
