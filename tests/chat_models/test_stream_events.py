"""Events of the third version: valid, and ending in the message of a whole reply."""

from typing import Any

import pytest
from langchain_tests.utils.stream_lifecycle import assert_valid_event_stream

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import StreamInterruptedError
from orq_router_integrations.testing import Answer, Fault, ToolCall

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

NOTE = {"type": "url_citation", "url": "https://a.b", "start_index": 0, "end_index": 2}
ANSWERS = {
    "text": Answer("Hello there, friend"),
    "citations": Answer("Hello there", annotations=[NOTE]),
    "sealed reasoning": Answer("Hi there", reasoning="I think so", reasoning_signature="SEAL"),
    "calls": Answer("Ok", tool_calls=(ToolCall("f", {"a": 1}), ToolCall("g", {"b": [2]}))),
    "a call without text": Answer(reasoning="Hm", tool_calls=(ToolCall("f", {"a": 1}),)),
    "a broken call": Answer("Ok", tool_calls=(ToolCall("g"), ToolCall("f", "{not json"))),
    "a refusal": Answer(refusal="No, I will not"),
    "everything": Answer("Hi there", reasoning="Hm Hm", tool_calls=(ToolCall("f", {"a": 1}),)),
}
SPOKEN = Answer("Hi there", audio=b"RIFF\x24\0\0\0WAVEfmt " + bytes(40))
every_way = pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
both_apis = pytest.mark.parametrize("api", ["chat_completions", "responses"])


def orq(answer: Answer, api: str = "chat_completions", **kwargs: Any) -> ChatOrq:
    client = OfflineRouter(answers=lambda _: answer).client()
    return ChatOrq(model="openai/gpt-4o", api=api, client=client, output_version="v1", **kwargs)


async def told(model: ChatOrq, awaited: bool) -> tuple[list[Any], Any]:
    """The events of a call, and the message they end in."""
    if awaited:
        coming: Any = await model.astream_events("Hi", version="v3")
        return [event async for event in coming], await coming.output
    stream: Any = model.stream_events("Hi", version="v3")
    return list(stream), stream.output


def blocks(message: Any) -> list[dict[str, Any]]:
    """The blocks without the numbers that only streams give them."""
    found = [{k: v for k, v in block.items() if k != "index"} for block in message.content]
    for block in found:
        block.get("extras", {}).pop("id", None)  # of a spoken answer: a new one for each call
        block.get("extras", {}).pop("expires_at", None)
    return found


@every_way
@both_apis
@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
async def test_events_end_in_the_message_of_a_whole_reply(
    answer: Answer, api: str, awaited: bool
) -> None:
    model = orq(answer, api)
    events, message = await told(model, awaited)
    assert_valid_event_stream(events)
    whole = model.invoke("Hi")
    assert blocks(message) == blocks(whole)
    assert message.tool_calls == whole.tool_calls
    assert message.usage_metadata == whole.usage_metadata
    assert message.response_metadata.keys() == whole.response_metadata.keys()
    assert message.id.startswith("lc_run--")


@every_way
async def test_a_spoken_answer_comes_whole(awaited: bool) -> None:
    voice = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    model = orq(SPOKEN, **voice)
    events, message = await told(model, awaited)
    assert_valid_event_stream(events)
    assert blocks(message) == blocks(model.invoke("Hi"))


@every_way
async def test_log_probabilities_are_all_there(awaited: bool) -> None:
    model = orq(ANSWERS["text"], logprobs=True, top_logprobs=1)
    _, message = await told(model, awaited)
    whole = model.invoke("Hi").response_metadata["logprobs"]
    assert len(whole["content"]) > 1
    assert message.response_metadata["logprobs"] == whole


@both_apis
def test_pieces_come_as_they_arrive(api: str) -> None:
    stream: Any = orq(ANSWERS["everything"], api).stream_events("Hi", version="v3")
    deltas = [event["delta"] for event in stream if event["event"] == "content-block-delta"]
    kinds = [delta["type"] for delta in deltas]
    assert kinds.count("text-delta") > 1
    assert {"text-delta", "reasoning-delta", "tool-call-delta"} == set(kinds)
    assert kinds.index("reasoning-delta") < kinds.index("text-delta")


@every_way
async def test_a_stream_that_breaks_off_is_an_error_also_here(awaited: bool) -> None:
    router = OfflineRouter(faults={"openai/gpt-4o": Fault(cut_after=2)})
    model = ChatOrq(model="openai/gpt-4o", client=router.client(max_retries=0))
    with pytest.raises(StreamInterruptedError):
        await told(model, awaited)
