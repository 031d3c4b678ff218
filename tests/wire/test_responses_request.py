"""From a chat body to a body of the Responses API: what is refused, and how answers go back."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.responses_request import build_responses_body

GPT = "openai/gpt-4o"
V3 = "https://offline.invalid/v3/router"
VOICE = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
WAV_DATA = "UklGRiQAAABXQVZFZm10IA=="
SOUND = {"type": "audio", "base64": WAV_DATA, "mime_type": "audio/wav"}


def refused(router: OfflineRouter, prompt: Any, api: str, **kwargs: Any) -> str:
    """The error of a call that never reaches the router."""
    base_url = kwargs.pop("base_url", V3)
    given = kwargs.pop("own", {})
    model = ChatOrq(model=GPT, api=api, client=router.client(base_url=base_url), **given)
    with pytest.raises(RouterInputError) as caught:
        model.invoke(prompt, **kwargs)
    with pytest.raises(RouterInputError):
        list(model.stream(prompt, **kwargs))
    assert router.requests == []
    return str(caught.value)


NOT_ON_RESPONSES: dict[str, tuple[dict[str, Any], str]] = {
    "several answers": ({"n": 2}, "n:"),
    "a seed": ({"seed": 7}, "seed"),
    "a seed of zero": ({"seed": 0}, "seed"),
    "modalities": ({"modalities": ["text"]}, "modalities"),
    "a voice": (VOICE, "modalities"),
    "any JSON": ({"response_format": {"type": "json_object"}}, "response_format"),
}


@pytest.mark.parametrize(("given", "named"), NOT_ON_RESPONSES.values(), ids=NOT_ON_RESPONSES)
def test_what_the_responses_api_has_not_is_refused_before_it_is_sent(
    router: OfflineRouter, given: dict[str, Any], named: str
) -> None:
    assert named in refused(router, "Hi", "responses", **given)


@pytest.mark.parametrize("given", [{"n": 2}, {"seed": 7}, VOICE], ids=["n", "seed", "voice"])
def test_it_is_refused_also_as_a_field_of_the_model(
    router: OfflineRouter, given: dict[str, Any]
) -> None:
    assert "chat_completions" in refused(router, "Hi", "responses", own=given)


def test_sound_is_refused_with_its_place(router: OfflineRouter) -> None:
    told = refused(router, [HumanMessage(["Hear this:", SOUND])], "responses")
    assert "messages[0].content[1]: the Responses API takes no audio" in told


def test_an_image_by_its_id_is_for_the_responses_api(router: OfflineRouter) -> None:
    image = HumanMessage([{"type": "image", "file_id": "file-1"}])
    ChatOrq(model=GPT, api="responses", client=router.client()).invoke([image])
    assert router.requests.pop().body["input"][0]["content"] == [
        {"type": "input_image", "file_id": "file-1"}
    ]
    assert "use api='responses'" in refused(router, [image], "chat_completions")


def test_json_mode_is_refused_with_the_method_to_use(router: OfflineRouter) -> None:
    model = ChatOrq(model=GPT, api="responses", client=router.client())
    structured = model.with_structured_output(None, method="json_mode")
    with pytest.raises(RouterInputError, match="json_schema"):
        structured.invoke("Hi")
    assert router.requests == []


@pytest.mark.parametrize("prefix", ["v2/router", "v2/gateway", "v2/proxy"])
def test_a_base_url_of_v2_has_no_responses(router: OfflineRouter, prefix: str) -> None:
    error = refused(router, "Hi", "responses", base_url=f"https://offline.invalid/{prefix}")
    assert "/responses" in error
    assert "v3/router" in error


OWN: list[dict[str, Any]] = [
    {"previous_response_id": "resp_1"},
    {"store": False},
    {"store": True},
    {"reasoning": {"effort": "low"}},
    {"include": ["reasoning.encrypted_content"]},
    {"max_tool_calls": 1},
    {"service_tier": "flex"},
]


@pytest.mark.parametrize("own", OWN, ids=str)
def test_what_only_the_responses_api_has_is_refused_elsewhere(
    router: OfflineRouter, own: dict[str, Any]
) -> None:
    error = refused(router, "Hi", "chat_completions", **own)
    assert next(iter(own)) in error
    assert "api='responses'" in error


BAD_VALUES: list[dict[str, Any]] = [
    {"previous_response_id": ""},
    {"store": "no"},
    {"reasoning": {"effort": "enormous"}},
    {"reasoning": {"summary": "long"}},
    {"reasoning": {"summary": "auto", "colour": "red"}},
    {"reasoning": "low"},
    {"include": "reasoning.encrypted_content"},
    {"max_tool_calls": 0},
    {"max_tool_calls": 1.5},
]


@pytest.mark.parametrize("given", BAD_VALUES, ids=str)
def test_a_value_out_of_range_is_refused(router: OfflineRouter, given: dict[str, Any]) -> None:
    assert next(iter(given)) in refused(router, "Hi", "responses", **given)


@pytest.mark.parametrize("tool", ["orq:web_search", "mcp"])
def test_a_server_tool_is_refused_on_the_other_api(router: OfflineRouter, tool: str) -> None:
    assert tool in refused(router, "Hi", "chat_completions", tools=[{"type": tool}])


def test_a_tool_of_no_known_kind_is_refused(router: OfflineRouter) -> None:
    assert "web_search_preview" in refused(
        router, "Hi", "responses", tools=[{"type": "web_search_preview"}]
    )


def test_unset_parameters_are_not_sent() -> None:
    chat = {"model": GPT, "messages": [{"role": "user", "content": "Hi"}]}
    assert build_responses_body(chat, {}).keys() == {"model", "input"}


def replayed(**message: Any) -> list[dict[str, Any]]:
    answer = {"role": "assistant", **message}
    sent: list[dict[str, Any]] = build_responses_body({"model": GPT, "messages": [answer]}, {})[
        "input"
    ]
    return sent


THOUGHT = {"type": "reasoning", "reasoning": "Hm.", "signature": "SEAL"}
SEALED = {
    "type": "reasoning",
    "summary": [{"type": "summary_text", "text": "Hm."}],
    "encrypted_content": "SEAL",
}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def test_sealed_reasoning_goes_before_what_was_said_and_called() -> None:
    parts = [THOUGHT, {"type": "text", "text": "So."}]
    sent = replayed(content=parts, tool_calls=[CALL])
    assert sent[0] == SEALED
    assert [item["type"] for item in sent] == ["reasoning", "message", "function_call"]
    assert sent[2] == {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}


def test_several_thoughts_keep_their_order_and_seals() -> None:
    other = {**THOUGHT, "reasoning": "And.", "signature": "SEAL2"}
    sent = replayed(content=[THOUGHT, other], tool_calls=[CALL])
    assert [item.get("encrypted_content") for item in sent] == ["SEAL", "SEAL2", None]


def test_a_seal_without_words_has_an_empty_summary() -> None:
    (sent,) = replayed(content=[{**THOUGHT, "reasoning": ""}])
    assert sent["encrypted_content"] == "SEAL"
    assert sent["summary"] in ([], [{"type": "summary_text", "text": ""}])


def test_unsealed_and_redacted_reasoning_is_not_sent() -> None:
    redacted = {"type": "redacted_reasoning", "data": "x"}
    sent = replayed(content=[redacted], tool_calls=[CALL], reasoning_content="Hm.")
    assert [item["type"] for item in sent] == ["function_call"]


def test_members_of_the_other_api_do_not_come_along() -> None:
    google = {"google": {"thought_signature": "T"}}
    sent = replayed(content=None, tool_calls=[{**CALL, "extra_content": google}], name="Ann")
    assert sent == [{"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"}]


@pytest.mark.parametrize("place", ["content", "member"])
def test_a_refusal_is_replayed_as_a_part(place: str) -> None:
    part = {"type": "refusal", "refusal": "No."}
    message = {"content": [part]} if place == "content" else {"content": "", "refusal": "No."}
    assert replayed(**message) == [{"type": "message", "role": "assistant", "content": [part]}]


@pytest.mark.parametrize("content", [None, "", []])
def test_an_answer_that_said_nothing_is_no_item(content: Any) -> None:
    assert replayed(content=content) == []


def test_the_chat_body_is_left_as_it_was() -> None:
    tools = [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    chat = {"model": GPT, "messages": [{"role": "user", "content": "Hi"}], "tools": tools}
    own = {"include": ["x"], "reasoning": {"summary": "auto"}}
    build_responses_body({**chat, "logprobs": True, "reasoning_effort": "low"}, own)
    assert chat["tools"] == [{"type": "function", "function": {"name": "f", "parameters": {}}}]
    assert own == {"include": ["x"], "reasoning": {"summary": "auto"}}
