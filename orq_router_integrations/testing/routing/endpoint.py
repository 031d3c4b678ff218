"""What an endpoint must bring so that the router can route, log and fault it.

Doors, checks, routing, cache and faults know nothing of any endpoint; an endpoint is a ``Service``
that reads a body into a ``Job``, and the job answers one provider call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from orq_router_integrations.wire.controls import RouterControls, RouterRetry
from orq_router_integrations.wire.endpoints import Endpoint

Chunks = tuple[Any, ...]
"""A stream: events, each the JSON of one ``data:`` line; or pieces of a body, as bytes."""


@dataclass(frozen=True, slots=True)
class ProviderResponse:
    """A provider's answer, whole or in chunks, and what its headers say beside."""

    body: Any
    chunks: Chunks | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterResponse:
    """What the router has to pass on.

    Attributes:
        status: HTTP status.
        body: JSON object, text or bytes.
        headers: those that a provider's answer or error brings.
        chunks: the chunks of a stream, instead of a body.
        whole: whether the stream ends as it should: events say so, a body is not cut off.
        named: whether each chunk comes with an ``event:`` line that says its type.
    """

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    chunks: Chunks | None = None
    is_complete: bool = True
    has_event_names: bool = False


class EndpointCall(Protocol):
    """One valid request at an endpoint."""

    @property
    def model(self) -> str:
        """The model id of the request."""

    @property
    def is_streamed(self) -> bool:
        """Whether the answer is wanted as a stream."""

    @property
    def is_cacheable(self) -> bool:
        """Whether the router's cache may hold the answer."""

    @property
    def guarded_text(self) -> str | None:
        """The text that input guardrails look at; ``None`` where none are enforced."""

    def provider_body(self, model: str) -> dict[str, Any]:
        """The body as the provider of this model sees it."""

    def answer(self, model: str) -> ProviderResponse:
        """What a healthy provider answers.

        Raises:
            Refusal: the provider does not take what the router let pass.
        """

    def cut_stream(self, chunks: Chunks, after: int, error: Any) -> Chunks:
        """What is left of a stream that breaks.

        Args:
            chunks: the whole stream.
            after: how many chunks at most come through; never the one that tells the end.
            error: the error body that comes last; ``None`` where nothing does.
        """

    def finalize(self, outcome: RouterResponse) -> RouterResponse:
        """What goes to the client, once the router has what it can get."""


class EndpointHandler(Protocol):
    """One endpoint."""

    @property
    def endpoint(self) -> Endpoint:
        """Path, and the controls it takes."""

    @property
    def default_retry(self) -> RouterRetry | None:
        """The retries of a request that says nothing of them."""

    def parse(
        self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool
    ) -> EndpointCall:
        """Check a body without its controls.

        Of a form the members are texts, JSON values, ``FormFile``s, and lists of texts or files.

        Raises:
            Refusal: 400, naming the member at fault.
        """
