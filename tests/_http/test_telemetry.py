"""OpenTelemetry: trace context in headers, and spans for calls and attempts."""

import asyncio
import json
import sys
from contextlib import aclosing
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from orq_router_integrations import (
    ChatOrq,
    OfflineRouter,
    OrqEmbeddings,
    OrqImageTool,
    OrqSpeechTool,
)
from orq_router_integrations.errors import NotFoundError, ServerError, StreamInterruptedError
from orq_router_integrations.testing import Fault

MODEL = "openai/gpt-4o"


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> TracerProvider:
    """A tracer provider that the package uses as the global one during a test."""
    provider = TracerProvider()
    monkeypatch.setattr(trace, "get_tracer", provider.get_tracer)
    return provider


@pytest.fixture
def spans(provider: TracerProvider) -> "Spans":
    exporter = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Spans(exporter)


class Spans:
    """The finished spans, by name."""

    def __init__(self, exporter: InMemorySpanExporter) -> None:
        self._exporter = exporter

    def find(self, name: str) -> list[ReadableSpan]:
        return [span for span in self._exporter.get_finished_spans() if span.name == name]

    @property
    def call(self) -> ReadableSpan:
        (span,) = self.find(f"chat {MODEL}")
        return span

    @property
    def attempts(self) -> list[ReadableSpan]:
        return self.find("POST /chat/completions")

    def to_text(self) -> str:
        return "".join(span.to_json() for span in self._exporter.get_finished_spans())


def create_model(router: OfflineRouter, **settings: Any) -> ChatOrq:
    return ChatOrq(MODEL, temperature=0.5, client=router.client(trace_calls=True, **settings))


class TestTraceContext:
    def test_request_continues_the_active_trace(self, provider: TracerProvider) -> None:
        router = OfflineRouter()
        model = ChatOrq(MODEL, client=router.client())
        with provider.get_tracer("app").start_as_current_span("request") as span:
            model.invoke("Hi")
        header = router.requests[0].headers["traceparent"]
        assert header.split("-")[1] == format(span.get_span_context().trace_id, "032x")
        assert header.split("-")[2] == format(span.get_span_context().span_id, "016x")

    async def test_async_request_continues_the_active_trace(self, provider: TracerProvider) -> None:
        router = OfflineRouter()
        with provider.get_tracer("app").start_as_current_span("request"):
            await ChatOrq(MODEL, client=router.client()).ainvoke("Hi")
        assert "traceparent" in router.requests[0].headers

    def test_no_header_without_a_span(self) -> None:
        router = OfflineRouter()
        ChatOrq(MODEL, client=router.client()).invoke("Hi")
        assert "traceparent" not in router.requests[0].headers

    def test_header_names_the_span_of_the_attempt(self, spans: Spans) -> None:
        router = OfflineRouter()
        create_model(router).invoke("Hi")
        (attempt,) = spans.attempts
        parent = router.requests[0].headers["traceparent"].split("-")[2]
        assert parent == format(attempt.context.span_id, "016x")


