"""Route a request through its models: retries, fallbacks and faults.

Where the documentation is silent, one behavior was chosen:

* Without a ``retry`` control nothing is retried, except on /responses, whose schema promises two
  retries (not after timeouts). The documented default of 3 applies to ``count`` within a ``retry``.
* The load balancer's pick is retried and falls back like the request's own model.
* Every type of load balancer picks a model at random, by weight.
* A fallback that is not enabled fails with 404, which is not among the default fallback codes.
* If every model fails, the last error is returned.
* Delays have no jitter and ignore a provider's ``Retry-After``.
"""

import math
from dataclasses import dataclass, replace
from typing import Any

from orq_router_integrations.testing.models import ModelRegistry
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RouterResponse,
)
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.faults import Fault, FaultScript
from orq_router_integrations.wire.controls import DEFAULT_RETRY_STATUSES, RouterControls
from orq_router_integrations.wire.html_table import format_table
from orq_router_integrations.wire.model_names import ANSWERED_MODEL_HEADER

RETRY_DELAYS_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Simulated delay before each attempt. Nothing sleeps."""


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


class CallLog(list[ProviderCall]):
    """Calls to providers, in order. Notebooks show them as a table."""

    def _repr_html_(self) -> str:
        header = ("model", "path", "attempt", "pause (s)", "time (s)", "status")
        rows = [
            (call.model, call.path, call.attempt, f"{call.pause:.1f}", call.seconds, call.status)
            for call in self
        ]
        return format_table(header, rows)


@dataclass(frozen=True, slots=True)
class RequestRouting:
    handler: EndpointHandler[Any]
    request: EndpointRequest
    controls: RouterControls
    models: ModelRegistry
    faults: FaultScript
    log: list[ProviderCall]

    def run(self, primary: str) -> RouterResponse:
        """Call the primary model with its retries, then each fallback with its own retries."""
        codes = self.controls.fallback_on_codes or DEFAULT_RETRY_STATUSES
        for model in (primary, *(item.model for item in self.controls.fallbacks or ())):
            response = self._call_model(model)
            if response.status not in codes:
                break
        return response

    def _call_model(self, model: str) -> RouterResponse:
        """Call a model and log each attempt."""
        try:
            self.models.check_enabled(model)
        except HTTPError as error:
            return RouterResponse.from_error(error)
        retry = self.controls.retry or self.handler.default_retry
        timeout = self.controls.timeout
        limit = timeout.call_timeout / 1000 if timeout else math.inf
        delays = RETRY_DELAYS_SECONDS[: 1 + (retry.count if retry else 0)]
        for attempt, pause in enumerate(delays, start=1):
            fault = self.faults.take_fault(model)
            response = self._call_provider(model, fault, limit)
            self.log.append(
                ProviderCall(
                    model=model,
                    path=self.handler.endpoint.path,
                    body=self.request.build_provider_body(model),
                    status=response.status,
                    attempt=attempt,
                    seconds=min(fault.seconds, limit),
                    pause=pause,
                )
            )
            if retry is None or response.status not in retry.on_codes:
                break
        return response

    def _call_provider(self, model: str, fault: Fault, max_seconds: float) -> RouterResponse:
        """Return the provider's response, or the error or the broken stream of a fault."""
        breaks_stream = bool(self.request.is_streamed and fault.break_after)
        try:
            if fault.seconds > max_seconds:
                message = f"{model} did not answer within the call_timeout of {max_seconds} seconds"
                raise HTTPError(408, message)
            if not breaks_stream and (fault.status != 200 or fault.break_after is not None):
                raise fault.create_error(model)
            result = self.handler.respond(self.request, model)
        except HTTPError as error:
            return RouterResponse.from_error(error)
        response = result if isinstance(result, RouterResponse) else RouterResponse(result)
        response = replace(response, headers={**response.headers, ANSWERED_MODEL_HEADER: model})
        return self._break_stream(response, model, fault) if breaks_stream else response

    def _break_stream(self, response: RouterResponse, model: str, fault: Fault) -> RouterResponse:
        """Keep the first chunks, but never the end, which may be a finish reason and the usage."""
        chunks = response.chunks or ()
        is_binary = isinstance(chunks[0], bytes)
        sent = chunks[: -1 if is_binary else -2][: fault.break_after]
        if fault.error_after is not None and not is_binary:
            error = fault.create_error(model).to_body()
            sent = (*sent, self.handler.create_error_chunk(len(sent), error))
        return replace(response, chunks=sent, is_complete=False)
