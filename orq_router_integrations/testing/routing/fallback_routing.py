"""What the router does between a request and its providers (contract sections 4.3 and 4.4).

Where the contract says "unknown", one behaviour is chosen here and named; tests against the
offline router prove nothing about the real one in these points:

* ``retry`` left out means no retry, but on /responses the two that its schema promises, and these
  not for timeouts, which the same schema sends "straight to the next fallback". The default of 3
  that the chat schema has belongs to ``count`` inside a ``retry`` that was sent.
* The load balancer's pick falls back and is retried as the request's own model would be.
* A fallback that is not enabled fails with a 404 and is asked nothing; the default codes do not
  hold 404, so the chain ends there.
* When every model fails, the last model's error is returned.
* The pauses carry no jitter, and a provider's ``Retry-After`` does not change them.
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
"""Seconds before each retry (contract section 4.3); simulated, never slept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRouting:
    """The way of one request through its models.

    Attributes:
        job: the request.
        controls: its router controls.
        default_retry: the retries where ``controls`` hold none.
        enabled: whether the workspace has a model.
        providers: whom to ask.
    """

    job: EndpointCall
    controls: RouterControls
    default_retry: RouterRetry | None = None
    enabled: Callable[[str], bool] = field(repr=False)
    providers: ProviderStub

    def run(self, primary: str) -> RouterResponse:
        """Ask the primary, its retries, then each fallback with its own retries."""
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
        patience = timeout.call_timeout / 1000 if timeout else None
        return self.providers.call(self.job, model, attempt=attempt, pause=pause, patience=patience)


def format_model_not_found(model: str) -> str:
    """What the router says of a model that the workspace has not."""
    return f"model {model!r} was not found or is not enabled in this workspace"
