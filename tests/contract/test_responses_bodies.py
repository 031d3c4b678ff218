"""The exact bodies of ``POST /responses`` for every kind of message, part, tool and parameter."""

import base64
from contextlib import nullcontext, suppress
from typing import Any

import orjson
import pytest
from langchain_core.messages import (
    AIMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)
from support.media_samples import PDF, PNG

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import BadRequestError

GPT = "openai/gpt-4o"
MEDIA = {"png": base64.b64encode(PNG).decode(), "pdf": base64.b64encode(PDF).decode()}
PNG_URL = f"data:image/png;base64,{MEDIA['png']}"
PDF_URL = f"data:application/pdf;base64,{MEDIA['pdf']}"


def send(messages: Any, **kwargs: Any) -> dict[str, Any]:
    """Return the body of a call, which the offline router validates."""
    router = OfflineRouter()
    model = ChatOrq(model=GPT, api="responses", client=router.client())
    with suppress(BadRequestError) if "previous_response_id" in kwargs else nullcontext():
        model.invoke(messages, **kwargs)
    (request,) = router.requests
    assert request.path.endswith("/v3/router/responses")
    body: dict[str, Any] = request.body
    return body


def send_items(*messages: Any) -> Any:
    return send(list(messages))["input"]


def create_message(role: str, content: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content}


def create_assistant_message(content: Any) -> dict[str, Any]:
    return create_message("assistant", content)


def create_call_message(**arguments: Any) -> AIMessage:
    call = {"name": "f", "args": arguments, "id": "c1", "type": "tool_call"}
    return AIMessage("", tool_calls=[call])


USER = create_message("user", "Hi")
CALL = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a":1}'}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "12"}

MESSAGES: dict[str, tuple[list[Any], list[Any]]] = {
    "a user message": ([HumanMessage("Hi")], [USER]),
    "a system message": (
        [SystemMessage("Be brief."), "Hi"],
        [create_message("system", "Be brief."), USER],
    ),
    "a developer message": (
        [ChatMessage("Be brief.", role="developer"), "Hi"],
        [create_message("developer", "Be brief."), USER],
    ),
    "a system message in parts": (
        [SystemMessage([{"type": "text", "text": "Be brief."}]), "Hi"],
        [create_message("system", [{"type": "input_text", "text": "Be brief."}]), USER],
    ),
    "an answer": (
        ["Hi", AIMessage("Hello"), "Hi"],
        [USER, create_assistant_message("Hello"), USER],
    ),
    "an answer in parts": (
        ["Hi", AIMessage([{"type": "text", "text": "A"}, {"type": "text", "text": "B"}]), "Hi"],
        [USER, create_assistant_message("AB"), USER],
    ),
    "an empty answer": (["Hi", AIMessage(""), "Hi"], [USER, USER]),
    "a refusal": (
        ["Hi", AIMessage("", additional_kwargs={"refusal": "No."}), "Hi"],
        [USER, create_assistant_message([{"type": "refusal", "refusal": "No."}]), USER],
    ),
    "a call and its result": (
        ["Hi", create_call_message(a=1), ToolMessage("12", tool_call_id="c1")],
        [USER, CALL, RESULT],
    ),
    "text before a call": (
        [
            "Hi",
            create_call_message(a=1).model_copy(update={"content": "Let me see."}),
            ToolMessage("12", tool_call_id="c1"),
        ],
        [USER, create_assistant_message("Let me see."), CALL, RESULT],
    ),
    "a result in parts": (
        [
            "Hi",
            create_call_message(a=1),
            ToolMessage([{"type": "text", "text": "12"}], tool_call_id="c1"),
        ],
        [USER, CALL, RESULT],
    ),
    "an empty result": (
        ["Hi", create_call_message(a=1), ToolMessage("", tool_call_id="c1")],
        [USER, CALL, {**RESULT, "output": ""}],
    ),
    "a named user": ([HumanMessage("Hi", name="Ann")], [USER]),
}


@pytest.mark.parametrize(("messages", "items"), MESSAGES.values(), ids=MESSAGES)
def test_messages_are_sent_as_items(messages: list[Any], items: list[Any]) -> None:
    assert send_items(*messages) == items


def test_parallel_tool_calls_come_before_their_results() -> None:
    names = [("f", "c1"), ("g", "c2")]
    calls = [{"name": name, "args": {}, "id": id_, "type": "tool_call"} for name, id_ in names]
    results = [ToolMessage("ok", tool_call_id=id_) for _, id_ in names]
    items = send_items("Hi", AIMessage("", tool_calls=calls), *results)
    assert [(item["type"], item.get("call_id")) for item in items[1:]] == [
        ("function_call", "c1"),
        ("function_call", "c2"),
        ("function_call_output", "c1"),
        ("function_call_output", "c2"),
    ]


