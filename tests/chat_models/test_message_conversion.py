"""LangChain conversations as the messages of a chat completion."""

import copy
from typing import Any

import pytest
from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    FunctionMessage,
    HumanMessage,
    RemoveMessage,
    SystemMessage,
    ToolMessage,
)

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing import Answer, ToolCall

URL = "https://example.com/cat.png"
IMAGE = {"type": "image", "url": URL}
IMAGE_PART = {"type": "image_url", "image_url": {"url": URL}}
FILE = {"type": "file", "url": "https://example.com/a.pdf"}
FILE_PART = {"type": "file", "file": {"uri": "https://example.com/a.pdf"}}
CALL = {"name": "look", "args": {"where": "here"}, "id": "call_1"}
WIRE_CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "look", "arguments": '{"where":"here"}'},
}


def wire(model: ChatOrq, router: OfflineRouter, *messages: Any) -> list[dict[str, Any]]:
    model.invoke(list(messages))
    sent: list[dict[str, Any]] = router.requests[-1].body["messages"]
    return sent


def text(words: str) -> dict[str, str]:
    return {"type": "text", "text": words}


ROLES = {
    "human": (HumanMessage("Hi"), {"role": "user", "content": "Hi"}),
    "system": (SystemMessage("Hi"), {"role": "system", "content": "Hi"}),
    "system in blocks": (
        SystemMessage([text("Hi")]),
        {"role": "system", "content": [text("Hi")]},
    ),
    "developer": (
        SystemMessage("Hi", additional_kwargs={"__openai_role__": "developer"}),
        {"role": "developer", "content": "Hi"},
    ),
    "assistant": (AIMessage("Hi"), {"role": "assistant", "content": "Hi"}),
    "assistant in blocks": (AIMessage([text("Hi")]), {"role": "assistant", "content": "Hi"}),
    "assistant that said nothing": (AIMessage(""), {"role": "assistant", "content": ""}),
    "assistant of no blocks": (AIMessage([]), {"role": "assistant", "content": ""}),
    "chat user": (ChatMessage(role="user", content="Hi"), {"role": "user", "content": "Hi"}),
    "chat system": (ChatMessage(role="system", content="Hi"), {"role": "system", "content": "Hi"}),
    "chat developer": (
        ChatMessage(role="developer", content="Hi"),
        {"role": "developer", "content": "Hi"},
    ),
    "chat assistant": (
        ChatMessage(role="assistant", content="Hi"),
        {"role": "assistant", "content": "Hi"},
    ),
}


@pytest.mark.parametrize(("message", "wanted"), ROLES.values(), ids=ROLES)
def test_every_message_has_its_role(
    model: ChatOrq, router: OfflineRouter, message: BaseMessage, wanted: dict[str, Any]
) -> None:
    assert wire(model, router, message) == [wanted]


def test_a_developer_tuple_is_a_developer_message(model: ChatOrq, router: OfflineRouter) -> None:
    sent = wire(model, router, ("developer", "Be brief."), ("user", "Hi"))
    assert [message["role"] for message in sent] == ["developer", "user"]


@pytest.mark.parametrize("kind", [HumanMessage, SystemMessage, AIMessage])
def test_names_are_sent(model: ChatOrq, router: OfflineRouter, kind: type[BaseMessage]) -> None:
    (sent,) = wire(model, router, kind("Hi", name="ann"))
    assert sent["name"] == "ann"


UNSENDABLE = {
    "a role of nobody": (ChatMessage(role="boss", content="Hi"), "Unknown role 'boss'"),
    "a tool without its call": (ChatMessage(role="tool", content="Hi"), "Unknown role 'tool'"),
    "an invented system role": (
        SystemMessage("Hi", additional_kwargs={"__openai_role__": "boss"}),
        "Unknown role 'boss'",
    ),
    "a function message": (FunctionMessage(name="f", content="x"), "FunctionMessage"),
    "a remove message": (RemoveMessage(id="1"), "RemoveMessage"),
    "a tool message for no call": (ToolMessage("x", tool_call_id=""), "tool_call_id"),
    "a call without id": (
        AIMessage("", tool_calls=[{**CALL, "id": None}]),
        "'look' has no id",
    ),
    "a picture from the system": (SystemMessage([IMAGE]), "content[0]: A system message"),
    "a picture from the assistant": (AIMessage([IMAGE]), "content[0]: An assistant message"),
    "a tool_use without id": (AIMessage([{"type": "tool_use", "name": "f"}]), "content[0]"),
    "a tool_use without name": (AIMessage([{"type": "tool_use", "id": "1"}]), "content[0]"),
    "a refusal without words": (AIMessage([{"type": "refusal"}]), "content[0]"),
    "a thought that is a number": (AIMessage([{"type": "thinking", "thinking": 5}]), "content[0]"),
    "arguments with half a character": (
        AIMessage("", tool_calls=[{**CALL, "args": {"where": "\ud800"}}]),
        "look",
    ),
    "arguments that are not JSON": (
        AIMessage("", tool_calls=[{**CALL, "args": {"where": object()}}]),
        "look",
    ),
    "arguments with a number no JSON has": (
        AIMessage("", tool_calls=[{**CALL, "args": {"where": float("nan")}}]),
        "look",
    ),
}


