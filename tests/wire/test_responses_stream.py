"""Streams of the Responses API, converted to chunks of a chat completion."""

from typing import Any

import pytest
from support.response_events import (
    CALL,
    COMPLETED,
    CUT,
    DONE,
    NOTE,
    RESPONSE,
    SEARCH,
    SIGNED_REASONING,
    create_event,
    decode_deltas,
    decode_events,
    encode_event,
)

from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    TruncatedStreamError,
    WireError,
)
from orq_router_integrations.wire.responses_stream import (
    FINISHED,
    FRAGMENT,
    STARTED,
    ResponsesStreamDecoder,
)

MESSAGE = {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]}
TEXT_DELTA = create_event("output_text.delta", delta="Hi", output_index=0)


def get_text(chunks: list[dict[str, Any]]) -> str:
    return "".join(delta.get("content", "") for delta in chunks)


class TestEvents:
    EVENTS: dict[str, tuple[Any, Any]] = {
        "text": (create_event("output_text.delta", delta="Hi"), {"content": "Hi"}),
        "refusal": (create_event("refusal.delta", delta="No"), {"refusal": "No"}),
        "reasoning": (create_event("reasoning.delta", delta="Hm"), {"reasoning": "Hm"}),
        "reasoning text": (create_event("reasoning_text.delta", delta="Hm"), {"reasoning": "Hm"}),
        "summary": (create_event("reasoning_summary_text.delta", delta="Hm"), {"reasoning": "Hm"}),
        "annotation": (
            create_event("output_text.annotation.added", annotation=NOTE),
            {"annotations": [NOTE]},
        ),
        "start of a tool call": (
            create_event("output_item.added", output_index=2, item=CALL),
            {
                "tool_calls": [
                    {
                        "index": 2,
                        "id": "c1",
                        "function": {"name": "f", "arguments": ""},
                        "item_id": "fc",
                        "item_stage": STARTED,
                    }
                ]
            },
        ),
        "arguments": (
            create_event("function_call_arguments.delta", output_index=2, item_id="fc", delta="{}"),
            {
                "tool_calls": [
                    {
                        "index": 2,
                        "function": {"arguments": "{}"},
                        "item_id": "fc",
                        "item_stage": FRAGMENT,
                    }
                ]
            },
        ),
        "search": (create_event("output_item.done", item=SEARCH), {"output_items": [SEARCH]}),
        "image": (
            create_event(
                "output_item.done", item={"type": "image_generation_call", "result": "aGk="}
            ),
            {"images": [{"b64_json": "aGk="}]},
        ),
        "encrypted reasoning": (
            create_event("output_item.done", item=SIGNED_REASONING),
            {
                "reasoning": "Hm.",
                "reasoning_items": [{"reasoning": "Hm.", "signature": "SIGNATURE"}],
            },
        ),
    }

    @pytest.mark.parametrize(("stream_event", "delta"), EVENTS.values(), ids=EVENTS)
    def test_event_becomes_a_delta(self, stream_event: Any, delta: Any) -> None:
        assert decode_deltas(stream_event) == [delta]

    WITHOUT_NEW_CONTENT = [
        *("created", "queued", "in_progress", "content_part.added", "content_part.done"),
        *("refusal.done", "reasoning.done", "reasoning_text.done"),
        *("reasoning_summary_text.done", "reasoning_summary_part.done"),
        *("function_call_arguments.done", "custom_tool_call_input.delta"),
        *("custom_tool_call_input.done", "mcp_call_arguments.delta", "mcp_call_arguments.done"),
        *("mcp_call.in_progress", "mcp_call.completed", "mcp_call.failed"),
        *("mcp_list_tools.in_progress", "mcp_list_tools.completed", "mcp_list_tools.failed"),
        *("web_search_call.in_progress", "web_search_call.searching", "web_search_call.completed"),
        *("file_search_call.in_progress", "file_search_call.searching"),
        *("file_search_call.completed", "code_interpreter_call.in_progress"),
        *("code_interpreter_call_code.delta", "code_interpreter_call_code.done"),
        *("code_interpreter_call.interpreting", "code_interpreter_call.completed"),
        *("image_generation_call.in_progress", "image_generation_call.generating"),
        *("image_generation_call.partial_image", "image_generation_call.completed"),
        *("shell_call_command.delta", "shell_call_command.done"),
        *("shell_call_output_content.delta", "shell_call_output_content.done", "of_next_year"),
    ]

    @pytest.mark.parametrize("name", WITHOUT_NEW_CONTENT)
    def test_event_without_new_content_is_skipped(self, name: str) -> None:
        event = create_event(name, delta="x", text="x", code="x", item_id="i", output_index=0)
        assert decode_deltas(event, create_event("output_text.delta", delta="Hi")) == [
            {"content": "Hi"}
        ]

    def test_event_without_a_type_is_skipped(self) -> None:
        assert decode_deltas({}, {"type": None}, {"type": 5}) == []

    def test_custom_tool_call_becomes_a_tool_call(self) -> None:
        item = {"type": "custom_tool_call", "call_id": "c1", "name": "run", "input": "ls"}
        *_, call, last = decode_events(create_event("output_item.done", item=item, output_index=1))
        function = {"name": "run", "arguments": '{"__arg1":"ls"}'}
        assert call["choices"][0]["delta"]["tool_calls"] == [
            {"index": 1, "id": "c1", "function": function, "item_id": "", "item_stage": FINISHED}
        ]
        assert last["choices"][0]["finish_reason"] == "tool_calls"

    def test_second_summary_starts_a_paragraph(self) -> None:
        first = create_event("reasoning_summary_text.delta", summary_index=0, delta="A")
        second = create_event("reasoning_summary_text.delta", summary_index=1, delta="B")
        assert decode_deltas(first, second) == [{"reasoning": "A"}, {"reasoning": "\n\nB"}]

    def test_reasoning_of_another_item_starts_a_paragraph(self) -> None:
        first = create_event("reasoning_summary_text.delta", output_index=0, delta="A")
        item = {"type": "reasoning", "summary": [{"text": "B"}]}
        second = create_event("output_item.done", item=item, output_index=1)
        third = create_event("reasoning_summary_text.delta", output_index=2, delta="C")
        reasoning = [delta["reasoning"] for delta in decode_deltas(first, second, third)]
        assert reasoning == ["A", "\n\nB", "\n\nC"]


