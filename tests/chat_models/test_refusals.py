"""Refusals are standard content blocks, and LangChain's middleware reacts to them."""

import json
from typing import Any

import pytest
from langchain.agents import create_agent, middleware
from langchain.agents.middleware import ModelFallbackMiddleware
from langchain.agents.structured_output import ProviderStrategy
from langchain_core import exceptions as core
from langchain_core.messages import AIMessage, HumanMessage, content
from pydantic import BaseModel
from support.agent_tools import both_apis, create_agent_model, every_version
from support.agent_tools import invoke_runnable as invoke
from support.chat import CLAUDE, GPT, last_body
from support.chat_responses import (
    DONE,
    EVENT_STREAM,
    create_delta,
    create_model,
    drop_index,
    encode_event,
    merge_chunks,
)
from support.marks import sync_and_async

from orq_router_integrations import OfflineRouter
from orq_router_integrations.errors import RefusalError
from orq_router_integrations.testing import Answer

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

TEXT = "I can't help with that."
REFUSAL: dict[str, Any] = {"type": "refusal", "refusal": TEXT}
HAS_BLOCK = hasattr(content, "RefusalContentBlock")
BLOCK = REFUSAL if HAS_BLOCK else {"type": "non_standard", "value": REFUSAL}
needs_block = pytest.mark.skipif(not HAS_BLOCK, reason="needs langchain-core 1.7.5")
needs_middleware = pytest.mark.skipif(
    not hasattr(middleware, "ModelRefusalMiddleware"), reason="needs langchain 1.5"
)


@pytest.fixture
def router() -> OfflineRouter:
    """A router whose GPT refuses, and whose Claude answers."""
    return OfflineRouter(answers={GPT: Answer(refusal=TEXT), CLAUDE: Answer("Sure.")})


def create_refusing_router(**fields: Any) -> OfflineRouter:
    return OfflineRouter(answers=lambda _: Answer(refusal=TEXT, **fields))


@both_apis
@every_version
@sync_and_async
async def test_complete_refusal_is_a_block(api: str, version: Any, is_async: bool) -> None:
    model = create_agent_model(create_refusing_router(), api, output_version=version)
    message = await invoke(model, is_async)
    assert drop_index(message.content_blocks) == [BLOCK]
    assert message.additional_kwargs["refusal"] == TEXT


@both_apis
@every_version
def test_streamed_refusal_is_a_block(api: str, version: Any) -> None:
    model = create_agent_model(create_refusing_router(), api, output_version=version)
    chunks = list(model.stream("Hi"))
    assert sum(bool(chunk.content_blocks) for chunk in chunks) > 1
    assert drop_index(merge_chunks(chunks).content_blocks) == [BLOCK]


@both_apis
@sync_and_async
async def test_refusal_in_events_is_a_block(api: str, is_async: bool) -> None:
    model = create_agent_model(create_refusing_router(), api)
    if is_async:
        stream: Any = await model.astream_events("Hi", version="v3")
        events, message = [event async for event in stream], await stream.output
    else:
        stream = model.stream_events("Hi", version="v3")
        events, message = list(stream), stream.output
    blocks = [event["content"] for event in events if event["event"] == "content-block-finish"]
    assert drop_index(blocks) == [BLOCK]
    assert drop_index(message.content_blocks) == [BLOCK]
    assert message.additional_kwargs["refusal"] == TEXT


def test_refusal_may_follow_reasoning() -> None:
    model = create_agent_model(create_refusing_router(reasoning="Hm."), "chat_completions")
    expected = [{"type": "reasoning", "reasoning": "Hm."}, BLOCK]
    assert drop_index(model.invoke("Hi").content_blocks) == expected
    assert drop_index(merge_chunks(model.stream("Hi")).content_blocks) == expected
    events = list(model.stream_events("Hi", version="v3"))
    blocks = [event["content"] for event in events if event["event"] == "content-block-finish"]
    assert drop_index(blocks) == expected


@both_apis
@every_version
def test_refusal_is_sent_back(api: str, version: Any) -> None:
    router = create_refusing_router()
    model = create_agent_model(router, api, output_version=version)
    stream = model.stream_events("Hi", version="v3")
    for message in (model.invoke("Hi"), merge_chunks(model.stream("Hi")), stream.output):
        model.invoke([HumanMessage("Hi"), message, HumanMessage("Why?")])
        assert json.dumps(last_body(router)).count(TEXT) == 1


@pytest.mark.parametrize("block", [REFUSAL, {"type": "non_standard", "value": REFUSAL}])
def test_refusal_of_another_model_is_sent_back(router: OfflineRouter, block: Any) -> None:
    model = create_agent_model(router, "chat_completions")
    model.invoke([HumanMessage("Hi"), AIMessage([block]), HumanMessage("Why?")])
    assert last_body(router)["messages"][1]["content"] == [REFUSAL]


