"""One call to a provider: its fault or its answer, within the router's patience, and the log."""

from dataclasses import replace

from orq_router_integrations.testing.routing.faults import Fault, FaultScript
from orq_router_integrations.testing.routing.forms import told
from orq_router_integrations.testing.routing.records import ProviderCall
from orq_router_integrations.testing.routing.refusals import Refusal, envelope
from orq_router_integrations.testing.routing.service import Job, Outcome
from orq_router_integrations.wire.model_candidates import ANSWERED_MODEL_HEADER


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
            body=told(job.provider_body(model)),
            status=outcome.status,
            attempt=attempt,
            seconds=patience if late and patience is not None else fault.seconds,
            pause=pause,
        )
        self._log.append(call)
        named = {ANSWERED_MODEL_HEADER: model} if outcome.status == 200 else {}
        return replace(outcome, headers=outcome.headers | named)


def _timed_out(model: str, patience: float | None) -> Outcome:
    message = f"{model} did not answer within the call_timeout of {patience} seconds"
    return Outcome(status=408, body=envelope(408, message))


def _outcome(fault: Fault, job: Job, model: str) -> Outcome:
    broken = fault.breaks_at is not None
    if (broken and not (job.streams and fault.breaks_at)) or not (broken or fault.status == 200):
        return _failed(fault, model)
    try:
        produced = job.answer(model)
    except Refusal as refusal:
        return Outcome(status=refusal.status, body=refusal.envelope())
    if broken and produced.chunks is not None:
        error = None if fault.error_after is None else fault.error(model)
        chunks = job.broken(produced.chunks, fault.breaks_at or 0, error)
        return Outcome(status=200, chunks=chunks, headers=produced.headers, whole=False)
    return Outcome(status=200, body=produced.body, chunks=produced.chunks, headers=produced.headers)


def _failed(fault: Fault, model: str) -> Outcome:
    return Outcome(status=fault.failed_status, body=fault.error(model), headers=dict(fault.headers))
