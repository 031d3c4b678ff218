"""Route a request through its models: retries, fallbacks and scripted faults.

Where the documentation is silent, one behavior was chosen:

* Without a ``retry`` control nothing is retried, except twice on /responses (not after timeouts)
  and /decisions, as in their schemas. Within a ``retry``, ``count`` is 3 by default, as documented.
* The load balancer's pick is retried and falls back like the request's own model.
* Every type of load balancer picks a model at random, by weight.
* A fallback that is not enabled fails with 404, which is not among the default fallback codes.
* If every model fails, the last error is returned.
* Delays have no jitter and ignore a provider's ``Retry-After``.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import repeat
from typing import Any

from pydantic import NonNegativeFloat, NonNegativeInt

from orq_router_integrations.testing.argument_checks import check_arguments
from orq_router_integrations.testing.routing.endpoint import EndpointHandler, EndpointRequest
from orq_router_integrations.testing.routing.platform import ModelRegistry, check_model_id
from orq_router_integrations.testing.routing.response import HTTPError, RouterResponse
from orq_router_integrations.wire.controls import DEFAULT_RETRY_STATUSES, RouterControls
from orq_router_integrations.wire.html_table import format_table
from orq_router_integrations.wire.model_names import ANSWERED_MODEL_HEADER

RETRY_DELAYS_SECONDS = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0)  # simulated, before each attempt


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Describes how one call to a provider fails.

    Nothing sleeps: ``seconds`` is compared with the request's ``timeout.call_timeout`` and logged.

    With ``cut_after`` or ``error_after`` the stream starts normally and then breaks. For a response
    that is not streamed, or a count of 0, the call fails with an error instead. The status of an
    error is 502 with ``cut_after`` or ``status=200``.

    Args:
        status: HTTP status of the answer; 200 for a successful, possibly slow one.
        message: Error message; a generic one by default.
        code: Error code; derived from the status by default.
        headers: Headers of the error, such as ``retry-after``.
        body: Complete error body (JSON value, text or bytes) instead of the router's format.
        seconds: Simulated time to the first byte.
        cut_after: Number of chunks after which the stream ends without a finish reason or
            ``[DONE]``. The first chunk of a chat stream only has the role of the message.
        error_after: Number of chunks after which the stream sends an error and ends. Raw audio has
            no error format and is cut off.

    Raises:
        ValueError: An argument is invalid, or describes the error of a call that succeeds.

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
    seconds: NonNegativeFloat = 0.0
    cut_after: NonNegativeInt | None = None
    error_after: NonNegativeInt | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.status, int) or self.status not in (200, *range(400, 600)):
            raise ValueError(f"status: must be 200 or 400 to 599, not {self.status!r:.80}")
        check_arguments(self)
        values = {"message": self.message, "code": self.code, "body": self.body}
        for name, value in {**values, "headers": self.headers or None}.items():
            if value is not None and self.status == 200 and self.break_after is None:
                raise ValueError(f"{name}: Not sent with status=200. Use one from 400 to 599.")

    @property
    def break_after(self) -> int | None:
        """Number of chunks before the stream breaks; ``None`` if it does not."""
        return self.error_after if self.cut_after is None else self.cut_after

    def create_error(self, model: str) -> HTTPError:
        """Create the error that the router passes on."""
        status = 502 if self.status == 200 or self.cut_after is not None else self.status
        message = self.message or f"{model} answered {status} (a fault of the offline router)"
        return HTTPError(status, message, self.code, headers=self.headers, body=self.body)


_HEALTHY = Fault(status=200)

Faults = Mapping[str, int | Fault | Sequence[int | Fault]]


class FaultScript:
    """Faults by model id: a single fault applies to every call, a list has one entry per call."""

    def __init__(self, faults: Faults | None) -> None:
        if not isinstance(faults, Mapping | None):
            raise ValueError(
                f"faults: expected a dict such as {{'openai/gpt-4o': 503}}, got {faults!r:.80}."
            )
        self._faults: dict[str, Iterator[Fault]] = {}
        self._remaining: Counter[str] = Counter()
        for model, script in (faults or {}).items():
            check_model_id(model, "faults")
            items: Any = script if isinstance(script, list | tuple) else [script]
            try:
                steps = [item if isinstance(item, Fault) else Fault(status=item) for item in items]
            except ValueError as error:
                raise ValueError(f"faults[{model!r}]: {error}") from None
            self._faults[model] = iter(steps) if items is script else repeat(steps[0])
            self._remaining[model] = len(steps)

    @property
    def unused(self) -> list[str]:
        """Models with faults that no call has used."""
        return [model for model, count in self._remaining.items() if count > 0]

    def take_fault(self, model: str) -> Fault:
        """Return the next fault, or one that lets the call succeed."""
        self._remaining[model] -= 1
        return next(self._faults.get(model, iter(())), _HEALTHY)


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
        try:
            self.models.check_enabled(model)
        except HTTPError as error:
            return error.to_response()
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
            return error.to_response()
        response = result if isinstance(result, RouterResponse) else RouterResponse(result)
        response = replace(response, headers={**response.headers, ANSWERED_MODEL_HEADER: model})
        return self._break_stream(response, model, fault) if breaks_stream else response

    def _break_stream(self, response: RouterResponse, model: str, fault: Fault) -> RouterResponse:
        """Keep the first chunks, but never the end: a finish reason, and the usage if requested."""
        chunks = response.chunks or ()
        options = getattr(self.request, "stream_options", None) or {}
        end = -2 if options.get("include_usage") else -1
        sent = chunks[:end][: fault.break_after]
        if fault.error_after is not None and not isinstance(chunks[0], bytes):
            error = fault.create_error(model).to_response().body
            sent = (*sent, self.handler.create_error_chunk(len(sent), error))
        return replace(response, chunks=sent, is_complete=False)
