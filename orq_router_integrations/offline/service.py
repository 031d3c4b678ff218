"""What an endpoint must bring so that the router can route, log and fault it.

Doors, checks, routing, cache and faults know nothing of chat; an endpoint is a ``Service`` that
reads a body into a ``Job``, and the job answers one provider call.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import Endpoint


@dataclass(frozen=True, slots=True)
class Produced:
    """A provider's answer, whole or in chunks (each the JSON of one ``data:`` line)."""

    body: Any
    chunks: tuple[dict[str, Any], ...] | None = None


class Job(Protocol):
    """One valid request at an endpoint."""

    @property
    def model(self) -> str:
        """The model id of the request."""

    @property
    def streams(self) -> bool:
        """Whether the answer is wanted as a stream."""

    @property
    def last_words(self) -> str:
        """The user's last text, which input guardrails look at."""

    def provider_body(self, model: str) -> dict[str, Any]:
        """The body as the provider of this model sees it."""

    def answer(self, model: str) -> Produced:
        """What a healthy provider answers."""


class Service(Protocol):
    """One endpoint."""

    @property
    def endpoint(self) -> Endpoint:
        """Path, and the controls it takes."""

    def read(self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool) -> Job:
        """Check a body without its controls.

        Raises:
            Refusal: 400, naming the member at fault.
        """
