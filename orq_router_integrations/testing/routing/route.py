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

from orq_router_integrations.testing.routing.providers import Providers
from orq_router_integrations.testing.routing.refusals import envelope
from orq_router_integrations.testing.routing.service import Job, Outcome
from orq_router_integrations.wire.controls import (
    RouterControls,
    RouterRetry,
)
from orq_router_integrations.wire.retry_defaults import DEFAULT_RETRY_STATUSES

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each retry (contract section 4.3); simulated, never slept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way of one request through its models.

    Attributes:
        job: the request.
        controls: its router controls.
        default_retry: the retries where ``controls`` hold none.
        enabled: whether the workspace has a model.
        providers: whom to ask.
    """

    job: Job
    controls: RouterControls
    default_retry: RouterRetry | None = None
    enabled: Callable[[str], bool] = field(repr=False)
    providers: Providers

    def follow(self, primary: str) -> Outcome:
        """Ask the primary, its retries, then each fallback with its own retries."""
        codes = self.controls.fallback_on_codes or DEFAULT_RETRY_STATUSES
        outcome = self._model(primary)
        for fallback in self.controls.fallbacks or ():
            if outcome.status not in codes:
                break
            outcome = self._model(fallback.model)
        return outcome

    def _model(self, model: str) -> Outcome:
        if not self.enabled(model):
            return Outcome(status=404, body=envelope(404, not_enabled(model)))
        retry = self.controls.retry or self.default_retry
        outcome = self._ask(model, attempt=1, pause=0.0)
        for attempt, pause in enumerate(PAUSES[: retry.count if retry else 0], start=2):
            if retry is None or outcome.status not in retry.on_codes:
                break
            outcome = self._ask(model, attempt=attempt, pause=pause)
        return outcome

    def _ask(self, model: str, *, attempt: int, pause: float) -> Outcome:
        timeout = self.controls.timeout
        patience = timeout.call_timeout / 1000 if timeout else None
        return self.providers.ask(self.job, model, attempt=attempt, pause=pause, patience=patience)


def not_enabled(model: str) -> str:
    """What the router says of a model that the workspace has not."""
    return f"model {model!r} was not found or is not enabled in this workspace"
