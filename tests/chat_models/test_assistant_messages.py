"""Conversion of earlier answers, from this package and from other LangChain models."""

from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from support.chat_responses import (
    EVENT_STREAM,
    GPT,
    create_model,
    encode_event,
    invoke_with_message,
)

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models.constants import PROVIDER
from orq_router_integrations.chat_models.message_conversion import convert_messages
from orq_router_integrations.errors import RouterInputError

IMAGE = {"image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
TEXT = {"type": "text", "text": "Done."}
CALL = {"name": "look", "args": {"where": "here"}, "id": "call_1"}
CALL_PAYLOAD = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "look", "arguments": '{"where":"here"}'},
}
both_apis = pytest.mark.parametrize("api", ["chat_completions", "responses"])


def create_answer(content: Any = "", **kwargs: Any) -> AIMessage:
    """Create an answer as this package returns it."""
    metadata = {"model_provider": PROVIDER}
    return AIMessage(content, additional_kwargs=kwargs, response_metadata=metadata)


def create_foreign_answer(provider: str, *blocks: dict[str, Any]) -> AIMessage:
    """Create an answer of another LangChain model, with a tool call."""
    calls = [{"name": "look", "args": {}, "id": "c1", "type": "tool_call"}]
    return AIMessage([*blocks], tool_calls=calls, response_metadata={"model_provider": provider})


def convert_answer(message: AIMessage, api: str = "chat_completions") -> Any:
    """Convert an answer in the middle of a conversation."""
    return convert_messages([HumanMessage("Hi"), message, HumanMessage("And?")], api=api)[1]


ANSWERS: dict[str, tuple[AIMessage, dict[str, Any]]] = {
    "call without text": (
        AIMessage("", tool_calls=[CALL]),
        {"content": None, "tool_calls": [CALL_PAYLOAD]},
    ),
    "call with text": (
        AIMessage("Let me look.", tool_calls=[CALL]),
        {"content": "Let me look.", "tool_calls": [CALL_PAYLOAD]},
    ),
    "call without blocks": (
        AIMessage([], tool_calls=[CALL]),
        {"content": None, "tool_calls": [CALL_PAYLOAD]},
    ),
    "call with Unicode arguments": (
        AIMessage("", tool_calls=[{**CALL, "args": {"where": "Köln 🦉"}}]),
        {
            "content": None,
            "tool_calls": [
                {**CALL_PAYLOAD, "function": {"name": "look", "arguments": '{"where":"Köln 🦉"}'}}
            ],
        },
    ),
    "invalid call": (
        AIMessage(
            "",
            invalid_tool_calls=[
                {"name": "look", "args": '{"where":', "id": "call_1", "error": "truncated"}
            ],
        ),
        {
            "content": None,
            "tool_calls": [
                {**CALL_PAYLOAD, "function": {"name": "look", "arguments": '{"where":'}}
            ],
        },
    ),
    "reasoning with a call": (
        AIMessage("", tool_calls=[CALL], additional_kwargs={"reasoning_content": "Hm."}),
        {"content": None, "tool_calls": [CALL_PAYLOAD], "reasoning_content": "Hm."},
    ),
    "reasoning block with a call": (
        AIMessage([{"type": "reasoning", "reasoning": "Hm."}], tool_calls=[CALL]),
        {"content": None, "tool_calls": [CALL_PAYLOAD], "reasoning_content": "Hm."},
    ),
    "tool_use block that repeats a call": (
        AIMessage(
            [TEXT, {"type": "tool_use", "id": "call_1", "name": "look", "input": {}}],
            tool_calls=[CALL],
        ),
        {"content": "Done.", "tool_calls": [CALL_PAYLOAD]},
    ),
    "tool_call block": (
        AIMessage(content_blocks=[TEXT, {"type": "tool_call", **CALL}]),
        {"content": "Done.", "tool_calls": [CALL_PAYLOAD]},
    ),
    "reasoning without a call is not sent": (
        AIMessage("Hi", additional_kwargs={"reasoning_content": "Hm."}),
        {"content": "Hi"},
    ),
    "unsigned thinking without a call is not sent": (
        AIMessage([{"type": "thinking", "thinking": "Hm."}, TEXT]),
        {"content": "Done."},
    ),
    "signed thinking": (
        AIMessage([{"type": "thinking", "thinking": "Hm.", "signature": "s"}, TEXT]),
        {"content": [{"type": "reasoning", "reasoning": "Hm.", "signature": "s"}, TEXT]},
    ),
    "signed reasoning block": (
        AIMessage([{"type": "reasoning", "reasoning": "Hm.", "extras": {"signature": "s"}}]),
        {"content": [{"type": "reasoning", "reasoning": "Hm.", "signature": "s"}]},
    ),
    "refusal": (
        AIMessage("", additional_kwargs={"refusal": "No."}),
        {"content": "", "refusal": "No."},
    ),
    "refusal block": (
        AIMessage([{"type": "refusal", "refusal": "No."}]),
        {"content": [{"type": "refusal", "refusal": "No."}]},
    ),
    "audio with an id": (
        AIMessage("", additional_kwargs={"audio": {"id": "audio_1", "data": "UklG"}}),
        {"content": "", "audio": {"id": "audio_1"}},
    ),
    "output_text block": (
        AIMessage([{"type": "output_text", "text": "Hi"}]),
        {"content": "Hi"},
    ),
    "Bedrock cache marker is not sent": (
        AIMessage([TEXT, {"cachePoint": {"type": "default"}}]),
        {"content": "Done."},
    ),
}


