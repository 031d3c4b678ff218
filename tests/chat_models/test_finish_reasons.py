"""The finish fields of messages and of ``message-finish`` events."""

import json
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from support.agent_tools import both_apis, create_agent_model, every_version
from support.chat_responses import (
    DONE,
    EVENT_STREAM,
    create_call,
    create_delta,
    create_model,
    create_tool_delta,
    encode_event,
    merge_chunks,
)

from orq_router_integrations import OfflineRouter
from orq_router_integrations.chat_models.response_metadata import (
    FINISH_FIELDS,
    create_finish_metadata,
    normalize_finish_reason,
)
from orq_router_integrations.testing import Answer

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

ANSWERS: dict[str, tuple[Answer, tuple[str, str, str]]] = {
    "text": (Answer("Hi"), ("stop", "stop", "completed")),
    "tool call": (
        Answer(tool_calls=[create_call("f", {"a": 1})]),
        ("tool_calls", "tool_call", "completed"),
    ),
    "refusal": (Answer(refusal="No."), ("stop", "refusal", "incomplete")),
    "cut off": (Answer("Hi", finish_reason="length"), ("length", "length", "incomplete")),
    "filtered": (
        Answer("Hi", finish_reason="content_filter"),
        ("content_filter", "content_filter", "incomplete"),
    ),
}


def get_finish_fields(metadata: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(metadata.get(name) for name in FINISH_FIELDS)


@both_apis
@every_version
@pytest.mark.parametrize(("answer", "fields"), ANSWERS.values(), ids=ANSWERS)
def test_finish_fields(answer: Answer, fields: Any, api: str, version: Any) -> None:
    router = OfflineRouter(answers=lambda _: answer)
    model = create_agent_model(router, api, output_version=version)
    assert get_finish_fields(model.invoke("Hi").response_metadata) == fields
    streamed = merge_chunks(model.stream("Hi"))
    assert get_finish_fields(streamed.response_metadata) == fields
    stream = model.stream_events("Hi", version="v3")
    *_, event = stream
    assert event["event"] == "message-finish"
    assert get_finish_fields(event) == fields
    assert get_finish_fields(event["metadata"]) == fields
    assert get_finish_fields(stream.output.response_metadata) == fields


@both_apis
async def test_finish_fields_of_async_events(api: str) -> None:
    model = create_agent_model(OfflineRouter(answers=lambda _: "Hi"), api)
    stream: Any = await model.astream_events("Hi", version="v3")
    events = [event async for event in stream]
    assert get_finish_fields(events[-1]) == ("stop", "stop", "completed")


REASONS = {
    "stop": "stop",
    "end_turn": "stop",
    "STOP": "stop",
    "length": "length",
    "MAX_TOKENS": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tool_call",
    "tool_use": "tool_call",
    "function_call": "tool_call",
    "content_filter": "content_filter",
    "RECITATION": "content_filter",
    "refusal": "refusal",
    "SAFETY": "refusal",
    "cancelled": None,
    "something new": None,
    "": None,
    None: None,
}


@pytest.mark.parametrize(("reason", "normalized"), REASONS.items(), ids=map(repr, REASONS))
def test_normalize_finish_reason(reason: Any, normalized: str | None) -> None:
    assert normalize_finish_reason(reason) == normalized


@pytest.mark.parametrize(
    ("reason", "fields"),
    [
        ("cancelled", {"finish_reason": "cancelled", "finish_state": "cancelled"}),
        ("new", {"finish_reason": "new"}),
        (None, {}),
    ],
    ids=repr,
)
def test_unknown_reason_has_no_normalized_form(reason: Any, fields: dict[str, str]) -> None:
    metadata = create_finish_metadata(reason, has_refusal=False, has_tool_calls=False)
    assert metadata == fields


def test_tool_call_that_ends_with_stop() -> None:
    call = create_tool_delta("{}", "f", id="a", index=0)
    choice = {"message": {"content": None, "tool_calls": [call]}, "finish_reason": "stop"}
    complete = create_model(json.dumps({"choices": [choice]}).encode()).invoke("Hi")
    events = [create_delta(tool_calls=[call]), create_delta("stop")]
    data = b"".join(map(encode_event, events)) + DONE
    streamed = merge_chunks(create_model(data, EVENT_STREAM).stream("Hi"))
    for message in (complete, streamed):
        assert get_finish_fields(message.response_metadata) == ("stop", "tool_call", "completed")


def test_each_of_several_answers_has_its_fields() -> None:
    choices = [
        {"index": 0, "message": {"content": "A"}, "finish_reason": "stop"},
        {"index": 1, "message": {"content": "B"}, "finish_reason": "length"},
    ]
    model = create_model(json.dumps({"choices": choices}).encode())
    (generations,) = model.generate([[HumanMessage("Hi")]]).generations
    fields = [get_finish_fields(generation.message.response_metadata) for generation in generations]
    assert fields == [("stop", "stop", "completed"), ("length", "length", "incomplete")]
