"""Streams whose extras LangChain cannot merge: they come out once, whole, at the end."""

from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessageChunk

from orq_router_integrations.chat_models.replies import ChunkReader
from orq_router_integrations.wire.asked import Asked
from orq_router_integrations.wire.call import Reply

GPT = "openai/gpt-4o"


def joined(*deltas: dict[str, Any]) -> AIMessageChunk:
    reader = ChunkReader(Reply(200, {"content-type": "text/event-stream"}), Asked(GPT, (GPT,)))
    events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    events.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    stream = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
    first, *rest = reader.feed(stream + b"data: [DONE]\n\n")
    for chunk in rest:
        first += chunk
    assert isinstance(first.message, AIMessageChunk)
    return first.message


ODD = {"index": 0, "score": 0.5, "sure": True}, {"index": 0, "score": 0.7, "sure": False}


@pytest.mark.parametrize("name", ["annotations", "images"])
def test_two_notes_of_one_index_stay_two(name: str) -> None:
    message = joined({"content": "a", name: [ODD[0]]}, {"content": "b", name: [ODD[1]]})
    assert message.additional_kwargs[name] == list(ODD)
    assert message.content == "ab"


def test_redacted_reasoning_may_change_its_type() -> None:
    message = joined({"redacted_reasoning": "a"}, {"redacted_reasoning": [{"data": "b"}]})
    assert message.additional_kwargs["redacted_reasoning"] == "ab"
    message = joined({"redacted_reasoning": [{"data": "a"}]}, {"redacted_reasoning": "b"})
    assert message.additional_kwargs["redacted_reasoning"] == [{"data": "a"}, "b"]
    assert joined({"redacted_reasoning": "a"}, {"redacted_reasoning": "b"}).additional_kwargs == {
        "redacted_reasoning": "ab"
    }


def test_members_of_audio_that_are_told_again_count_once() -> None:
    message = joined(
        {"audio": {"id": "a", "data": "QUJD", "duration": 0.5}},
        {"audio": {"id": "a", "data": "REVG", "duration": 0.7, "transcript": 5}},
    )
    once = {"id": "a", "duration": 0.5, "mime_type": "audio/pcm"}
    assert message.additional_kwargs["audio"] == {**once, "data": "QUJDREVG"}


def test_two_calls_with_one_id_are_two_calls() -> None:
    def call(index: int, arguments: str, **name: str) -> dict[str, Any]:
        function = {**name, "arguments": arguments}
        return {"tool_calls": [{"index": index, "id": "c", "function": function}]}

    pieces = [call(0, '{"x":1}', name="f"), call(1, '{"x":', name="f"), call(1, "2}")]
    calls = joined(*pieces).tool_calls
    assert [found["args"] for found in calls] == [{"x": 1}, {"x": 2}]
    assert len({found["id"] for found in calls}) == 2