@pytest.mark.parametrize(("message", "payload"), ANSWERS.values(), ids=ANSWERS)
def test_answer_is_converted(
    model: ChatOrq, router: OfflineRouter, message: AIMessage, payload: dict[str, Any]
) -> None:
    has_calls = "tool_calls" in payload
    following = ToolMessage("x", tool_call_id="call_1") if has_calls else HumanMessage("And?")
    model.invoke([HumanMessage("Hi"), message, following])
    assert router.requests[-1].body["messages"][1] == {"role": "assistant", **payload}


def test_tool_use_block_without_tool_calls_is_sent_as_a_call() -> None:
    """langchain-core fills ``tool_calls`` from the block, but histories may lack them."""
    block = {"type": "tool_use", "id": "call_1", "name": "look", "input": {"where": "here"}}
    message = AIMessage([block])
    message.tool_calls = []
    payload = {"role": "assistant", "content": None, "tool_calls": [CALL_PAYLOAD]}
    assert convert_answer(message) == payload


@both_apis
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_answer_with_only_an_image_becomes_a_note(api: str, version: str) -> None:
    message = {"role": "assistant", "content": None, "images": [IMAGE]}
    body = orjson.dumps({"choices": [{"message": message}]})
    answer = create_model(body, output_version=version).invoke("Draw!")
    payload = {"role": "assistant", "content": "[image answer, not sent again]"}
    assert convert_answer(answer, api) == payload


@both_apis
def test_image_with_text_is_left_out(api: str) -> None:
    assert convert_answer(create_answer("Here.", images=[IMAGE]), api)["content"] == "Here."


@both_apis
def test_empty_answer_stays_empty(api: str) -> None:
    assert convert_answer(create_answer(), api)["content"] == ""


NOTE = "[audio answer, not sent again]"
AUDIO_ANSWERS: dict[str, tuple[AIMessage, str]] = {
    "transcript": (create_answer(audio={"id": "a1", "transcript": "Hello."}), "Hello."),
    "transcript without an id": (create_answer(audio={"transcript": "Hello."}), "Hello."),
    "no transcript": (create_answer(audio={"id": "a1"}), NOTE),
    "text equals transcript": (
        create_answer("Hello.", audio={"id": "a1", "transcript": "Hello."}),
        "Hello.",
    ),
    "text differs from transcript": (
        create_answer("Listen:", audio={"id": "a1", "transcript": "Hello."}),
        "Listen:\nHello.",
    ),
    "audio block": (
        create_answer([{"type": "audio", "base64": "UklG"}], audio={"transcript": "Hello."}),
        "Hello.",
    ),
}


@pytest.mark.parametrize(("message", "text"), AUDIO_ANSWERS.values(), ids=AUDIO_ANSWERS)
def test_responses_api_receives_the_transcript_of_audio(message: AIMessage, text: str) -> None:
    assert convert_answer(message, "responses") == {"role": "assistant", "content": text}


def test_chat_completions_receives_the_id_of_audio() -> None:
    message = create_answer(audio={"id": "a1", "transcript": "Hello."})
    payload = {"role": "assistant", "content": "", "audio": {"id": "a1"}}
    assert convert_answer(message) == payload


