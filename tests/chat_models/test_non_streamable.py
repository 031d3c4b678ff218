"""Calls that the router cannot stream: several choices, and background responses."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.messages import AIMessage, AIMessageChunk
from support.marks import sync_and_async

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models import request_builder
from orq_router_integrations.errors import RouterInputError

NON_STREAMABLE: dict[str, dict[str, Any]] = {
    "background": {"api": "responses", "background": True},
    "several choices": {"n": 2},
}
each_kind = pytest.mark.parametrize("params", NON_STREAMABLE.values(), ids=NON_STREAMABLE)


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_builder, "INITIAL_BACKOFF_SECONDS", 0.001)


def create_model(router: OfflineRouter, **params: Any) -> ChatOrq:
    return ChatOrq(model="openai/gpt-4o", client=router.client(), **params)


@each_kind
@sync_and_async
async def test_stream_raises_before_a_request(
    router: OfflineRouter, params: dict[str, Any], is_async: bool
) -> None:
    model = create_model(router, **params)
    with pytest.raises(RouterInputError, match="invoke"):
        _ = [_ async for _ in model.astream("Hi")] if is_async else list(model.stream("Hi"))
    with pytest.raises(RouterInputError, match="invoke"):
        list(model.stream_events("Hi", version="v3"))
    assert router.requests == []


@each_kind
@sync_and_async
async def test_invoke_ignores_streaming(
    router: OfflineRouter, params: dict[str, Any], is_async: bool
) -> None:
    model = create_model(router, streaming=True, **params)
    message = await model.ainvoke("Hi") if is_async else model.invoke("Hi")
    assert message.text.startswith("Offline answer")
    assert "stream" not in router.requests[0].body


@pytest.mark.parametrize(
    ("params", "is_streamed"),
    [({"n": 2}, False), ({"n": 1}, True), ({}, True)],
    ids=["n=2", "n=1", "default"],
)
def test_params_of_a_call_decide_whether_it_streams(
    router: OfflineRouter, params: dict[str, Any], is_streamed: bool
) -> None:
    create_model(router, streaming=True).invoke("Hi", **params)
    assert router.requests[0].body.get("stream", False) is is_streamed


@each_kind
@sync_and_async
async def test_graph_that_streams_messages_receives_complete_ones(
    router: OfflineRouter, params: dict[str, Any], is_async: bool
) -> None:
    graph = create_agent(create_model(router, **params), [])
    state: Any = {"messages": [("user", "Hi")]}
    if is_async:
        items = [item async for item in graph.astream(state, stream_mode="messages")]
    else:
        items = list(graph.stream(state, stream_mode="messages"))
    messages = [message for message, _ in items if isinstance(message, AIMessage)]
    assert [message.text for message in messages] == [messages[0].text]
    assert messages[0].text.startswith("Offline answer")
    assert not isinstance(messages[0], AIMessageChunk)


@each_kind
@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_events_of_a_graph_have_the_complete_answer(
    router: OfflineRouter, params: dict[str, Any]
) -> None:
    graph = create_agent(create_model(router, **params), [])
    run = graph.stream_events({"messages": [("user", "Hi")]}, version="v3")
    assert [str(message.text)[:14] for message in run.messages] == ["Offline answer"]