@pytest.mark.parametrize(("message", "hint"), UNSENDABLE.values(), ids=UNSENDABLE)
def test_a_message_that_cannot_be_sent_is_refused_by_its_index(
    model: ChatOrq, router: OfflineRouter, message: BaseMessage, hint: str
) -> None:
    with pytest.raises(RouterInputError) as caught:
        model.invoke([HumanMessage("Hi"), message])
    assert "messages[1]" in str(caught.value)
    assert hint in str(caught.value)
    assert router.requests == []


ANSWERED = ToolMessage("x", tool_call_id="call_1")

HISTORY = {
    "calls go with null content": (
        AIMessage("", tool_calls=[CALL]),
        {"content": None, "tool_calls": [WIRE_CALL]},
    ),
    "calls go with what was said": (
        AIMessage("Let me look.", tool_calls=[CALL]),
        {"content": "Let me look.", "tool_calls": [WIRE_CALL]},
    ),
    "calls of a message of no blocks": (
        AIMessage([], tool_calls=[CALL]),
        {"content": None, "tool_calls": [WIRE_CALL]},
    ),
    "an invalid call is sent as it came": (
        AIMessage(
            "",
            invalid_tool_calls=[
                {"name": "look", "args": '{"where":', "id": "call_1", "error": "cut"}
            ],
        ),
        {
            "content": None,
            "tool_calls": [{**WIRE_CALL, "function": {"name": "look", "arguments": '{"where":'}}],
        },
    ),
    "thoughts go with calls": (
        AIMessage("", tool_calls=[CALL], additional_kwargs={"reasoning_content": "Hm."}),
        {"content": None, "tool_calls": [WIRE_CALL], "reasoning_content": "Hm."},
    ),
    "thoughts in blocks go with calls": (
        AIMessage([{"type": "reasoning", "reasoning": "Hm."}], tool_calls=[CALL]),
        {"content": None, "tool_calls": [WIRE_CALL], "reasoning_content": "Hm."},
    ),
    "a call told twice is sent once": (
        AIMessage(
            [text("Ok."), {"type": "tool_use", "id": "call_1", "name": "look", "input": {}}],
            tool_calls=[CALL],
        ),
        {"content": "Ok.", "tool_calls": [WIRE_CALL]},
    ),
    "a call in a standard block is sent once": (
        AIMessage(content_blocks=[text("Ok."), {"type": "tool_call", **CALL}]),
        {"content": "Ok.", "tool_calls": [WIRE_CALL]},
    ),
}


@pytest.mark.parametrize(("message", "wanted"), HISTORY.values(), ids=HISTORY)
def test_an_earlier_call_is_sent_again(
    model: ChatOrq, router: OfflineRouter, message: AIMessage, wanted: dict[str, Any]
) -> None:
    sent = wire(model, router, "Hi", message, ANSWERED)
    assert sent[1] == {"role": "assistant", **wanted}


def test_a_call_in_anthropics_block_is_sent_too(model: ChatOrq, router: OfflineRouter) -> None:
    block = {"type": "tool_use", "id": "call_1", "name": "look", "input": {"where": "here"}}
    message = AIMessage([block])
    message.tool_calls = []
    sent = wire(model, router, "Hi", message, ANSWERED)
    assert sent[1] == {"role": "assistant", "content": None, "tool_calls": [WIRE_CALL]}


SAID = {
    "thoughts without calls stay at home": (
        AIMessage("Hi", additional_kwargs={"reasoning_content": "Hm."}),
        {"content": "Hi"},
    ),
    "unsigned thinking without calls stays at home": (
        AIMessage([{"type": "thinking", "thinking": "Hm."}, text("Hi")]),
        {"content": "Hi"},
    ),
    "signed thinking": (
        AIMessage([{"type": "thinking", "thinking": "Hm.", "signature": "s"}, text("Hi")]),
        {"content": [{"type": "reasoning", "reasoning": "Hm.", "signature": "s"}, text("Hi")]},
    ),
    "a signed standard block": (
        AIMessage([{"type": "reasoning", "reasoning": "Hm.", "extras": {"signature": "s"}}]),
        {"content": [{"type": "reasoning", "reasoning": "Hm.", "signature": "s"}]},
    ),
    "a refusal": (
        AIMessage("", additional_kwargs={"refusal": "No."}),
        {"content": "", "refusal": "No."},
    ),
    "a refusal in a block": (
        AIMessage([{"type": "refusal", "refusal": "No."}]),
        {"content": [{"type": "refusal", "refusal": "No."}]},
    ),
    "a spoken answer, by its id alone": (
        AIMessage("", additional_kwargs={"audio": {"id": "audio_1", "data": "UklG"}}),
        {"content": "", "audio": {"id": "audio_1"}},
    ),
}


