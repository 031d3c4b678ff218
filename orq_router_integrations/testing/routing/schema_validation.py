"""Validate request bodies with pydantic and report errors in the router's format."""

from collections.abc import Iterator, Mapping, Sequence
from functools import reduce
from operator import getitem
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from orq_router_integrations.testing.routing.error_responses import HTTPError

M = TypeVar("M", bound=BaseModel)
Path = tuple[int | str, ...]

_UNKNOWN_FIELD = (
    "is not a documented field of the router. To ignore such fields, use "
    "OfflineRouter(lenient=True) or orq-router serve --lenient"
)


class RequestModel(BaseModel):
    """Base of the request models: strict types, immutable, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def get_field(value: Any, name: str, default: str | None = None) -> Any:
    """Return a field of a dict or of a model. Used as a discriminator of unions."""
    if isinstance(value, Mapping):
        return value.get(name, default)
    return getattr(value, name, default)


def validate_body(model: type[M], body: Mapping[str, Any], *, lenient: bool) -> M:
    """Validate a body, or raise a 400 that names the most deeply nested invalid field."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)
    paths = [_find_path(body, item["loc"], item["type"]) for item in errors]
    unknown = [
        path for path, item in zip(paths, errors, strict=True) if item["type"] == "extra_forbidden"
    ]
    has_integral_float = any(
        isinstance(item["input"], float) and item["input"].is_integer() for item in errors
    )
    if has_integral_float or (lenient and unknown):
        copy = _convert_integral_floats(body)
        for *parents, name in set(unknown) if lenient else ():
            del reduce(getitem, parents, copy)[name]
        return validate_body(model, copy, lenient=lenient)
    path, details = max(zip(paths, errors, strict=True), key=lambda item: len(item[0]))
    message = _UNKNOWN_FIELD if path in unknown else details["msg"].removeprefix("Value error, ")
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    param = "".join(steps).removeprefix(".")
    raise HTTPError(400, f"{param}: {message}" if param else message, param=param or None)


def _convert_integral_floats(value: Any) -> Any:
    """Return a copy with 2 for 2.0: JSON does not distinguish them, and some clients send 2.0."""
    if isinstance(value, Mapping):
        return {name: _convert_integral_floats(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_convert_integral_floats(item) for item in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _find_path(body: Any, location: Sequence[int | str], error_type: str) -> Path:
    """Translate a pydantic error location to a path in the body.

    pydantic inserts the tags of unions into the location, and a tag may equal a key. Of all
    possible paths, the longest one that exists in the body is returned.
    """
    paths = _iter_paths(body, tuple(location), error_type)
    return max(paths, key=len, default=tuple(location[:1]))


def _iter_paths(value: Any, location: Path, error_type: str) -> Iterator[Path]:
    if not location:
        yield ()
        return
    step, remaining = location[0], location[1:]
    if not remaining and error_type in {"missing", "extra_forbidden"}:
        if isinstance(value, Mapping) and (step in value) != (error_type == "missing"):
            yield (step,)
        return
    is_index = isinstance(value, list) and isinstance(step, int)
    if is_index or (isinstance(value, Mapping) and step in value):
        for path in _iter_paths(value[step], remaining, error_type):
            yield (step, *path)
    if isinstance(step, str):
        yield from _iter_paths(value, remaining, error_type)