class TestRepeatedContent:
    """Content comes as deltas, in the finished item and in the response; it is emitted once."""

    TEXT_DONE = create_event("output_text.done", text="Hi", output_index=0)
    ITEM_DONE = create_event("output_item.done", item=MESSAGE, output_index=0)

    def test_finished_text_after_its_deltas_is_skipped(self) -> None:
        assert decode_deltas(TEXT_DELTA, self.TEXT_DONE) == [{"content": "Hi"}]

    @pytest.mark.parametrize(
        "events",
        [
            [ITEM_DONE],
            [TEXT_DONE, ITEM_DONE],
            [create_event("completed", response={**RESPONSE, "output": [MESSAGE]})],
        ],
        ids=["item", "text and item", "response"],
    )
    def test_text_without_deltas_is_emitted_once(self, events: Any) -> None:
        assert get_text(decode_deltas(*events)) == "Hi"

    PARTS = {"type": "message", "content": [{"text": "A"}, {"text": "B", "annotations": [NOTE]}]}
    PARTS_DONE = create_event("output_item.done", item=PARTS, output_index=0)

    def test_each_part_of_a_message_is_emitted_once(self) -> None:
        deltas = decode_deltas(
            create_event("output_text.delta", delta="A", output_index=0, content_index=0),
            create_event("output_text.delta", delta="B", output_index=0, content_index=1),
            create_event("output_text.done", text="B", output_index=0, content_index=1),
            self.PARTS_DONE,
        )
        assert get_text(deltas) == "AB"
        assert deltas[-1]["annotations"] == [NOTE]

    def test_finished_text_is_emitted_after_an_empty_delta(self) -> None:
        delta = create_event("output_text.delta", delta="", output_index=0)
        assert decode_deltas(delta, self.ITEM_DONE) == [{"content": ""}, {"content": "Hi"}]

    def test_fields_without_deltas_are_taken_from_the_finished_item(self) -> None:
        delta = create_event("output_text.delta", delta="AB", output_index=0)
        assert decode_deltas(delta, self.PARTS_DONE) == [{"content": "AB"}, {"annotations": [NOTE]}]

    def test_missing_end_of_a_text_is_emitted(self) -> None:
        delta = create_event("output_text.delta", delta="H", output_index=0)
        assert decode_deltas(delta, self.ITEM_DONE) == [{"content": "H"}, {"content": "i"}]
        end = create_event("completed", response={**RESPONSE, "output": [MESSAGE]})
        assert decode_deltas(delta, end=end) == [{"content": "H"}, {"content": "i"}]

    def test_missing_part_of_a_text_is_emitted(self) -> None:
        delta = create_event("output_text.delta", delta="A", output_index=0)
        deltas = [{"content": "A"}, {"content": "B", "annotations": [NOTE]}]
        assert decode_deltas(delta, self.PARTS_DONE) == deltas

    def test_missing_end_of_a_refusal_is_emitted(self) -> None:
        delta = create_event("refusal.delta", delta="N", output_index=0)
        item = {"type": "message", "content": [{"type": "refusal", "refusal": "No."}]}
        item_done = create_event("output_item.done", item=item, output_index=0)
        assert decode_deltas(delta, item_done) == [{"refusal": "N"}, {"refusal": "o."}]

    @pytest.mark.parametrize("end", [COMPLETED, None], ids=["completed", "marker"])
    def test_stream_of_only_finished_texts_raises(self, end: Any) -> None:
        """These events repeat deltas and items, so they are not read."""
        data = encode_event(self.TEXT_DONE) + (encode_event(end) if end else DONE)
        with pytest.raises(MalformedResponseError, match=r"no output|without an answer"):
            list(ResponsesStreamDecoder().feed(data))

    def test_text_of_an_item_without_deltas_is_emitted(self) -> None:
        delta = create_event("output_text.delta", delta="Hello", output_index=0)
        item_done = create_event("output_item.done", item=MESSAGE, output_index=1)
        assert decode_deltas(delta, item_done) == [{"content": "Hello"}, {"content": "Hi"}]

    def test_items_that_finish_after_all_deltas_are_not_repeated(self) -> None:
        deltas = [
            create_event("output_text.delta", delta=text, output_index=index)
            for text, index in [("A", 0), ("B", 1), ("a", 0), ("b", 1)]
        ]
        done_events = [
            create_event(
                "output_item.done",
                item={"type": "message", "content": [{"text": text}]},
                output_index=index,
            )
            for index, text in enumerate(["Aa", "Bb"])
        ]
        assert get_text(decode_deltas(*deltas, *done_events)) == "ABab"

    def test_text_that_differs_from_its_deltas_is_not_repeated(self) -> None:
        delta = create_event("output_text.delta", delta="Hello", output_index=0)
        assert decode_deltas(delta, self.ITEM_DONE) == [{"content": "Hello"}]

    def test_annotations_with_events_are_emitted_once(self) -> None:
        delta = create_event("output_text.delta", delta="AB", output_index=0)
        added = create_event("output_text.annotation.added", annotation=NOTE)
        assert decode_deltas(delta, added, self.PARTS_DONE) == [
            {"content": "AB"},
            {"annotations": [NOTE]},
        ]

    ONLY_IN_RESPONSE: dict[str, tuple[list[Any], list[Any]]] = {
        "tool call": (
            [TEXT_DELTA],
            [
                {"type": "message", "content": [{"text": "Hi"}]},
                {**CALL, "arguments": '{"a":1}'},
            ],
        ),
        "arguments": (
            [create_event("output_item.added", item=CALL, output_index=0)],
            [{**CALL, "arguments": '{"a":1}'}],
        ),
    }

    @pytest.mark.parametrize(("events", "output"), ONLY_IN_RESPONSE.values(), ids=ONLY_IN_RESPONSE)
    def test_content_that_only_the_finished_response_has(self, events: Any, output: Any) -> None:
        end = create_event("completed", response={**RESPONSE, "output": output})
        *chunks, last = decode_events(*events, end=end)
        chunk_deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
        calls = [call for delta in chunk_deltas for call in delta.get("tool_calls", ())]
        assert "".join(call["function"]["arguments"] for call in calls) == '{"a":1}'
        assert get_text(chunk_deltas) in {"", "Hi"}
        assert last["choices"][0]["finish_reason"] == "tool_calls"

    def test_indices_of_the_finished_response_may_differ(self) -> None:
        """Some providers omit items there, so indices do not identify them."""
        end = create_event("completed", response={**RESPONSE, "output": [MESSAGE]})
        chunks = decode_events(
            create_event("output_text.delta", delta="Hi", output_index=1), end=end
        )
        assert [chunk["choices"][0]["delta"] for chunk in chunks] == [{"content": "Hi"}, {}]


