"""Requests of ChatOrq, compared with the request models of the vendor's SDK.

The SDK is an optional dependency: ``pip install '.[interop]'``. Differences between the two are
documented in ``tests/contract/README.md`` and listed in the tables below.
"""

from contextlib import suppress
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import ValidationError
from support.media_samples import PDF, PNG, WAV
from support.schema_loss import find_lost_fields

from orq_router_integrations import ChatOrq, OfflineRouter, RouterError, content_block
from orq_router_integrations.testing import Answer

models = pytest.importorskip(
    "orq_ai_sdk.models", reason="the vendor's SDK is not installed: pip install '.[interop]'"
)

GPT = "openai/gpt-4o"
CLAUDE = "anthropic/claude-sonnet-4-5"
V2 = "https://offline.invalid/v2/router"
V3 = "https://offline.invalid/v3/router"
CHAT_SCHEMA = models.CreateChatCompletionRequestBody
RESPONSES_SCHEMA = models.CreateRouterResponseRequestBody

CONTROLS = {
    "fallbacks": [CLAUDE],
    "fallback_on_codes": [429, 503],
    "retry": {"count": 2, "on_codes": [429]},
    "load_balancer": {"models": [{"model": GPT, "weight": 0.7}, {"model": CLAUDE, "weight": 0.3}]},
    "cache": {"ttl": 60},
    "timeout": {"call_timeout": 5000},
    "identity": {"id": "u1", "email": "a@example.com", "metadata": {"team": "a"}, "tags": ["hr"]},
    "thread": {"id": "t1", "tags": ["x"]},
    "metadata": {"env": "dev"},
    "guardrails": [{"id": "orq_pii_detection", "execute_on": "input"}],
    "plugins": [{"id": "pii_redaction", "entities": ["EMAIL_ADDRESS"]}],
    "variables": {"city": "Utrecht"},
}


def get_weather(city: str, days: int = 1) -> str:
    """Get the weather of a city."""
    return f"{days} days of sun in {city}"


def build_text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def build_tool_call(**fields: Any) -> AIMessage:
    call = {"name": "get_weather", "args": {"city": "Paris"}, "id": "c1", "type": "tool_call"}
    return AIMessage("", tool_calls=[call], **fields)


