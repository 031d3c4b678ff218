"""Streams of the Responses API: events of every kind, and ends that are none."""

from typing import Any

import pytest
from support.response_events import (
    CALL,
    COMPLETED,
    CUT,
    DONE,
    NOTE,
    RESPONSE,
    SEALED,
    SEARCH,
    decoded,
    deltas,
    event,
    wire,
)

from orq_router_integrations.wire.call import MalformedResponseError, TruncatedStreamError
from orq_router_integrations.wire.responses_stream import ResponsesStreamDecoder

EVENTS: dict[str, tuple[Any, Any]] = {
    "text": (event("output_text.delta", delta="Hi"), {"content": "Hi"}),
    "a refusal": (event("refusal.delta", delta="No"), {"refusal": "No"}),
    "reasoning": (event("reasoning.delta", delta="Hm"), {"reasoning": "Hm"}),
    "reasoning text": (event("reasoning_text.delta", delta="Hm"), {"reasoning": "Hm"}),
    "a summary": (event("reasoning_summary_text.delta", delta="Hm"), {"reasoning": "Hm"}),
    "an annotation": (
        event("output_text.annotation.added", annotation=NOTE),
        {"annotations": [NOTE]},
    ),
    "a call that begins": (
        event("output_item.added", output_index=2, item=CALL),
        {"tool_calls": [{"index": 2, "id": "c1", "function": {"name": "f", "arguments": ""}}]},
    ),
    "arguments": (
        event("function_call_arguments.delta", output_index=2, delta="{}"),
        {"tool_calls": [{"index": 2, "function": {"arguments": "{}"}}]},
    ),
    "a search": (event("output_item.done", item=SEARCH), {"output_items": [SEARCH]}),
    "a picture": (
        event("output_item.done", item={"type": "image_generation_call", "result": "aGk="}),
        {"images": [{"b64_json": "aGk="}]},
    ),
    "sealed reasoning": (
        event("output_item.done", item=SEALED),
        {"reasoning": "Hm.", "reasoning_items": [{"reasoning": "Hm.", "signature": "SEAL"}]},
    ),
}


@pytest.mark.parametrize(("told", "delta"), EVENTS.values(), ids=EVENTS)
def test_an_event_is_told_as_a_delta(told: Any, delta: Any) -> None:
    assert deltas(told) == [delta]


SILENT = [
    *("created", "queued", "in_progress", "content_part.added", "content_part.done"),
    *("refusal.done", "reasoning.done", "reasoning_text.done"),
    *("reasoning_summary_text.done", "reasoning_summary_part.done"),
    *("function_call_arguments.done", "custom_tool_call_input.delta"),
    *("custom_tool_call_input.done", "mcp_call_arguments.delta", "mcp_call_arguments.done"),
    *("mcp_call.in_progress", "mcp_call.completed", "mcp_call.failed"),
    *("mcp_list_tools.in_progress", "mcp_list_tools.completed", "mcp_list_tools.failed"),
    *("web_search_call.in_progress", "web_search_call.searching", "web_search_call.completed"),
    *("file_search_call.in_progress", "file_search_call.searching", "file_search_call.completed"),
    *("code_interpreter_call.in_progress", "code_interpreter_call_code.delta"),
    *("code_interpreter_call_code.done", "code_interpreter_call.interpreting"),
    *("code_interpreter_call.completed", "image_generation_call.in_progress"),
    *("image_generation_call.generating", "image_generation_call.partial_image"),
    *("image_generation_call.completed", "shell_call_command.delta", "shell_call_command.done"),
    *("shell_call_output_content.delta", "shell_call_output_content.done", "of_next_year"),
]


@pytest.mark.parametrize("kind", SILENT)
def test_an_event_that_says_nothing_new_is_passed_over(kind: str) -> None:
    told = event(kind, delta="x", text="x", code="x", item_id="i", output_index=0)
    assert deltas(told, event("output_text.delta", delta="Hi")) == [{"content": "Hi"}]


