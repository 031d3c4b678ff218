"""Sync and async are one behaviour: same signatures, same answers, same errors."""

import asyncio
import inspect
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk, BaseMessage

from orq_router_integrations import ChatOrq, OfflineRouter, RouterClient, RouterError
from orq_router_integrations.testing import Answer, Fault, ToolCall

VERBS = ["send", "stream", "close"]
TWINS = [("_generate", "_agenerate"), ("_stream", "_astream")]
ANSWERS = {
    "text": Answer("Short and to the point."),
    "tools": Answer(tool_calls=(ToolCall("add", {"a": 1}), ToolCall("add", {"a": 2}))),
    "refusal": Answer(refusal="I would rather not."),
    "reasoning": Answer("So: 4.", reasoning="Two and two."),
}
FAULTS = {
    "rate limit": Fault(status=429),
    "server": Fault(status=500, message="broken"),
    "cut": Fault(status=200, cut_after=2),
    "error frame": Fault(status=200, error_after=2),
    "guardrail": Fault(status=400, code="guardrail_error"),
}
PER_REPLY = {"id", "created", "trace_id", "latency"}


def offline_model(**router: Any) -> ChatOrq:
    client = OfflineRouter(**router).client(max_retries=0)
    return ChatOrq(model="openai/gpt-4o", client=client)


async def collected(model: ChatOrq, *, streamed: bool) -> BaseMessage:
    if not streamed:
        return await model.ainvoke("Hi")
    return joined([chunk async for chunk in model.astream("Hi")])


def joined(chunks: list[AIMessageChunk]) -> AIMessageChunk:
    total = chunks[0]
    for chunk in chunks[1:]:
        total += chunk
    return total


def essence(message: BaseMessage) -> dict[str, Any]:
    """What must be equal, however a message came about."""
    found = {k: v for k, v in message.response_metadata.items() if k not in PER_REPLY}
    return {
        "content": message.content,
        "tool_calls": message.tool_calls,
        "extras": message.additional_kwargs,
        "usage": message.usage_metadata,
        "metadata": found,
    }


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_twin_with_the_same_signature(verb: str) -> None:
    sync, twin = getattr(RouterClient, verb), getattr(RouterClient, f"a{verb}")
    assert inspect.signature(sync).parameters == inspect.signature(twin).parameters


@pytest.mark.parametrize(("sync", "twin"), TWINS)
def test_the_models_hooks_take_the_same_arguments(sync: str, twin: str) -> None:
    names = [list(inspect.signature(getattr(ChatOrq, hook)).parameters) for hook in (sync, twin)]
    assert names[0] == names[1]


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_four_doors_lead_to_the_same_message(answer: Answer) -> None:
    messages = [
        offline_model(answers={"Hi": answer}).invoke("Hi"),
        joined(list(offline_model(answers={"Hi": answer}).stream("Hi"))),
        await collected(offline_model(answers={"Hi": answer}), streamed=False),
        await collected(offline_model(answers={"Hi": answer}), streamed=True),
    ]
    assert [essence(message) for message in messages] == [essence(messages[0])] * 4


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("streamed", [False, True])
async def test_a_fault_is_the_same_error_in_sync_and_async(fault: Fault, streamed: bool) -> None:
    def failing() -> ChatOrq:
        return offline_model(faults={"openai/gpt-4o": fault})

    with pytest.raises(RouterError) as sync:
        list(failing().stream("Hi")) if streamed else failing().invoke("Hi")
    with pytest.raises(RouterError) as twin:
        await collected(failing(), streamed=streamed)
    assert type(sync.value) is type(twin.value)
    assert vars(sync.value) == vars(twin.value)


async def test_interleaved_streams_stay_apart() -> None:
    model = offline_model(answers={"one": "1 " * 50, "two": "2 " * 50})

    async def text(question: str) -> str:
        return "".join([chunk.text async for chunk in model.astream(question)])

    one, two = await asyncio.gather(text("one"), text("two"))
    assert one.strip() == "1 " * 49 + "1"
    assert two.strip() == "2 " * 49 + "2"


def test_interleaved_sync_streams_stay_apart() -> None:
    model = offline_model(answers={"one": "1 " * 50, "two": "2 " * 50})
    pairs = list(zip(model.stream("one"), model.stream("two"), strict=True))
    assert "2" not in "".join(one.text for one, _ in pairs)
    assert "1" not in "".join(two.text for _, two in pairs)
