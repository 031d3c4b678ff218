"""Answers that come only whole: who asks for a stream is told, who only watches gets them."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models import background_polling as background
from orq_router_integrations.errors import RouterInputError

WAYS: dict[str, dict[str, Any]] = {
    "background": {"api": "responses", "background": True},
    "several answers": {"n": 2},
}
each_kind = pytest.mark.parametrize("params", WAYS.values(), ids=WAYS)
each_way = pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "INITIAL_BACKOFF_SECONDS", 0.001)


def orq(router: OfflineRouter, **params: Any) -> ChatOrq:
    return ChatOrq(model="openai/gpt-4o", client=router.client(), **params)


@each_kind
@each_way
async def test_a_stream_is_refused_before_anything_is_sent(
    router: OfflineRouter, params: dict[str, Any], awaited: bool
) -> None:
    model = orq(router, **params)
    with pytest.raises(RouterInputError, match="Use invoke"):
        _ = [chunk async for chunk in model.astream("Hi")] if awaited else list(model.stream("Hi"))
    with pytest.raises(RouterInputError, match="Use invoke"):
        list(model.stream_events("Hi", version="v3"))
    assert router.requests == []


@each_kind
@each_way
async def test_invoke_gives_the_whole_answer_whatever_streaming_says(
    router: OfflineRouter, params: dict[str, Any], awaited: bool
) -> None:
    model = orq(router, streaming=True, **params)
    message = await model.ainvoke("Hi") if awaited else model.invoke("Hi")
    assert message.text.startswith("Offline answer")
    assert "stream" not in router.requests[0].body


@pytest.mark.parametrize(("given", "whole"), [({"n": 2}, True), ({"n": 1}, False), ({}, False)])
def test_the_keywords_of_a_call_decide(
    router: OfflineRouter, given: dict[str, Any], whole: bool
) -> None:
    orq(router, streaming=True).invoke("Hi", **given)
    assert router.requests[0].body.get("stream", False) is not whole


@each_kind
@each_way
async def test_a_graph_that_streams_messages_gets_them_whole(
    router: OfflineRouter, params: dict[str, Any], awaited: bool
) -> None:
    graph = create_agent(orq(router, **params), [])
    asked: Any = {"messages": [("user", "Hi")]}
    if awaited:
        told = [piece async for piece in graph.astream(asked, stream_mode="messages")]
    else:
        told = list(graph.stream(asked, stream_mode="messages"))
    messages = [message for message, _ in told if isinstance(message, AIMessage)]
    assert [message.text for message in messages] == [messages[0].text]
    assert messages[0].text.startswith("Offline answer")
    assert not isinstance(messages[0], AIMessageChunk)


@each_kind
@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_native_events_of_a_graph_tell_the_whole_answer(
    router: OfflineRouter, params: dict[str, Any]
) -> None:
    graph = create_agent(orq(router, **params), [])
    run = graph.stream_events({"messages": [("user", "Hi")]}, version="v3")
    assert [str(message.text)[:14] for message in run.messages] == ["Offline answer"]
