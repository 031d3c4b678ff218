"""Agents as graphs: memory, streamed modes, events, usage over many calls, media of tools."""

import sys
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
    called,
    every_version,
    every_way,
    get_weather,
    orq,
)

from orq_router_integrations import ChatOrq, OfflineRouter, content_block
from orq_router_integrations.chat_models.usage_callback import track_usage
from orq_router_integrations.errors import BadRequestError, ServerError
from orq_router_integrations.testing import Answer, Fault, ToolCall

CLAUDE = "anthropic/claude-sonnet-4-5"
ASSETS = Path(__file__).parents[1] / "assets"
TRIP = "What is the weather in Berlin, and what is the time there?"
AGAIN = "And which of the two did I ask for first?"
BOTH = Answer(
    "One moment.",
    reasoning="Two tools.",
    reasoning_signature="SEAL",
    tool_calls=(
        ToolCall("get_weather", {"city": "Berlin"}, id="w"),
        ToolCall("get_time", {"city": "Berlin"}, id="t"),
    ),
)

old_python = sys.version_info < (3, 11)


@tool
def get_time(city: str) -> str:
    """Get the time in a city."""
    return f"noon in {city}"


def asking(text: str) -> dict[str, Any]:
    return {"messages": [("user", text)]}


def trip_router() -> OfflineRouter:
    said = "12 degrees, and noon."
    return OfflineRouter(answers={TRIP: [BOTH, Answer(said)], AGAIN: Answer("The weather.")})


async def streamed(graph: Any, awaited: bool, text: str, config: Any) -> list[Any]:
    modes = {"stream_mode": ["messages", "updates"], "config": config}
    if awaited:
        return [item async for item in graph.astream(asking(text), **modes)]
    return list(graph.stream(asking(text), **modes))


def pieces_by_message(items: list[Any]) -> dict[str, AIMessageChunk]:
    """The streamed pieces, added up by message."""
    found: dict[str, AIMessageChunk] = {}
    for mode, item in items:
        if mode == "messages" and isinstance(item[0], AIMessageChunk):
            piece = item[0]
            found[piece.id] = found[piece.id] + piece if piece.id in found else piece
    return found


def updates(items: list[Any]) -> list[Any]:
    nodes = [update for mode, item in items if mode == "updates" for update in item.values()]
    return [message for node in nodes for message in node["messages"]]


def facts(message: Any) -> Any:
    blocks = [{k: v for k, v in b.items() if k != "index"} for b in message.content_blocks]
    return message.text, message.tool_calls, blocks, message.usage_metadata


