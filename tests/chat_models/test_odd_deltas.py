"""Odd streams: extras that LangChain cannot merge, messages instead of deltas, content of no text.

Extras that do not merge come out once, whole, at the end.
"""

from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessageChunk

from orq_router_integrations.chat_models.response_conversion import StreamConverter
from orq_router_integrations.wire.call import MalformedResponseError, Response
from orq_router_integrations.wire.model_candidates import ModelCandidates

GPT = "openai/gpt-4o"


def joined(*deltas: Any) -> AIMessageChunk:
    end = {"delta": {}, "finish_reason": "stop"}
    return joined_choices(*({"delta": delta} for delta in deltas), end)


def joined_choices(*choices: dict[str, Any]) -> AIMessageChunk:
    reader = StreamConverter(
        Response(200, {"content-type": "text/event-stream"}), ModelCandidates(GPT, (GPT,))
    )
    events = [{"choices": [{"index": 0, **choice}]} for choice in choices]
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


SAYS = {"role": "assistant", "content": "The answer."}
CALL = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
STOP = {"finish_reason": "stop"}
IN_MESSAGES: dict[str, list[dict[str, Any]]] = {
    "the whole answer": [{"message": SAYS, **STOP}],
    "its pieces": [
        {"message": {"content": "The "}},
        {"message": {"content": "answer."}, "delta": None},
        {"message": None, **STOP},
    ],
    "the answer once more, behind its deltas": [
        {"delta": {"content": "The "}},
        {"delta": {"content": "answer."}},
        {"message": SAYS, **STOP},
    ],
    "the answer so far, beside each delta": [
        {"delta": {"content": "The "}, "message": {"content": "The "}},
        {"delta": {"content": "answer."}, "message": SAYS},
        {"delta": {}, "message": SAYS, **STOP},
    ],
}


@pytest.mark.parametrize("choices", IN_MESSAGES.values(), ids=IN_MESSAGES)
def test_a_message_where_a_delta_belongs_is_read(choices: list[dict[str, Any]]) -> None:
    assert joined_choices(*choices).content == "The answer."


def test_so_are_its_calls() -> None:
    message = joined_choices({"message": {"content": None, "tool_calls": [CALL]}, **STOP})
    assert [call["name"] for call in message.tool_calls] == ["f"]


DELTAS = {
    "calls": {"tool_calls": [CALL]},
    "thoughts": {"reasoning": "Hm."},
    "sound": {"audio": {"id": "a", "data": "QUJD", "transcript": "Hi"}},
    "a refusal": {"refusal": "No."},
}


@pytest.mark.parametrize("delta", DELTAS.values(), ids=DELTAS)
def test_a_message_behind_deltas_is_the_answer_once_more(delta: dict[str, Any]) -> None:
    once = joined_choices({"delta": delta}, {"delta": {}, **STOP})
    again = {"message": {"role": "assistant", "content": None, **delta}, **STOP}
    twice = joined_choices({"delta": delta}, again)
    assert twice.content_blocks == once.content_blocks != []
    assert twice.additional_kwargs == once.additional_kwargs
    assert twice.tool_calls == once.tool_calls


@pytest.mark.parametrize("message", ["The answer.", ["The answer."], 5])
def test_a_message_that_is_no_object_is_refused(message: Any) -> None:
    with pytest.raises(MalformedResponseError, match="not an object"):
        joined_choices({"message": message, **STOP})


@pytest.mark.parametrize("content", [5, False, {"text": "Hi"}, [5]])
def test_content_without_text_is_refused(content: Any) -> None:
    with pytest.raises(MalformedResponseError, match="without text") as caught:
        joined({"content": "Hi"}, {"content": content})
    assert b"content" in caught.value.body


NOTHING = [
    None,
    "",
    [],
    [{"type": "thinking", "thinking": "Hm."}],
    [{"type": "reference"}],
    [{"text": None}],
]


@pytest.mark.parametrize("content", NOTHING)
def test_content_that_says_nothing_is_passed_over(content: Any) -> None:
    assert joined({"content": content}, {"content": "Hi"}).content == "Hi"