class TestCallSpan:
    def test_attributes_follow_the_conventions(self, spans: Spans) -> None:
        message = create_model(OfflineRouter()).invoke("Hi")
        assert message.usage_metadata
        assert spans.call.kind is SpanKind.CLIENT
        expected = {
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "orq",
            "gen_ai.request.model": MODEL,
            "gen_ai.request.temperature": 0.5,
            "gen_ai.response.model": MODEL,
            "gen_ai.response.finish_reasons": ("stop",),
            "gen_ai.usage.input_tokens": message.usage_metadata["input_tokens"],
            "gen_ai.usage.output_tokens": message.usage_metadata["output_tokens"],
            "orq.trace_id": message.response_metadata["trace_id"],
        }
        assert expected.items() <= dict(spans.call.attributes or {}).items()

    @pytest.mark.parametrize("api", ["chat_completions", "responses"])
    def test_stream_reports_usage(self, spans: Spans, api: Any) -> None:
        model = ChatOrq(MODEL, api=api, client=OfflineRouter().client(trace_calls=True))
        list(model.stream("Hi"))
        attributes = spans.call.attributes or {}
        assert attributes["gen_ai.usage.output_tokens"]
        assert attributes["gen_ai.response.model"] == MODEL

    async def test_async_stream_that_is_left_early_is_not_an_error(self, spans: Spans) -> None:
        async with aclosing(create_model(OfflineRouter()).astream("Tell me a story")) as chunks:
            await anext(chunks)
        for _ in range(20):  # LangChain leaves its inner generators to the event loop
            await asyncio.sleep(0)
        assert spans.call.status.status_code is StatusCode.UNSET

    @pytest.mark.slow
    def test_retries_are_child_spans(self, spans: Spans) -> None:
        create_model(OfflineRouter(faults={MODEL: [500, 503]})).invoke("Hi")
        assert [
            (span.attributes or {})["http.response.status_code"] for span in spans.attempts
        ] == [
            500,
            503,
            200,
        ]
        assert [
            (span.attributes or {}).get("http.request.resend_count") for span in spans.attempts
        ] == [None, 1, 2]
        assert {span.parent.span_id for span in spans.attempts if span.parent} == {
            spans.call.context.span_id
        }
        assert (spans.call.attributes or {})["orq.attempts"] == 3
        assert spans.call.status.status_code is StatusCode.UNSET

    def test_fallback_is_recorded(self, spans: Spans) -> None:
        router = OfflineRouter(faults={MODEL: 503})
        controls = {"fallbacks": ["anthropic/claude-sonnet-4-5"], "retry": {"count": 1}}
        create_model(router).invoke("Hi", controls=controls)
        attributes = spans.call.attributes or {}
        assert attributes["gen_ai.response.model"] == "anthropic/claude-sonnet-4-5"
        assert attributes["orq.fell_back"] is True

    def test_outer_exception_is_not_recorded(self, spans: Spans) -> None:
        model = create_model(OfflineRouter())
        try:
            raise KeyError("outer")
        except KeyError:
            model.invoke("Hi")
        assert [span.status.status_code for span in spans.attempts] == [StatusCode.UNSET]

    def test_span_has_the_method_of_the_request(self, spans: Spans) -> None:
        OfflineRouter().client(trace_calls=True).list_models()
        (attempt,) = spans.find("GET /models")
        assert (attempt.attributes or {})["http.request.method"] == "GET"

    def test_embeddings_and_decisions_report_usage(self, spans: Spans) -> None:
        client = OfflineRouter().client(trace_calls=True)
        OrqEmbeddings("openai/text-embedding-3-small", client=client).embed_documents(["a"])
        (embeddings,) = spans.find("embeddings openai/text-embedding-3-small")
        assert (embeddings.attributes or {})["gen_ai.usage.input_tokens"]
        decisions = pytest.importorskip("langchain_core.decisions")
        from orq_router_integrations import OrqDecisionModel

        questions = {"q": decisions.Noul(instructions="Is it?")}
        model = OrqDecisionModel("openai/gpt-6-luna", client=client)
        model.invoke({"state": "x", "questions": questions})
        (decision,) = spans.find("decisions openai/gpt-6-luna")
        assert (decision.attributes or {})["gen_ai.response.model"] == "openai/gpt-6-luna"
        assert (decision.attributes or {})["gen_ai.usage.output_tokens"] == 1

    def test_error_is_recorded(self, spans: Spans) -> None:
        with pytest.raises(NotFoundError):
            create_model(OfflineRouter(models=["a/b"])).invoke("Hi")
        assert spans.call.status.status_code is StatusCode.ERROR
        assert (spans.call.attributes or {})["error.type"] == "404"
        assert (spans.attempts[0].attributes or {})["error.type"] == "404"

    def test_truncated_stream_is_an_error(self, spans: Spans) -> None:
        fault = Fault(cut_after=1)
        model = create_model(OfflineRouter(faults={MODEL: fault}), max_retries=0)
        with pytest.raises(StreamInterruptedError):
            list(model.stream("Tell me a story"))
        assert (spans.call.attributes or {})["error.type"] == "StreamInterruptedError"

    def test_tools_are_traced(self, spans: Spans) -> None:
        client = OfflineRouter().client(trace_calls=True)
        OrqImageTool(model="openai/gpt-image-1", client=client).generate("a boat")
        OrqSpeechTool(model="openai/tts-1", voice="alloy", client=client).synthesize("Hi")
        assert spans.find("image_generation openai/gpt-image-1")
        assert spans.find("speech openai/tts-1")

    @pytest.mark.slow
    def test_content_and_key_are_not_recorded(self, spans: Spans) -> None:
        router = OfflineRouter(
            answers={"a secret prompt": "a secret answer"}, faults={MODEL: [500]}
        )
        model = create_model(router, api_key="sk-orq-secret")
        model.invoke("a secret prompt")
        with pytest.raises(ServerError):
            create_model(OfflineRouter(faults={MODEL: 500})).invoke("a secret prompt")
        text = spans.to_text()
        assert json.dumps(MODEL) in text
        assert "secret" not in text


def test_missing_opentelemetry_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ImportError, match="extra 'otel'"):
        create_model(OfflineRouter()).invoke("Hi")
