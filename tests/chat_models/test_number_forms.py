"""Indices that arrive as strings or floats, and fragments of calls whose ids change."""

from typing import Any

import pytest
from support.chat_responses import create_delta, create_tool_delta, merge_deltas
from support.response_events import create_event, decode_deltas

FORMS = [0, "0", 0.0, " 0"]


@pytest.mark.parametrize("index", FORMS, ids=repr)
def test_index_of_a_tool_call(index: Any) -> None:
    message = merge_deltas(
        create_delta(tool_calls=[create_tool_delta('{"a"', "f", index=index, id="c1")]),
        create_delta(tool_calls=[create_tool_delta(":1}", index=index)]),
        create_delta("tool_calls"),
    )
    assert [(call["name"], call["args"]) for call in message.tool_calls] == [("f", {"a": 1})]


@pytest.mark.parametrize("index", FORMS, ids=repr)
def test_index_of_a_choice(index: Any) -> None:
    delta = create_delta("stop", content="Hi")
    delta["choices"][0]["index"] = index
    assert merge_deltas(delta).content == "Hi"


@pytest.mark.parametrize("index", FORMS, ids=repr)
def test_output_index(index: Any) -> None:
    item = {"type": "message", "content": [{"text": "Hi"}]}
    delta = create_event("output_text.delta", output_index=0, delta="Hi")
    done = create_event("output_item.done", output_index=index, item=item)
    assert decode_deltas(delta, done) == [{"content": "Hi"}]


def test_fragment_with_another_id_and_no_name_continues_the_call() -> None:
    message = merge_deltas(
        create_delta(tool_calls=[create_tool_delta('{"a"', "f", index=0, id="c1")]),
        create_delta(tool_calls=[create_tool_delta(":1}", index=0, id="c2")]),
        create_delta("tool_calls"),
    )
    assert [(call["id"], call["args"]) for call in message.tool_calls] == [("c1", {"a": 1})]
