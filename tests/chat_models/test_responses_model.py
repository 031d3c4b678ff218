"""The model on the Responses API: replay, stored conversations, tools, structure, agents, cost."""

from typing import Any

import httpx
import orjson
import pytest
from langchain.agents import create_agent
from langchain.agents.structured_output import ProviderStrategy, ToolStrategy
from langchain_core.messages import AIMessage, HumanMessage, ToolMessage
from langchain_core.tools import tool
from pydantic import BaseModel

from orq_router_integrations import ChatOrq, OfflineRouter, RouterClient
from orq_router_integrations.chat_models import background_polling as background
from orq_router_integrations.chat_models.provenance import Provenance
from orq_router_integrations.chat_models.usage_callback import track_usage
from orq_router_integrations.errors import (
    BadRequestError,
    InvalidResponseError,
    NotFoundError,
    RouterInputError,
    ServerError,
)
from orq_router_integrations.testing import Answer, Fault, ToolCall

CLAUDE, GPT = "anthropic/claude-sonnet-4-5", "openai/gpt-4o"
QUESTION = "What is the weather in Berlin?"
THINKS = Answer(
    reasoning="Hm.", reasoning_signature="SEAL", tool_calls=(ToolCall("look", {}, id="c1"),)
)
RESULT = ToolMessage("nothing", tool_call_id="c1")
both_versions = pytest.mark.parametrize("version", ["v0", "v1"])
both_ways = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def orq(router: OfflineRouter, **kwargs: Any) -> ChatOrq:
    return ChatOrq(**{"model": GPT, "api": "responses", "client": router.client()} | kwargs)


def sent(router: OfflineRouter, number: int = -1) -> dict[str, Any]:
    body: dict[str, Any] = router.requests[number].body
    return body


def thinker(**kwargs: Any) -> OfflineRouter:
    return OfflineRouter(answers={"Look!": [THINKS, Answer("Done.")]}, **kwargs)


def second_turn(router: OfflineRouter, first: ChatOrq, second: ChatOrq, stream: bool) -> Any:
    """What the second turn sends of the first answer."""
    answer = first.invoke("Look!", stream=stream)
    second.invoke([HumanMessage("Look!"), answer, RESULT])
    body = sent(router)
    return body.get("input", body.get("messages"))[1:]


@both_ways
@both_versions
def test_sealed_reasoning_goes_back_on_a_tool_turn(version: str, stream: bool) -> None:
    router = thinker()
    model = orq(router, output_version=version)
    assert second_turn(router, model, model, stream) == [
        {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "Hm."}],
            "encrypted_content": "SEAL",
        },
        {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c1", "output": "nothing"},
    ]


OTHERS: dict[str, dict[str, Any]] = {
    "another provider": {"model": CLAUDE},
    "the other API": {"api": "chat_completions"},
    "another provider on the other API": {"model": CLAUDE, "api": "chat_completions"},
}


@both_ways
@both_versions
@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_a_seal_goes_to_no_other(other: dict[str, Any], version: str, stream: bool) -> None:
    router = thinker()
    first = orq(router, output_version=version)
    turn = second_turn(router, first, orq(router, output_version=version, **other), stream)
    assert "SEAL" not in str(turn)
    assert "c1" in str(turn)


@both_ways
@both_versions
def test_a_seal_of_chat_completions_is_not_sent_here(version: str, stream: bool) -> None:
    router = thinker()
    first = orq(router, api="chat_completions", output_version=version)
    turn = second_turn(router, first, orq(router, output_version=version), stream)
    assert [item["type"] for item in turn] == ["function_call", "function_call_output"]


@both_versions
def test_after_a_fallback_the_primary_gets_no_seal_of_the_other(version: str) -> None:
    router = thinker(faults={CLAUDE: [501]})
    model = orq(
        router, model=CLAUDE, output_version=version,
        controls={"fallbacks": [GPT], "fallback_on_codes": [501]},
    )  # fmt: skip
    assert "SEAL" not in str(second_turn(router, model, model, stream=False))


def replied(*output: Any, **members: Any) -> ChatOrq:
    """A model whose router always answers with this."""
    found = {"id": "resp_1", "model": "gpt-4o", "status": "completed", "output": list(output)}
    content = orjson.dumps({**found, **members})
    http = httpx.Client(
        transport=httpx.MockTransport(lambda _: httpx.Response(200, content=content))
    )
    client = RouterClient(api_key="k", http_client=http, max_retries=0)
    return ChatOrq(model=GPT, api="responses", client=client)


