"""``ChatOrq`` on the Responses API: replay, stored conversations, tools, structure and cost."""

from typing import Any

import orjson
import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel
from support import chat_responses
from support.chat_responses import create_call
from support.marks import sync_and_async

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models import request_builder
from orq_router_integrations.chat_models.response_metadata import Provenance
from orq_router_integrations.chat_models.usage_callback import track_usage
from orq_router_integrations.errors import (
    BadRequestError,
    InvalidResponseError,
    NotFoundError,
    RouterInputError,
    ServerError,
)
from orq_router_integrations.testing import Answer, Fault

CLAUDE, GPT = "anthropic/claude-sonnet-4-5", "openai/gpt-4o"
QUESTION = "What is the weather in Berlin?"
SIGNED_ANSWER = Answer(
    reasoning="Hm.",
    reasoning_signature="SIGNATURE",
    tool_calls=(create_call("look", {}, call_id="c1"),),
)
RESULT = ToolMessage("nothing", tool_call_id="c1")
both_versions = pytest.mark.parametrize("version", ["v0", "v1"])
both_modes = pytest.mark.parametrize("stream", [False, True], ids=["complete", "streamed"])


def create_model(router: OfflineRouter, **kwargs: Any) -> ChatOrq:
    return ChatOrq(**{"model": GPT, "api": "responses", "client": router.client()} | kwargs)


def get_body(router: OfflineRouter) -> dict[str, Any]:
    body: dict[str, Any] = router.requests[-1].body
    return body


def create_reasoning_router(**kwargs: Any) -> OfflineRouter:
    answers = iter([SIGNED_ANSWER, Answer("Done.")])
    return OfflineRouter(answers=lambda _: next(answers), **kwargs)


def replay_answer(router: OfflineRouter, first: ChatOrq, second: ChatOrq, stream: bool) -> Any:
    """Return what the second model sends for the answer of the first, without the question."""
    answer = first.invoke("Look!", stream=stream)
    second.invoke([HumanMessage("Look!"), answer, RESULT])
    body = get_body(router)
    return body.get("input", body.get("messages"))[1:]


# Reasoning signatures


@both_modes
@both_versions
def test_signed_reasoning_is_sent_back(version: str, stream: bool) -> None:
    router = create_reasoning_router()
    model = create_model(router, output_version=version)
    assert replay_answer(router, model, model, stream) == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "SIGNATURE",
            "id": "reasoning_offline_000001_0",
        },
        {
            "type": "function_call",
            "call_id": "c1",
            "name": "look",
            "arguments": "{}",
            "id": "function_call_offline_000001_1",
        },
        {"type": "function_call_output", "call_id": "c1", "output": "nothing"},
    ]


OTHER_MODELS: dict[str, dict[str, Any]] = {
    "other provider": {"model": CLAUDE},
    "other API": {"api": "chat_completions"},
    "other provider and API": {"model": CLAUDE, "api": "chat_completions"},
}


@both_modes
@both_versions
@pytest.mark.parametrize("second_options", OTHER_MODELS.values(), ids=OTHER_MODELS)
def test_signature_is_not_sent_to_another_provider_or_api(
    second_options: dict[str, Any], version: str, stream: bool
) -> None:
    router = create_reasoning_router()
    first = create_model(router, output_version=version)
    second = create_model(router, output_version=version, **second_options)
    items = replay_answer(router, first, second, stream)
    assert "SIGNATURE" not in str(items)
    assert "c1" in str(items)


@both_modes
@both_versions
def test_signature_of_chat_completions_is_not_sent(version: str, stream: bool) -> None:
    router = create_reasoning_router()
    first = create_model(router, api="chat_completions", output_version=version)
    second = create_model(router, output_version=version)
    items = replay_answer(router, first, second, stream)
    assert [item["type"] for item in items] == ["function_call", "function_call_output"]


@both_versions
def test_primary_does_not_receive_a_signature_of_its_fallback(version: str) -> None:
    router = create_reasoning_router(faults={CLAUDE: [501]})
    controls = {"fallbacks": [GPT], "fallback_on_codes": [501]}
    model = create_model(router, model=CLAUDE, output_version=version, controls=controls)
    assert "SIGNATURE" not in str(replay_answer(router, model, model, stream=False))


def create_scripted_model(*output: Any, **fields: Any) -> ChatOrq:
    """Create a model that always gets a response with this output."""
    body = {"id": "resp_1", "model": "gpt-4o", "status": "completed", "output": list(output)}
    return chat_responses.create_model(orjson.dumps({**body, **fields}), api="responses")


