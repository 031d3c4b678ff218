"""Conversion of streams: bytes split anywhere, and events of unusual providers."""

from contextlib import suppress
from typing import Any

import pytest
from langchain_core.load import dumpd
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGenerationChunk
from support.chat_responses import (
    DONE,
    EVENT_STREAM,
    STOP,
    convert_stream,
    create_delta,
    create_model,
    encode_event,
    merge_deltas,
    merge_generations,
)

from orq_router_integrations.chat_models.constants import PROVIDER
from orq_router_integrations.chat_models.response_conversion import (
    _EMPTY_CHUNK,
    _create_chunk,
)
from orq_router_integrations.errors import InvalidResponseError
from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    TruncatedStreamError,
)

HELLO = create_delta(content="Hi")
TEXT_EVENTS: dict[str, tuple[Any, ...]] = {
    "empty choices": ({"choices": []}, HELLO, STOP),
    "null choices": ({"choices": None}, HELLO, STOP),
    "no choices": ({"id": "x"}, HELLO, STOP),
    "null delta": ({"choices": [{"index": 0, "delta": None}]}, HELLO, STOP),
    "null content": (create_delta(content=None), HELLO, STOP),
    "content parts": (create_delta(content=[{"type": "text", "text": "Hi"}]), STOP),
    "repeated finish reason": (HELLO, STOP, STOP),
    "no index": ({"choices": [{"delta": {"content": "Hi"}}]}, STOP),
    "null index": ({"choices": [{"index": None, "delta": {"content": "Hi"}}]}, STOP),
    "several choices": (
        {"choices": [{"index": 1, "delta": {"content": "No"}}, *HELLO["choices"]]},
        {"choices": [{"index": 1, "delta": {}, "finish_reason": "length"}]},
        STOP,
    ),
    "unknown fields": (
        {**create_delta(content="Hi", padding="xyz"), "obfuscation": "abc"},
        STOP,
    ),
}


def merge_events(*events: Any) -> ChatGenerationChunk:
    return merge_generations(convert_stream(*map(encode_event, events), DONE))


@pytest.mark.parametrize("events", TEXT_EVENTS.values(), ids=TEXT_EVENTS)
def test_text_is_read_from_unusual_events(events: tuple[Any, ...]) -> None:
    merged = merge_events(*events)
    assert merged.text == "Hi"
    assert merged.generation_info == {
        "finish_reason": "stop",
        "normalized_finish_reason": "stop",
        "finish_state": "completed",
    }
    assert merged.message.chunk_position == "last"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_bytes_may_be_split_anywhere(size: int) -> None:
    events = [encode_event(create_delta(content="Grüße\u2028")), b": ping\r\n\r\n"]
    stream = b"".join([*events, encode_event(STOP), DONE])
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert "".join(chunk.text for chunk in convert_stream(*pieces)) == "Grüße\u2028"


def test_last_usage_counts_if_it_is_repeated() -> None:
    first = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}
    last = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 9}}
    message = merge_deltas(HELLO, STOP, first, last)
    assert message.usage_metadata == {"input_tokens": 5, "output_tokens": 9, "total_tokens": 14}


def test_finish_reason_without_done_completes_the_stream() -> None:
    chunks = convert_stream(encode_event(HELLO), encode_event(STOP))
    assert chunks[-1].message.chunk_position == "last"


def test_done_without_finish_reason_completes_the_stream() -> None:
    merged = merge_events(HELLO)
    assert merged.text == "Hi"
    assert merged.generation_info is None


def test_stream_without_an_end_raises() -> None:
    with pytest.raises(TruncatedStreamError):
        convert_stream(encode_event(HELLO))


ERROR_EVENTS = {
    "object": encode_event({"error": {"message": "out"}}),
    "str": encode_event({"error": "out"}),
    "flat": encode_event({"code": "x", "message": "out"}),
    "event name": b"event: error\ndata: out\n\n",
    "in a choice": encode_event({"choices": [{"error": {"message": "out"}}]}),
}


@pytest.mark.parametrize("event", ERROR_EVENTS.values(), ids=ERROR_EVENTS)
def test_error_in_a_stream_raises(event: bytes) -> None:
    with pytest.raises(EmbeddedError):
        convert_stream(encode_event(HELLO), event, DONE)


INVALID_DELTAS: dict[str, Any] = {
    "delta as a str": {"choices": [{"index": 0, "delta": "Hi"}]},
    "delta as a list": {"choices": [{"index": 0, "delta": ["Hi"]}]},
    "function as a str": create_delta(tool_calls=[{"index": 0, "id": "a", "function": "f"}]),
    "id as an int": create_delta(tool_calls=[{"index": 0, "id": 5, "function": {"name": "f"}}]),
    "id as a list": create_delta(tool_calls=[{"index": 0, "id": ["a"], "function": {"name": "f"}}]),
    "audio as a str": create_delta(audio="x"),
}