@both_apis
@pytest.mark.parametrize("stream", [False, True], ids=["complete", "streamed"])
def test_audio_received_without_an_id_is_sent_as_its_transcript(api: str, stream: bool) -> None:
    audio = {"role": "assistant", "audio": {"data": "UklG", "transcript": "Hello."}}
    body = {"choices": [{"delta" if stream else "message": audio, "finish_reason": "stop"}]}
    model = (
        create_model(encode_event(body), EVENT_STREAM, streaming=True)
        if stream
        else create_model(orjson.dumps(body))
    )
    answer = model.invoke("Hi")
    assert answer.additional_kwargs["audio"]["transcript"] == "Hello."
    assert convert_answer(answer, api) == {"role": "assistant", "content": "Hello."}


@both_apis
def test_audio_without_id_and_transcript_becomes_a_note(api: str) -> None:
    message = create_answer(audio={"data": "UklG"})
    assert convert_answer(message, api) == {"role": "assistant", "content": NOTE}


def test_audio_answer_keeps_its_turn_on_the_responses_api(router: OfflineRouter) -> None:
    audio: Any = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    answer = ChatOrq(model=GPT, client=router.client()).invoke("Hi", **audio)
    model = ChatOrq(model=GPT, api="responses", client=router.client())
    model.invoke([HumanMessage("Hi"), answer, HumanMessage("And?")])
    items = router.requests[1].body["input"]
    assert [item["role"] for item in items] == ["user", "assistant", "user"]
    assert items[1]["content"] == answer.additional_kwargs["audio"]["transcript"]


