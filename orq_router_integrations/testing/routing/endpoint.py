"""The base class of the endpoints, and their requests and responses.

An endpoint parses a body into an ``EndpointRequest`` and responds like a healthy provider.
Routing, faults, the cache and the conversion to HTTP are implemented once, for all endpoints.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.routing.model_registry import get_provider_model_name
from orq_router_integrations.testing.routing.schema_validation import RequestModel, validate_body
from orq_router_integrations.wire.controls import RouterControls, RouterRetry
from orq_router_integrations.wire.endpoints import Endpoint

CHUNK_BYTES = 4096

Chunks = tuple[Any, ...]
"""A stream: JSON values, sent as one ``data:`` line each, or chunks of bytes."""


@dataclass(frozen=True, slots=True)
class RouterResponse:
    """A response before it is converted to HTTP."""

    body: Any = None  # a JSON value, text or bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    chunks: Chunks | None = None  # of a stream, instead of a body
    is_complete: bool = True  # whether a stream ends with [DONE]


class EndpointRequest(RequestModel):
    """The body of a valid request, without its controls."""

    model: str

    @property
    def is_streamed(self) -> bool:
        """Whether the response is sent in chunks."""
        return False

    @property
    def is_cacheable(self) -> bool:
        """Whether the router may cache the response."""
        return not self.is_streamed

    @property
    def guarded_text(self) -> str | None:
        """Text that input guardrails check; ``None`` if the endpoint has no guardrails."""
        return None

    def build_provider_body(self, model: str) -> dict[str, Any]:
        """Return the body as the provider of ``model`` receives it."""
        body = self.model_dump(exclude_unset=True, by_alias=True)
        return body | {"model": get_provider_model_name(model)}


R = TypeVar("R", bound=EndpointRequest)


class EndpointHandler(ABC, Generic[R]):
    """One endpoint of the router."""

    endpoint: Endpoint
    schema: type[R]
    default_retry: RouterRetry | None = None  # if a request has no retry control

    def __init__(self, script: AnswerScript) -> None:
        self._script = script

    def parse(self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool) -> R:  # noqa: ARG002 - for subclasses
        """Validate a body without its controls.

        Form fields arrive as text, JSON values, ``FormFile`` objects, or lists of text or files.

        Raises:
            HTTPError: 400, naming the invalid field.
        """
        return validate_body(self.schema, body, lenient=lenient)

    @abstractmethod
    def respond(self, request: R, model: str) -> RouterResponse:
        """Return the response of a healthy provider.

        Raises:
            HTTPError: The provider rejects the request.
        """

    def create_error_chunk(self, number: int, error: Any) -> Any:  # noqa: ARG002 - for subclasses
        """Create the error chunk that ends a broken stream after ``number`` chunks."""
        return error

    def finalize(self, request: R, response: RouterResponse) -> RouterResponse:  # noqa: ARG002 - for subclasses
        """Convert the outcome of all retries and fallbacks to the response for the client."""
        return response


def split_bytes(data: bytes) -> Chunks:
    """Split a body into chunks. The last one is a single byte, so that faults can truncate it."""
    starts = range(0, len(data) - 1, CHUNK_BYTES)
    chunks = (data[start : min(start + CHUNK_BYTES, len(data) - 1)] for start in starts)
    return (*chunks, data[-1:])
