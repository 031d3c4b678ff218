"""Agents as graphs: checkpoints, stream modes, events, usage, and media in tool results."""

from contextlib import suppress
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pytest
from langchain.agents import create_agent
from langchain_core.callbacks import get_usage_metadata_callback
from langchain_core.messages import AIMessage, AIMessageChunk, HumanMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream
from langgraph.checkpoint.memory import InMemorySaver
from support.agent_tools import (
    FULL,
    GPT,
    both_apis,
    create_agent_model,
    every_version,
    get_weather,
    invoke_runnable,
)
from support.chat import CLAUDE
from support.marks import sync_and_async

from orq_router_integrations import ChatOrq, OfflineRouter, content_block
from orq_router_integrations.chat_models.usage_callback import track_usage
from orq_router_integrations.errors import BadRequestError, ServerError
from orq_router_integrations.testing import Answer, Fault

ASSETS = Path(__file__).parents[1] / "assets"
QUESTION = "What is the weather in Berlin, and what is the time there?"
FOLLOW_UP = "And which of the two did I ask for first?"
TWO_CALLS = Answer(
    "One moment.",
    reasoning="Two tools.",
    reasoning_signature="SIGNATURE",
    tool_calls=[
        {"name": "get_weather", "args": {"city": "Berlin"}, "id": "w"},
        {"name": "get_time", "args": {"city": "Berlin"}, "id": "t"},
    ],
)


@tool
def get_time(city: str) -> str:
    """Get the time in a city."""
    return f"noon in {city}"


def create_input(text: str) -> dict[str, Any]:
    return {"messages": [("user", text)]}


def create_router() -> OfflineRouter:
    answers = {
        QUESTION: [TWO_CALLS, Answer("12 degrees, and noon.")],
        FOLLOW_UP: Answer("The weather."),
    }
    return OfflineRouter(answers=answers)


async def stream_graph(graph: Any, is_async: bool, text: str, config: Any) -> list[Any]:
    modes = {"stream_mode": ["messages", "updates"], "config": config}
    if is_async:
        return [item async for item in graph.astream(create_input(text), **modes)]
    return list(graph.stream(create_input(text), **modes))


def merge_chunks(items: list[Any]) -> dict[str, AIMessageChunk]:
    """Return the streamed messages by id, with their chunks merged."""
    merged: dict[str, AIMessageChunk] = {}
    for mode, item in items:
        if mode == "messages" and isinstance(item[0], AIMessageChunk):
            chunk = item[0]
            merged[chunk.id] = merged[chunk.id] + chunk if chunk.id in merged else chunk
    return merged


def get_updates(items: list[Any]) -> list[Any]:
    nodes = [update for mode, item in items if mode == "updates" for update in item.values()]
    return [message for node in nodes for message in node["messages"]]


def get_content(message: Any) -> Any:
    blocks = [{k: v for k, v in b.items() if k != "index"} for b in message.content_blocks]
    return message.text, message.tool_calls, blocks, message.usage_metadata


