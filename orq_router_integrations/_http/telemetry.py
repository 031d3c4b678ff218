"""OpenTelemetry: trace context in request headers, and spans for calls and their attempts.

Spans follow OpenTelemetry's semantic conventions for generative AI. They never contain prompts,
answers or keys.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import httpx
    from opentelemetry.context import Context
    from opentelemetry.trace import Span, Tracer

    from orq_router_integrations.wire.call import Response
    from orq_router_integrations.wire.endpoints import Endpoint

OPERATIONS = {
    "/chat/completions": "chat",
    "/responses": "chat",
    "/embeddings": "embeddings",
    "/images/generations": "image_generation",
    "/images/edits": "image_edit",
    "/images/variations": "image_variation",
    "/audio/speech": "speech",
    "/audio/transcriptions": "transcription",
    "/audio/translations": "translation",
}
"""Names of operations by endpoint; other endpoints use the last part of their path."""

_REQUEST_PARAMS = {
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "frequency_penalty": "frequency_penalty",
    "presence_penalty": "presence_penalty",
    "seed": "seed",
    "max_completion_tokens": "max_tokens",
    "max_output_tokens": "max_tokens",
}


def get_trace_headers(context: "Context | None" = None) -> dict[str, str]:
    """Return ``traceparent`` and ``tracestate`` for a context, by default the active one."""
    from opentelemetry.trace.propagation import tracecontext  # noqa: PLC0415

    headers: dict[str, str] = {}
    tracecontext.TraceContextTextMapPropagator().inject(headers, context)
    return headers


def _get_tracer() -> "Tracer":
    try:
        from opentelemetry import trace  # noqa: PLC0415
    except ImportError:
        raise ImportError(
            "trace_calls=True requires OpenTelemetry. Install the extra 'otel', or "
            "run: pip install opentelemetry-api"
        ) from None
    return trace.get_tracer("orq_router_integrations")


class CallSpan:
    """The span of one call, with a child span for each attempt.

    Use it as a context manager around the call. The spans are not made the active ones, because a
    stream may be consumed in another context.
    """

    def __init__(self, url: "httpx.URL", endpoint: "Endpoint", body: Mapping[str, Any]) -> None:
        from opentelemetry.trace import SpanKind  # noqa: PLC0415

        self._tracer = _get_tracer()
        self._path = endpoint.path
        self._method = endpoint.method
        operation = OPERATIONS.get(endpoint.path) or endpoint.path.rpartition("/")[2]
        model = body.get("model")
        attributes = {
            "gen_ai.operation.name": operation,
            "gen_ai.provider.name": "orq",
            "server.address": url.host,
            **({"server.port": url.port} if url.port else {}),
            **({"gen_ai.request.model": model} if isinstance(model, str) else {}),
            **{
                f"gen_ai.request.{name}": body[field]
                for field, name in _REQUEST_PARAMS.items()
                if isinstance(body.get(field), int | float)
            },
        }
        self._span = self._tracer.start_span(
            f"{operation} {model}" if model else operation,
            kind=SpanKind.CLIENT,
            attributes=attributes,
        )
        self._attempt: Span | None = None

    def start_attempt(self, number: int) -> dict[str, str]:
        """Start the span of an attempt, and return the headers that continue it."""
        from opentelemetry.trace import SpanKind, set_span_in_context  # noqa: PLC0415

        attributes: dict[str, str | int] = {
            "http.request.method": self._method,
            "url.path": self._path,
        }
        if number > 1:
            attributes["http.request.resend_count"] = number - 1
        self._attempt = self._tracer.start_span(
            f"{self._method} {self._path}",
            context=set_span_in_context(self._span),
            kind=SpanKind.CLIENT,
            attributes=attributes,
        )
        return get_trace_headers(set_span_in_context(self._attempt))

    def record_response(self, response: "Response") -> None:
        """Record the status and the trace id of a response."""
        if self._attempt is not None:
            self._attempt.set_attribute("http.response.status_code", response.status)
        if response.trace_id:
            self._span.set_attribute("orq.trace_id", response.trace_id)
        self._span.set_attribute("orq.attempts", response.attempts)

    def record_item(self, item: Any) -> None:
        """Record model, usage and finish reason from a result or from a chunk of a stream."""
        generations = getattr(item, "generations", None)
        generation = generations[0] if generations else item
        message = getattr(generation, "message", None)
        metadata = {
            **(getattr(generation, "generation_info", None) or {}),
            **(getattr(message, "response_metadata", None) or {}),
        }
        usage = getattr(message, "usage_metadata", None) or getattr(item, "usage", None) or {}
        attributes = {
            "gen_ai.response.model": metadata.get("model_name") or getattr(item, "model", None),
            "gen_ai.response.id": metadata.get("id"),
            "gen_ai.usage.input_tokens": usage.get("input_tokens", getattr(item, "tokens", None)),
            "gen_ai.usage.output_tokens": usage.get("output_tokens"),
            "orq.fell_back": metadata.get("fell_back"),
        }
        if reason := metadata.get("finish_reason"):
            attributes["gen_ai.response.finish_reasons"] = [reason]
        for name, value in attributes.items():
            if isinstance(value, str | int | list):
                self._span.set_attribute(name, value)

    def end_attempt(self, error: BaseException | None) -> None:
        """End the span of the current attempt, which may have failed with an error."""
        if self._attempt is not None:
            _end(self._attempt, error)
            self._attempt = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, traceback: object) -> None:
        _end(self._span, error)


def _end(span: "Span", error: BaseException | None) -> None:
    if error is not None and not isinstance(error, GeneratorExit):
        from opentelemetry.trace import StatusCode  # noqa: PLC0415

        status = getattr(error, "status_code", None) or 0
        span.set_attribute("error.type", str(status) if status >= 400 else type(error).__name__)
        span.set_status(StatusCode.ERROR, type(error).__name__)
    span.end()