@both_apis
@every_way
@every_version
async def test_streamed_messages_equal_the_state(
    api: str, awaited: bool, version: str | None
) -> None:
    model = orq(trip_router(), api, output_version=version)
    graph = create_agent(model, [get_weather, get_time], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    items = await streamed(graph, awaited, TRIP, config)
    said = updates(items)
    kinds = [message.type for message in said]
    assert kinds == ["ai", "tool", "tool", "ai"]
    assert [call["id"] for call in said[0].tool_calls] == ["w", "t"]
    if not (old_python and awaited):  # there, langgraph loses the callbacks of async tasks
        pieces = pieces_by_message(items)
        answers = [message for message in said if message.type == "ai"]
        assert [facts(pieces[answer.id]) for answer in answers] == [facts(a) for a in answers]


@both_apis
@every_way
@every_version
async def test_agent_remembers_the_first_turn(api: str, awaited: bool, version: str | None) -> None:
    router = trip_router()
    model = orq(router, api, output_version=version)
    graph = create_agent(model, [get_weather, get_time], checkpointer=InMemorySaver())
    config = {"configurable": {"thread_id": "1"}}
    await streamed(graph, awaited, TRIP, config)
    second = await streamed(graph, awaited, AGAIN, config)
    assert updates(second)[-1].text == "The weather."
    kept = (await graph.aget_state(config)).values["messages"]
    first, again = ["human", "ai", "tool", "tool", "ai"], ["human", "ai"]
    assert [message.type for message in kept] == first + again
    sent = router.requests[-1].body
    if api == "responses":
        kinds = [item["type"] for item in sent["input"]]
        calls, outputs = ["function_call"] * 2, ["function_call_output"] * 2
        assert kinds[:7] == ["message", "reasoning", "message", *calls, *outputs]
    else:
        roles = [message["role"] for message in sent["messages"]]
        assert roles == ["user", "assistant", "tool", "tool", "assistant", "user"]


@both_apis
@every_way
async def test_threads_are_separate(api: str, awaited: bool) -> None:
    router = trip_router()
    graph = create_agent(orq(router, api), [get_weather], checkpointer=InMemorySaver())
    for thread in ("1", "2"):
        await streamed(graph, awaited, AGAIN, {"configurable": {"thread_id": thread}})
    member = "input" if api == "responses" else "messages"
    assert [len(request.body[member]) for request in router.requests] == [1, 1]


@both_apis
@every_way
async def test_failed_turn_can_be_resumed(api: str, awaited: bool) -> None:
    router = OfflineRouter(answers={TRIP: [BOTH, "Done."]}, faults={GPT: [Fault(status=200)]})
    down = OfflineRouter(faults={GPT: Fault(status=501)})
    saver, config = InMemorySaver(), {"configurable": {"thread_id": "1"}}
    graph = create_agent(
        orq(router, api), [get_weather], checkpointer=saver, interrupt_before=["tools"]
    )
    await called(graph, awaited, asking(TRIP), config=config)
    broken = create_agent(orq(down, api), [get_weather, get_time], checkpointer=saver)
    with pytest.raises(ServerError, match="501"):
        await called(broken, awaited, None, config=config)
    whole = create_agent(orq(router, api), [get_weather, get_time], checkpointer=saver)
    result = await called(whole, awaited, None, config=config)
    assert result["messages"][-1].text == "Done."


@both_apis
@pytest.mark.parametrize("version", ["v1", "v2"])
@pytest.mark.filterwarnings("ignore:astream_events version='v1'")
async def test_astream_events(api: str, version: Any) -> None:
    model = orq(OfflineRouter(answers=lambda _: FULL), api)
    events = [event async for event in model.astream_events("Hi", version=version)]
    kinds = [event["event"] for event in events]
    assert (kinds[0], kinds[-1]) == ("on_chat_model_start", "on_chat_model_end")
    pieces = [e["data"]["chunk"] for e in events if e["event"] == "on_chat_model_stream"]
    last: Any = events[-1]["data"]["output"]
    assert facts(reduce(add, pieces)) == facts(last)
    assert [call["id"] for call in last.tool_calls] == ["c1", "c2"]


async def third_version(model: ChatOrq, awaited: bool) -> tuple[list[Any], Any]:
    if awaited:
        awaitable: Any = await model.astream_events("Hi", version="v3")
        return [event async for event in awaitable], await awaitable.output
    stream: Any = model.stream_events("Hi", version="v3")
    return list(stream), stream.output


@both_apis
@every_way
@every_version
@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
async def test_stream_events_v3(api: str, awaited: bool, version: str | None) -> None:
    model = orq(OfflineRouter(answers=lambda _: FULL), api, output_version=version)
    events, message = await third_version(model, awaited)
    assert_valid_event_stream(events)
    kinds = [block["type"] for block in message.content]
    assert kinds == ["reasoning", "text", "tool_call", "tool_call"]
    whole = await called(model, awaited)
    assert facts(message) == facts(whole)
    assert message.response_metadata["model_name"] == whole.response_metadata["model_name"]
    assert sum(event["event"] == "content-block-delta" for event in events) > 4


@both_apis
@every_way
async def test_usage_of_a_chain(api: str, awaited: bool) -> None:
    router = OfflineRouter()
    shorten = ChatPromptTemplate.from_messages([("user", "Shorten: {text}")])
    first, second = orq(router, api), orq(router, api, model=CLAUDE)
    chain = ChatPromptTemplate.from_messages([("user", "{text}")]) | first | StrOutputParser()
    chain = chain | {"text": lambda text: text} | shorten | second
    with get_usage_metadata_callback() as core_usage, track_usage() as usage:
        last = await called(chain, awaited, {"text": "Hello"})
    assert usage.calls == 2
    assert usage.usage_metadata == core_usage.usage_metadata
    assert usage.usage_metadata[CLAUDE] == last.usage_metadata
    assert sorted(usage.usage_metadata) == [CLAUDE, GPT]


@both_apis
@every_way
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_usage_of_an_agent(api: str, awaited: bool, stream: bool) -> None:
    if old_python and awaited and stream:
        return  # there, langgraph loses the callbacks of async tasks
    graph = create_agent(orq(trip_router(), api), [get_weather, get_time])
    with get_usage_metadata_callback() as core_usage, track_usage() as usage:
        if stream:
            messages = updates(await streamed(graph, awaited, TRIP, {}))
        else:
            messages = (await called(graph, awaited, asking(TRIP)))["messages"]
    answers = [message for message in messages if isinstance(message, AIMessage)]
    total = sum(answer.usage_metadata["total_tokens"] for answer in answers)
    assert usage.usage_metadata[GPT]["total_tokens"] == total
    assert core_usage.usage_metadata == usage.usage_metadata
    assert (usage.calls, usage.fallbacks) == (2, 0)
    assert usage.unpriced == (2 if api == "chat_completions" else 0)


MEDIA = {"image": "diagram.png", "file": "dummy.pdf"}


def looked_up(name: str, tool_media: str, api: str) -> tuple[OfflineRouter, ChatOrq, list[Any]]:
    router = OfflineRouter()
    block: Any = content_block(ASSETS / MEDIA[name])
    call = {"name": "look", "args": {}, "id": "c1"}
    result = ToolMessage([{"type": "text", "text": "Seen:"}, block], tool_call_id="c1")
    asked = [HumanMessage("Look"), AIMessage("", tool_calls=[call]), result]
    return router, orq(router, api, tool_media=tool_media), asked


def sent_media(body: dict[str, Any]) -> tuple[str, str]:
    """What stands in the tool's answer, and what in the user's last message."""
    items = body.get("input") or body["messages"]
    tools = [i for i in items if "output" in i or i.get("role") == "tool"]
    users = [i for i in items if i.get("role") == "user"]
    answer = tools[-1].get("output", tools[-1].get("content"))
    return str(answer), str(users[-1]["content"])


@both_apis
@every_way
@pytest.mark.parametrize("name", MEDIA)
@pytest.mark.parametrize("tool_media", ["user", "placeholder"])
async def test_media_in_tool_results(api: str, awaited: bool, name: str, tool_media: str) -> None:
    router, model, asked = looked_up(name, tool_media, api)
    await called(model, awaited, asked)
    answer, user = sent_media(router.requests[0].body)
    assert "Seen:" in answer
    assert "base64" not in answer
    assert name in answer
    assert ("base64" in user) is (tool_media == "user")


@both_apis
@every_way
@pytest.mark.parametrize("name", MEDIA)
async def test_media_can_stay_in_the_tool_message(api: str, awaited: bool, name: str) -> None:
    router, model, asked = looked_up(name, "tool", api)
    with suppress(BadRequestError):  # chat completions' schema has only text there
        await called(model, awaited, asked)
    answer, user = sent_media(router.requests[0].body)
    assert "base64" in answer
    assert user == "Look"


@both_apis
def test_an_unknown_place_for_a_tools_media_is_refused(router: OfflineRouter, api: str) -> None:
    with pytest.raises(ValueError, match="tool_media"):
        orq(router, api, tool_media="nowhere")