class TestEnd:
    def test_last_chunk_has_metadata_and_finish_reason(self) -> None:
        usage = {"input_tokens": 3, "output_tokens": 2, "total_cost": 0.5}
        end = create_event("completed", response={**RESPONSE, "usage": usage})
        _, last = decode_events(create_event("output_text.delta", delta="Hi"), end=end)
        assert last["usage"] == usage
        assert (last["id"], last["model"], last["api"]) == ("resp_1", "gpt-4o", "responses")
        assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop"}]

    @pytest.mark.parametrize(
        ("reason", "finish_reason"),
        [("max_output_tokens", "length"), ("content_filter", "content_filter")],
    )
    def test_incomplete_response_ends_the_stream(self, reason: str, finish_reason: str) -> None:
        details = {"status": "incomplete", "incomplete_details": {"reason": reason}}
        (last,) = decode_events(end=create_event("incomplete", response={**RESPONSE, **details}))
        assert last["choices"][0]["finish_reason"] == finish_reason

    def test_stream_with_a_tool_call(self) -> None:
        *_, last = decode_events(create_event("output_item.added", output_index=0, item=CALL))
        assert last["choices"][0]["finish_reason"] == "tool_calls"

    def test_events_after_the_end_are_ignored(self) -> None:
        decoder = ResponsesStreamDecoder()
        late = create_event("output_text.delta", delta="late")
        assert len(list(decoder.feed(encode_event(CUT) + encode_event(late) + DONE))) == 1
        assert decoder.done

    def test_completed_stream_without_output_raises(self) -> None:
        with pytest.raises(MalformedResponseError, match="no output"):
            decode_events(end=COMPLETED)

    def test_done_marker_ends_the_stream(self) -> None:
        decoder = ResponsesStreamDecoder()
        list(decoder.feed(encode_event(TEXT_DELTA) + DONE))
        decoder.finish()
        assert decoder.done


