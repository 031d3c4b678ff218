"""Events of ``stream_events(version="v3")`` are valid and produce the message of ``invoke``."""

from typing import Any

import pytest
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream
from support.chat_responses import create_call
from support.marks import sync_and_async

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import StreamInterruptedError
from orq_router_integrations.testing import Answer, Fault

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

CITATION = {"type": "url_citation", "url": "https://a.b", "start_index": 0, "end_index": 2}
ANSWERS = {
    "text": Answer("Hello there, friend"),
    "citations": Answer("Hello there", annotations=[CITATION]),
    "signed reasoning": Answer("Hi there", reasoning="I think so", reasoning_signature="S"),
    "tool calls": Answer(
        "Ok", tool_calls=(create_call("f", {"a": 1}), create_call("g", {"b": [2]}))
    ),
    "tool call without text": Answer(reasoning="Hm", tool_calls=(create_call("f", {"a": 1}),)),
    "invalid tool call": Answer("Ok", tool_calls=(create_call("g"), create_call("f", "{not json"))),
    "refusal": Answer(refusal="No, I will not"),
    "everything": Answer("Hi there", reasoning="Hm Hm", tool_calls=(create_call("f", {"a": 1}),)),
}
AUDIO_ANSWER = Answer("Hi there", audio=b"RIFF\x24\0\0\0WAVEfmt " + bytes(40))
both_apis = pytest.mark.parametrize("api", ["chat_completions", "responses"])


def create_model(answer: Answer, api: str = "chat_completions", **kwargs: Any) -> ChatOrq:
    client = OfflineRouter(answers=lambda _: answer).client()
    return ChatOrq(model="openai/gpt-4o", api=api, client=client, output_version="v1", **kwargs)


async def collect_events(model: ChatOrq, is_async: bool) -> tuple[list[Any], Any]:
    """Return the events of a call, and the message that they produce."""
    if is_async:
        astream: Any = await model.astream_events("Hi", version="v3")
        return [event async for event in astream], await astream.output
    stream: Any = model.stream_events("Hi", version="v3")
    return list(stream), stream.output


def comparable_blocks(message: Any) -> list[dict[str, Any]]:
    """Return blocks without the indices of streamed ones, and without ids of audio."""
    blocks = [{k: v for k, v in block.items() if k != "index"} for block in message.content_blocks]
    for block in blocks:
        block.get("extras", {}).pop("id", None)
        block.get("extras", {}).pop("expires_at", None)
    return blocks


@sync_and_async
@both_apis
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_events_produce_the_message_of_invoke(
    answer: Answer, api: str, is_async: bool
) -> None:
    model = create_model(answer, api)
    events, message = await collect_events(model, is_async)
    assert_valid_event_stream(events)
    expected = model.invoke("Hi")
    assert comparable_blocks(message) == comparable_blocks(expected)
    assert message.tool_calls == expected.tool_calls
    assert message.usage_metadata == expected.usage_metadata
    assert message.response_metadata.keys() == expected.response_metadata.keys()
    assert message.id.startswith("lc_run--")


@sync_and_async
async def test_audio_is_complete(is_async: bool) -> None:
    """langchain-core's own events would keep only the last chunk of the audio."""
    options = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    model = create_model(AUDIO_ANSWER, **options)
    events, message = await collect_events(model, is_async)
    assert_valid_event_stream(events)
    assert comparable_blocks(message) == comparable_blocks(model.invoke("Hi"))


@sync_and_async
async def test_logprobs_are_complete(is_async: bool) -> None:
    logprobs = [{"token": "Hello ", "logprob": -0.1}, {"token": "you", "logprob": -0.2}]
    answer = Answer("Hello you", logprobs=logprobs)
    model = create_model(answer, logprobs=True, top_logprobs=1)
    _, message = await collect_events(model, is_async)
    assert model.invoke("Hi").response_metadata["logprobs"]["content"] == logprobs
    assert message.response_metadata["logprobs"]["content"] == logprobs


@both_apis
def test_deltas_arrive_one_by_one(api: str) -> None:
    stream: Any = create_model(ANSWERS["everything"], api).stream_events("Hi", version="v3")
    deltas = [event["delta"] for event in stream if event["event"] == "content-block-delta"]
    types = [delta["type"] for delta in deltas]
    assert types.count("text-delta") > 1
    assert {"text-delta", "reasoning-delta", "tool-call-delta"} == set(types)
    assert types.index("reasoning-delta") < types.index("text-delta")


@sync_and_async
async def test_interrupted_stream_raises(is_async: bool) -> None:
    router = OfflineRouter(faults={"openai/gpt-4o": Fault(cut_after=2)})
    model = ChatOrq(model="openai/gpt-4o", client=router.client(max_retries=0))
    with pytest.raises(StreamInterruptedError):
        await collect_events(model, is_async)