@both_apis
@sync_and_async
@every_version
async def test_streamed_messages_equal_the_state(
    api: str, is_async: bool, version: str | None
) -> None:
    model = create_agent_model(create_router(), api, output_version=version)
    graph = create_agent(model, [get_weather, get_time], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    items = await stream_graph(graph, is_async, QUESTION, config)
    messages = get_updates(items)
    assert [message.type for message in messages] == ["ai", "tool", "tool", "ai"]
    assert [call["id"] for call in messages[0].tool_calls] == ["w", "t"]
    merged = merge_chunks(items)
    for answer in (messages[0], messages[-1]):
        assert get_content(merged[answer.id]) == get_content(answer)


@both_apis
@sync_and_async
@every_version
async def test_agent_remembers_the_first_turn(
    api: str, is_async: bool, version: str | None
) -> None:
    router = create_router()
    model = create_agent_model(router, api, output_version=version)
    graph = create_agent(model, [get_weather, get_time], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    await stream_graph(graph, is_async, QUESTION, config)
    second = await stream_graph(graph, is_async, FOLLOW_UP, config)
    assert get_updates(second)[-1].text == "The weather."
    messages = (await graph.aget_state(config)).values["messages"]
    first_turn, second_turn = ["human", "ai", "tool", "tool", "ai"], ["human", "ai"]
    assert [message.type for message in messages] == first_turn + second_turn
    body = router.requests[-1].body
    if api == "responses":
        types = [item["type"] for item in body["input"]]
        calls, outputs = ["function_call"] * 2, ["function_call_output"] * 2
        assert types[:7] == ["message", "reasoning", "message", *calls, *outputs]
    else:
        roles = [message["role"] for message in body["messages"]]
        assert roles == ["user", "assistant", "tool", "tool", "assistant", "user"]


@both_apis
@sync_and_async
async def test_threads_are_separate(api: str, is_async: bool) -> None:
    router = create_router()
    graph = create_agent(
        create_agent_model(router, api), [get_weather], checkpointer=InMemorySaver()
    )
    for thread in ("1", "2"):
        await stream_graph(graph, is_async, FOLLOW_UP, {"configurable": {"thread_id": thread}})
    field = "input" if api == "responses" else "messages"
    assert [len(request.body[field]) for request in router.requests] == [1, 1]


@both_apis
@sync_and_async
async def test_failed_turn_can_be_resumed(api: str, is_async: bool) -> None:
    router = OfflineRouter(
        answers={QUESTION: [TWO_CALLS, "Done."]}, faults={GPT: [Fault(status=200)]}
    )
    down = OfflineRouter(faults={GPT: Fault(status=501)})
    saver, config = InMemorySaver(), {"configurable": {"thread_id": "1"}}
    graph = create_agent(
        create_agent_model(router, api),
        [get_weather, get_time],
        checkpointer=saver,
        interrupt_before=["tools"],
    )
    await invoke_runnable(graph, is_async, create_input(QUESTION), config=config)
    failing_graph = create_agent(
        create_agent_model(down, api), [get_weather, get_time], checkpointer=saver
    )
    with pytest.raises(ServerError, match="501"):
        await invoke_runnable(failing_graph, is_async, None, config=config)
    graph = create_agent(
        create_agent_model(router, api), [get_weather, get_time], checkpointer=saver
    )
    result = await invoke_runnable(graph, is_async, None, config=config)
    assert result["messages"][-1].text == "Done."


@both_apis
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.filterwarnings("ignore:astream_events version='v1'")
async def test_astream_events_end_with_the_complete_answer(api: str, version: Any) -> None:
    model = create_agent_model(OfflineRouter(answers=lambda _: FULL), api)
    events = [event async for event in model.astream_events("Hi", version=version)]
    types = [event["event"] for event in events]
    assert (types[0], types[-1]) == ("on_chat_model_start", "on_chat_model_end")
    chunks = [e["data"]["chunk"] for e in events if e["event"] == "on_chat_model_stream"]
    last: Any = events[-1]["data"]["output"]
    assert get_content(reduce(add, chunks)) == get_content(last)
    assert [call["id"] for call in last.tool_calls] == ["c1", "c2"]


async def stream_events_v3(model: ChatOrq, is_async: bool) -> tuple[list[Any], Any]:
    if is_async:
        awaitable: Any = await model.astream_events("Hi", version="v3")
        return [event async for event in awaitable], await awaitable.output
    stream: Any = model.stream_events("Hi", version="v3")
    return list(stream), stream.output


@both_apis
@sync_and_async
@every_version
@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
async def test_stream_events_v3_are_valid_and_complete(
    api: str, is_async: bool, version: str | None
) -> None:
    model = create_agent_model(OfflineRouter(answers=lambda _: FULL), api, output_version=version)
    events, message = await stream_events_v3(model, is_async)
    assert_valid_event_stream(events)
    assert [block["type"] for block in message.content] == [
        "reasoning",
        "text",
        "tool_call",
        "tool_call",
    ]
    complete = await invoke_runnable(model, is_async)
    assert get_content(message) == get_content(complete)
    assert message.response_metadata["model_name"] == complete.response_metadata["model_name"]
    assert sum(event["event"] == "content-block-delta" for event in events) > 4


@both_apis
@sync_and_async
async def test_usage_of_a_chain_is_counted(api: str, is_async: bool) -> None:
    router = OfflineRouter()
    shorten = ChatPromptTemplate.from_messages([("user", "Shorten: {text}")])
    first, second = create_agent_model(router, api), create_agent_model(router, api, model=CLAUDE)
    chain = ChatPromptTemplate.from_messages([("user", "{text}")]) | first | StrOutputParser()
    chain = chain | {"text": lambda text: text} | shorten | second
    with get_usage_metadata_callback() as core_usage, track_usage() as usage:
        last = await invoke_runnable(chain, is_async, {"text": "Hello"})
    assert usage.calls == 2
    assert usage.usage_metadata == core_usage.usage_metadata
    assert usage.usage_metadata[CLAUDE] == last.usage_metadata
    assert sorted(usage.usage_metadata) == [CLAUDE, GPT]


@both_apis
@sync_and_async
@pytest.mark.parametrize("stream", [False, True], ids=["complete", "streamed"])
async def test_usage_of_an_agent_is_counted(api: str, is_async: bool, stream: bool) -> None:
    graph = create_agent(create_agent_model(create_router(), api), [get_weather, get_time])
    with get_usage_metadata_callback() as core_usage, track_usage() as usage:
        if stream:
            messages = get_updates(await stream_graph(graph, is_async, QUESTION, {}))
        else:
            messages = (await invoke_runnable(graph, is_async, create_input(QUESTION)))["messages"]
    answers = [message for message in messages if isinstance(message, AIMessage)]
    total = sum(answer.usage_metadata["total_tokens"] for answer in answers)
    assert usage.usage_metadata[GPT]["total_tokens"] == total
    assert core_usage.usage_metadata == usage.usage_metadata
    assert (usage.calls, usage.fallbacks) == (2, 0)
    assert usage.unpriced == (2 if api == "chat_completions" else 0)


MEDIA = {"image": "diagram.png", "file": "dummy.pdf"}


def create_tool_turn(name: str) -> list[Any]:
    """Create a conversation whose last message is a tool result with media."""
    block: Any = content_block(ASSETS / MEDIA[name])
    call = {"name": "look", "args": {}, "id": "c1"}
    result = ToolMessage([{"type": "text", "text": "Result:"}, block], tool_call_id="c1")
    return [HumanMessage("Look"), AIMessage("", tool_calls=[call]), result]


def get_sent_content(body: dict[str, Any]) -> tuple[str, str]:
    """Return the content of the tool message and of the last user message."""
    items = body.get("input") or body["messages"]
    tools = [i for i in items if "output" in i or i.get("role") == "tool"]
    users = [i for i in items if i.get("role") == "user"]
    tool_content = tools[-1].get("output", tools[-1].get("content"))
    return str(tool_content), str(users[-1]["content"])


@both_apis
@sync_and_async
@pytest.mark.parametrize("name", MEDIA)
@pytest.mark.parametrize("tool_media", ["user", "placeholder"])
async def test_media_are_removed_from_the_tool_message(
    api: str, is_async: bool, name: str, tool_media: str
) -> None:
    router = OfflineRouter()
    await invoke_runnable(
        create_agent_model(router, api, tool_media=tool_media), is_async, create_tool_turn(name)
    )
    tool_content, user_content = get_sent_content(router.requests[0].body)
    assert "Result:" in tool_content
    assert "base64" not in tool_content
    assert name in tool_content
    assert ("base64" in user_content) is (tool_media == "user")


@both_apis
@sync_and_async
@pytest.mark.parametrize("name", MEDIA)
async def test_media_can_stay_in_the_tool_message(api: str, is_async: bool, name: str) -> None:
    router = OfflineRouter()
    model = create_agent_model(router, api, tool_media="tool")
    with suppress(BadRequestError):  # the schema of Chat Completions only allows text there
        await invoke_runnable(model, is_async, create_tool_turn(name))
    tool_content, user_content = get_sent_content(router.requests[0].body)
    assert "base64" in tool_content
    assert user_content == "Look"
