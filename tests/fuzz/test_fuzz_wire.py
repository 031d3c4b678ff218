"""Random messages, controls and forms arrive unchanged."""

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from python_multipart.multipart import FormParser, parse_options_header

from orq_router_integrations import ChatOrq, OfflineRouter, RouterControls
from orq_router_integrations.media.content_block import create_upload
from orq_router_integrations.testing.routing.control_parsing import split_controls
from orq_router_integrations.wire.call import Request
from orq_router_integrations.wire.endpoints import CHAT_COMPLETIONS, Dialect
from orq_router_integrations.wire.multipart import StreamedBody, build_multipart_body
from orq_router_integrations.wire.request_encoding import encode_request

pytestmark = pytest.mark.slow

characters = st.characters(exclude_categories=["Cs"])
texts = st.text(characters, min_size=1, max_size=20).filter(str.strip)
names = st.text("abcdefgh_-", min_size=1, max_size=8)
arguments = st.dictionaries(
    names, st.none() | st.booleans() | st.integers(-99, 99) | texts, max_size=3
)


@st.composite
def conversations(draw: st.DrawFn) -> list[BaseMessage]:
    """Generate messages in a valid order, with a result for every tool call."""
    messages: list[BaseMessage] = [SystemMessage(draw(texts))] if draw(st.booleans()) else []
    for turn in range(draw(st.integers(1, 3))):
        blocks = [{"type": "text", "text": text} for text in draw(st.lists(texts, max_size=3))]
        content: Any = blocks or draw(texts)
        messages.append(HumanMessage(content))
        calls = [
            {"name": draw(names), "args": draw(arguments), "id": f"call_{turn}_{number}"}
            for number in range(draw(st.integers(0, 2)))
        ]
        messages.append(AIMessage(draw(texts), tool_calls=calls))
        messages += [ToolMessage(draw(texts), tool_call_id=call["id"]) for call in calls]
    return [*messages, HumanMessage(draw(texts))]


def summarize_message(message: BaseMessage) -> list[Any]:
    """Return role, text, tool calls and tool call id of a message."""
    role = {"human": "user", "ai": "assistant"}.get(message.type, message.type)
    calls = [
        [call["id"], call["name"], call["args"]] for call in getattr(message, "tool_calls", [])
    ]
    return [role, message.text, calls, getattr(message, "tool_call_id", None)]


def summarize_received(message: dict[str, Any]) -> list[Any]:
    """Return role, text, tool calls and tool call id of a message in a request body."""
    content = message.get("content") or ""
    text = content if isinstance(content, str) else "".join(part["text"] for part in content)
    calls = [
        [call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])]
        for call in message.get("tool_calls") or []
    ]
    return [message["role"], text, calls, message.get("tool_call_id")]


@given(conversations())
def test_conversation_arrives_unchanged(messages: list[BaseMessage]) -> None:
    router = OfflineRouter()
    ChatOrq(model="openai/gpt-4o", client=router.client()).invoke(messages)
    received = router.requests[0].body["messages"]
    assert [summarize_received(m) for m in received] == [summarize_message(m) for m in messages]


models = st.sampled_from(["openai/gpt-4o-mini", "mistral/large", "anthropic/claude-sonnet-4-5"])
codes = st.lists(st.integers(400, 599), min_size=1, max_size=5, unique=True)
controls = st.fixed_dictionaries(
    {},
    optional={
        "fallbacks": st.lists(models, min_size=1, max_size=3),
        "fallback_on_codes": codes,
        "retry": st.fixed_dictionaries({"count": st.integers(1, 5)}, optional={"on_codes": codes}),
        "cache": st.fixed_dictionaries({"ttl": st.integers(1, 259_200)}),
        "timeout": st.fixed_dictionaries({"call_timeout": st.integers(1000, 600_000)}),
        "load_balancer": st.fixed_dictionaries(
            {"models": st.lists(models, min_size=1, max_size=3, unique=True)}
        ),
        "name": texts,
        "identity": texts,
        "thread": texts,
        "metadata": st.dictionaries(names, texts, min_size=1, max_size=3),
        "variables": st.dictionaries(names, texts, min_size=1, max_size=3),
    },
)


@given(controls, st.sampled_from(list(Dialect)))
def test_controls_arrive_unchanged(arguments: Any, dialect: Dialect) -> None:
    expected = RouterControls.model_validate(arguments)
    request = Request(endpoint=CHAT_COMPLETIONS, body={"model": "a/b"}, controls=expected)
    encoded = encode_request(request, dialect)
    assert isinstance(encoded.body, bytes)
    received, fields = split_controls(
        json.loads(encoded.body), CHAT_COMPLETIONS, dialect, lenient=False
    )
    for name in expected.model_fields_set:
        assert getattr(received, name) == getattr(expected, name)
    assert fields == {"model": "a/b"}


def parse_with_python_multipart(form: StreamedBody) -> list[tuple[str, bytes, bytes | None]]:
    """Parse a form with the parser of common web frameworks."""
    parts: list[tuple[str, bytes, bytes | None]] = []

    def on_field(field: Any) -> None:
        parts.append((field.field_name.decode(), field.value or b"", None))

    def on_file(file: Any) -> None:
        file.file_object.seek(0)
        parts.append((file.field_name.decode(), file.file_object.read(), file.file_name))

    _, options = parse_options_header(form.content_type)
    parser = FormParser("multipart/form-data", on_field, on_file, boundary=options[b"boundary"])
    for data in form:
        parser.write(data)
    parser.finalize()
    return parts


file_names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(
    st.dictionaries(names, texts | arguments, max_size=3),
    st.binary(min_size=1, max_size=200),
    file_names,
)
def test_forms_arrive_unchanged(fields: Any, data: bytes, name: str) -> None:
    source = create_upload(io.BytesIO(data).getvalue(), filename="x.bin")
    form = build_multipart_body(
        fields, {"file": type(source)(name, "a/b", source.size, source.open)}
    )
    plain = {key: v if isinstance(v, str) else None for key, v in fields.items()}
    *field_parts, (field, content, file_name) = parse_with_python_multipart(form)
    assert [key for key, _, _ in field_parts] == list(fields)
    for key, value, _ in field_parts:
        assert value == plain[key].encode() if plain[key] else json.loads(value) == fields[key]
    assert (field, content) == ("file", data)
    assert file_name is not None
    assert not set(file_name) & set(b'\r\n"')