IMAGE, PDF_FILE = content_block(PNG), content_block(PDF, filename="a.pdf")
RESULT = ToolMessage("12 degrees", tool_call_id="c1")
BOTH: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "text": ([SystemMessage("Be brief."), "Hi", AIMessage("Hello"), "Again"], {}),
    "image and PDF": ([HumanMessage([build_text("See?"), IMAGE, PDF_FILE])], {}),
    "image by URL": (
        [HumanMessage([{"type": "image", "url": "https://example.com/a.png"}])],
        {},
    ),
    "sampling": (["Hi"], {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "frequency_penalty": 0.1}),
    "limits": (["Hi"], {"max_tokens": 20, "stop": ["END"], "presence_penalty": -0.5}),
    "tools": (["Hi"], {"tools": [get_weather], "tool_choice": "any", "parallel_tool_calls": False}),
    "chosen tool": (["Hi"], {"tools": [get_weather], "tool_choice": "get_weather"}),
    "tool call and result": (["Hi", build_tool_call(), RESULT], {}),
    "structured output": (
        ["Hi"],
        {"schema": {"title": "City", "type": "object", "properties": {}}},
    ),
    "thinking": (["Hi"], {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
    "stream": (["Hi"], {"stream": True}),
}
CHAT = BOTH | {
    "audio input": ([HumanMessage([content_block(WAV), build_text("Hm?")])], {}),
    "audio output": (
        ["Hi"],
        {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
    ),
    "effort": (["Hi"], {"reasoning_effort": "low", "verbosity": "low", "seed": 7}),
    "log probabilities": (["Hi"], {"logprobs": True, "top_logprobs": 2, "n": 2}),
    "JSON": (["Hi"], {"response_format": {"type": "json_object"}}),
    "adaptive thinking": (["Hi"], {"thinking": {"type": "adaptive"}}),
    "prompt cache": (
        [
            HumanMessage(
                [build_text("Long.") | {"cache_control": {"type": "ephemeral", "ttl": "1h"}}]
            )
        ],
        {"cache_control": {"type": "ephemeral"}, "prompt_cache_key": "k"},
    ),
}
RESPONSES = BOTH | {
    "effort": (["Hi"], {"reasoning": {"effort": "low", "summary": "auto"}, "verbosity": "low"}),
    "previous response": (["Hi"], {"previous_response_id": "resp_1", "store": True}),
    "server tools": (["Hi"], {"tools": [{"type": "orq:web_search"}]}),
    "limits of server tools": (
        ["Hi"],
        {"max_tool_calls": 3, "include": ["web_search_call.results"]},
    ),
}

TOP_LEVEL_ON_V3 = ["identity", "thread"]
"""Controls that the SDK does not know at the top level: it models v2, where they are nested."""


def record_body(
    api: str, base_url: str, messages: list[Any], kwargs: dict[str, Any], **settings: Any
) -> dict[str, Any]:
    """Return the request body that the offline router receives for a call."""
    router = OfflineRouter(answers=lambda _: Answer("{}"), lenient=True)
    model = ChatOrq(model=GPT, api=api, client=router.client(base_url=base_url), **settings)
    kwargs = dict(kwargs)
    tools, schema = kwargs.pop("tools", None), kwargs.pop("schema", None)
    if tools:
        bind_kwargs = {
            name: kwargs.pop(name) for name in [*kwargs] if name.startswith(("tool_", "par"))
        }
        bound = model.bind_tools(tools, **bind_kwargs)
    else:
        bound = model.with_structured_output(schema) if schema else model
    with suppress(RouterError):  # only the request matters
        bound.invoke(messages, **kwargs)
    body: dict[str, Any] = router.requests[0].body
    return body


@pytest.mark.parametrize(("messages", "kwargs"), CHAT.values(), ids=CHAT)
@pytest.mark.parametrize("base_url", [V2, V3], ids=["v2", "v3"])
def test_chat_request_matches_the_schema(base_url, messages, kwargs):
    assert (
        find_lost_fields(CHAT_SCHEMA, record_body("chat_completions", base_url, messages, kwargs))
        == []
    )


@pytest.mark.parametrize(("messages", "kwargs"), RESPONSES.values(), ids=RESPONSES)
def test_responses_request_matches_the_schema(messages, kwargs):
    assert find_lost_fields(RESPONSES_SCHEMA, record_body("responses", V3, messages, kwargs)) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # fields of the schema are deprecated
@pytest.mark.parametrize(
    ("base_url", "lost_fields"), [(V2, []), (V3, TOP_LEVEL_ON_V3)], ids=["v2", "v3"]
)
def test_sdk_drops_top_level_chat_controls_under_v3(base_url, lost_fields):
    controls = {"name": "n", **CONTROLS}
    body = record_body("chat_completions", base_url, ["Hi"], {"controls": controls})
    assert find_lost_fields(CHAT_SCHEMA, body) == lost_fields


def test_responses_controls_match_the_schema():
    body = record_body("responses", V3, ["Hi"], {"controls": CONTROLS})
    assert find_lost_fields(RESPONSES_SCHEMA, body) == []


REASONING = [{"type": "reasoning", "reasoning": "Hm.", "extras": {"signature": "SIGNATURE"}}]
REASONING_MESSAGE = AIMessage(
    REASONING, tool_calls=build_tool_call().tool_calls, response_metadata={"model_name": GPT}
)


def test_sdk_drops_fields_of_reasoning_items():
    """The SDK drops ``summary`` and ``encrypted_content``."""
    body = record_body("responses", V3, ["Hi", REASONING_MESSAGE, RESULT], {})
    assert body["input"][1]["type"] == "reasoning"
    assert find_lost_fields(RESPONSES_SCHEMA, body) == [
        "input[].encrypted_content",
        "input[].summary",
    ]


IMAGE_RESULT = ToolMessage([build_text("a map"), IMAGE], tool_call_id="c1")
REFUSAL = AIMessage("", additional_kwargs={"refusal": "No."})
REJECTED_BY_SDK: dict[str, tuple[Any, ...]] = {
    "replayed refusal": ("responses", ["Hi", REFUSAL, "Why?"], {}, {}),
    "adaptive thinking": ("responses", ["Hi"], {"thinking": {"type": "adaptive"}}, {}),
    "image as tool result": (
        "responses",
        ["Hi", build_tool_call(), IMAGE_RESULT],
        {},
        {"tool_media": "tool"},
    ),
    "image as tool result in chat": (
        "chat_completions",
        ["Hi", build_tool_call(), IMAGE_RESULT],
        {},
        {"tool_media": "tool"},
    ),
}


@pytest.mark.parametrize(
    ("api", "messages", "kwargs", "settings"), REJECTED_BY_SDK.values(), ids=REJECTED_BY_SDK
)
def test_sdk_rejects_documented_differences(api, messages, kwargs, settings):
    """If this fails, the SDK accepts the request now: remove it from the table and the docs."""
    schema = CHAT_SCHEMA if api == "chat_completions" else RESPONSES_SCHEMA
    with pytest.raises(ValidationError):
        find_lost_fields(schema, record_body(api, V3, messages, kwargs, **settings))


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
def test_image_as_tool_result_matches_the_schema_by_default(api):
    schema = CHAT_SCHEMA if api == "chat_completions" else RESPONSES_SCHEMA
    assert (
        find_lost_fields(schema, record_body(api, V3, ["Hi", build_tool_call(), IMAGE_RESULT], {}))
        == []
    )