def thought(word: str, **members: Any) -> dict[str, Any]:
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": word}], **members}


@both_versions
def test_several_seals_go_back_in_their_order(version: str) -> None:
    call = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
    seals = [thought(word, encrypted_content=word * 3) for word in "AB"]
    model = replied(*seals, call)
    model.output_version = version
    router = OfflineRouter()
    answer = model.invoke("Look!")
    orq(router, output_version=version).invoke([HumanMessage("Look!"), answer, RESULT])
    replayed = [item.get("encrypted_content") for item in sent(router)["input"][1:3]]
    assert replayed == ["AAA", "BBB"]


SEARCH = {"type": "web_search_call", "id": "ws", "status": "completed", "action": {}}


def test_what_the_routers_own_tools_did_is_kept() -> None:
    text = {"type": "message", "content": [{"type": "output_text", "text": "Found."}]}
    answer = replied(SEARCH, text).invoke("Hi")
    assert answer.additional_kwargs["output_items"] == [SEARCH]
    assert answer.text == "Found."


def test_a_picture_is_a_standard_block() -> None:
    answer = replied({"type": "image_generation_call", "result": "aGk="}).invoke("Draw!")
    (block,) = answer.content_blocks
    assert (block["type"], block["base64"]) == ("image", "aGk=")


@both_versions
def test_a_conversation_goes_on_after_a_picture(version: str) -> None:
    model = replied({"type": "image_generation_call", "result": "aGk="})
    model.output_version = version
    drawn = model.invoke("Draw!")
    assert model.invoke([HumanMessage("Draw!"), drawn, HumanMessage("Again!")])


ODD_CALLS: list[dict[str, Any]] = [
    {"name": None, "arguments": "{}", "call_id": "a"},
    {"name": "f", "arguments": "no JSON", "call_id": "a"},
    {"name": "f", "arguments": "[1]", "call_id": "a"},
    {"arguments": "{}"},
    {},
]


@pytest.mark.parametrize("members", ODD_CALLS, ids=str)
def test_a_call_that_cannot_be_run_is_an_invalid_one(members: dict[str, Any]) -> None:
    answer = replied({"type": "function_call", **members}).invoke("Hi")
    assert answer.tool_calls == []
    assert len(answer.invalid_tool_calls) == 1


@pytest.mark.parametrize("members", [{"call_id": None}, {"call_id": ""}, {"call_id": 5}, {}])
def test_a_call_without_id_gets_one(members: dict[str, Any]) -> None:
    item = {"type": "function_call", "name": "f", "arguments": None, **members}
    (call,) = replied(item).invoke("Hi").tool_calls
    assert call["id"]
    assert call["args"] == {}


def test_a_failed_response_is_an_error_with_its_words() -> None:
    with pytest.raises(ServerError, match="out") as caught:
        replied(status="failed", error={"code": "x", "message": "out"}).invoke("Hi")
    assert caught.value.code == "x"


@pytest.mark.parametrize("output", [None, "Hi", {}])
def test_a_reply_without_output_is_an_invalid_response(output: Any) -> None:
    with pytest.raises(InvalidResponseError) as caught:
        replied(output=output).invoke("Hi")
    assert caught.value.endpoint == "/responses"


# Conversations that the router keeps


@both_ways
def test_a_tools_result_answers_the_stored_call(stream: bool) -> None:
    router = thinker()
    model = orq(router)
    answer = model.invoke("Look!", stream=stream)
    last = model.invoke([RESULT], previous_response_id=answer.response_metadata["id"])
    assert last.text == "Done."
    output = {"type": "function_call_output", "call_id": "c1", "output": "nothing"}
    assert sent(router) == {
        "model": GPT,
        "previous_response_id": answer.response_metadata["id"],
        "input": [output],
    }


def test_without_its_call_a_result_is_refused() -> None:
    with pytest.raises(BadRequestError):
        orq(OfflineRouter()).invoke([RESULT])


def test_a_response_that_was_not_stored_cannot_be_continued() -> None:
    router = OfflineRouter()
    answer = orq(router, store=False).invoke("Hi")
    assert sent(router)["store"] is False
    with pytest.raises((NotFoundError, BadRequestError)):
        orq(router).invoke("More", previous_response_id=answer.response_metadata["id"])