def create_reasoning_item(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": text}], **fields}


@both_versions
def test_several_signatures_keep_their_order(version: str) -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
    items = [create_reasoning_item(text, encrypted_content=text * 3) for text in "AB"]
    model = create_scripted_model(*items, call)
    model.output_version = version
    router = OfflineRouter()
    answer = model.invoke("Look!")
    create_model(router, output_version=version).invoke([HumanMessage("Look!"), answer, RESULT])
    signatures = [item.get("encrypted_content") for item in get_body(router)["input"][1:3]]
    assert signatures == ["AAA", "BBB"]


# Output items


def test_items_of_server_tools_are_kept() -> None:
    search = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {}}
    text = {"type": "message", "content": [{"type": "output_text", "text": "Found."}]}
    answer = create_scripted_model(search, text).invoke("Hi")
    assert answer.additional_kwargs["output_items"] == [search]
    assert answer.text == "Found."


IMAGE_ITEM = {"type": "image_generation_call", "result": "aGk="}


@both_modes
@both_versions
def test_url_citations_are_citations_of_the_text(version: str, stream: bool) -> None:
    citation = {"type": "url_citation", "url": "https://a.b", "title": "A"}
    answer = Answer("Hi there", annotations=[{**citation, "start_index": 0, "end_index": 2}])
    router = OfflineRouter(answers=lambda _: answer)
    message = create_model(router, output_version=version).invoke("Hi", stream=stream)
    (block,) = message.content_blocks
    (annotation,) = block["annotations"]
    assert (annotation["type"], annotation["url"]) == ("citation", "https://a.b")
    assert (annotation["title"], annotation["end_index"]) == ("A", 2)


def test_generated_image_is_a_standard_block() -> None:
    (block,) = create_scripted_model(IMAGE_ITEM).invoke("Draw!").content_blocks
    assert (block["type"], block["base64"]) == ("image", "aGk=")


@both_versions
def test_conversation_continues_after_an_image(version: str) -> None:
    model = create_scripted_model(IMAGE_ITEM)
    model.output_version = version
    answer = model.invoke("Draw!")
    assert model.invoke([HumanMessage("Draw!"), answer, HumanMessage("Again!")])


INVALID_CALLS: dict[str, dict[str, Any]] = {
    "null name": {"name": None, "arguments": "{}", "call_id": "a"},
    "not JSON": {"name": "f", "arguments": "no JSON", "call_id": "a"},
    "array": {"name": "f", "arguments": "[1]", "call_id": "a"},
    "no name": {"arguments": "{}"},
    "empty": {},
}


@pytest.mark.parametrize("fields", INVALID_CALLS.values(), ids=INVALID_CALLS)
def test_call_that_cannot_be_run_is_invalid(fields: dict[str, Any]) -> None:
    answer = create_scripted_model({"type": "function_call", **fields}).invoke("Hi")
    assert answer.tool_calls == []
    assert len(answer.invalid_tool_calls) == 1


@pytest.mark.parametrize(
    "fields", [{"call_id": None}, {"call_id": ""}, {"call_id": 5}, {}], ids=repr
)
def test_call_without_an_id_gets_one(fields: dict[str, Any]) -> None:
    item = {"type": "function_call", "name": "f", "arguments": None, **fields}
    (call,) = create_scripted_model(item).invoke("Hi").tool_calls
    assert call["id"]
    assert call["args"] == {}


def test_failed_response_raises_its_error() -> None:
    error = {"code": "x", "message": "out"}
    with pytest.raises(ServerError, match="out") as caught:
        create_scripted_model(status="failed", error=error).invoke("Hi")
    assert caught.value.code == "x"


@pytest.mark.parametrize("output", [None, "Hi", {}], ids=repr)
def test_response_without_output_raises(output: Any) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        create_scripted_model(output=output).invoke("Hi")
    assert caught.value.endpoint == "/responses"


# Stored conversations and background responses


@both_modes
def test_tool_result_continues_a_stored_response(stream: bool) -> None:
    router = create_reasoning_router()
    model = create_model(router)
    answer = model.invoke("Look!", stream=stream)
    response_id = answer.response_metadata["id"]
    assert model.invoke([RESULT], previous_response_id=response_id).text == "Done."
    output = {"type": "function_call_output", "call_id": "c1", "output": "nothing"}
    assert get_body(router) == {
        "model": GPT,
        "previous_response_id": response_id,
        "input": [output],
    }


def test_tool_result_without_its_call_raises() -> None:
    with pytest.raises(BadRequestError):
        create_model(OfflineRouter()).invoke([RESULT])


def test_response_that_was_not_stored_cannot_be_continued() -> None:
    router = OfflineRouter()
    answer = create_model(router, store=False).invoke("Hi")
    assert get_body(router)["store"] is False
    response_id = answer.response_metadata["id"]
    with pytest.raises((NotFoundError, BadRequestError)):
        create_model(router).invoke("More", previous_response_id=response_id)


