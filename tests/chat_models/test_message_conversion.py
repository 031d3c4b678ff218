"""Conversion of LangChain conversations to the messages of a request."""

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

URL = "https://example.com/cat.png"
IMAGE = {"type": "image", "url": URL}
IMAGE_PART = {"type": "image_url", "image_url": {"url": URL}}
FILE = {"type": "file", "url": "https://example.com/a.pdf"}
FILE_PART = {"type": "file", "file": {"uri": "https://example.com/a.pdf"}}
CALL = {"name": "look", "args": {"where": "here"}, "id": "call_1"}


def send_messages(model: ChatOrq, router: OfflineRouter, *messages: Any) -> list[dict[str, Any]]:
    """Return the messages that the router receives."""
    model.invoke(list(messages))
    received: list[dict[str, Any]] = router.requests[-1].body["messages"]
    return received


def text_part(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}


ROLES = {
    "human": (HumanMessage("Hi"), {"role": "user", "content": "Hi"}),
    "system": (SystemMessage("Hi"), {"role": "system", "content": "Hi"}),
    "system blocks": (
        SystemMessage([text_part("Hi")]),
        {"role": "system", "content": [text_part("Hi")]},
    ),
    "developer": (
        SystemMessage("Hi", additional_kwargs={"__openai_role__": "developer"}),
        {"role": "developer", "content": "Hi"},
    ),
    "assistant": (AIMessage("Hi"), {"role": "assistant", "content": "Hi"}),
    "assistant blocks": (AIMessage([text_part("Hi")]), {"role": "assistant", "content": "Hi"}),
    "empty assistant": (AIMessage(""), {"role": "assistant", "content": ""}),
    "assistant without blocks": (AIMessage([]), {"role": "assistant", "content": ""}),
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


@pytest.mark.parametrize(("message", "payload"), ROLES.values(), ids=ROLES)
def test_message_has_its_role(
    model: ChatOrq, router: OfflineRouter, message: BaseMessage, payload: dict[str, Any]
) -> None:
    assert send_messages(model, router, message) == [payload]


def test_developer_tuple_is_a_developer_message(model: ChatOrq, router: OfflineRouter) -> None:
    sent_messages = send_messages(model, router, ("developer", "Be brief."), ("user", "Hi"))
    assert [message["role"] for message in sent_messages] == ["developer", "user"]


@pytest.mark.parametrize("message_type", [HumanMessage, SystemMessage, AIMessage])
def test_name_is_sent(
    model: ChatOrq, router: OfflineRouter, message_type: type[BaseMessage]
) -> None:
    (sent_message,) = send_messages(model, router, message_type("Hi", name="ann"))
    assert sent_message["name"] == "ann"


INVALID_MESSAGES = {
    "unknown role": (ChatMessage(role="boss", content="Hi"), "Unknown role 'boss'"),
    "tool role without a call": (ChatMessage(role="tool", content="Hi"), "Unknown role 'tool'"),
    "function message": (FunctionMessage(name="f", content="x"), "FunctionMessage"),
    "remove message": (RemoveMessage(id="1"), "RemoveMessage"),
    "tool message without tool_call_id": (ToolMessage("x", tool_call_id=""), "tool_call_id"),
    "call without id": (AIMessage("", tool_calls=[{**CALL, "id": None}]), "'id', got None"),
    "image in a system message": (SystemMessage([IMAGE]), "content[0]: A system message"),
    "image in an assistant message": (AIMessage([IMAGE]), "content[0]: An assistant message"),
    "tool_use without id": (AIMessage([{"type": "tool_use", "name": "f"}]), "'id', got None"),
    "tool_use without name": (AIMessage([{"type": "tool_use", "id": "1"}]), "'name', got None"),
    "arguments that are not JSON": (
        AIMessage("", tool_calls=[{**CALL, "args": {"where": object()}}]),
        "look",
    ),
}


@pytest.mark.parametrize(("message", "error"), INVALID_MESSAGES.values(), ids=INVALID_MESSAGES)
def test_invalid_message_raises_with_its_index(
    model: ChatOrq, router: OfflineRouter, message: BaseMessage, error: str
) -> None:
    with pytest.raises(RouterInputError) as caught:
        model.invoke([HumanMessage("Hi"), message])
    assert "messages[1]" in str(caught.value)
    assert error in str(caught.value)
    assert router.requests == []


def test_message_that_langchain_cannot_read_raises(model: ChatOrq) -> None:
    with pytest.raises(RouterInputError, match="tool_call_id"):
        model.invoke([{"role": "tool", "content": "x"}])


@pytest.mark.parametrize(
    ("content", "sent_content"),
    [
        ("12 degrees", "12 degrees"),
        ([text_part("12"), text_part("34")], "12\n34"),
        ([], ""),
        (
            [{**text_part("12"), "cache_control": {"type": "ephemeral"}}],
            [{**text_part("12"), "cache_control": {"type": "ephemeral"}}],
        ),
    ],
    ids=["str", "blocks", "empty", "cache_control"],
)
def test_tool_result_is_one_str_unless_its_blocks_have_more_fields(
    model: ChatOrq, router: OfflineRouter, content: Any, sent_content: Any
) -> None:
    result = ToolMessage(content, tool_call_id="call_1", status="error", artifact={"a": 1})
    sent_messages = send_messages(model, router, "Hi", AIMessage("", tool_calls=[CALL]), result)
    assert sent_messages[2] == {"role": "tool", "tool_call_id": "call_1", "content": sent_content}


def create_media_results(*following: BaseMessage) -> list[BaseMessage]:
    """Create a conversation with two tool results that contain an image and a file."""
    calls = [{**CALL, "id": "call_1"}, {**CALL, "id": "call_2"}]
    first = ToolMessage([text_part("Seen:"), IMAGE], tool_call_id="call_1")
    second = ToolMessage([FILE], tool_call_id="call_2")
    return [HumanMessage("Hi"), AIMessage("", tool_calls=calls), first, second, *following]


@pytest.mark.parametrize("following", [[], [HumanMessage("And?")]], ids=["last", "not last"])
def test_media_of_tool_results_move_to_a_user_message(
    model: ChatOrq, router: OfflineRouter, following: list[BaseMessage]
) -> None:
    sent_messages = send_messages(model, router, *create_media_results(*following))
    assert [message["role"] for message in sent_messages[2:5]] == ["tool", "tool", "user"]
    assert sent_messages[2]["content"] == "Seen:\n\n[1 attachment(s) of this tool result: image]"
    assert sent_messages[3]["content"] == "[1 attachment(s) of this tool result: file]"
    assert sent_messages[4]["content"] == [IMAGE_PART, FILE_PART]
    assert len(sent_messages) == 5 + len(following)


def test_media_of_tool_results_can_be_replaced_by_a_placeholder(router: OfflineRouter) -> None:
    model = ChatOrq(model="openai/gpt-4o", client=router.client(), tool_media="placeholder")
    sent_messages = send_messages(model, router, *create_media_results())
    assert [message["role"] for message in sent_messages] == ["user", "assistant", "tool", "tool"]
    assert "image" in sent_messages[2]["content"]


def test_input_messages_are_not_changed(model: ChatOrq) -> None:
    messages = [
        HumanMessage(["Look:", {**IMAGE, "extras": {"detail": "low"}}]),
        AIMessage("", tool_calls=[CALL]),
        *create_media_results()[2:3],
        SystemMessage([{**text_part("Hi"), "id": "lc_1"}]),
    ]
    original = copy.deepcopy(messages)
    model.invoke(messages)
    assert messages == original