@pytest.mark.parametrize("awaited", [False, True])
async def test_a_background_response_is_waited_for(
    router: OfflineRouter, monkeypatch: pytest.MonkeyPatch, awaited: bool
) -> None:
    monkeypatch.setattr(background, "INITIAL_BACKOFF_SECONDS", 0.0)
    model = orq(router, background=True)
    answer = await model.ainvoke("Hi") if awaited else model.invoke("Hi")
    assert answer.text == orq(OfflineRouter()).invoke("Hi").text
    assert [request.method for request in router.requests] == ["POST", "GET", "GET"]


@pytest.mark.parametrize("given", [{"background": True, "store": False}, {"background": "yes"}])
def test_a_background_response_needs_store(router: OfflineRouter, given: dict[str, Any]) -> None:
    with pytest.raises(RouterInputError, match="background"):
        orq(router).invoke("Hi", **given)
    assert router.requests == []


def test_a_background_response_does_not_stream(router: OfflineRouter) -> None:
    with pytest.raises(RouterInputError, match="background"):
        list(orq(router).stream("Hi", background=True))
    assert router.requests == []


# Reasoning, tools, structure


@both_ways
def test_reasoning_and_its_seal_are_asked_for_and_shown(stream: bool) -> None:
    router = OfflineRouter(answers={"Hi": Answer("42", (), "Let me think.", "SEAL")})
    asked = {"effort": "low", "summary": "auto"}
    model = orq(router, reasoning=asked, include=["reasoning.encrypted_content"])
    answer = model.invoke("Hi", stream=stream)
    assert (sent(router)["reasoning"], sent(router)["include"]) == (asked, model.include)
    thinking, text = answer.content_blocks
    assert (thinking["type"], thinking["reasoning"]) == ("reasoning", "Let me think.")
    assert text["text"] == "42"


@tool
def get_weather(city: str) -> str:
    """Get the weather of a city."""
    return f"12 degrees in {city}"


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


@pytest.mark.parametrize("kind", ["orq:web_search", "orq:code_interpreter", "mcp"])
def test_server_tools_are_bound_as_dicts(router: OfflineRouter, kind: str) -> None:
    orq(router).bind_tools([get_weather, {"type": kind}]).invoke("Hi")
    function, server = sent(router)["tools"]
    assert (function["type"], function["name"]) == ("function", "get_weather")
    assert server == {"type": kind}


def test_a_server_tool_alone_can_be_demanded(router: OfflineRouter) -> None:
    search = {"type": "orq:web_search"}
    orq(router).bind_tools([search], tool_choice="any").invoke("Hi")
    assert sent(router)["tool_choice"] == "required"


@pytest.mark.parametrize("method", ["json_schema", "function_calling"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_structure_comes_with_its_raw_message(
    router: OfflineRouter, method: Any, stream: bool
) -> None:
    model = orq(router, streaming=stream)
    found: Any = model.with_structured_output(Weather, method=method, include_raw=True)
    answer = found.invoke(QUESTION)
    assert isinstance(answer["parsed"], Weather)
    assert answer["parsing_error"] is None
    assert isinstance(answer["raw"], AIMessage)
    named = (
        sent(router)["text"]["format"] if method == "json_schema" else sent(router)["tool_choice"]
    )
    assert named["name"] == "Weather"


ASKED = {"messages": [("user", QUESTION)]}


@both_versions
@pytest.mark.parametrize("wanted", [Weather, ProviderStrategy(Weather), ToolStrategy(Weather)])
async def test_an_agent_loops_and_ends_in_a_structure(
    router: OfflineRouter, wanted: Any, version: str
) -> None:
    model = orq(router, output_version=version)
    agent = create_agent(model, [get_weather], response_format=wanted)
    result = agent.invoke(ASKED)
    assert isinstance(result["structured_response"], Weather)
    assert result["structured_response"].city == "Berlin"
    awaited = await agent.ainvoke(ASKED)
    assert awaited["structured_response"] == result["structured_response"]


# Cost


@both_ways
def test_the_cost_is_told_and_added_up(router: OfflineRouter, stream: bool) -> None:
    with track_usage() as usage:
        answers = [orq(router).invoke(text, stream=stream) for text in ("One", "Two")]
    costs = [Provenance.of(answer).cost for answer in answers]
    assert all(costs)
    assert usage.cost == pytest.approx(sum(cost or 0 for cost in costs))
    assert (usage.calls, usage.unpriced) == (2, 0)


def test_a_fault_of_the_router_is_a_typed_error() -> None:
    router = OfflineRouter(faults={GPT: Fault(status=501)})
    with pytest.raises(ServerError) as caught:
        orq(router).invoke("Hi")
    assert (caught.value.status_code, caught.value.endpoint) == (501, "/responses")
