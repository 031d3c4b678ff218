"""What ChatOrq sends, held against the request models of the vendor's own SDK.

The SDK is no dependency: ``pip install orq-ai-sdk``, or the extra ``interop``, brings it.
Where the two disagree, ``tests/contract/README.md`` says so, and the tables here say it again.
"""

from contextlib import suppress
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from pydantic import ValidationError
from support.media_samples import PDF, PNG, WAV
from support.schema_loss import lost

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


def text(words: str) -> dict[str, Any]:
    return {"type": "text", "text": words}


def called(**more: Any) -> AIMessage:
    call = {"name": "get_weather", "args": {"city": "Paris"}, "id": "c1", "type": "tool_call"}
    return AIMessage("", tool_calls=[call], **more)


PICTURE, REPORT = content_block(PNG), content_block(PDF, filename="a.pdf")
RESULT = ToolMessage("12 degrees", tool_call_id="c1")
BOTH: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "text": ([SystemMessage("Be brief."), "Hi", AIMessage("Hello"), "Again"], {}),
    "an image, a PDF": ([HumanMessage([text("See?"), PICTURE, REPORT])], {}),
    "an image by URL": (
        [HumanMessage([{"type": "image", "url": "https://example.com/a.png"}])],
        {},
    ),
    "sampling": (["Hi"], {"temperature": 0.5, "top_p": 0.9, "top_k": 5, "frequency_penalty": 0.1}),
    "limits": (["Hi"], {"max_tokens": 20, "stop": ["END"], "presence_penalty": -0.5}),
    "tools": (["Hi"], {"tools": [get_weather], "tool_choice": "any", "parallel_tool_calls": False}),
    "a chosen tool": (["Hi"], {"tools": [get_weather], "tool_choice": "get_weather"}),
    "a call and its result": (["Hi", called(), RESULT], {}),
    "a form to fill in": (
        ["Hi"],
        {"schema": {"title": "City", "type": "object", "properties": {}}},
    ),
    "thinking": (["Hi"], {"thinking": {"type": "enabled", "budget_tokens": 2048}}),
    "a stream": (["Hi"], {"stream": True}),
}
CHAT = BOTH | {
    "a recording": ([HumanMessage([content_block(WAV), text("Hm?")])], {}),
    "spoken output": (
        ["Hi"],
        {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}},
    ),
    "effort": (["Hi"], {"reasoning_effort": "low", "verbosity": "low", "seed": 7}),
    "log-probabilities": (["Hi"], {"logprobs": True, "top_logprobs": 2, "n": 2}),
    "JSON": (["Hi"], {"response_format": {"type": "json_object"}}),
    "adaptive thinking": (["Hi"], {"thinking": {"type": "adaptive"}}),
    "a provider's cache": (
        [HumanMessage([text("Long.") | {"cache_control": {"type": "ephemeral", "ttl": "1h"}}])],
        {"cache_control": {"type": "ephemeral"}, "prompt_cache_key": "k"},
    ),
}
RESPONSES = BOTH | {
    "effort": (["Hi"], {"reasoning": {"effort": "low", "summary": "auto"}, "verbosity": "low"}),
    "a follow-up": (["Hi"], {"previous_response_id": "resp_1", "store": True}),
    "the router's own tools": (["Hi"], {"tools": [{"type": "orq:web_search"}]}),
    "limits of the router": (["Hi"], {"max_tool_calls": 3, "include": ["web_search_call.results"]}),
}

TOP_ON_V3 = ["identity", "thread"]
"""The SDK types chat under v2/router, where these are nested; on v3 they stand at the top."""


