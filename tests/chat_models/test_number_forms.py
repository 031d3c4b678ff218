"""Numbers that arrive as strings or floats, and fragments of calls whose ids change."""

from typing import Any

import orjson
import pytest
from langchain_core.messages import HumanMessage
from support.chat_responses import create_delta, create_model, create_tool_delta, merge_deltas
from support.response_events import create_event, decode_deltas

FORMS = [0, "0", 0.0, " 0", "0.0"]


@pytest.mark.parametrize("index", FORMS, ids=repr)
def test_index_of_a_tool_call_may_be_a_string_or_a_float(index: Any) -> None:
    message = merge_deltas(
        create_delta(tool_calls=[create_tool_delta('{"a"', "f", index=index, id="c1")]),
        create_delta(tool_calls=[create_tool_delta(":1}", index=index)]),
        create_delta("tool_calls"),
    )
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [("f", {"a": 1})]


@pytest.mark.parametrize("index", FORMS, ids=repr)
def test_index_of_a_choice_may_be_a_string_or_a_float(index: Any) -> None:
    delta = create_delta("stop", content="Hi")
    delta["choices"][0]["index"] = index
    assert merge_deltas(delta).content == "Hi"


@pytest.mark.parametrize("index", FORMS, ids=repr)
def test_output_index_may_be_a_string_or_a_float(index: Any) -> None:
    item = {"type": "message", "content": [{"text": "Hi"}]}
    delta = create_event("output_text.delta", output_index=0, delta="Hi")
    item_done = create_event("output_item.done", output_index=index, item=item)
    assert decode_deltas(delta, item_done) == [{"content": "Hi"}]


@pytest.mark.parametrize("index", FORMS, ids=repr)
def test_index_of_a_summary_may_be_a_string_or_a_float(index: Any) -> None:
    first = create_event("reasoning_summary_text.delta", item_id="r", summary_index=0, delta="A")
    second = {**first, "summary_index": index, "delta": "B"}
    third = {**first, "summary_index": 1, "delta": "C"}
    deltas = decode_deltas(first, second, third)
    assert "".join(delta["reasoning"] for delta in deltas) == "AB\n\nC"


@pytest.mark.parametrize("index", FORMS, ids=repr)
def test_content_index_may_be_a_string_or_a_float(index: Any) -> None:
    delta = create_event("output_text.delta", item_id="m", content_index=0, delta="Hi")
    text_done = create_event("output_text.done", item_id="m", content_index=index, text="Hi")
    assert decode_deltas(delta, text_done) == [{"content": "Hi"}]


@pytest.mark.parametrize("indices", [("1", "0"), (1.0, 0.0), (" 1", 0), ("10", "9")], ids=repr)
def test_choices_are_ordered_by_index(indices: Any) -> None:
    choices = [
        {"index": index, "message": {"content": text}, "finish_reason": "stop"}
        for index, text in zip(indices, "BA", strict=True)
    ]
    model = create_model(orjson.dumps({"choices": choices}))
    (generations,) = model.generate([[HumanMessage("Hi")]]).generations
    assert [generation.text for generation in generations] == ["A", "B"]


@pytest.mark.parametrize("cost", [0.25, "0.25", "2.5e-1"], ids=repr)
def test_cost_may_be_a_string(cost: Any) -> None:
    usage = {"input_tokens": "3", "output_tokens": 2.0, "total_cost": cost}
    item = {"type": "message", "content": [{"text": "Hi"}]}
    body = {"id": "r", "status": "completed", "output": [item], "usage": usage}
    message = create_model(orjson.dumps(body), api="responses").invoke("Hi")
    assert message.response_metadata["cost"] == 0.25
    assert message.usage_metadata == {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5}


CHANGING_IDS = {
    "another id": ["c1", "c2"],
    "another id in each fragment": ["c1", "c2", "c3", "c4"],
    "an id only in the last fragment": [None, None, "c2"],
    "an empty id": ["c1", "", "c3"],
    "alternating ids": ["c1", "c2", "c1"],
}


@pytest.mark.parametrize("ids", CHANGING_IDS.values(), ids=CHANGING_IDS)
@pytest.mark.parametrize("index", [0, "0"], ids=repr)
def test_fragments_whose_id_changes_continue_the_call(ids: list[Any], index: Any) -> None:
    fragments = ['{"a"', *[" "] * (len(ids) - 2), ":1}"]
    deltas = [
        create_delta(
            tool_calls=[
                create_tool_delta(fragment, None if number else "f", index=index, id=call_id)
            ]
        )
        for number, (call_id, fragment) in enumerate(zip(ids, fragments, strict=True))
    ]
    (call,) = merge_deltas(*deltas, create_delta("tool_calls")).tool_calls
    assert (call["name"], call["args"]) == ("f", {"a": 1})
    assert call["id"] == "c1" or ids[0] is None


def test_fragment_with_another_id_and_a_name_is_another_call() -> None:
    message = merge_deltas(
        create_delta(tool_calls=[create_tool_delta("{}", "f", index=0, id="c1")]),
        create_delta(tool_calls=[create_tool_delta("{}", "f", index=0, id="c2")]),
        create_delta("tool_calls"),
    )
    assert [call["id"] for call in message.tool_calls] == ["c1", "c2"]