HTTPS = "https://example.com/a.png"
PARTS: dict[str, tuple[Any, dict[str, Any]]] = {
    "text": ({"type": "text", "text": "x"}, {"type": "input_text", "text": "x"}),
    "an image by URL": (
        {"type": "image", "url": HTTPS},
        {"type": "input_image", "image_url": HTTPS},
    ),
    "an image by OpenAI's part, with detail": (
        {"type": "image_url", "image_url": {"url": HTTPS, "detail": "low"}},
        {"type": "input_image", "image_url": HTTPS, "detail": "low"},
    ),
    "an image by its bytes": (
        {"type": "image", "base64": MEDIA["png"], "mime_type": "image/png"},
        {"type": "input_image", "image_url": PNG_URL},
    ),
    "a PDF by its bytes": (
        {
            "type": "file",
            "base64": MEDIA["pdf"],
            "mime_type": "application/pdf",
            "filename": "a.pdf",
        },
        {"type": "input_file", "file_data": PDF_URL, "filename": "a.pdf"},
    ),
    "a file by URL": (
        {"type": "file", "url": "https://example.com/a.pdf", "mime_type": "application/pdf"},
        {
            "type": "input_file",
            "file_url": "https://example.com/a.pdf",
            "mime_type": "application/pdf",
        },
    ),
    "a file by id": (
        {"type": "file", "file_id": "file-1"},
        {"type": "input_file", "file_id": "file-1"},
    ),
    "a cached text": (
        {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}},
        {"type": "input_text", "text": "x", "cache_control": {"type": "ephemeral"}},
    ),
}


@pytest.mark.parametrize(("block", "part"), PARTS.values(), ids=PARTS)
def test_content_part_is_converted(block: Any, part: dict[str, Any]) -> None:
    assert send_items(HumanMessage([block])) == [create_message("user", [part])]


def test_tool_image_is_sent_as_user_message_by_default() -> None:
    image = {"type": "image", "base64": MEDIA["png"], "mime_type": "image/png"}
    *_, result, attachment = send_items(
        "Hi", create_call_message(a=1), ToolMessage([image], tool_call_id="c1")
    )
    assert "1 attachment" in result["output"]
    assert attachment == create_message("user", [{"type": "input_image", "image_url": PNG_URL}])


def test_tool_image_is_sent_in_tool_result() -> None:
    image = {"type": "image", "base64": MEDIA["png"], "mime_type": "image/png"}
    blocks = [{"type": "text", "text": "12"}, image]
    router = OfflineRouter()
    model = ChatOrq(model=GPT, api="responses", client=router.client(), tool_media="tool")
    model.invoke(
        [HumanMessage("Hi"), create_call_message(a=1), ToolMessage(blocks, tool_call_id="c1")]
    )
    parts = [
        {"type": "input_text", "text": "12"},
        {"type": "input_image", "image_url": PNG_URL},
    ]
    assert router.requests[-1].body["input"] == [USER, CALL, {**RESULT, "output": parts}]


SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
STRICT_SCHEMA = {**SCHEMA, "additionalProperties": False}
FUNCTION = {"name": "f", "description": "Does f.", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}
FLAT = {"type": "function", **FUNCTION}

PARAMETERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "temperature": ({"temperature": 0.5}, {"temperature": 0.5}),
    "top_p": ({"top_p": 0.5}, {"top_p": 0.5}),
    "top_k": ({"top_k": 5}, {"top_k": 5}),
    "penalties": (
        {"frequency_penalty": 1.0, "presence_penalty": -1.0},
        {"frequency_penalty": 1.0, "presence_penalty": -1.0},
    ),
    "max_tokens": ({"max_tokens": 5}, {"max_output_tokens": 5}),
    "stop": ({"stop": "a"}, {"stop_sequences": ["a"]}),
    "one answer": ({"n": 1}, {}),
    "logprobs": (
        {"logprobs": True, "top_logprobs": 2},
        {"top_logprobs": 2, "include": ["message.output_text.logprobs"]},
    ),
    "no logprobs": ({"logprobs": False}, {}),
    "logprobs and include": (
        {"logprobs": True, "include": ["reasoning.encrypted_content"]},
        {"include": ["reasoning.encrypted_content", "message.output_text.logprobs"]},
    ),
    "reasoning_effort": ({"reasoning_effort": "low"}, {"reasoning": {"effort": "low"}}),
    "reasoning": (
        {"reasoning": {"effort": "low", "summary": "auto"}},
        {"reasoning": {"effort": "low", "summary": "auto"}},
    ),
    "effort and summary": (
        {"reasoning_effort": "high", "reasoning": {"summary": "concise"}},
        {"reasoning": {"effort": "high", "summary": "concise"}},
    ),
    "thinking": (
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
        {"thinking": {"type": "enabled", "budget_tokens": 2048}},
    ),
    "verbosity": ({"verbosity": "low"}, {"text": {"verbosity": "low"}}),
    "prompt caches": (
        {"cache_control": {"type": "ephemeral", "ttl": "1h"}, "prompt_cache_key": "k"},
        {"cache_control": {"type": "ephemeral", "ttl": "1h"}, "prompt_cache_key": "k"},
    ),
    "store": ({"store": False}, {"store": False}),
    "no background": ({"background": False}, {"background": False}),
    "include": ({"include": ["x"]}, {"include": ["x"]}),
    "max_tool_calls": ({"max_tool_calls": 3}, {"max_tool_calls": 3}),
    "service_tier": ({"service_tier": "flex"}, {"service_tier": "flex"}),
    "instructions": ({"instructions": "Be brief."}, {"instructions": "Be brief."}),
    "context_management": (
        {"context_management": [{"type": "compaction", "compact_threshold": 1000}]},
        {"context_management": [{"type": "compaction", "compact_threshold": 1000}]},
    ),
    "previous_response_id": (
        {"previous_response_id": "resp_1"},
        {"previous_response_id": "resp_1"},
    ),
    "a function": ({"tools": [TOOL]}, {"tools": [FLAT]}),
    "a strict function": (
        {"tools": [{"type": "function", "function": {**FUNCTION, "strict": True}}]},
        {"tools": [{**FLAT, "parameters": STRICT_SCHEMA, "strict": True}]},
    ),
    "one call at a time": (
        {"tools": [TOOL], "parallel_tool_calls": False},
        {"tools": [FLAT], "parallel_tool_calls": False},
    ),
    "choice auto": (
        {"tools": [TOOL], "tool_choice": "auto"},
        {"tools": [FLAT], "tool_choice": "auto"},
    ),
    "choice none": (
        {"tools": [TOOL], "tool_choice": "none"},
        {"tools": [FLAT], "tool_choice": "none"},
    ),
    "choice any": (
        {"tools": [TOOL], "tool_choice": "any"},
        {"tools": [FLAT], "tool_choice": "required"},
    ),
    "choice of a function": (
        {"tools": [TOOL], "tool_choice": "f"},
        {"tools": [FLAT], "tool_choice": {"type": "function", "name": "f"}},
    ),
    "plain text": ({"response_format": {"type": "text"}}, {}),
    "a schema": (
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "s", "schema": SCHEMA, "strict": True},
            },
            "verbosity": "low",
        },
        {
            "text": {
                "format": {
                    "type": "json_schema",
                    "name": "s",
                    "schema": STRICT_SCHEMA,
                    "strict": True,
                },
                "verbosity": "low",
            }
        },
    ),
    "controls": (
        {"controls": {"fallbacks": ["azure/gpt-4o"], "identity": "u1", "thread": "t1"}},
        {
            "fallbacks": [{"model": "azure/gpt-4o"}],
            "identity": {"id": "u1"},
            "thread": {"id": "t1"},
        },
    ),
}


@pytest.mark.parametrize(("kwargs", "fields"), PARAMETERS.values(), ids=PARAMETERS)
def test_parameter_is_converted(kwargs: dict[str, Any], fields: dict[str, Any]) -> None:
    body = {"model": GPT, "input": [USER], **fields}
    assert dump_sorted(send("Hi", **kwargs)) == dump_sorted(body)


def dump_sorted(body: Any) -> str:
    """Serialize a body, because 5 and 5.0 are equal in Python but not in JSON."""
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS).decode()


SERVER_TOOLS: list[dict[str, Any]] = [
    {"type": "orq:web_search", "max_results": 3},
    {"type": "orq:datetime", "timezone": "Europe/Amsterdam"},
    {"type": "orq:code_interpreter"},
    {"type": "mcp", "server_url": "https://example.com/mcp"},
    {"type": "custom", "name": "sql", "description": "Runs SQL."},
]


@pytest.mark.parametrize("tool", SERVER_TOOLS, ids=lambda tool: tool["type"])
def test_server_tool_is_sent_unchanged(tool: dict[str, Any]) -> None:
    assert send("Hi", tools=[TOOL, tool])["tools"] == [FLAT, tool]


def test_stream_is_requested_without_stream_options() -> None:
    assert send("Hi", stream=True) == {"model": GPT, "input": [USER], "stream": True}
