"""LangChain's agents on the model: tool loops, structured answers, and fallbacks inside them."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import ServerError
from orq_router_integrations.testing import Answer, Fault, ToolCall

GPT = "openai/gpt-4o"
CLAUDE = "anthropic/claude-sonnet-4-5"


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"12 degrees in {city}"


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


QUESTION = "What is the weather in Berlin?"
ASKED = {"messages": [("user", QUESTION)]}
every_way = pytest.mark.parametrize("awaited", [False, True], ids=["invoke", "ainvoke"])


async def run(agent: Any, awaited: bool) -> dict[str, Any]:
    result: dict[str, Any] = await agent.ainvoke(ASKED) if awaited else agent.invoke(ASKED)
    return result


def orq(router: OfflineRouter, **kwargs: Any) -> ChatOrq:
    return ChatOrq(model=GPT, client=router.client(), **kwargs)


def roles(body: dict[str, Any]) -> list[str]:
    return [message["role"] for message in body["messages"]]


@every_way
async def test_tool_loop(model: ChatOrq, router: OfflineRouter, awaited: bool) -> None:
    result = await run(create_agent(model, [get_weather], system_prompt="Be brief."), awaited)
    _, call, answer, last = result["messages"]
    assert call.tool_calls[0]["args"] == {"city": "Berlin"}
    assert isinstance(answer, ToolMessage)
    assert "12 degrees in Berlin" in last.text
    first, second = (request.body for request in router.requests)
    assert roles(first) == ["system", "user"]
    assert roles(second) == ["system", "user", "assistant", "tool"]
    assert second["messages"][2]["tool_calls"][0]["id"] == second["messages"][3]["tool_call_id"]


async def test_tool_loop_can_be_streamed(model: ChatOrq) -> None:
    agent = create_agent(model, [get_weather])
    texts = [
        chunk.text
        async for chunk, _ in agent.astream(ASKED, stream_mode="messages")
        if isinstance(chunk, AIMessage)
    ]
    assert "12 degrees in Berlin" in "".join(texts)
    assert len(texts) > 5


async def test_parallel_tool_calls() -> None:
    calls = tuple(ToolCall("get_weather", {"city": city}) for city in ("Berlin", "Köln"))
    router = OfflineRouter(answers={QUESTION: [Answer(tool_calls=calls), Answer("Both cold.")]})
    result = await run(create_agent(orq(router), [get_weather]), awaited=True)
    told = [message for message in result["messages"] if isinstance(message, ToolMessage)]
    assert [message.content for message in told] == ["12 degrees in Berlin", "12 degrees in Köln"]
    assert len({message.tool_call_id for message in told}) == 2
    assert result["messages"][-1].text == "Both cold."


def wanted_by(router: OfflineRouter, number: int) -> dict[str, Any]:
    body = router.requests[number].body
    members = ("response_format", "tool_choice")
    names = [sent["function"]["name"] for sent in body.get("tools", ())]
    return {"tools": names, **{name: body[name] for name in members if name in body}}


PROVIDER = {"a class": Weather, "the strategy": ProviderStrategy(Weather)}


@every_way
@pytest.mark.parametrize("wanted", PROVIDER.values(), ids=PROVIDER)
async def test_provider_strategy(
    model: ChatOrq, router: OfflineRouter, wanted: Any, awaited: bool
) -> None:
    result = await run(create_agent(model, [get_weather], response_format=wanted), awaited)
    assert isinstance(result["structured_response"], Weather)
    assert result["structured_response"].city == "Berlin"
    for number in range(2):
        sent = wanted_by(router, number)
        assert sent["tools"] == ["get_weather"]
        assert sent["response_format"]["json_schema"]["name"] == "Weather"


@every_way
async def test_tool_strategy(model: ChatOrq, router: OfflineRouter, awaited: bool) -> None:
    wanted = ToolStrategy(Weather)
    result = await run(create_agent(model, [get_weather], response_format=wanted), awaited)
    assert isinstance(result["structured_response"], Weather)
    assert result["structured_response"].city == "Berlin"
    first = wanted_by(router, 0)
    assert first == {"tools": ["get_weather", "Weather"], "tool_choice": "required"}


@pytest.mark.parametrize("strategy", [ProviderStrategy, ToolStrategy])
def test_structured_output_without_tools(model: ChatOrq, strategy: Any) -> None:
    result = create_agent(model, [], response_format=strategy(Weather)).invoke(ASKED)
    assert result["structured_response"].city == "Berlin"


def test_invalid_structured_output_is_retried() -> None:
    wrong = Answer(tool_calls=(ToolCall("Weather", {"city": "Berlin"}),))
    right = Answer(tool_calls=(ToolCall("Weather", {"city": "Berlin", "degrees": 12}),))
    router = OfflineRouter(answers={QUESTION: [wrong, right]})
    agent = create_agent(orq(router), [], response_format=ToolStrategy(Weather))
    result = agent.invoke(ASKED)
    assert result["structured_response"] == Weather(city="Berlin", degrees=12)
    assert len(router.requests) == 2


@every_way
@pytest.mark.parametrize("wanted", [None, Weather], ids=["text", "structured"])
async def test_router_falls_back_inside_the_loop(wanted: Any, awaited: bool) -> None:
    router = OfflineRouter(faults={GPT: [Fault(status=200), Fault(status=503)]})
    model = orq(router, controls={"fallbacks": [CLAUDE]})
    result = await run(create_agent(model, [get_weather], response_format=wanted), awaited)
    assert [(call.model, call.status) for call in router.log] == [
        (GPT, 200),
        (GPT, 503),
        (CLAUDE, 200),
    ]
    answers = [message for message in result["messages"] if isinstance(message, AIMessage)]
    models = [answer.response_metadata["model_name"] for answer in answers]
    assert models == [GPT, CLAUDE]
    assert len(router.requests) == 2


@every_way
async def test_loop_without_fallback_raises(awaited: bool) -> None:
    router = OfflineRouter(faults={GPT: [Fault(status=200), Fault(status=501)]})
    with pytest.raises(ServerError) as caught:
        await run(create_agent(orq(router), [get_weather]), awaited)
    assert caught.value.status_code == 501
    assert len(router.requests) == 2
