"""The base classes of the endpoints and their requests, and the validation of bodies.

An endpoint parses a body into an ``EndpointRequest`` and responds like a healthy provider.
Routing, faults, the cache and the conversion to HTTP are implemented once, for all endpoints.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import reduce
from operator import getitem
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.routing.response import HTTPError, RouterResponse
from orq_router_integrations.wire.controls import RouterControls, RouterRetry
from orq_router_integrations.wire.endpoints import Endpoint

_UNKNOWN_FIELD = (
    "is not a documented field of the router. To ignore such fields, use "
    "OfflineRouter(lenient=True) or orq-router serve --lenient"
)


class RequestModel(BaseModel):
    """Base of the request models: strict types, immutable, no unknown fields."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class EndpointRequest(RequestModel):
    """The body of a valid request, without its controls."""

    model: str

    @property
    def is_streamed(self) -> bool:
        """Whether the response is sent in chunks."""
        return bool(getattr(self, "stream", False))

    def build_provider_body(self, model: str) -> dict[str, Any]:
        """Return the body as the provider of ``model`` receives it."""
        body = self.model_dump(exclude_unset=True, by_alias=True)
        return body | {"model": model.partition("/")[2]}


M = TypeVar("M", bound=BaseModel)
R = TypeVar("R", bound=EndpointRequest)


class EndpointHandler(ABC, Generic[R]):
    endpoint: Endpoint
    schema: type[R]
    default_retry: RouterRetry | None = None  # if a request has no retry control

    def __init__(self, script: AnswerScript) -> None:
        self._script = script

    def parse(self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool) -> R:  # noqa: ARG002 - for subclasses
        """Validate a body without its controls, or raise an ``HTTPError``."""
        return validate_body(self.schema, body, lenient=lenient)

    @abstractmethod
    def respond(self, request: R, model: str) -> dict[str, Any] | RouterResponse:
        """Return the JSON or other response of a healthy provider, or raise an ``HTTPError``."""

    def create_error_chunk(self, number: int, error: Any) -> Any:  # noqa: ARG002 - for subclasses
        """Create the error chunk that ends a broken stream after ``number`` chunks."""
        return error

    def finalize(self, request: R, response: RouterResponse) -> RouterResponse:  # noqa: ARG002 - for subclasses
        """Convert the outcome of all retries and fallbacks to the response for the client."""
        return response


def validate_body(model: type[M], body: Mapping[str, Any], *, lenient: bool) -> M:
    """Validate a body, or raise a 400 that names the most deeply nested invalid field."""
    try:
        return model.model_validate(body)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=False)
    problems = [(_find_path(body, item["loc"], item["type"]), item) for item in errors]
    unknown = {path for path, item in problems if item["type"] == "extra_forbidden"}
    inputs = [item["input"] for item in errors]
    has_integral_float = any(isinstance(value, float) and value.is_integer() for value in inputs)
    ignored = unknown if lenient else set()
    if has_integral_float or ignored:  # correct the body, and validate it again
        fields = _convert_integral_floats(body)
        for *parents, name in ignored:
            del reduce(getitem, parents, fields)[name]
        return validate_body(model, fields, lenient=lenient)
    path, details = max(problems, key=lambda problem: len(problem[0]))
    message = _UNKNOWN_FIELD if path in unknown else details["msg"].removeprefix("Value error, ")
    steps = (f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    param = "".join(steps).removeprefix(".")
    raise HTTPError(400, f"{param}: {message}" if param else message, param=param or None)


def _convert_integral_floats(value: Any) -> Any:
    """Return a copy with 2 for 2.0: JSON does not distinguish them, and some clients send 2.0."""
    if isinstance(value, Mapping):
        return {name: _convert_integral_floats(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_convert_integral_floats(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _find_path(value: Any, location: Sequence[int | str], error_type: str) -> tuple[Any, ...]:
    """Translate a pydantic error location to a path in the body.

    pydantic inserts the tags of unions into the location, and a tag may equal a key. Of all
    possible paths, the longest one that exists in the body is returned.
    """
    if not location:
        return ()
    step, *remaining = location
    if not remaining and error_type in {"missing", "extra_forbidden"}:
        is_extra = error_type == "extra_forbidden"
        is_here = isinstance(value, Mapping) and (step in value) == is_extra
        return (step,) if is_here else ()
    paths = [_find_path(value, remaining, error_type) if isinstance(step, str) else ()]
    is_index = isinstance(value, list) and isinstance(step, int)
    if is_index or (isinstance(value, Mapping) and step in value):
        paths.append((step, *_find_path(value[step], remaining, error_type)))
    return max(paths, key=len)
