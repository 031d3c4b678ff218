"""Bodies of the Responses API: converted messages, and parameters that one API does not support."""

import copy
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.responses_request import build_responses_body

GPT = "openai/gpt-4o"
V3 = "https://offline.invalid/v3/router"
AUDIO_OUTPUT = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
AUDIO = {"type": "audio", "base64": "UklGRiQAAABXQVZFZm10IA==", "mime_type": "audio/wav"}


def get_input_error(
    router: OfflineRouter,
    prompt: Any,
    api: str,
    *,
    base_url: str = V3,
    fields: dict[str, Any] | None = None,
    **kwargs: Any,
) -> str:
    """Return the error of a call that is rejected before anything is sent, streamed or not."""
    client = router.client(base_url=base_url)
    model = ChatOrq(model=GPT, api=api, client=client, **(fields or {}))
    with pytest.raises(RouterInputError) as caught:
        model.invoke(prompt, **kwargs)
    with pytest.raises(RouterInputError):
        list(model.stream(prompt, **kwargs))
    assert router.requests == []
    return str(caught.value)


class TestUnsupportedByResponses:
    CASES: dict[str, tuple[dict[str, Any], str]] = {
        "several answers": ({"n": 2}, "n:"),
        "seed": ({"seed": 7}, "seed"),
        "seed of zero": ({"seed": 0}, "seed"),
        "modalities": ({"modalities": ["text"]}, "modalities"),
        "audio output": (AUDIO_OUTPUT, "modalities"),
        "json_object": ({"response_format": {"type": "json_object"}}, "response_format"),
    }

    @pytest.mark.parametrize(("kwargs", "name"), CASES.values(), ids=CASES)
    def test_call_parameter(self, router: OfflineRouter, kwargs: Any, name: str) -> None:
        assert name in get_input_error(router, "Hi", "responses", **kwargs)

    @pytest.mark.parametrize(
        "fields", [{"n": 2}, {"seed": 7}, AUDIO_OUTPUT], ids=["n", "seed", "audio"]
    )
    def test_model_field(self, router: OfflineRouter, fields: dict[str, Any]) -> None:
        assert "chat_completions" in get_input_error(router, "Hi", "responses", fields=fields)

    def test_audio_input(self, router: OfflineRouter) -> None:
        error = get_input_error(router, [HumanMessage(["Listen:", AUDIO])], "responses")
        assert "messages[0].content[1]" in error

    def test_json_mode(self, router: OfflineRouter) -> None:
        model = ChatOrq(model=GPT, api="responses", client=router.client())
        structured = model.with_structured_output(None, method="json_mode")
        with pytest.raises(RouterInputError, match="json_schema"):
            structured.invoke("Hi")
        assert router.requests == []

    @pytest.mark.parametrize("prefix", ["v2/router", "v2/gateway", "v2/proxy"])
    def test_v2_base_url(self, router: OfflineRouter, prefix: str) -> None:
        base_url = f"https://offline.invalid/{prefix}"
        error = get_input_error(router, "Hi", "responses", base_url=base_url)
        assert "/responses" in error
        assert "v3/router" in error

    def test_unknown_tool_type(self, router: OfflineRouter) -> None:
        tools = [{"type": "web_search_preview"}]
        assert "web_search_preview" in get_input_error(router, "Hi", "responses", tools=tools)


class TestUnsupportedByChatCompletions:
    PARAMS: tuple[tuple[str, Any], ...] = (
        ("previous_response_id", "resp_1"),
        ("store", False),
        ("store", True),
        ("reasoning", {"effort": "low"}),
        ("include", ["reasoning.encrypted_content"]),
        ("max_tool_calls", 1),
        ("service_tier", "flex"),
    )

    @pytest.mark.parametrize(("name", "value"), PARAMS)
    def test_call_parameter(self, router: OfflineRouter, name: str, value: Any) -> None:
        error = get_input_error(router, "Hi", "chat_completions", **{name: value})
        assert name in error
        assert "api='responses'" in error

    @pytest.mark.parametrize("tool", ["orq:web_search", "mcp"])
    def test_server_tool(self, router: OfflineRouter, tool: str) -> None:
        error = get_input_error(router, "Hi", "chat_completions", tools=[{"type": tool}])
        assert tool in error

    def test_image_by_file_id(self, router: OfflineRouter) -> None:
        image = HumanMessage([{"type": "image", "file_id": "file-1"}])
        ChatOrq(model=GPT, api="responses", client=router.client()).invoke([image])
        assert router.requests.pop().body["input"][0]["content"] == [
            {"type": "input_image", "file_id": "file-1"}
        ]
        assert "api='responses'" in get_input_error(router, [image], "chat_completions")


