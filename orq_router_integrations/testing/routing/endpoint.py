"""Interfaces between the router and its endpoints.

The HTTP adapter, routing, cache and faults know these interfaces only. An ``EndpointHandler``
parses a body into an ``EndpointCall``, which produces the answer of one provider call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from orq_router_integrations.wire.controls import RouterControls, RouterRetry
from orq_router_integrations.wire.endpoints import Endpoint

Chunks = tuple[Any, ...]
"""A stream: JSON values, sent as one ``data:`` line each, or chunks of bytes."""


@dataclass(frozen=True, slots=True)
class ProviderResponse:
    """A provider's successful answer, as a body or as chunks of a stream."""

    body: Any
    chunks: Chunks | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterResponse:
    """Response of the router, before it is converted to HTTP.

    Attributes:
        status: HTTP status.
        body: JSON value, text or bytes.
        headers: headers set by the provider's answer or by the error.
        chunks: chunks of a stream, instead of a body.
        is_complete: whether the stream is complete; a truncated stream has no ``[DONE]``.
        has_event_names: whether each chunk has an ``event:`` line with its type.
    """

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Chunks | None = None
    is_complete: bool = True
    has_event_names: bool = False


class EndpointCall(Protocol):
    """A valid request to one endpoint."""

    @property
    def model(self) -> str:
        """Model id of the request."""

    @property
    def is_streamed(self) -> bool:
        """Whether the client asked for a stream."""

    @property
    def is_cacheable(self) -> bool:
        """Whether the router may cache the answer."""

    @property
    def guarded_text(self) -> str | None:
        """Text that input guardrails check; ``None`` if the endpoint has none."""

    def provider_body(self, model: str) -> dict[str, Any]:
        """Return the body as the provider of ``model`` receives it."""

    def answer(self, model: str) -> ProviderResponse:
        """Return the answer of a healthy provider.

        Raises:
            HTTPError: the provider rejects the request.
        """

    def cut_stream(self, chunks: Chunks, after: int, error: Any) -> Chunks:
        """Return the chunks that arrive before a stream breaks.

        Args:
            chunks: the complete stream.
            after: maximum number of chunks to keep; the final chunk is never kept.
            error: error body to append; ``None`` to end without one.
        """

    def finalize(self, outcome: RouterResponse) -> RouterResponse:
        """Convert the final outcome of routing to the response for the client."""


class EndpointHandler(Protocol):
    """One endpoint of the router."""

    @property
    def endpoint(self) -> Endpoint:
        """Path of the endpoint and the controls it supports."""

    @property
    def default_retry(self) -> RouterRetry | None:
        """Retries applied when a request has no ``retry`` control."""

    def parse(
        self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool
    ) -> EndpointCall:
        """Validate a body without its controls.

        Form fields arrive as text, JSON values, ``FormFile`` objects, or lists of text or files.

        Raises:
            HTTPError: 400, naming the invalid field.
        """
