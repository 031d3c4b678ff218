"""One call to a provider: its fault or its answer, within the router's patience, and the log."""

from dataclasses import dataclass, field
from typing import Any

from orq_router_integrations.offline.faults import Fault, FaultScript
from orq_router_integrations.offline.records import ProviderCall
from orq_router_integrations.offline.refusals import envelope
from orq_router_integrations.offline.service import Job, Produced


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What the router has to pass on.

    Attributes:
        status: HTTP status.
        body: JSON object, text or bytes.
        headers: headers of a provider's error.
        chunks: the chunks of a stream, instead of a body.
        whole: whether the stream says at its end that it is done.
    """

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    chunks: tuple[dict[str, Any], ...] | None = None
    whole: bool = True


class Providers:
    """All providers: asks them, and writes down what each was asked."""

    def __init__(self, *, faults: FaultScript, path: str, log: list[ProviderCall]) -> None:
        self._faults = faults
        self._path = path
        self._log = log

    def ask(
        self, job: Job, model: str, *, attempt: int, pause: float, patience: float | None
    ) -> Outcome:
        """One call.

        Args:
            job: the request.
            model: model id of the provider to ask.
            attempt: which try on this model, from 1.
            pause: simulated seconds since the try before.
            patience: seconds until the router hangs up with a 408; ``None`` waits forever.
        """
        fault = self._faults.take(model)
        late = patience is not None and fault.seconds > patience
        outcome = _timed_out(model, patience) if late else _outcome(fault, job, model)
        call = ProviderCall(
            model=model,
            path=self._path,
            body=job.provider_body(model),
            status=outcome.status,
            attempt=attempt,
            seconds=patience if late and patience is not None else fault.seconds,
            pause=pause,
        )
        self._log.append(call)
        return outcome


def _timed_out(model: str, patience: float | None) -> Outcome:
    message = f"{model} did not answer within the call_timeout of {patience} seconds"
    return Outcome(status=408, body=envelope(408, message))


def _outcome(fault: Fault, job: Job, model: str) -> Outcome:
    broken = fault.breaks_at is not None
    if (broken and not (job.streams and fault.breaks_at)) or not (broken or fault.status == 200):
        return _failed(fault, model)
    produced = job.answer(model)
    if broken and produced.chunks is not None:
        return _broken(fault, model, produced)
    return Outcome(status=200, body=produced.body, chunks=produced.chunks)


def _failed(fault: Fault, model: str) -> Outcome:
    return Outcome(status=fault.failed_status, body=fault.error(model), headers=dict(fault.headers))


def _broken(fault: Fault, model: str, produced: Produced) -> Outcome:
    chunks = _unfinished(produced.chunks or ())[: fault.breaks_at]
    if fault.error_after is not None:
        chunks += (fault.error(model),)
    return Outcome(status=200, chunks=chunks, whole=False)


def _unfinished(chunks: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
    """The chunks before the first that carries a finish reason; a break never shows one."""
    for index, chunk in enumerate(chunks):
        if any(choice.get("finish_reason") for choice in chunk.get("choices", ())):
            return chunks[:index]
    return chunks