FOREIGN_BLOCKS: dict[str, list[dict[str, Any]]] = {
    "openai": [
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed"},
        {"type": "file_search_call", "id": "fs_1", "queries": []},
        {"type": "code_interpreter_call", "id": "ci_1", "code": "1"},
        {"type": "mcp_list_tools", "id": "m_0", "tools": []},
        {"type": "mcp_call", "id": "m_1", "name": "f"},
        TEXT,
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "custom_tool_call", "call_id": "c2", "name": "run", "input": "x"},
        {"type": "image_generation_call", "id": "ig_1", "result": "iVBORw0KGgo="},
    ],
    "anthropic": [
        {"type": "server_tool_use", "id": "srv_1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "srv_1", "content": []},
        {"type": "bash_code_execution_tool_result", "tool_use_id": "srv_2", "content": {}},
        {"type": "mcp_tool_use", "id": "m_1", "name": "f", "input": {}},
        {"type": "mcp_tool_result", "tool_use_id": "m_1", "content": []},
        TEXT,
        {"type": "tool_use", "id": "c1", "name": "look", "input": {}},
    ],
    "bedrock_converse": [
        {"type": "reasoning_content", "reasoning_content": {"redacted_content": "x"}},
        TEXT,
    ],
    "google_genai": [
        {"type": "executable_code", "executable_code": "1", "language": 1},
        {"type": "code_execution_result", "code_execution_result": "1", "outcome": 1},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        TEXT,
        {"type": "function_call_signature", "signature": "x", "index": 0},
    ],
    "standard blocks": [
        {"type": "server_tool_call_chunk", "id": "s1", "name": "web_search", "args": ""},
        {"type": "server_tool_call", "id": "s1", "name": "web_search", "args": {}},
        {"type": "server_tool_result", "tool_call_id": "s1", "status": "success"},
        {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"},
        TEXT,
        {"type": "non_standard", "value": {"type": "grounding", "chunks": []}},
        {"type": "non_standard", "value": {"type": ["odd"]}},
        {"type": "non_standard"},
    ],
}


@both_apis
@pytest.mark.parametrize(("provider", "blocks"), FOREIGN_BLOCKS.items(), ids=FOREIGN_BLOCKS)
def test_text_and_calls_of_another_model_are_sent(
    provider: str, blocks: list[dict[str, Any]], api: str, router: OfflineRouter
) -> None:
    message = create_foreign_answer(provider, *blocks)
    function = {"name": "look", "arguments": "{}"}
    assert convert_answer(message, api) == {
        "role": "assistant",
        "content": "Done.",
        "tool_calls": [{"id": "c1", "type": "function", "function": function}],
    }
    model = ChatOrq(model=GPT, api=api, client=router.client())
    model.invoke([HumanMessage("Hi"), message, ToolMessage("x", tool_call_id="c1")])


FOREIGN_REASONING: dict[str, dict[str, Any]] = {
    "bedrock": {"type": "reasoning_content", "reasoning_content": {"text": "Hm."}},
    "mistralai": {
        "type": "thinking",
        "thinking": [{"type": "text", "text": "Hm."}, {"type": "reference", "reference_ids": [1]}],
    },
    "anthropic": {"type": "thinking", "thinking": "Hm."},
}


@pytest.mark.parametrize(("provider", "block"), FOREIGN_REASONING.items(), ids=FOREIGN_REASONING)
def test_reasoning_of_another_model_is_sent_with_its_calls(
    provider: str, block: dict[str, Any]
) -> None:
    message = create_foreign_answer(provider, block)
    assert convert_answer(message)["reasoning_content"] == "Hm."


IMAGE_BLOCKS = [
    {"type": "image_generation_call", "id": "ig_1", "result": "iVBORw0KGgo="},
    {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
]


@pytest.mark.parametrize("block", IMAGE_BLOCKS, ids=lambda block: block["type"])
def test_image_of_another_model_becomes_a_note(block: dict[str, Any]) -> None:
    message = AIMessage([block], response_metadata={"model_provider": "openai"})
    assert convert_answer(message)["content"] == "[image answer, not sent again]"


@pytest.mark.parametrize(
    "block_type", ["function_call", "web_search_call", "web_search_tool_result"]
)
def test_block_of_an_answer_raises_in_a_human_message(model: ChatOrq, block_type: str) -> None:
    with pytest.raises(RouterInputError, match=rf"Unknown content block type '{block_type}'"):
        model.invoke([HumanMessage([{"type": block_type}])])


@pytest.mark.parametrize("block_type", ["computer_call", "local_shell_call", "my_call"])
def test_call_of_a_client_side_tool_is_sent_as_json(block_type: str) -> None:
    block = {"type": block_type, "call_id": "c"}
    message = AIMessage([block], response_metadata={"model_provider": "x"})
    assert orjson.loads(convert_answer(message, "responses")["content"]) == block


VALID_CALL = {"id": "c1", "function": {"name": "look", "arguments": '{"where":"here"}'}}
INVALID_CALL = {"id": "c2", "function": {"name": "look", "arguments": '{"where":'}}
COPIES: dict[str, Any] = {
    "content": lambda answer: AIMessage(
        content=answer.content_blocks, response_metadata=answer.response_metadata
    ),
    "content_blocks": lambda answer: AIMessage(
        content_blocks=answer.content_blocks, response_metadata=answer.response_metadata
    ),
}


@both_apis
@pytest.mark.parametrize(
    "calls",
    [[VALID_CALL, INVALID_CALL], [VALID_CALL], [INVALID_CALL]],
    ids=["both", "valid", "invalid"],
)
@pytest.mark.parametrize("copy", COPIES.values(), ids=COPIES)
def test_answer_recreated_from_its_blocks_keeps_its_calls(
    copy: Any, calls: list[dict[str, Any]], api: str
) -> None:
    answer = invoke_with_message(content="Ok.", tool_calls=calls)
    assert convert_answer(copy(answer), api) == convert_answer(answer, api)
    sent_calls = convert_answer(answer, api)["tool_calls"]
    assert sent_calls == [{**call, "type": "function"} for call in calls]


def test_invalid_call_block_of_a_repaired_call_is_ignored() -> None:
    bad = {"type": "invalid_tool_call", "id": "c1", "name": "look", "args": "{", "error": "cut"}
    message = create_foreign_answer("orq", TEXT, bad)
    (call,) = convert_answer(message)["tool_calls"]
    assert call["function"]["arguments"] == "{}"


@pytest.mark.parametrize(
    ("block_type", "args"), [("invalid_tool_call", {"x": 1}), ("tool_call", None)]
)
def test_arguments_of_a_call_block_may_have_the_wrong_type(block_type: str, args: Any) -> None:
    block = {"type": block_type, "id": "c1", "name": "look", "args": args}
    (call,) = convert_answer(AIMessage([block]))["tool_calls"]
    assert call["function"]["arguments"] == ('{"x":1}' if args else "{}")


def test_received_call_without_a_name_is_not_sent() -> None:
    call = {"type": "invalid_tool_call", "name": None, "args": "{}", "id": "c", "error": "?"}
    answer = AIMessage("Well,", invalid_tool_calls=[call])
    assert convert_answer(answer) == {"role": "assistant", "content": "Well,"}


def test_signed_reasoning_keeps_its_order_before_the_text() -> None:
    content = [
        {"type": "thinking", "thinking": "First.", "signature": "S1"},
        {"type": "redacted_thinking", "data": "B"},
        {"type": "text", "text": "Well."},
        {"type": "thinking", "thinking": "Then.", "signature": "S2"},
    ]
    parts = convert_answer(AIMessage(content))["content"]
    values = [part.get("signature") or part.get("data") or part["text"] for part in parts]
    assert values == ["S1", "B", "S2", "Well."]
