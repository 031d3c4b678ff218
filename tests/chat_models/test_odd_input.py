"""Input of the wrong shape: an error of ours that names it, never one from deep inside."""

import base64
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError

GPT = "openai/gpt-4o"
PNG = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(24)).decode()
SOURCES = ["base64", "url", "id", [], {}, 5, "elsewhere"]


@pytest.fixture
def router() -> OfflineRouter:
    return OfflineRouter()


@pytest.fixture
def model(router: OfflineRouter) -> ChatOrq:
    return ChatOrq(model=GPT, client=router.client())


@pytest.mark.parametrize("kind", ["image", "audio", "file"])
@pytest.mark.parametrize("source", SOURCES, ids=str)
def test_a_block_without_its_source(
    model: ChatOrq, router: OfflineRouter, kind: str, source: Any
) -> None:
    block = {"type": kind, "source_type": source}
    with pytest.raises(RouterInputError, match=r"messages\[0\]\.content\[0\]: .*source_type"):
        model.invoke([HumanMessage([block])])
    assert router.requests == []


@pytest.mark.parametrize("kind", [[], {}, 5], ids=str)
def test_a_block_whose_type_is_no_text(model: ChatOrq, kind: Any) -> None:
    with pytest.raises(RouterInputError, match=r"content\[0\]: Expected a str in 'type'"):
        model.invoke([HumanMessage([{"type": kind}])])


def test_a_message_that_langchain_cannot_read(model: ChatOrq) -> None:
    with pytest.raises(RouterInputError, match="tool_call_id"):
        model.invoke([{"role": "tool", "content": "x"}])


def test_an_image_of_the_old_spelling_needs_no_media_type(
    model: ChatOrq, router: OfflineRouter
) -> None:
    model.invoke([HumanMessage([{"type": "image", "source_type": "base64", "data": PNG}])])
    url = router.requests[0].body["messages"][0]["content"][0]["image_url"]["url"]
    assert url.startswith("data:image/png;base64,")


KEPT: list[tuple[str, Any]] = [
    ("reasoning_content", {"a": 1}),
    ("reasoning_signature", 5),
    ("reasoning_items", {"a": 1}),
    ("reasoning_items", [1]),
    ("reasoning_items", [{"reasoning": 1}]),
    ("thought_signatures", [1]),
    ("thought_signatures", "x"),
]


@pytest.mark.parametrize(("name", "value"), KEPT, ids=str)
def test_what_a_message_keeps_in_the_wrong_type(model: ChatOrq, name: str, value: Any) -> None:
    call = {"name": "f", "args": {}, "id": "1"}
    said = AIMessage("", additional_kwargs={name: value}, tool_calls=[call])
    with pytest.raises(RouterInputError, match=r"messages\[1\]"):
        model.invoke([HumanMessage("Hi"), said, ToolMessage("x", tool_call_id="1")])


def look_up(word: str) -> str:
    """Look up a word."""
    return word


TOOLS: dict[str, tuple[Any, dict[str, Any]]] = {
    "a number": (3.5, {}),
    "a list of a number": ([3.5], {}),
    "one dict": ({"type": "function"}, {}),
    "parameters that are a text": (
        [{"type": "function", "function": {"name": "f", "parameters": "x"}}],
        {},
    ),
    "a function that is a text": ([{"type": "function", "function": "x"}], {}),
    "a choice of a dict": ([look_up], {"tool_choice": {"type": {}}}),
    "a choice of a list": ([look_up], {"tool_choice": []}),
}


@pytest.mark.parametrize(("tools", "more"), TOOLS.values(), ids=TOOLS)
def test_tools_of_the_wrong_shape(model: ChatOrq, tools: Any, more: dict[str, Any]) -> None:
    with pytest.raises(RouterInputError, match="tool"):
        model.bind_tools(tools, **more)


def test_a_control_in_the_extra_body(router: OfflineRouter) -> None:
    for name in ("orq", "fallbacks", "cache"):
        model = ChatOrq(model=GPT, client=router.client(), extra_body={name: {}})
        with pytest.raises(RouterInputError, match=rf"router control .{name}.*controls"):
            model.invoke("Hi")
    assert router.requests == []


@pytest.mark.parametrize("query", ["x" * 70_000, "\ud800"], ids=["too long", "half a character"])
def test_a_query_that_cannot_be_sent(query: str) -> None:
    with pytest.raises(ValueError, match="default_query"):
        ChatOrq(model=GPT, api_key="k", default_query={"a": query})


def test_a_nameless_call_that_came_in_a_reply_stays_at_home(router: OfflineRouter) -> None:
    invalid = {"type": "invalid_tool_call", "name": None, "args": "{}", "id": "c", "error": "?"}
    answer = AIMessage("Well,", invalid_tool_calls=[invalid])
    ChatOrq(model="openai/gpt-4o", client=router.client()).invoke(["Hi", answer, "And?"])
    assert router.requests[0].body["messages"][1] == {"role": "assistant", "content": "Well,"}
