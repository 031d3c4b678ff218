"""Stub for the providers: faults, answers, timeouts and the call log."""

from dataclasses import replace

from orq_router_integrations.testing.routing.endpoint import EndpointCall, RouterResponse
from orq_router_integrations.testing.routing.error_responses import HTTPError, create_error_body
from orq_router_integrations.testing.routing.faults import Fault, FaultScript
from orq_router_integrations.testing.routing.multipart_parsing import describe_files
from orq_router_integrations.testing.routing.request_log import ProviderCall
from orq_router_integrations.wire.model_candidates import ANSWERED_MODEL_HEADER


class ProviderStub:
    """Emulates all providers and logs each call."""

    def __init__(self, *, faults: FaultScript, path: str, log: list[ProviderCall]) -> None:
        self._faults = faults
        self._path = path
        self._log = log

    def call(
        self,
        request: EndpointCall,
        model: str,
        *,
        attempt: int,
        pause: float,
        timeout_seconds: float | None,
    ) -> RouterResponse:
        """Make one call to a provider.

        Args:
            request: the request.
            model: model id to call.
            attempt: number of the attempt on this model, starting at 1.
            pause: simulated delay since the previous attempt, in seconds.
            timeout_seconds: time after which the router answers 408; ``None`` waits forever.
        """
        fault = self._faults.take_fault(model)
        is_late = timeout_seconds is not None and fault.seconds > timeout_seconds
        outcome = (
            _create_timeout(model, timeout_seconds)
            if is_late
            else _create_outcome(fault, request, model)
        )
        call = ProviderCall(
            model=model,
            path=self._path,
            body=describe_files(request.provider_body(model)),
            status=outcome.status,
            attempt=attempt,
            seconds=timeout_seconds if is_late and timeout_seconds is not None else fault.seconds,
            pause=pause,
        )
        self._log.append(call)
        model_header = {ANSWERED_MODEL_HEADER: model} if outcome.status == 200 else {}
        return replace(outcome, headers=outcome.headers | model_header)


def _create_timeout(model: str, timeout_seconds: float | None) -> RouterResponse:
    message = f"{model} did not answer within the call_timeout of {timeout_seconds} seconds"
    return RouterResponse(status=408, body=create_error_body(408, message))


def _create_outcome(fault: Fault, request: EndpointCall, model: str) -> RouterResponse:
    is_broken = fault.break_after is not None
    if (is_broken and not (request.is_streamed and fault.break_after)) or not (
        is_broken or fault.status == 200
    ):
        return _create_failure(fault, model)
    try:
        response = request.answer(model)
    except HTTPError as error:
        return RouterResponse(status=error.status, body=error.to_body())
    if is_broken and response.chunks is not None:
        error_body = None if fault.error_after is None else fault.create_error_body(model)
        chunks = request.cut_stream(response.chunks, fault.break_after or 0, error_body)
        return RouterResponse(
            status=200, chunks=chunks, headers=response.headers, is_complete=False
        )
    return RouterResponse(
        status=200, body=response.body, chunks=response.chunks, headers=response.headers
    )


def _create_failure(fault: Fault, model: str) -> RouterResponse:
    return RouterResponse(
        status=fault.error_status, body=fault.create_error_body(model), headers=dict(fault.headers)
    )