def test_a_text_that_its_deltas_have_told_is_passed_over() -> None:
    delta = event("output_text.delta", delta="Hi", output_index=0)
    assert deltas(delta, event("output_text.done", text="Hi", output_index=0)) == [
        {"content": "Hi"}
    ]


WHOLE = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}


@pytest.mark.parametrize(
    "told",
    [
        [event("output_text.done", text="Hi", output_index=0)],
        [event("output_item.done", item=WHOLE, output_index=0)],
        [
            event("output_text.done", text="Hi", output_index=0),
            event("output_item.done", item=WHOLE, output_index=0),
        ],
        [event("completed", response={**RESPONSE, "output": [WHOLE]})],
    ],
    ids=["text", "item", "both", "response"],
)
def test_a_text_without_deltas_is_told_once(told: Any) -> None:
    assert "".join(delta.get("content", "") for delta in deltas(*told)) == "Hi"


TWO = {"type": "message", "content": [{"text": "A"}, {"text": "B", "annotations": [NOTE]}]}
FIRST = event("output_text.delta", delta="A", output_index=0, content_index=0)


@pytest.mark.parametrize(
    ("second", "found"),
    [
        ([], {"content": "B", "annotations": [NOTE]}),
        ([event("output_text.done", text="B", output_index=0, content_index=1)], None),
        ([event("output_text.delta", delta="B", output_index=0, content_index=1)], None),
    ],
    ids=["told by the item", "told whole", "told by deltas"],
)
def test_each_part_of_a_message_is_told_once(second: Any, found: Any) -> None:
    done = event("output_item.done", item=TWO, output_index=0)
    assert deltas(FIRST, *second, done) == [{"content": "A"}, found or {"content": "B"}]


def test_a_part_without_a_place_stands_for_the_whole_message() -> None:
    delta = event("output_text.delta", delta="AB", output_index=0)
    assert deltas(delta, event("output_item.done", item=TWO, output_index=0)) == [{"content": "AB"}]


def test_reasoning_that_comes_whole_begins_a_paragraph() -> None:
    first = event("reasoning_summary_text.delta", output_index=0, delta="A")
    item = {"type": "reasoning", "summary": [{"text": "B"}]}
    third = event("reasoning_summary_text.delta", output_index=2, delta="C")
    told = deltas(first, event("output_item.done", item=item, output_index=1), third)
    assert [delta["reasoning"] for delta in told] == ["A", "\n\nB", "\n\nC"]


CALLED = {**CALL, "arguments": '{"a":1}'}
LATE: dict[str, tuple[list[Any], list[Any]]] = {
    "a call": (
        [event("output_text.delta", delta="Hi", output_index=0)],
        [{"type": "message", "content": [{"text": "Hi"}]}, CALLED],
    ),
    "arguments": ([event("output_item.added", item=CALL, output_index=0)], [CALLED]),
}


@pytest.mark.parametrize(("told", "output"), LATE.values(), ids=LATE)
def test_what_only_the_finished_response_tells_is_told(told: Any, output: Any) -> None:
    *chunks, last = decoded(*told, end=event("completed", response={**RESPONSE, "output": output}))
    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    assert "".join(call["function"]["arguments"] for call in calls) == '{"a":1}'
    assert "".join(delta.get("content", "") for delta in deltas) in {"", "Hi"}
    assert last["choices"][0]["finish_reason"] == "tool_calls"


def test_a_text_is_not_told_again_where_the_finished_response_counts_otherwise() -> None:
    output = [{"type": "message", "content": [{"text": "Hi"}]}]
    end = event("completed", response={**RESPONSE, "output": output})
    told = decoded(event("output_text.delta", delta="Hi", output_index=1), end=end)
    assert [chunk["choices"][0]["delta"] for chunk in told] == [{"content": "Hi"}, {}]


CUSTOM = {"type": "custom_tool_call", "call_id": "c1", "name": "run", "input": "ls"}