@pytest.mark.parametrize("delta", INVALID_DELTAS.values(), ids=INVALID_DELTAS)
def test_invalid_delta_is_ignored_or_raises_a_router_error(delta: Any) -> None:
    events = map(encode_event, [delta, create_delta(audio={"id": "x"}), STOP])
    model = create_model(b"".join([*events, DONE]), EVENT_STREAM)
    with suppress(InvalidResponseError):
        assert list(model.stream("Hi"))


# Values that langchain-core cannot merge

ANNOTATIONS = {"index": 0, "score": 0.5, "sure": True}, {"index": 0, "score": 0.7, "sure": False}


@pytest.mark.parametrize("name", ["annotations", "images"])
def test_list_items_with_the_same_index_are_not_merged(name: str) -> None:
    message = merge_deltas(
        create_delta(content="a", **{name: [ANNOTATIONS[0]]}),
        create_delta(content="b", **{name: [ANNOTATIONS[1]]}),
    )
    assert message.additional_kwargs[name] == list(ANNOTATIONS)
    assert message.content == "ab"


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [("a", "b", "ab"), (["a"], ["b"], ["a", "b"]), ("a", ["b"], "a"), (["a"], "b", "b")],
    ids=["two strs", "two lists", "str then list", "list then str"],
)
def test_redacted_reasoning_may_change_its_type(first: Any, second: Any, merged: Any) -> None:
    message = merge_deltas(
        create_delta(redacted_reasoning=first), create_delta(redacted_reasoning=second)
    )
    assert message.additional_kwargs == {"redacted_reasoning": merged}


def test_repeated_audio_fields_are_merged_once() -> None:
    message = merge_deltas(
        create_delta(audio={"id": "a", "data": "QUJD", "duration": 0.5}),
        create_delta(audio={"id": "a", "data": "REVG", "duration": 0.7, "transcript": 5}),
    )
    assert message.additional_kwargs["audio"] == {
        "id": "a",
        "duration": 0.5,
        "mime_type": "audio/pcm",
        "data": "QUJDREVG",
    }


# Messages in streams, and content without text

MESSAGE = {"role": "assistant", "content": "The answer."}
CALL = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
FINISHED = {"finish_reason": "stop"}


def merge_choices(*choices: dict[str, Any]) -> AIMessageChunk:
    return merge_deltas(*({"choices": [{"index": 0, **choice}]} for choice in choices))


STREAMED_MESSAGES: dict[str, list[dict[str, Any]]] = {
    "one message": [{"message": MESSAGE, **FINISHED}],
    "partial messages": [
        {"message": {"content": "The "}},
        {"message": {"content": "answer."}, "delta": None},
        {"message": None, **FINISHED},
    ],
    "complete message after deltas": [
        {"delta": {"content": "The "}},
        {"delta": {"content": "answer."}},
        {"message": MESSAGE, **FINISHED},
    ],
    "message so far in each event": [
        {"delta": {"content": "The "}, "message": {"content": "The "}},
        {"delta": {"content": "answer."}, "message": MESSAGE},
        {"delta": {}, "message": MESSAGE, **FINISHED},
    ],
}


@pytest.mark.parametrize("choices", STREAMED_MESSAGES.values(), ids=STREAMED_MESSAGES)
def test_message_instead_of_a_delta_is_read_once(choices: list[dict[str, Any]]) -> None:
    assert merge_choices(*choices).content == "The answer."


def test_calls_of_a_message_instead_of_a_delta_are_read() -> None:
    message = merge_choices({"message": {"content": None, "tool_calls": [CALL]}, **FINISHED})
    assert [call["name"] for call in message.tool_calls] == ["f"]


DELTAS = {
    "tool calls": {"tool_calls": [CALL]},
    "reasoning": {"reasoning": "Hm."},
    "audio": {"audio": {"id": "a", "data": "QUJD", "transcript": "Hi"}},
    "refusal": {"refusal": "No."},
}


@pytest.mark.parametrize("delta", DELTAS.values(), ids=DELTAS)
def test_complete_message_after_deltas_is_ignored(delta: dict[str, Any]) -> None:
    expected = merge_choices({"delta": delta}, {"delta": {}, **FINISHED})
    message = {"role": "assistant", "content": None, **delta}
    repeated = merge_choices({"delta": delta}, {"message": message, **FINISHED})
    assert repeated.content_blocks == expected.content_blocks != []
    assert repeated.additional_kwargs == expected.additional_kwargs
    assert repeated.tool_calls == expected.tool_calls


