"""Stub for the providers: faults, answers, timeouts and the call log."""

from dataclasses import replace

from orq_router_integrations.testing.routing.endpoint import EndpointCall, RouterResponse
from orq_router_integrations.testing.routing.error_responses import HTTPError, create_error_body
from orq_router_integrations.testing.routing.faults import Fault, FaultScript
from orq_router_integrations.testing.routing.multipart_parsing import describe_files
from orq_router_integrations.testing.routing.request_log import ProviderCall
from orq_router_integrations.wire.model_candidates import ANSWERED_MODEL_HEADER


class ProviderStub:
    """Stand in for all providers and log each call."""

    def __init__(self, *, faults: FaultScript, path: str, log: list[ProviderCall]) -> None:
        self._faults = faults
        self._path = path
        self._log = log

    def call(
        self, job: EndpointCall, model: str, *, attempt: int, pause: float, patience: float | None
    ) -> RouterResponse:
        """Make one call to a provider.

        Args:
            job: the request.
            model: model id to call.
            attempt: number of the attempt on this model, starting at 1.
            pause: simulated delay since the previous attempt, in seconds.
            patience: timeout in seconds, after which the router answers 408; ``None`` waits
                forever.
        """
        fault = self._faults.take_fault(model)
        late = patience is not None and fault.seconds > patience
        outcome = _create_timeout(model, patience) if late else _create_outcome(fault, job, model)
        call = ProviderCall(
            model=model,
            path=self._path,
            body=describe_files(job.provider_body(model)),
            status=outcome.status,
            attempt=attempt,
            seconds=patience if late and patience is not None else fault.seconds,
            pause=pause,
        )
        self._log.append(call)
        named = {ANSWERED_MODEL_HEADER: model} if outcome.status == 200 else {}
        return replace(outcome, headers=outcome.headers | named)


def _create_timeout(model: str, patience: float | None) -> RouterResponse:
    message = f"{model} did not answer within the call_timeout of {patience} seconds"
    return RouterResponse(status=408, body=create_error_body(408, message))


def _create_outcome(fault: Fault, job: EndpointCall, model: str) -> RouterResponse:
    broken = fault.break_after is not None
    if (broken and not (job.is_streamed and fault.break_after)) or not (
        broken or fault.status == 200
    ):
        return _create_failure(fault, model)
    try:
        produced = job.answer(model)
    except HTTPError as refusal:
        return RouterResponse(status=refusal.status, body=refusal.to_body())
    if broken and produced.chunks is not None:
        error = None if fault.error_after is None else fault.create_error_body(model)
        chunks = job.cut_stream(produced.chunks, fault.break_after or 0, error)
        return RouterResponse(
            status=200, chunks=chunks, headers=produced.headers, is_complete=False
        )
    return RouterResponse(
        status=200, body=produced.body, chunks=produced.chunks, headers=produced.headers
    )


def _create_failure(fault: Fault, model: str) -> RouterResponse:
    return RouterResponse(
        status=fault.error_status, body=fault.create_error_body(model), headers=dict(fault.headers)
    )