def sent(
    api: str, base_url: str, messages: list[Any], kwargs: dict[str, Any], **settings: Any
) -> dict[str, Any]:
    """The body of a call, as the offline router received it."""
    router = OfflineRouter(answers=lambda _: Answer("{}"), lenient=True)
    model = ChatOrq(model=GPT, api=api, client=router.client(base_url=base_url), **settings)
    kwargs = dict(kwargs)
    tools, form = kwargs.pop("tools", None), kwargs.pop("schema", None)
    if tools:
        chosen = {name: kwargs.pop(name) for name in [*kwargs] if name.startswith(("tool_", "par"))}
        bound = model.bind_tools(tools, **chosen)
    else:
        bound = model.with_structured_output(form) if form else model
    with suppress(RouterError):  # what is answered to it is another test's
        bound.invoke(messages, **kwargs)
    body: dict[str, Any] = router.requests[0].body
    return body


@pytest.mark.parametrize(("messages", "kwargs"), CHAT.values(), ids=CHAT)
@pytest.mark.parametrize("base_url", [V2, V3], ids=["v2", "v3"])
def test_chat(base_url, messages, kwargs):
    assert lost(CHAT_SCHEMA, sent("chat_completions", base_url, messages, kwargs)) == []


@pytest.mark.parametrize(("messages", "kwargs"), RESPONSES.values(), ids=RESPONSES)
def test_responses(messages, kwargs):
    assert lost(RESPONSES_SCHEMA, sent("responses", V3, messages, kwargs)) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # the schema's own, of its own members
@pytest.mark.parametrize(("base_url", "unknown"), [(V2, []), (V3, TOP_ON_V3)], ids=["v2", "v3"])
def test_the_controls_of_chat(base_url, unknown):
    controls = {"name": "n", **CONTROLS}
    body = sent("chat_completions", base_url, ["Hi"], {"controls": controls})
    assert lost(CHAT_SCHEMA, body) == unknown


def test_the_controls_of_responses():
    body = sent("responses", V3, ["Hi"], {"controls": CONTROLS})
    assert lost(RESPONSES_SCHEMA, body) == []


THOUGHT = [{"type": "reasoning", "reasoning": "Hm.", "extras": {"signature": "SEAL"}}]
THINKER = AIMessage(THOUGHT, tool_calls=called().tool_calls, response_metadata={"model_name": GPT})


def test_the_sdk_knows_less_of_earlier_thoughts():
    """It has neither ``summary`` nor ``encrypted_content`` of a reasoning item."""
    body = sent("responses", V3, ["Hi", THINKER, RESULT], {})
    assert body["input"][1]["type"] == "reasoning"
    assert lost(RESPONSES_SCHEMA, body) == ["input[].encrypted_content", "input[].summary"]


SEEN = ToolMessage([text("a map"), PICTURE], tool_call_id="c1")
REFUSED = AIMessage("", additional_kwargs={"refusal": "No."})
REFUSED_BY_SDK: dict[str, tuple[Any, ...]] = {
    "a refusal that is sent back": ("responses", ["Hi", REFUSED, "Why?"], {}, {}),
    "adaptive thinking": ("responses", ["Hi"], {"thinking": {"type": "adaptive"}}, {}),
    "an image as a result of a tool": (
        "responses",
        ["Hi", called(), SEEN],
        {},
        {"tool_media": "tool"},
    ),
    "the same in chat": (
        "chat_completions",
        ["Hi", called(), SEEN],
        {},
        {"tool_media": "tool"},
    ),
}


@pytest.mark.parametrize(
    ("api", "messages", "kwargs", "settings"), REFUSED_BY_SDK.values(), ids=REFUSED_BY_SDK
)
def test_the_sdk_would_refuse(api, messages, kwargs, settings):
    """Where this fails, the SDK has learnt it: strike it from the table and the facts."""
    schema = CHAT_SCHEMA if api == "chat_completions" else RESPONSES_SCHEMA
    with pytest.raises(ValidationError):
        lost(schema, sent(api, V3, messages, kwargs, **settings))


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
def test_by_default_an_image_from_a_tool_is_sent_as_both_schemas_have_it(api):
    schema = CHAT_SCHEMA if api == "chat_completions" else RESPONSES_SCHEMA
    assert lost(schema, sent(api, V3, ["Hi", called(), SEEN], {})) == []
