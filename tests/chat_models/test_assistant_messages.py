"""Earlier answers that hold what no API takes back: speech, images, traces of server tools.

And those that were made anew of their own blocks.
"""

from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from support.scripted_router import Script, client_of, says, streams

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models.constants import PROVIDER
from orq_router_integrations.chat_models.message_conversion import convert_messages
from orq_router_integrations.errors import RouterInputError

GPT = "openai/gpt-4o"
IMAGE = {"image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
APIS = ["chat_completions", "responses"]


def turn(content: Any = "", **kept: Any) -> AIMessage:
    ours = {"model_provider": PROVIDER}
    return AIMessage(content, additional_kwargs=kept, response_metadata=ours)


def sent(message: AIMessage, api: str) -> Any:
    """The content of an answer, sent again."""
    return convert_messages([HumanMessage("Hi"), message, HumanMessage("And?")], api=api)[1]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("version", ["v0", "v1"])
def test_an_answer_that_was_only_an_image_says_so(api: str, version: str) -> None:
    drawing = {"role": "assistant", "content": None, "images": [IMAGE]}
    script = Script(says(json={"choices": [{"message": drawing}]}))
    model = ChatOrq(model=GPT, client=client_of(script), output_version=version)
    assert sent(model.invoke("Draw!"), api) == {
        "role": "assistant",
        "content": "[image answer, not sent again]",
    }


@pytest.mark.parametrize("api", APIS)
def test_an_image_beside_words_is_left_out(api: str) -> None:
    assert sent(turn("Here.", images=[IMAGE]), api)["content"] == "Here."


@pytest.mark.parametrize("api", APIS)
def test_an_empty_answer_stays_empty(api: str) -> None:
    assert sent(turn(), api)["content"] == ""


SPOKEN: dict[str, tuple[AIMessage, str]] = {
    "its transcript": (turn(audio={"id": "a1", "transcript": "Hello."}), "Hello."),
    "its transcript, without an id": (turn(audio={"transcript": "Hello."}), "Hello."),
    "a note, without a transcript": (turn(audio={"id": "a1"}), "[audio answer, not sent again]"),
    "the text, where it says the same": (
        turn("Hello.", audio={"id": "a1", "transcript": "Hello."}),
        "Hello.",
    ),
    "both, where they differ": (
        turn("Listen:", audio={"id": "a1", "transcript": "Hello."}),
        "Listen:\nHello.",
    ),
    "words beside blocks": (
        turn([{"type": "audio", "base64": "UklG"}], audio={"transcript": "Hello."}),
        "Hello.",
    ),
}


@pytest.mark.parametrize(("message", "words"), SPOKEN.values(), ids=SPOKEN)
def test_the_responses_api_gets_of_a_spoken_answer(message: AIMessage, words: str) -> None:
    assert sent(message, "responses") == {"role": "assistant", "content": words}


def test_chat_completions_finds_a_spoken_answer_by_its_id() -> None:
    message = turn(audio={"id": "a1", "transcript": "Hello."})
    assert sent(message, "chat_completions") == {
        "role": "assistant",
        "content": "",
        "audio": {"id": "a1"},
    }


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_spoken_answer_that_came_without_an_id_is_sent_as_its_words(
    api: str, stream: bool
) -> None:
    spoken = {"role": "assistant", "audio": {"data": "UklG", "transcript": "Hello."}}
    part = {"delta" if stream else "message": spoken, "finish_reason": "stop"}
    body = {"choices": [part]}
    script = Script(
        streams(b"data: " + orjson.dumps(body) + b"\n\n") if stream else says(json=body)
    )
    heard = ChatOrq(model=GPT, client=client_of(script), streaming=stream).invoke("Hi")
    assert heard.additional_kwargs["audio"]["transcript"] == "Hello."
    assert sent(heard, api) == {"role": "assistant", "content": "Hello."}


@pytest.mark.parametrize("api", APIS)
def test_without_words_too_it_is_noted(api: str) -> None:
    note = "[audio answer, not sent again]"
    assert sent(turn(audio={"data": "UklG"}), api) == {"role": "assistant", "content": note}


def test_a_spoken_turn_does_not_vanish_from_the_input_of_the_responses_api(
    router: OfflineRouter,
) -> None:
    speech: Any = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    heard = ChatOrq(model=GPT, client=router.client()).invoke("Hi", **speech)
    model = ChatOrq(model=GPT, api="responses", client=router.client())
    model.invoke([HumanMessage("Hi"), heard, HumanMessage("And?")])
    roles = [item["role"] for item in router.requests[1].body["input"]]
    assert roles == ["user", "assistant", "user"]
    transcript = heard.additional_kwargs["audio"]["transcript"]
    assert router.requests[1].body["input"][1]["content"] == transcript


TEXT = {"type": "text", "text": "Done."}
OTHERS: dict[str, list[dict[str, Any]]] = {
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


def of_another(maker: str, *blocks: dict[str, Any]) -> AIMessage:
    """An answer of one of LangChain's other models, which called a tool."""
    calls = [{"name": "look", "args": {}, "id": "c1", "type": "tool_call"}]
    return AIMessage([*blocks], tool_calls=calls, response_metadata={"model_provider": maker})


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("maker", "blocks"), OTHERS.items(), ids=OTHERS)
def test_of_another_models_answer_the_words_and_the_calls_are_sent(
    maker: str, blocks: list[dict[str, Any]], api: str, router: OfflineRouter
) -> None:
    message = of_another(maker, *blocks)
    called = {"name": "look", "arguments": "{}"}
    assert sent(message, api) == {
        "role": "assistant",
        "content": "Done.",
        "tool_calls": [{"id": "c1", "type": "function", "function": called}],
    }
    model = ChatOrq(model=GPT, api=api, client=router.client())
    model.invoke([HumanMessage("Hi"), message, ToolMessage("x", tool_call_id="c1")])


THOUGHTS: dict[str, dict[str, Any]] = {
    "bedrock": {"type": "reasoning_content", "reasoning_content": {"text": "Hm."}},
    "mistralai": {
        "type": "thinking",
        "thinking": [{"type": "text", "text": "Hm."}, {"type": "reference", "reference_ids": [1]}],
    },
    "anthropic": {"type": "thinking", "thinking": "Hm."},
}


@pytest.mark.parametrize(("maker", "block"), THOUGHTS.items(), ids=THOUGHTS)
def test_what_another_model_thought_goes_with_its_calls(maker: str, block: dict[str, Any]) -> None:
    assert sent(of_another(maker, block), "chat_completions")["reasoning_content"] == "Hm."


DRAWINGS = [
    {"type": "image_generation_call", "id": "ig_1", "result": "iVBORw0KGgo="},
    {"type": "image", "base64": "iVBORw0KGgo=", "mime_type": "image/png"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
]


@pytest.mark.parametrize("block", DRAWINGS, ids=lambda block: block["type"])
def test_an_image_of_another_model_is_noted_as_our_own_are(block: dict[str, Any]) -> None:
    message = AIMessage([block], response_metadata={"model_provider": "openai"})
    assert sent(message, "chat_completions")["content"] == "[image answer, not sent again]"


@pytest.mark.parametrize("kind", ["function_call", "web_search_call", "web_search_tool_result"])
def test_what_only_an_answer_can_hold_is_refused_in_a_question(model: ChatOrq, kind: str) -> None:
    with pytest.raises(RouterInputError, match=rf"Unknown content block type '{kind}'"):
        model.invoke([HumanMessage([{"type": kind}])])


@pytest.mark.parametrize("kind", ["web_search", "my_call", "tool_results", ""])
def test_a_kind_that_nobody_knows_is_refused_in_an_answer_too(model: ChatOrq, kind: str) -> None:
    with pytest.raises(RouterInputError, match=rf"Unknown content block type '{kind}'"):
        model.invoke([HumanMessage("Hi"), of_another("openai", {"type": kind}), ("user", "?")])


VALID = {"id": "c1", "function": {"name": "look", "arguments": '{"where":"here"}'}}
INVALID = {"id": "c2", "function": {"name": "look", "arguments": '{"where":'}}
REMADE: dict[str, Any] = {
    "content": lambda told: AIMessage(
        content=told.content_blocks, response_metadata=told.response_metadata
    ),
    "content_blocks": lambda told: AIMessage(
        content_blocks=told.content_blocks, response_metadata=told.response_metadata
    ),
}


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("calls", [[VALID, INVALID], [VALID], [INVALID]])
@pytest.mark.parametrize("remade", REMADE.values(), ids=REMADE)
def test_an_answer_made_anew_of_its_blocks_keeps_all_its_calls(
    remade: Any, calls: list[dict[str, Any]], api: str
) -> None:
    script = Script(says(json={"choices": [{"message": {"content": "Ok.", "tool_calls": calls}}]}))
    told = ChatOrq(model=GPT, client=client_of(script)).invoke("Look!")
    assert sent(remade(told), api) == sent(told, api)
    assert sent(told, api)["tool_calls"] == [{**call, "type": "function"} for call in calls]


def test_a_call_that_was_mended_is_not_sent_once_more_as_it_came() -> None:
    bad = {"type": "invalid_tool_call", "id": "c1", "name": "look", "args": "{", "error": "cut"}
    message = of_another("orq", {"type": "text", "text": "Ok."}, bad)
    (call,) = sent(message, "chat_completions")["tool_calls"]
    assert call["function"]["arguments"] == "{}"


@pytest.mark.parametrize(("kind", "args"), [("invalid_tool_call", {"x": 1}), ("tool_call", None)])
def test_the_arguments_in_a_block_may_be_odd(kind: str, args: Any) -> None:
    block = {"type": kind, "id": "c1", "name": "look", "args": args}
    (call,) = sent(AIMessage([block]), "chat_completions")["tool_calls"]
    assert call["function"]["arguments"] == ('{"x":1}' if args else "{}")


def test_sealed_thoughts_keep_their_order_before_the_words() -> None:
    content = [
        {"type": "thinking", "thinking": "First.", "signature": "S1"},
        {"type": "redacted_thinking", "data": "B"},
        {"type": "text", "text": "Well."},
        {"type": "thinking", "thinking": "Then.", "signature": "S2"},
    ]
    parts = sent(AIMessage(content), "chat_completions")["content"]
    told = [part.get("signature") or part.get("data") or part["text"] for part in parts]
    assert told == ["S1", "B", "S2", "Well."]


@pytest.mark.parametrize("kind", ["computer_call", "local_shell_call", "shell_call"])
def test_a_call_that_is_answered_on_this_side_is_not_left_out_in_silence(kind: str) -> None:
    message = AIMessage([{"type": kind, "call_id": "c"}], response_metadata={"model_provider": "x"})
    with pytest.raises(ValueError, match=f"Unknown content block type '{kind}'"):
        sent(message, "responses")


def test_words_under_other_names_and_marks_of_a_cache() -> None:
    content = [{"type": "output_text", "text": "Hi"}, {"cachePoint": {"type": "default"}}]
    assert sent(AIMessage(content), "chat_completions")["content"] == "Hi"