@sync_and_async
async def test_background_response_is_polled(
    router: OfflineRouter, monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    monkeypatch.setattr(request_builder, "INITIAL_BACKOFF_SECONDS", 0.0)
    model = create_model(router, background=True)
    answer = await model.ainvoke("Hi") if is_async else model.invoke("Hi")
    assert answer.text == create_model(OfflineRouter()).invoke("Hi").text
    assert [request.method for request in router.requests] == ["POST", "GET", "GET"]


@pytest.mark.parametrize(
    "params", [{"background": True, "store": False}, {"background": "yes"}], ids=repr
)
def test_invalid_background_raises(router: OfflineRouter, params: dict[str, Any]) -> None:
    with pytest.raises(RouterInputError, match="background"):
        create_model(router).invoke("Hi", **params)
    assert router.requests == []


def test_background_response_cannot_be_streamed(router: OfflineRouter) -> None:
    with pytest.raises(RouterInputError, match="background"):
        list(create_model(router).stream("Hi", background=True))
    assert router.requests == []


# Reasoning, tools and structured output


@both_modes
def test_reasoning_is_requested_and_returned(stream: bool) -> None:
    router = OfflineRouter(answers={"Hi": Answer("42", (), "Let me think.", "SIGNATURE")})
    reasoning = {"effort": "low", "summary": "auto"}
    model = create_model(router, reasoning=reasoning, include=["reasoning.encrypted_content"])
    answer = model.invoke("Hi", stream=stream)
    body = get_body(router)
    assert (body["reasoning"], body["include"]) == (reasoning, model.include)
    reasoning_block, text_block = answer.content_blocks
    assert reasoning_block["type"] == "reasoning"
    assert reasoning_block["reasoning"] == "Let me think."
    assert text_block["text"] == "42"


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"12 degrees in {city}"


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


@pytest.mark.parametrize("tool_type", ["orq:web_search", "orq:code_interpreter", "mcp"])
def test_server_tool_is_bound_as_a_dict(router: OfflineRouter, tool_type: str) -> None:
    create_model(router).bind_tools([get_weather, {"type": tool_type}]).invoke("Hi")
    function, server_tool = get_body(router)["tools"]
    assert (function["type"], function["name"]) == ("function", "get_weather")
    assert server_tool == {"type": tool_type}


def test_server_tool_can_be_required(router: OfflineRouter) -> None:
    search = {"type": "orq:web_search"}
    create_model(router).bind_tools([search], tool_choice="any").invoke("Hi")
    assert get_body(router)["tool_choice"] == "required"


@both_modes
@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
def test_structured_output_includes_the_raw_message(
    router: OfflineRouter, method: Any, stream: bool
) -> None:
    model = create_model(router, streaming=stream)
    structured: Any = model.with_structured_output(Weather, method=method, include_raw=True)
    output = structured.invoke(QUESTION)
    assert isinstance(output["parsed"], Weather)
    assert output["parsing_error"] is None
    assert isinstance(output["raw"], AIMessage)
    body = get_body(router)
    schema = body["text"]["format"] if method == "json_schema" else body["tool_choice"]
    assert schema["name"] == "Weather"


@both_versions
@pytest.mark.parametrize(
    "response_format",
    [Weather, ProviderStrategy(Weather), ToolStrategy(Weather)],
    ids=["schema", "provider", "tool"],
)
async def test_agent_returns_structured_output(
    router: OfflineRouter, response_format: Any, version: str
) -> None:
    model = create_model(router, output_version=version)
    agent = create_agent(model, [get_weather], response_format=response_format)
    state = {"messages": [("user", QUESTION)]}
    result = agent.invoke(state)
    assert isinstance(result["structured_response"], Weather)
    assert result["structured_response"].city == "Berlin"
    async_result = await agent.ainvoke(state)
    assert async_result["structured_response"] == result["structured_response"]


# Cost and errors


@both_modes
def test_cost_is_reported_and_added_up(router: OfflineRouter, stream: bool) -> None:
    with track_usage() as usage:
        answers = [create_model(router).invoke(text, stream=stream) for text in ("One", "Two")]
    costs = [Provenance.of(answer).cost for answer in answers]
    assert all(costs)
    assert usage.cost == pytest.approx(sum(cost or 0 for cost in costs))
    assert (usage.calls, usage.unpriced) == (2, 0)


def test_router_error_names_the_endpoint() -> None:
    router = OfflineRouter(faults={GPT: Fault(status=501)})
    with pytest.raises(ServerError) as caught:
        create_model(router).invoke("Hi")
    assert (caught.value.status_code, caught.value.endpoint) == (501, "/responses")
