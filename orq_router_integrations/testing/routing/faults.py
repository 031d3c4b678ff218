"""Faults: how a test makes a provider fail, be slow, or break off."""

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orq_router_integrations.testing.routing.error_responses import create_error_body
from orq_router_integrations.testing.routing.model_registry import has_provider


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """How one call to a provider goes.

    Nothing sleeps: ``seconds`` is compared with the request's ``timeout.call_timeout`` and
    written to the log.

    Attributes:
        status: what the provider answers; 200 is a healthy answer, which may still be slow.
        message: error text; a plain one by default.
        code: error code; the platform's word for the status by default.
        headers: headers of the error, such as ``retry-after`` (seconds).
        body: the whole error body instead of the router's envelope: an object, text or bytes.
        seconds: simulated time until the first byte.
        cut_after: the stream ends after so many chunks, without finish reason and ``[DONE]``.
        error_after: after so many chunks an error frame is sent and the stream ends; raw audio
            has no frames and is cut off.

    With ``cut_after`` or ``error_after`` the call begins well, so ``status`` only names the
    error. A reply that is not streamed, or a count of 0, leaves nothing to answer with: that is
    a failure like any other, 502 unless ``status`` says otherwise.

    Raises:
        ValueError: a status that is neither 200 nor an error, or a negative number.

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
        if self.status != 200 and not 400 <= self.status <= 599:
            raise ValueError(f"status: 200 or 400 to 599, not {self.status}")
        if min(self.seconds, self.cut_after or 0, self.error_after or 0) < 0:
            raise ValueError("seconds, cut_after and error_after cannot be negative")
        if self.cut_after is not None and self.error_after is not None:
            raise ValueError("cut_after and error_after: a stream ends once; give one of them")

    @property
    def break_after(self) -> int | None:
        """After how many chunks the answer stops; ``None`` where it does not begin or is whole."""
        return self.error_after if self.cut_after is None else self.cut_after

    @property
    def error_status(self) -> int:
        """The status of the failure that this fault is when nothing was answered before it."""
        return 502 if self.status == 200 or self.cut_after is not None else self.status

    def create_error_body(self, model: str) -> Any:
        """The error body, as the router passes it on."""
        if self.body is not None:
            return self.body
        status = self.error_status
        message = self.message or f"{model} answered {status} (a fault of the offline router)"
        return create_error_body(status, message, code=self.code)


HEALTHY = Fault(status=200)

FaultSequence = int | Fault | Iterable[int | Fault]


class FaultScript:
    """The faults to come, by model id: a list is used up call by call, a single one stays."""

    def __init__(self, faults: Mapping[str, FaultSequence] | None) -> None:
        self._always: dict[str, Fault] = {}
        self._next: dict[str, deque[Fault]] = {}
        for model, script in (faults or {}).items():
            if not has_provider(model):
                raise ValueError(f"faults: {model!r} is no model id; it must be 'provider/model'")
            if isinstance(script, int | Fault | str) or not isinstance(script, Iterable):
                self._always[model] = _to_fault(script)
            else:
                self._next[model] = deque(_to_fault(item) for item in script)
        self._unmet = set(self._always)

    @property
    def unused(self) -> list[str]:
        """The models whose faults no call has met, or not all of them."""
        return [*sorted(self._unmet), *(model for model, left in self._next.items() if left)]

    def take_fault(self, model: str) -> Fault:
        """How the next call to this model goes."""
        self._unmet.discard(model)
        if waiting := self._next.get(model):
            return waiting.popleft()
        return self._always.get(model, HEALTHY)


def _to_fault(item: int | Fault) -> Fault:
    if isinstance(item, Fault):
        return item
    if not isinstance(item, int):
        raise ValueError(f"faults: a status or a Fault, not {item!r}")
    return Fault(status=item)