@pytest.mark.parametrize("message", ["The answer.", ["The answer."], 5], ids=repr)
def test_message_that_is_not_an_object_raises(message: Any) -> None:
    with pytest.raises(MalformedResponseError, match="object"):
        merge_choices({"message": message, **FINISHED})


@pytest.mark.parametrize("content", [5, False, {"text": "Hi"}, [5]], ids=repr)
def test_content_of_the_wrong_type_raises(content: Any) -> None:
    with pytest.raises(MalformedResponseError, match="text") as caught:
        merge_deltas(HELLO, create_delta(content=content))
    assert b"content" in caught.value.body


CONTENT_WITHOUT_TEXT = [
    None,
    "",
    [],
    [{"type": "thinking", "thinking": "Hm."}],
    [{"type": "reference"}],
    [{"text": None}],
]


@pytest.mark.parametrize("content", CONTENT_WITHOUT_TEXT, ids=repr)
def test_content_without_text_is_ignored(content: Any) -> None:
    assert merge_deltas(create_delta(content=content), HELLO, STOP).content == "Hi"


# Chunks created without validation

ARGUMENTS = [
    "",
    "{",
    "{}",
    '{"a": 1',
    '{"a": 1}',
    " \n\t{",
    "\u00a0{",
    "\ufeff{",
    '"',
    '"}',
    "}",
    "]",
    "[",
    '[{"a": 1}]',
    "[" * 2000,
    " ",
    "null",
    "true",
    "12",
    "-",
    "NaN",
    "word ",
    "\\",
    '\\"',
    "\u2028",
    "é🙂",
    'b": {"c": 2}',
    ', "d": {}}',
    "x{}",
]


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=range(len(ARGUMENTS)))
@pytest.mark.parametrize(
    "later_arguments", [(), ("more",), ("{",)], ids=["alone", "with text", "with {"]
)
@pytest.mark.parametrize("name", [None, "search"])
def test_tool_call_chunk_equals_a_validated_one(
    arguments: str, later_arguments: tuple[str, ...], name: str | None
) -> None:
    calls = [
        tool_call_chunk(name=name, args=text, id=name and "call_1", index=index)
        for index, text in enumerate([arguments, *later_arguments])
    ]
    chunk = _create_chunk("text", calls, {"refusal": "no"}, None).message
    validated = AIMessageChunk(
        content="text",
        tool_call_chunks=calls,
        additional_kwargs={"refusal": "no"},
        response_metadata={"model_provider": PROVIDER},
    )
    assert chunk == validated
    assert chunk.model_dump() == validated.model_dump()
    assert chunk + chunk == validated + validated


@pytest.mark.parametrize("text", ["", "word ", "\u2028", "{"], ids=repr)
def test_text_chunk_equals_a_validated_one(text: str) -> None:
    chunk = _create_chunk(text, [], {}, None).message
    validated = AIMessageChunk(content=text, response_metadata={"model_provider": PROVIDER})
    assert chunk == validated
    assert chunk.model_dump() == validated.model_dump()
    assert dumpd(chunk) == dumpd(validated)
    assert chunk + chunk == validated + validated


@pytest.mark.parametrize("logprobs", [None, {"content": []}], ids=["none", "logprobs"])
def test_generation_chunk_equals_a_validated_one(logprobs: Any) -> None:
    info = {"logprobs": logprobs} if logprobs else None
    chunk = _create_chunk("word ", [], {}, logprobs)
    message = _create_chunk("word ", [], {}, None).message
    validated = ChatGenerationChunk(message=message, generation_info=info)
    assert chunk == validated
    assert dumpd(chunk) == dumpd(validated)
    assert chunk + chunk == validated + validated


def test_chunks_do_not_share_mutable_values() -> None:
    original = _EMPTY_CHUNK.model_dump()
    for _ in range(2):
        chunk = _create_chunk("", [tool_call_chunk(args="word ", index=0)], {}, None).message
        assert (chunk.additional_kwargs, chunk.tool_calls) == ({}, [])
        assert len(chunk.invalid_tool_calls) == 1
        chunk.additional_kwargs["x"] = chunk.response_metadata["x"] = 1
        chunk.tool_calls.append({"name": "x", "args": {}, "id": "x"})
        chunk.invalid_tool_calls.clear()
        chunk.tool_call_chunks.clear()
    assert _EMPTY_CHUNK.model_dump() == original