INVALID: dict[str, tuple[str, Any]] = {
    "empty id": ("previous_response_id", ""),
    "store as string": ("store", "no"),
    "unknown effort": ("reasoning", {"effort": "enormous"}),
    "unknown summary": ("reasoning", {"summary": "long"}),
    "unknown reasoning option": ("reasoning", {"summary": "auto", "colour": "red"}),
    "reasoning as string": ("reasoning", "low"),
    "include as string": ("include", "reasoning.encrypted_content"),
    "no tool calls": ("max_tool_calls", 0),
    "fraction of a tool call": ("max_tool_calls", 1.5),
}


@pytest.mark.parametrize(("name", "value"), INVALID.values(), ids=INVALID)
def test_invalid_value_is_rejected(router: OfflineRouter, name: str, value: Any) -> None:
    assert name in get_input_error(router, "Hi", "responses", **{name: value})


def test_unset_params_are_not_sent() -> None:
    chat_body = {"model": GPT, "messages": [{"role": "user", "content": "Hi"}]}
    assert build_responses_body(chat_body).keys() == {"model", "input"}


@pytest.mark.parametrize("params", [{"logprobs": True}, {"top_logprobs": 2}], ids=str)
def test_log_probabilities_are_included(params: dict[str, Any]) -> None:
    body = build_responses_body({"model": GPT, "messages": [], **params})
    assert body["include"] == ["message.output_text.logprobs"]


def test_chat_body_is_not_modified() -> None:
    chat_body = {
        "model": GPT,
        "messages": [{"role": "user", "content": "Hi"}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "logprobs": True,
        "include": ["x"],
        "reasoning_effort": "low",
        "reasoning": {"summary": "auto"},
    }
    original = copy.deepcopy(chat_body)
    build_responses_body(chat_body)
    assert chat_body == original


class TestAssistantMessages:
    REASONING = {"type": "reasoning", "reasoning": "Hm.", "signature": "SIGNATURE"}
    CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    CALL_ITEM = {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}

    @staticmethod
    def convert(**message: Any) -> list[dict[str, Any]]:
        body = {"model": GPT, "messages": [{"role": "assistant", **message}]}
        items: list[dict[str, Any]] = build_responses_body(body)["input"]
        return items

    def test_reasoning_precedes_text_and_tool_calls(self) -> None:
        parts = [self.REASONING, {"type": "text", "text": "So."}]
        items = self.convert(content=parts, tool_calls=[self.CALL])
        assert items[0] == {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "SIGNATURE",
        }
        assert [item["type"] for item in items] == ["reasoning", "message", "function_call"]
        assert items[2] == self.CALL_ITEM

    def test_signatures_keep_their_order(self) -> None:
        second_reasoning = {**self.REASONING, "reasoning": "And.", "signature": "OTHER"}
        items = self.convert(content=[self.REASONING, second_reasoning], tool_calls=[self.CALL])
        assert [item.get("encrypted_content") for item in items] == ["SIGNATURE", "OTHER", None]

    def test_signature_without_text_has_an_empty_summary(self) -> None:
        (item,) = self.convert(content=[{**self.REASONING, "reasoning": ""}])
        assert item["encrypted_content"] == "SIGNATURE"
        assert item["summary"] in ([], [{"type": "summary_text", "text": ""}])

    def test_unsigned_and_redacted_reasoning_is_omitted(self) -> None:
        redacted = {"type": "redacted_reasoning", "data": "x"}
        items = self.convert(content=[redacted], tool_calls=[self.CALL], reasoning_content="Hm.")
        assert items == [self.CALL_ITEM]

    def test_fields_of_chat_completions_are_omitted(self) -> None:
        call = {**self.CALL, "extra_content": {"google": {"thought_signature": "T"}}}
        assert self.convert(content=None, tool_calls=[call], name="Ann") == [self.CALL_ITEM]

    @pytest.mark.parametrize(
        "message",
        [
            {"content": [{"type": "refusal", "refusal": "No."}]},
            {"content": "", "refusal": "No."},
        ],
        ids=["content", "field"],
    )
    def test_refusal_becomes_a_part(self, message: dict[str, Any]) -> None:
        part = {"type": "refusal", "refusal": "No."}
        assert self.convert(**message) == [
            {"type": "message", "role": "assistant", "content": [part]}
        ]

    @pytest.mark.parametrize("content", [None, "", []], ids=["null", "string", "list"])
    def test_empty_message_is_omitted(self, content: Any) -> None:
        assert self.convert(content=content) == []
