"""Tool calls of providers that leave out, repeat or garble their parts."""

from typing import Any

import orjson
import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.messages.ai import add_ai_message_chunks
from support.chat_responses import (
    GPT,
    STOP,
    create_call,
    create_delta,
    create_tool_delta,
    invoke_with_message,
    merge_deltas,
)

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models.assistant_messages import convert_assistant_message
from orq_router_integrations.chat_models.tool_calls import (
    ToolCalls,
    strip_truncation_mark,
)
from orq_router_integrations.testing import Answer

# Complete calls

COMPLETE_CALLS = {
    "arguments as an object": [create_tool_delta({"x": 1}, "f", id="a")],
    "no id": [create_tool_delta('{"x":1}', "f")],
    "empty id": [create_tool_delta('{"x":1}', "f", id="")],
}


@pytest.mark.parametrize("calls", COMPLETE_CALLS.values(), ids=COMPLETE_CALLS)
def test_complete_call_is_parsed(calls: list[Any]) -> None:
    (call,) = invoke_with_message(tool_calls=calls).tool_calls
    assert (call["name"], call["args"], bool(call["id"])) == ("f", {"x": 1}, True)


@pytest.mark.parametrize("arguments", [None, "", "null", " null "])
def test_null_arguments_are_an_empty_object(arguments: Any) -> None:
    call = {"id": "a", "function": {"name": "f", "arguments": arguments}}
    assert invoke_with_message(tool_calls=[call]).tool_calls[0]["args"] == {}


def test_complete_calls_with_the_same_id_get_unique_ids() -> None:
    calls = [create_tool_delta("{}", "f", id="a"), create_tool_delta("{}", "g", id="a")]
    first, second = invoke_with_message(tool_calls=calls).tool_calls
    assert first["id"] != second["id"]


def test_deeply_nested_arguments_are_an_invalid_call() -> None:
    arguments = orjson.loads("[" * 1010 + "]" * 1010)
    _, (call,) = ToolCalls([create_tool_delta(arguments, "f", id="a")]).parse()
    assert call["name"] == "f"
    assert len(call["args"]) < 100


NOT_OBJECTS = ["not JSON", '{"city": "Par', "[1, 2]", '"text"']


@pytest.mark.parametrize("arguments", NOT_OBJECTS)
def test_complete_call_with_invalid_arguments_is_invalid(arguments: str) -> None:
    answer = invoke_with_message(tool_calls=[create_tool_delta(arguments, "f", id="a")])
    assert answer.tool_calls == []
    (call,) = answer.invalid_tool_calls
    assert (call["name"], call["args"], call["id"]) == ("f", arguments, "a")


@pytest.mark.parametrize(
    "calls",
    [
        ["junk"],
        [None],
        {"id": "a"},
        [{"id": "a"}],
        [{"id": "a", "function": "f"}],
        [{"id": "a", "function": {"name": 5, "arguments": "{}"}}],
    ],
    ids=repr,
)
def test_call_without_a_function_name_is_never_valid(calls: Any) -> None:
    assert invoke_with_message(tool_calls=calls).tool_calls == []


def test_id_of_the_wrong_type_is_replaced() -> None:
    call = {"id": 5, "function": {"name": "f", "arguments": "{}"}}
    (parsed,) = invoke_with_message(tool_calls=[call]).tool_calls
    assert isinstance(parsed["id"], str)


# Streamed calls


