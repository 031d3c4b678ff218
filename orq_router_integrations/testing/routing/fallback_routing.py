"""Retries and fallbacks of one request.

Where the documentation is silent, one behavior was chosen:

* Without a ``retry`` control nothing is retried, except on /responses, whose schema promises two
  retries (not after timeouts). The documented default of 3 applies to ``count`` within a ``retry``.
* The load balancer's pick is retried and falls back like the request's own model.
* A fallback that is not enabled fails with 404, which the default codes do not cover, so the chain
  ends there.
* If every model fails, the last error is returned.
* Delays have no jitter and ignore a provider's ``Retry-After``.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from orq_router_integrations.testing.routing.endpoint import EndpointCall, RouterResponse
from orq_router_integrations.testing.routing.error_responses import create_error_body
from orq_router_integrations.testing.routing.provider_stub import ProviderStub
from orq_router_integrations.wire.controls import (
    RouterControls,
    RouterRetry,
)
from orq_router_integrations.wire.retry_defaults import DEFAULT_RETRY_STATUSES

RETRY_DELAYS_SECONDS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Simulated delay before each retry. Nothing sleeps."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRouting:
    """Routes one request through its models.

    Attributes:
        call: the validated request.
        controls: its routing controls.
        default_retry: retries if ``controls`` has none.
        enabled: returns whether a model is enabled.
        providers: the providers to call.
    """

    call: EndpointCall
    controls: RouterControls
    default_retry: RouterRetry | None = None
    enabled: Callable[[str], bool] = field(repr=False)
    providers: ProviderStub

    def run(self, primary: str) -> RouterResponse:
        """Call the primary model with its retries, then each fallback with its own retries."""
        codes = self.controls.fallback_on_codes or DEFAULT_RETRY_STATUSES
        outcome = self._call_model(primary)
        for fallback in self.controls.fallbacks or ():
            if outcome.status not in codes:
                break
            outcome = self._call_model(fallback.model)
        return outcome

    def _call_model(self, model: str) -> RouterResponse:
        if not self.enabled(model):
            return RouterResponse(
                status=404, body=create_error_body(404, format_model_not_found(model))
            )
        retry = self.controls.retry or self.default_retry
        outcome = self._call_provider(model, attempt=1, pause=0.0)
        for attempt, pause in enumerate(
            RETRY_DELAYS_SECONDS[: retry.count if retry else 0], start=2
        ):
            if retry is None or outcome.status not in retry.on_codes:
                break
            outcome = self._call_provider(model, attempt=attempt, pause=pause)
        return outcome

    def _call_provider(self, model: str, *, attempt: int, pause: float) -> RouterResponse:
        timeout = self.controls.timeout
        timeout_seconds = timeout.call_timeout / 1000 if timeout else None
        return self.providers.call(
            self.call, model, attempt=attempt, pause=pause, timeout_seconds=timeout_seconds
        )


def format_model_not_found(model: str) -> str:
    """Return the error message for a model that is not enabled."""
    return f"model {model!r} was not found or is not enabled in this workspace"
