"""Sync and async methods have the same signatures, results and errors."""

import asyncio
import inspect
from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from support.chat_responses import create_call, merge_chunks

from orq_router_integrations import ChatOrq, OfflineRouter, RouterClient, RouterError
from orq_router_integrations.testing import Answer, Fault

ANSWERS = {
    "text": Answer("Short and to the point."),
    "tool calls": Answer(tool_calls=(create_call("add", {"a": 1}), create_call("add", {"a": 2}))),
    "refusal": Answer(refusal="I would rather not."),
    "reasoning": Answer("So: 4.", reasoning="Two and two."),
}
FAULTS = {
    "rate limit": Fault(status=429),
    "server error": Fault(status=500, message="broken"),
    "interrupted": Fault(status=200, cut_after=2),
    "error event": Fault(status=200, error_after=2),
    "guardrail": Fault(status=400, code="guardrail_error"),
}
PER_RESPONSE = {"id", "created", "trace_id", "latency"}


def create_model(**router_options: Any) -> ChatOrq:
    client = OfflineRouter(**router_options).client(max_retries=0)
    return ChatOrq(model="openai/gpt-4o", client=client)


async def call_async(model: ChatOrq, *, stream: bool) -> BaseMessage:
    if not stream:
        return await model.ainvoke("Hi")
    message: BaseMessage = merge_chunks([chunk async for chunk in model.astream("Hi")])
    return message


def get_comparable_fields(message: BaseMessage) -> dict[str, Any]:
    """Return the fields that are equal for all modes of a call."""
    metadata = {k: v for k, v in message.response_metadata.items() if k not in PER_RESPONSE}
    fields: dict[str, Any] = message.model_dump(exclude={"id", "response_metadata"})
    return {**fields, "response_metadata": metadata}


@pytest.mark.parametrize("method", ["send", "stream", "close"])
def test_client_methods_have_the_same_parameters(method: str) -> None:
    sync, async_ = getattr(RouterClient, method), getattr(RouterClient, f"a{method}")
    assert inspect.signature(sync).parameters == inspect.signature(async_).parameters


@pytest.mark.parametrize(("sync", "async_"), [("_generate", "_agenerate"), ("_stream", "_astream")])
def test_model_hooks_have_the_same_parameters(sync: str, async_: str) -> None:
    names = [list(inspect.signature(getattr(ChatOrq, hook)).parameters) for hook in (sync, async_)]
    assert names[0] == names[1]


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_all_modes_return_the_same_message(answer: Answer) -> None:
    messages = [
        create_model(answers=lambda _: answer).invoke("Hi"),
        merge_chunks(create_model(answers=lambda _: answer).stream("Hi")),
        await call_async(create_model(answers=lambda _: answer), stream=False),
        await call_async(create_model(answers=lambda _: answer), stream=True),
    ]
    assert [get_comparable_fields(message) for message in messages] == [
        get_comparable_fields(messages[0])
    ] * 4


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("stream", [False, True], ids=["complete", "streamed"])
async def test_sync_and_async_calls_raise_the_same_error(fault: Fault, stream: bool) -> None:
    def create_failing_model() -> ChatOrq:
        return create_model(faults={"openai/gpt-4o": fault})

    model = create_failing_model()
    with pytest.raises(RouterError) as sync:
        list(model.stream("Hi")) if stream else model.invoke("Hi")
    with pytest.raises(RouterError) as async_:
        await call_async(create_failing_model(), stream=stream)
    assert type(sync.value) is type(async_.value)
    assert vars(sync.value) == vars(async_.value)


async def test_interleaved_async_streams_are_independent() -> None:
    model = create_model(answers={"one": "1 " * 50, "two": "2 " * 50})

    async def collect_text(question: str) -> str:
        return "".join([chunk.text async for chunk in model.astream(question)])

    first, second = await asyncio.gather(collect_text("one"), collect_text("two"))
    assert first.strip() == "1 " * 49 + "1"
    assert second.strip() == "2 " * 49 + "2"


def test_interleaved_streams_are_independent() -> None:
    model = create_model(answers={"one": "1 " * 50, "two": "2 " * 50})
    pairs = list(zip(model.stream("one"), model.stream("two"), strict=True))
    assert "2" not in "".join(first.text for first, _ in pairs)
    assert "1" not in "".join(second.text for _, second in pairs)
