"""``create_agent``: tool loops, structured output, and fallbacks of the router."""

from typing import Any

import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel
from support.chat import CLAUDE, GPT, create_model
from support.marks import sync_and_async

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import ServerError
from orq_router_integrations.testing import Answer, Fault


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"12 degrees in {city}"


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


QUESTION = "What is the weather in Berlin?"
INPUT = {"messages": [("user", QUESTION)]}


async def run(agent: Any, is_async: bool) -> dict[str, Any]:
    result: dict[str, Any] = await agent.ainvoke(INPUT) if is_async else agent.invoke(INPUT)
    return result


def get_roles(body: dict[str, Any]) -> list[str]:
    return [message["role"] for message in body["messages"]]


@sync_and_async
async def test_agent_calls_a_tool_and_answers(
    model: ChatOrq, router: OfflineRouter, is_async: bool
) -> None:
    result = await run(create_agent(model, [get_weather], system_prompt="Be brief."), is_async)
    _, call, answer, last = result["messages"]
    assert call.tool_calls[0]["args"] == {"city": "Berlin"}
    assert isinstance(answer, ToolMessage)
    assert "12 degrees in Berlin" in last.text
    first, second = (request.body for request in router.requests)
    assert get_roles(first) == ["system", "user"]
    assert get_roles(second) == ["system", "user", "assistant", "tool"]
    assert second["messages"][2]["tool_calls"][0]["id"] == second["messages"][3]["tool_call_id"]


async def test_tool_loop_can_be_streamed(model: ChatOrq) -> None:
    agent = create_agent(model, [get_weather])
    texts = [
        chunk.text
        async for chunk, _ in agent.astream(INPUT, stream_mode="messages")
        if isinstance(chunk, AIMessage)
    ]
    assert "12 degrees in Berlin" in "".join(texts)
    assert len(texts) > 5


async def test_parallel_tool_calls() -> None:
    calls = [
        {"name": "get_weather", "args": {"city": city}, "id": city} for city in ("Berlin", "Köln")
    ]
    router = OfflineRouter(answers={QUESTION: [Answer(tool_calls=calls), Answer("Both cold.")]})
    result = await run(create_agent(create_model(router), [get_weather]), is_async=True)
    tool_results = [message for message in result["messages"] if isinstance(message, ToolMessage)]
    assert [message.content for message in tool_results] == [
        "12 degrees in Berlin",
        "12 degrees in Köln",
    ]
    assert len({message.tool_call_id for message in tool_results}) == 2
    assert result["messages"][-1].text == "Both cold."


def get_tool_params(router: OfflineRouter, index: int) -> dict[str, Any]:
    """Return the tool names, the tool choice and the response format of a request."""
    body = router.requests[index].body
    params = {name: body[name] for name in ("response_format", "tool_choice") if name in body}
    return {"tools": [tool["function"]["name"] for tool in body.get("tools", ())], **params}


FORMATS = {"class": Weather, "strategy": ProviderStrategy(Weather)}


@sync_and_async
@pytest.mark.parametrize("response_format", FORMATS.values(), ids=FORMATS)
async def test_provider_strategy_sends_a_response_format(
    model: ChatOrq, router: OfflineRouter, response_format: Any, is_async: bool
) -> None:
    agent = create_agent(model, [get_weather], response_format=response_format)
    result = await run(agent, is_async)
    assert isinstance(result["structured_response"], Weather)
    assert result["structured_response"].city == "Berlin"
    for index in range(2):
        params = get_tool_params(router, index)
        assert params["tools"] == ["get_weather"]
        assert params["response_format"]["json_schema"]["name"] == "Weather"


@sync_and_async
async def test_tool_strategy_sends_the_schema_as_a_tool(
    model: ChatOrq, router: OfflineRouter, is_async: bool
) -> None:
    agent = create_agent(model, [get_weather], response_format=ToolStrategy(Weather))
    result = await run(agent, is_async)
    assert isinstance(result["structured_response"], Weather)
    assert result["structured_response"].city == "Berlin"
    params = get_tool_params(router, 0)
    assert params == {"tools": ["get_weather", "Weather"], "tool_choice": "required"}


@pytest.mark.parametrize("strategy", [ProviderStrategy, ToolStrategy])
def test_structured_output_needs_no_tools(model: ChatOrq, strategy: Any) -> None:
    result = create_agent(model, [], response_format=strategy(Weather)).invoke(INPUT)
    assert result["structured_response"].city == "Berlin"


def create_answer(weather: dict[str, Any]) -> Answer:
    return Answer(tool_calls=[{"name": "Weather", "args": weather, "id": "c1"}])


def test_invalid_structured_output_is_retried() -> None:
    invalid = create_answer({"city": "Berlin"})
    valid = create_answer({"city": "Berlin", "degrees": 12})
    router = OfflineRouter(answers={QUESTION: [invalid, valid]})
    agent = create_agent(create_model(router), [], response_format=ToolStrategy(Weather))
    result = agent.invoke(INPUT)
    assert result["structured_response"] == Weather(city="Berlin", degrees=12)
    assert len(router.requests) == 2


@sync_and_async
@pytest.mark.parametrize("response_format", [None, Weather], ids=["text", "structured"])
async def test_router_falls_back_inside_the_loop(response_format: Any, is_async: bool) -> None:
    router = OfflineRouter(faults={GPT: [Fault(status=200), Fault(status=503)]})
    model = create_model(router, controls={"fallbacks": [CLAUDE]})
    agent = create_agent(model, [get_weather], response_format=response_format)
    result = await run(agent, is_async)
    assert [(call.model, call.status) for call in router.log] == [
        (GPT, 200),
        (GPT, 503),
        (CLAUDE, 200),
    ]
    answers = [message for message in result["messages"] if isinstance(message, AIMessage)]
    models = [answer.response_metadata["model_name"] for answer in answers]
    assert models == [GPT, CLAUDE]
    assert len(router.requests) == 2


@sync_and_async
async def test_loop_without_fallback_raises(is_async: bool) -> None:
    router = OfflineRouter(faults={GPT: [Fault(status=200), Fault(status=501)]})
    with pytest.raises(ServerError) as caught:
        await run(create_agent(create_model(router), [get_weather]), is_async)
    assert caught.value.status_code == 501
    assert len(router.requests) == 2
