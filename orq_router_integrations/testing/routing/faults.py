"""Scripted faults: errors, delays and broken streams of a provider."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orq_router_integrations.testing.models import check_model_id
from orq_router_integrations.testing.routing.error_responses import HTTPError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Describes how one call to a provider fails.

    Nothing sleeps: ``seconds`` is compared with the request's ``timeout.call_timeout`` and logged.

    With ``cut_after`` or ``error_after`` the stream starts normally and then breaks; ``status``
    only applies to the error. For a response that is not streamed, or a count of 0, the call fails
    with 502 unless ``status`` says otherwise.

    Args:
        status: HTTP status of the answer; 200 for a successful, possibly slow one.
        message: Error message; a generic one by default.
        code: Error code; derived from the status by default.
        headers: Headers of the error, such as ``retry-after``.
        body: Complete error body (JSON value, text or bytes) instead of the router's format.
        seconds: Simulated time to the first byte.
        cut_after: Number of chunks after which the stream ends without a finish reason or
            ``[DONE]``.
        error_after: Number of chunks after which the stream sends an error and ends. Raw audio has
            no error format and is cut off.

    Raises:
        ValueError: ``status`` is neither 200 nor an error.

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> router = OfflineRouter(faults={"openai/gpt-4o": [Fault(status=429), Fault(cut_after=1)]})
    >>> model = ChatOrq(model="openai/gpt-4o", client=router.client())
    >>> _ = model.invoke("Hi", controls={"retry": {"count": 2}})
    >>> [call.status for call in router.log]
    [429, 502, 200]
    """

    status: int = 500
    message: str | None = None
    code: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    seconds: float = 0.0
    cut_after: int | None = None
    error_after: int | None = None

    def __post_init__(self) -> None:
        is_status = isinstance(self.status, int)
        if not is_status or (self.status != 200 and not 400 <= self.status <= 599):
            raise ValueError(f"status: must be 200 or 400 to 599, not {self.status!r:.80}")

    @property
    def break_after(self) -> int | None:
        """Number of chunks before the stream breaks; ``None`` if it does not."""
        return self.error_after if self.cut_after is None else self.cut_after

    def create_error(self, model: str) -> HTTPError:
        """Create the error that the router passes on."""
        status = 502 if self.status == 200 or self.cut_after is not None else self.status
        message = self.message or f"{model} answered {status} (a fault of the offline router)"
        return HTTPError(status, message, self.code, headers=self.headers, body=self.body)


FaultSequence = int | Fault | Sequence[int | Fault]
Faults = Mapping[str, FaultSequence]


class FaultScript:
    """Faults by model id: a single fault applies to every call, a list has one entry per call."""

    def __init__(self, faults: Faults | None) -> None:
        if not isinstance(faults, Mapping | None):
            raise ValueError(
                f"faults: expected a dict such as {{'openai/gpt-4o': 503}}, got {faults!r:.80}."
            )
        self._faults: dict[str, list[Fault]] = {}
        self._repeated: set[str] = set()
        self._calls: Counter[str] = Counter()
        for model, script in (faults or {}).items():
            check_model_id(model, "faults")
            items: Any = script if isinstance(script, list | tuple) else [script]
            if items is not script:
                self._repeated.add(model)
            self._faults[model] = [
                item if isinstance(item, Fault) else Fault(status=item) for item in items
            ]

    @property
    def unused(self) -> list[str]:
        """Models with faults that no call has used."""
        return [model for model in self._faults if self._calls[model] < len(self._faults[model])]

    def take_fault(self, model: str) -> Fault:
        faults = self._faults.get(model, [])
        number = 0 if model in self._repeated else self._calls[model]
        self._calls[model] += 1
        return faults[number] if number < len(faults) else Fault(status=200)