def test_a_call_of_a_custom_tool_is_a_call() -> None:
    *_, call, last = decoded(event("output_item.done", item=CUSTOM, output_index=1))
    function = {"name": "run", "arguments": '{"__arg1":"ls"}'}
    assert call["choices"][0]["delta"]["tool_calls"] == [
        {"index": 1, "id": "c1", "function": function}
    ]
    assert last["choices"][0]["finish_reason"] == "tool_calls"


def test_a_second_summary_begins_a_paragraph() -> None:
    first = event("reasoning_summary_text.delta", summary_index=0, delta="A")
    second = event("reasoning_summary_text.delta", summary_index=1, delta="B")
    assert deltas(first, second) == [{"reasoning": "A"}, {"reasoning": "\n\nB"}]


def test_an_event_of_no_type_is_passed_over() -> None:
    assert deltas({}, {"type": None}, {"type": 5}) == []


def test_the_last_event_tells_the_frame_and_the_reason() -> None:
    usage = {"input_tokens": 3, "output_tokens": 2, "total_cost": 0.5}
    end = event("completed", response={**RESPONSE, "usage": usage})
    _, last = decoded(event("output_text.delta", delta="Hi"), end=end)
    assert last["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_cost": 0.5}
    assert (last["id"], last["model"], last["api"]) == ("resp_1", "gpt-4o", "responses")
    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]


@pytest.mark.parametrize(
    ("reason", "told"), [("max_output_tokens", "length"), ("content_filter", "content_filter")]
)
def test_an_incomplete_stream_is_a_whole_one(reason: str, told: str) -> None:
    details = {"status": "incomplete", "incomplete_details": {"reason": reason}}
    (last,) = decoded(end=event("incomplete", response={**RESPONSE, **details}))
    assert last["choices"][0]["finish_reason"] == told


def test_a_stream_that_called_ends_in_calls() -> None:
    *_, last = decoded(event("output_item.added", output_index=0, item=CALL))
    assert last["choices"][0]["finish_reason"] == "tool_calls"


def test_nothing_is_read_after_the_end() -> None:
    decoder = ResponsesStreamDecoder()
    late = event("output_text.delta", delta="late")
    assert len(list(decoder.feed(wire(CUT) + wire(late) + DONE))) == 1
    assert decoder.done
    assert decoder.partial == ""


def test_a_stream_that_is_complete_without_any_output_is_refused() -> None:
    with pytest.raises(MalformedResponseError, match="no output"):
        decoded(end=COMPLETED)


def test_done_ends_a_stream() -> None:
    decoder = ResponsesStreamDecoder()
    list(decoder.feed(wire(event("output_text.delta", delta="Hi")) + DONE))
    decoder.finish()
    assert decoder.done


WHOLE = b"".join(
    wire(item)
    for item in [
        event("created", response=RESPONSE),
        event("output_text.delta", delta="Grüße 🦉"),
        event("output_item.added", output_index=1, item=CALL),
        event("function_call_arguments.delta", output_index=1, delta='{"a":1}'),
        COMPLETED,
    ]
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_a_stream_can_be_cut_anywhere(size: int) -> None:
    whole, cut = ResponsesStreamDecoder(), ResponsesStreamDecoder()
    places = range(0, len(WHOLE), size)
    found = [item for at in places for item in cut.feed(WHOLE[at : at + size])]
    assert found == list(whole.feed(WHOLE))
    assert cut.partial == "Grüße 🦉"


@pytest.mark.parametrize("length", range(11, WHOLE.index(b"event: response.completed") + 40, 11))
def test_a_stream_that_ends_early_is_truncated(length: int) -> None:
    decoder = ResponsesStreamDecoder()
    list(decoder.feed(WHOLE[:length]))
    with pytest.raises(TruncatedStreamError):
        decoder.finish()
    assert "Grüße 🦉".startswith(decoder.partial)