STREAM = b"".join(
    encode_event(item)
    for item in [
        create_event("created", response=RESPONSE),
        create_event("output_text.delta", delta="Grüße 🦉"),
        create_event("output_item.added", output_index=1, item=CALL),
        create_event("function_call_arguments.delta", output_index=1, delta='{"a":1}'),
        COMPLETED,
    ]
)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64])
def test_chunks_may_have_any_size(size: int) -> None:
    decoder = ResponsesStreamDecoder()
    starts = range(0, len(STREAM), size)
    chunks = [chunk for start in starts for chunk in decoder.feed(STREAM[start : start + size])]
    assert chunks == list(ResponsesStreamDecoder().feed(STREAM))
    assert get_text([chunk["choices"][0]["delta"] for chunk in chunks]) == "Grüße 🦉"


@pytest.mark.parametrize("length", range(11, STREAM.index(b"event: response.completed") + 40, 11))
def test_truncated_stream_raises(length: int) -> None:
    decoder = ResponsesStreamDecoder()
    list(decoder.feed(STREAM[:length]))
    with pytest.raises(TruncatedStreamError):
        decoder.finish()


ERRORS: dict[str, Any] = {
    "error event": {"type": "error", "code": "x", "message": "out"},
    "error event with an object": {"type": "error", "error": {"code": "x", "message": "out"}},
    "failed": create_event("failed", response={"error": {"code": "x", "message": "out"}}),
    "failed without an error": create_event("failed", response=None),
    "error without a type": {"error": {"message": "out"}},
    "flat error": {"code": "x", "message": "out"},
}


