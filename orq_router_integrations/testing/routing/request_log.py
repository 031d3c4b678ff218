"""Records of received requests and of calls to providers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.wire.html_table import format_table


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderCall:
    """Record of one call to a provider.

    Attributes:
        model: Model id, ``provider/model``.
        path: Path of the endpoint, such as ``/chat/completions``.
        body: Request body as the provider received it: with the provider's own model name, without
            router controls and with variables substituted. Files are summarized, not stored.
        status: HTTP status of the provider's answer; 408 after a timeout.
        attempt: Number of the attempt on this model, starting at 1.
        seconds: Simulated duration of the call.
        pause: Simulated delay before the call, in seconds.

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> router = OfflineRouter()
    >>> _ = ChatOrq(model="openai/gpt-4o", client=router.client()).invoke("Hi")
    >>> router.log[0].model, router.log[0].body["model"], router.log[0].status
    ('openai/gpt-4o', 'gpt-4o', 200)
    """

    model: str
    path: str
    body: dict[str, Any]
    status: int
    attempt: int
    seconds: float
    pause: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """Record of one request received by the router. Files are summarized, not stored."""

    method: str
    path: str
    headers: Mapping[str, str]  # with lower-case names; the API key is redacted
    body: Any  # JSON or form fields; None if it cannot be parsed


class CallLog(list[ProviderCall]):
    """Calls to providers, in order. Notebooks show them as a table."""

    def _repr_html_(self) -> str:
        header = ("model", "path", "attempt", "pause (s)", "time (s)", "status")
        rows = [
            (call.model, call.path, call.attempt, f"{call.pause:.1f}", call.seconds, call.status)
            for call in self
        ]
        return format_table(header, rows)