REASONS = ["refusal", "SAFETY", "PROHIBITED_CONTENT", "blocklist"]


@pytest.mark.parametrize("reason", REASONS)
def test_refusal_may_have_no_text(reason: str) -> None:
    choice = {"message": {"content": ""}, "finish_reason": reason}
    complete = create_model(json.dumps({"choices": [choice]}).encode()).invoke("Hi")
    data = encode_event(create_delta(content="")) + encode_event(create_delta(reason)) + DONE
    model = create_model(data, EVENT_STREAM)
    block = {"type": "refusal", "refusal": ""}
    expected = block if HAS_BLOCK else {"type": "non_standard", "value": block}
    for message in (
        complete,
        merge_chunks(model.stream("Hi")),
        model.stream_events("Hi", version="v3").output,
    ):
        assert drop_index(message.content_blocks) == [expected]


@pytest.mark.parametrize("reason", ["content_filter", "stop", "length"])
def test_other_finish_reasons_are_not_refusals(reason: str) -> None:
    choice = {"message": {"content": "Hi"}, "finish_reason": reason}
    message = create_model(json.dumps({"choices": [choice]}).encode()).invoke("Hi")
    assert [block["type"] for block in message.content_blocks] == ["text"]


# Structured output


class Joke(BaseModel):
    """A joke."""

    setup: str


METHODS = ("json_schema", "function_calling", "json_mode")


@pytest.mark.parametrize("method", METHODS)
@sync_and_async
async def test_refusal_of_structured_output_raises(
    router: OfflineRouter, method: Any, is_async: bool
) -> None:
    runnable = create_agent_model(router, "chat_completions").with_structured_output(
        Joke, method=method
    )
    with pytest.raises(RefusalError, match="can't help") as caught:
        await invoke(runnable, is_async, "Give me JSON")
    assert caught.value.raw_message.content_blocks == [BLOCK]  # type: ignore[union-attr]
    assert isinstance(caught.value, getattr(core, "ModelRefusalError", core.ModelError))


@pytest.mark.parametrize("method", METHODS)
def test_refusal_of_streamed_structured_output_raises(router: OfflineRouter, method: Any) -> None:
    """langchain-core's parsers would raise at the first word of the refusal."""
    runnable = create_agent_model(router, "chat_completions").with_structured_output(
        Joke, method=method
    )
    with pytest.raises(RefusalError, match=r"I can't help with that\."):
        list(runnable.stream("Give me JSON"))


@needs_block
def test_error_can_be_created_from_a_block() -> None:
    message = AIMessage([REFUSAL])
    error = RefusalError.from_refusal(REFUSAL, raw_message=message)
    assert error.raw_message is message
    assert TEXT in str(error)


# Middleware


@needs_middleware
@both_apis
@sync_and_async
async def test_refusal_middleware_raises(router: OfflineRouter, api: str, is_async: bool) -> None:
    agent = create_agent(
        create_agent_model(router, api), middleware=[middleware.ModelRefusalMiddleware()]
    )
    with pytest.raises(core.ModelRefusalError, match="can't help"):
        await invoke(agent, is_async, {"messages": [("user", "Hi")]})


@needs_middleware
@both_apis
@sync_and_async
@pytest.mark.parametrize("streaming", [False, True], ids=["complete", "streamed"])
async def test_fallback_middleware_reacts_to_a_refusal(
    router: OfflineRouter, api: str, is_async: bool, streaming: bool
) -> None:
    model = create_agent_model(router, api, streaming=streaming)
    fallback = create_agent_model(router, api, model=CLAUDE)
    agent = create_agent(
        model,
        middleware=[ModelFallbackMiddleware(fallback), middleware.ModelRefusalMiddleware()],
    )
    result = await invoke(agent, is_async, {"messages": [("user", "Hi")]})
    assert result["messages"][-1].text == "Sure."


@needs_middleware
def test_refusal_middleware_raises_with_a_response_format(router: OfflineRouter) -> None:
    agent = create_agent(
        create_agent_model(router, "chat_completions"),
        response_format=ProviderStrategy(Joke),
        middleware=[middleware.ModelRefusalMiddleware()],
    )
    with pytest.raises(core.ModelRefusalError, match="can't help"):
        agent.invoke({"messages": [("user", "Give me JSON")]})


@sync_and_async
async def test_fallbacks_of_runnables_react_to_a_refusal(is_async: bool) -> None:
    router = OfflineRouter(answers={GPT: Answer(refusal=TEXT), CLAUDE: '{"setup": "Why?"}'})
    first, second = (
        create_agent_model(router, "chat_completions", model=name).with_structured_output(Joke)
        for name in (GPT, CLAUDE)
    )
    assert await invoke(first.with_fallbacks([second]), is_async, "Joke") == Joke(setup="Why?")