@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_error_event_raises(error: Any) -> None:
    decoder = ResponsesStreamDecoder()
    list(decoder.feed(encode_event(create_event("output_text.delta", delta="Hi"))))
    with pytest.raises(EmbeddedError):
        list(decoder.feed(encode_event(error)))


UNEXPECTED_VALUES = {
    "null": None,
    "number": 5,
    "string": "?",
    "empty list": [],
    "list": ["?"],
    "object": {},
    "bool": True,
}
UNEXPECTED_FIELDS = {
    "text delta": lambda value: create_event("output_text.delta", delta=value),
    "logprobs": lambda value: create_event("output_text.delta", delta="Hi", logprobs=value),
    "content index": lambda value: create_event(
        "output_text.delta", delta="Hi", content_index=value
    ),
    "refusal delta": lambda value: create_event("refusal.delta", delta=value),
    "summary delta": lambda value: create_event("reasoning_summary_text.delta", delta=value),
    "arguments delta": lambda value: create_event("function_call_arguments.delta", delta=value),
    "added item": lambda value: create_event("output_item.added", item=value, output_index=0),
    "finished item": lambda value: create_event("output_item.done", item=value, output_index=0),
    "output index": lambda value: create_event("output_item.added", item=CALL, output_index=value),
    "item type": lambda value: create_event("output_item.done", item={"type": value}),
    "summary": lambda value: create_event(
        "output_item.done", item={**SIGNED_REASONING, "summary": value}
    ),
    "encrypted content": lambda value: create_event(
        "output_item.done", item={**SIGNED_REASONING, "encrypted_content": value}
    ),
    "annotation": lambda value: create_event("output_text.annotation.added", annotation=value),
    "summary index": lambda value: create_event(
        "reasoning_summary_part.added", summary_index=value
    ),
    "response": lambda value: create_event("completed", response=value),
    "usage": lambda value: create_event("completed", response={**RESPONSE, "usage": value}),
    "incomplete details": lambda value: create_event(
        "incomplete", response={"status": "incomplete", "incomplete_details": value}
    ),
    "type": lambda value: {"type": value},
}


@pytest.mark.parametrize("value", UNEXPECTED_VALUES.values(), ids=UNEXPECTED_VALUES)
@pytest.mark.parametrize("build_event", UNEXPECTED_FIELDS.values(), ids=UNEXPECTED_FIELDS)
def test_unexpected_types_are_read_or_raise_a_wire_error(build_event: Any, value: Any) -> None:
    try:
        chunks = decode_events(build_event(value))
    except WireError:
        return
    assert all(isinstance(chunk["choices"][0]["delta"], dict) for chunk in chunks)


@pytest.mark.parametrize("value", [5, {"text": "Hi"}, [5]], ids=["number", "object", "list"])
def test_content_without_text_raises(value: Any) -> None:
    with pytest.raises(MalformedResponseError, match="has no text"):
        decode_events(create_event("output_text.delta", delta=value))
    item = {"type": "message", "content": value, "id": "m"}
    with pytest.raises(MalformedResponseError, match="has no text"):
        decode_events(create_event("output_item.done", item=item))