def merge_calls(*deltas: Any) -> list[tuple[str, dict[str, Any]]]:
    """Return names and arguments of the calls in a stream; their ids are unique."""
    lists = [delta if isinstance(delta, list) else [delta] for delta in deltas]
    events = [create_delta(tool_calls=calls) for calls in lists]
    message = merge_deltas(*events, create_delta("tool_calls"))
    ids = [call["id"] for call in message.tool_calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert message.invalid_tool_calls == []
    return [(call["name"], call["args"]) for call in message.tool_calls]


FRAGMENTS = {
    "fragments": [
        create_tool_delta("", "f", index=0, id="a"),
        create_tool_delta('{"x"', index=0),
        create_tool_delta(":1}", index=0),
    ],
    "one delta": [create_tool_delta('{"x":1}', "f", index=0, id="a")],
    "no index": [create_tool_delta('{"x"', "f", id="a"), create_tool_delta(":1}")],
    "no id": [create_tool_delta('{"x"', "f", index=0), create_tool_delta(":1}", index=0)],
    "no index and id": [create_tool_delta('{"x"', "f"), create_tool_delta(":1}")],
    "repeated id and name": [
        create_tool_delta('{"x"', "f", index=0, id="a"),
        create_tool_delta(":1}", "f", index=0, id="a"),
    ],
    "empty id and name later": [
        create_tool_delta('{"x"', "f", index=0, id="a"),
        create_tool_delta(":1}", "", index=0, id=""),
    ],
    "empty id": [create_tool_delta('{"x":1}', "f", index=0, id="")],
    "null arguments first": [
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": None}},
        create_tool_delta('{"x":1}', index=0),
    ],
    "arguments as an object": [create_tool_delta({"x": 1}, "f", index=0, id="a")],
    "function later": [{"index": 0, "id": "a"}, create_tool_delta('{"x":1}', "f", index=0)],
    "null function first": [
        {"index": 0, "id": "a", "function": None},
        create_tool_delta('{"x":1}', "f", index=0),
    ],
    "id later": [
        create_tool_delta('{"x"', "f", index=0),
        create_tool_delta(":1}", index=0, id="a"),
    ],
    "id later, no index": [create_tool_delta('{"x"', "f"), create_tool_delta(":1}", id="a")],
    "index above 0": [
        create_tool_delta('{"x"', "f", index=3, id="a"),
        create_tool_delta(":1}", index=3),
    ],
    "junk item": ["?", create_tool_delta('{"x":1}', "f", index=0, id="a")],
}


@pytest.mark.parametrize("deltas", FRAGMENTS.values(), ids=FRAGMENTS)
def test_fragments_are_merged_to_one_call(deltas: list[Any]) -> None:
    assert merge_calls(*deltas) == [("f", {"x": 1})]


@pytest.mark.parametrize("arguments", [None, "", "null"])
def test_streamed_null_arguments_are_an_empty_object(arguments: Any) -> None:
    call = {"index": 0, "id": "a", "function": {"name": "f", "arguments": arguments}}
    assert merge_calls(call) == [("f", {})]
    header = create_tool_delta("", "f", index=0, id="a")
    assert merge_calls(header, create_tool_delta(arguments, index=0)) == [("f", {})]


def test_null_in_streamed_arguments_is_kept() -> None:
    fragments = [create_tool_delta(text, index=0) for text in ("null", "}")]
    deltas = [create_tool_delta('{"x":', "f", index=0, id="a"), *fragments]
    assert merge_calls(*deltas) == [("f", {"x": None})]


TWO_CALLS = {
    "one after the other": [
        create_tool_delta('{"x":1}', "f", index=0, id="a"),
        create_tool_delta('{"y":2}', "g", index=1, id="b"),
    ],
    "interleaved": [
        create_tool_delta('{"x"', "f", index=0, id="a"),
        create_tool_delta('{"y"', "g", index=1, id="b"),
        create_tool_delta(":1}", index=0),
        create_tool_delta(":2}", index=1),
    ],
    "one delta": [
        [
            create_tool_delta('{"x":1}', "f", index=0, id="a"),
            create_tool_delta('{"y":2}', "g", index=1, id="b"),
        ]
    ],
    "same index": [
        create_tool_delta('{"x"', "f", index=0, id="a"),
        create_tool_delta(":1}", index=0),
        create_tool_delta('{"y"', "g", index=0, id="b"),
        create_tool_delta(":2}", index=0),
    ],
    "same index, no ids": [
        create_tool_delta('{"x":1}', "f", index=0),
        create_tool_delta('{"y":2}', "g", index=0),
    ],
    "no index": [
        create_tool_delta('{"x":1}', "f", id="a"),
        create_tool_delta('{"y":2}', "g", id="b"),
    ],
    "no index and id": [create_tool_delta('{"x":1}', "f"), create_tool_delta('{"y":2}', "g")],
    "same id": [
        create_tool_delta('{"x":1}', "f", index=0, id="a"),
        create_tool_delta('{"y":2}', "g", index=1, id="a"),
    ],
}


@pytest.mark.parametrize("deltas", TWO_CALLS.values(), ids=TWO_CALLS)
def test_two_calls_are_not_merged(deltas: list[Any]) -> None:
    assert merge_calls(*deltas) == [("f", {"x": 1}), ("g", {"y": 2})]


def test_two_calls_of_one_tool_with_the_same_id_are_not_merged() -> None:
    deltas = [
        create_tool_delta('{"x":1}', "f", index=0, id="a"),
        create_tool_delta('{"x":', "f", index=1, id="a"),
        create_tool_delta("2}", index=1, id="a"),
    ]
    assert merge_calls(*deltas) == [("f", {"x": 1}), ("f", {"x": 2})]


def test_fragments_of_one_event_are_one_chunk() -> None:
    first, last = create_tool_delta('{"x":', "f", index=0, id="a"), create_tool_delta("1}", index=0)
    (chunk,) = ToolCalls().convert_deltas([first, last])
    assert (chunk["id"], chunk["name"], chunk["args"]) == ("a", "f", '{"x":1}')
    message = merge_deltas(create_delta(tool_calls=[first, last]), STOP)
    assert [call["args"] for call in message.tool_calls] == [{"x": 1}]
    assert message.invalid_tool_calls == []


def test_id_from_the_router_is_kept() -> None:
    delta = create_tool_delta("{}", "f", index=0, id="call_9")
    message = merge_deltas(create_delta(tool_calls=[delta]), STOP)
    assert message.tool_calls[0]["id"] == "call_9"


@pytest.mark.parametrize("arguments", NOT_OBJECTS)
def test_streamed_call_with_invalid_arguments_is_invalid(arguments: str) -> None:
    delta = create_tool_delta(arguments, "f", index=0, id="a")
    message = merge_deltas(create_delta(tool_calls=[delta]), STOP)
    assert message.tool_calls == []
    (call,) = message.invalid_tool_calls
    assert (call["name"], call["id"]) == ("f", "a")
    assert strip_truncation_mark(call["args"]) == arguments


# Truncated calls

ARGUMENTS = r'{"a": "x\n\u00e9\"", "b": ["c", {"d": [1, 2]}], "e": true, "f": "\\"}'


def invoke_with_call(arguments: str, *, stream: bool) -> Any:
    answer = Answer(tool_calls=(create_call("f", arguments),), finish_reason="length")
    client = OfflineRouter(answers=lambda _: answer).client()
    return ChatOrq(model=GPT, client=client).invoke("Hi", stream=stream)


@pytest.mark.parametrize("length", range(1, len(ARGUMENTS)))
def test_streamed_call_truncated_anywhere_is_invalid(length: int) -> None:
    """langchain-core would complete the arguments, and an agent would run the call."""
    message = invoke_with_call(ARGUMENTS[:length], stream=True)
    assert message.tool_calls == []
    assert [call["name"] for call in message.invalid_tool_calls] == ["f"]
    (payload,) = convert_assistant_message(message)["tool_calls"]
    assert payload["function"]["arguments"] == ARGUMENTS[:length]


def test_complete_streamed_call_is_valid() -> None:
    (call,) = invoke_with_call(ARGUMENTS, stream=True).tool_calls
    assert call["args"] == orjson.loads(ARGUMENTS)


@pytest.mark.parametrize("arguments", ['{"a": 1}]', "[1]", '{"a": 1', "no JSON"])
def test_invalid_arguments_from_the_model_are_sent_back_unchanged(arguments: str) -> None:
    message = invoke_with_call(arguments, stream=False)
    (payload,) = convert_assistant_message(message)["tool_calls"]
    assert payload["function"]["arguments"] == arguments


# Unpaired surrogates

HIGH, LOW = r"\ud83d", r"\ude00"


@pytest.mark.parametrize(
    ("escape", "text"), [(HIGH, "\ufffd"), (HIGH + LOW, "\U0001f600")], ids=["unpaired", "pair"]
)
def test_surrogates_in_a_complete_call_are_replaced(escape: str, text: str) -> None:
    function = {"name": "f", "arguments": f'{{"x":"{escape}"}}'}
    calls, _ = ToolCalls([{"id": "c", "function": function}]).parse()
    assert [call["args"] for call in calls] == [{"x": text}]


def test_streamed_call_with_an_unpaired_surrogate_is_invalid() -> None:
    function = {"name": "f", "arguments": f'{{"x":"{HIGH}"}}'}
    calls = ToolCalls()
    fragments = calls.convert_deltas([{"index": 0, "id": "c", "function": function}])
    fragments += calls.invalidate_truncated_calls()
    chunks = [AIMessageChunk("", tool_call_chunks=[fragment]) for fragment in fragments]
    message = add_ai_message_chunks(*chunks)
    assert message.tool_calls == []
    (call,) = message.invalid_tool_calls
    assert strip_truncation_mark(call["args"]) == function["arguments"]
