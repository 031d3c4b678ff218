"""Lenient mode accepts what other clients always send; strict mode explains how to enable it."""

import httpx
import pytest

from orq_router_integrations.testing import OfflineRouter

MESSAGES = [{"role": "user", "content": "Hi"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "City", "description": "A city", "parameters": SCHEMA}
TOOL = {"type": "function", "function": FUNCTION}
CHAT = {
    "pydantic-ai": {
        "tools": [{**TOOL, "function": {**FUNCTION, "strict": True}}],
        "tool_choice": "required",
        "stream": False,
        "logit_bias": {"50256": -100},
        "service_tier": "auto",
        "user": "user-1",
    },
    "openai-agents": {
        "store": True,
        "metadata": {"a": "b"},
        "prompt_cache_retention": "24h",
        "extra_args": None,
        "parallel_tool_calls": False,
        "tools": [TOOL],
    },
    "haystack": {"n": 1, "stream": False, "logit_bias": {}, "tools": [TOOL]},
    "llama-index": {
        "user": "user-1",
        "modalities": ["text"],
        "prediction": None,
        "stream": True,
        "stream_options": {"include_usage": True, "include_obfuscation": False},
    },
    "instructor": {"response_format": {"type": "json_object"}, "store": False, "logit_bias": {}},
    "instructor functions": {"functions": [FUNCTION], "function_call": {"name": "City"}},
    "JavaScript": {
        "store": False,
        "reasoning_effort": "low",
        "web_search_options": {},
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "City", "schema": {**SCHEMA, "$schema": "x"}, "strict": False},
        },
    },
}
RESPONSES = {
    "pydantic-ai": {
        "truncation": "disabled",
        "include": ["reasoning.encrypted_content"],
        "user": "user-1",
        "text": {"format": {"type": "text"}},
    },
    "openai-agents": {
        "include": [],
        "tools": [],
        "truncation": "auto",
        "prompt": None,
        "prompt_cache_retention": "24h",
    },
    "JavaScript": {"truncation": "auto", "store": False, "user": "user-1", "metadata": {"a": "b"}},
}


def post(path, body, **settings):
    transport = OfflineRouter(**settings).transport
    with httpx.Client(transport=transport, headers={"Authorization": "Bearer k"}) as http:
        return http.post(f"https://h/v3/router{path}", json=body)


@pytest.mark.parametrize("fields", CHAT.values(), ids=CHAT)
def test_chat_completions_accepts_fields_of_other_clients(fields):
    body = {"model": "openai/gpt-4o", "messages": MESSAGES, **fields}
    response = post("/chat/completions", body, lenient=True)
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("fields", RESPONSES.values(), ids=RESPONSES)
def test_responses_accepts_fields_of_other_clients(fields):
    body = {"model": "openai/gpt-4o", "input": MESSAGES, **fields}
    response = post("/responses", body, lenient=True)
    assert response.status_code == 200, response.text


def test_history_may_have_fields_of_other_clients():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}, "index": 0}
    assistant = {"role": "assistant", "content": None, "tool_calls": [call], "function_call": None}
    audio = {"id": "a", "data": "AAAA", "expires_at": 0, "transcript": "x"}
    tool = {"role": "tool", "content": "ok", "tool_call_id": "c", "name": "f"}
    body = {
        "model": "openai/gpt-4o",
        "messages": [*MESSAGES, {**assistant, "annotations": [], "audio": audio}, tool],
    }
    assert post("/chat/completions", body, lenient=True).status_code == 200


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"logit_bias": {}}, "logit_bias"),
        ({"retry": {"count": 1, "backoff": 2}}, "retry.backoff"),
        ({"identity": {"id": "u", "color": 1}}, "identity.color"),
        ({"thread": {"id": "t", "color": 1}}, "thread.color"),
        ({"guardrails": [{"id": "g", "execute_on": "input", "color": 1}]}, "guardrails[0].color"),
        ({"plugins": [{"id": "response_healing", "mask": ["all"]}]}, "plugins[0].mask"),
    ],
)
def test_unknown_fields_are_only_accepted_in_lenient_mode(fields, param):
    body = {"model": "openai/gpt-4o", "messages": MESSAGES, **fields}
    assert post("/chat/completions", body, lenient=True).status_code == 200
    message = post("/chat/completions", body).json()["error"]["message"]
    assert message.startswith(f"{param}: is not a documented field of the router.")
    assert "lenient=True" in message
    assert "--lenient" in message