@pytest.mark.parametrize(("message", "wanted"), SAID.values(), ids=SAID)
def test_an_earlier_answer_is_sent_again(
    model: ChatOrq, router: OfflineRouter, message: AIMessage, wanted: dict[str, Any]
) -> None:
    assert wire(model, router, message, "And now?")[0] == {"role": "assistant", **wanted}


@pytest.mark.parametrize("version", ["v0", "v1"])
def test_the_providers_seal_goes_back_with_the_thought(version: str) -> None:
    thinks = Answer(
        "Ok.", reasoning="Hm.", reasoning_signature="s", tool_calls=(ToolCall("look", {}),)
    )
    router = OfflineRouter(answers={"Think!": thinks})
    model = ChatOrq(model="openai/gpt-4o", client=router.client(), output_version=version)
    answer = model.invoke("Think!")
    result = ToolMessage("x", tool_call_id=answer.tool_calls[0]["id"])
    sent = wire(model, router, "Think!", answer, result)
    seal = {"type": "reasoning", "reasoning": "Hm.", "signature": "s"}
    assert sent[1]["content"] == [seal, text("Ok.")]


def test_unicode_arguments_are_sent_unescaped(model: ChatOrq, router: OfflineRouter) -> None:
    message = AIMessage("", tool_calls=[{**CALL, "args": {"where": "Köln 🦉"}}])
    sent = wire(model, router, "Hi", message, ANSWERED)
    assert sent[1]["tool_calls"][0]["function"]["arguments"] == '{"where":"Köln 🦉"}'


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        ("12 degrees", "12 degrees"),
        ([text("12"), text("34")], "12\n34"),
        ([], ""),
        (
            [{**text("12"), "cache_control": {"type": "ephemeral"}}],
            [{**text("12"), "cache_control": {"type": "ephemeral"}}],
        ),
    ],
)
def test_a_tools_text_is_one_text_unless_its_blocks_say_more(
    model: ChatOrq, router: OfflineRouter, content: Any, wanted: Any
) -> None:
    result = ToolMessage(content, tool_call_id="call_1", status="error", artifact={"a": 1})
    sent = wire(model, router, "Hi", AIMessage("", tool_calls=[CALL]), result)
    assert sent[2] == {"role": "tool", "tool_call_id": "call_1", "content": wanted}


def looked_twice(*after: BaseMessage) -> list[BaseMessage]:
    calls = [{**CALL, "id": "call_1"}, {**CALL, "id": "call_2"}]
    first = ToolMessage([text("Seen:"), IMAGE], tool_call_id="call_1")
    second = ToolMessage([FILE], tool_call_id="call_2")
    return [HumanMessage("Hi"), AIMessage("", tool_calls=calls), first, second, *after]


@pytest.mark.parametrize("after", [[], [HumanMessage("And?")]], ids=["at the end", "before more"])
def test_a_tools_media_follow_its_last_message_as_the_users(
    model: ChatOrq, router: OfflineRouter, after: list[BaseMessage]
) -> None:
    sent = wire(model, router, *looked_twice(*after))
    assert [message["role"] for message in sent[2:5]] == ["tool", "tool", "user"]
    assert sent[2]["content"] == "Seen:\n\n[1 attachment(s) of this tool result: image]"
    assert sent[3]["content"] == "[1 attachment(s) of this tool result: file]"
    assert sent[4]["content"] == [IMAGE_PART, FILE_PART]
    assert len(sent) == 5 + len(after)


def test_a_tools_media_are_only_mentioned_if_so_wanted(router: OfflineRouter) -> None:
    model = ChatOrq(model="openai/gpt-4o", client=router.client(), tool_media="placeholder")
    sent = wire(model, router, *looked_twice())
    assert [message["role"] for message in sent] == ["user", "assistant", "tool", "tool"]
    assert "image" in sent[2]["content"]


def test_sending_does_not_change_the_messages(model: ChatOrq) -> None:
    messages = [
        HumanMessage(["Look:", {**IMAGE, "extras": {"detail": "low"}}]),
        *[message for message, _ in HISTORY.values()][:1],
        *looked_twice()[2:3],
        SystemMessage([{**text("Hi"), "id": "lc_1"}]),
    ]
    before = copy.deepcopy(messages)
    model.invoke(messages)
    assert messages == before
