"""Complete and streamed responses without an answer raise an error."""

import json
from typing import Any

import pytest
from langchain_core import exceptions as core
from pydantic import BaseModel
from support.chat_responses import (
    DONE,
    EVENT_STREAM,
    create_delta,
    create_model,
    create_tool_delta,
    encode_event,
    merge_chunks,
)

from orq_router_integrations.errors import (
    InvalidResponseError,
    RefusalError,
    RouterError,
    ServerError,
)

USAGE = {"prompt_tokens": 3, "completion_tokens": 0, "total_tokens": 3}
ROLE = create_delta(role="assistant", content="")
CREATED = {"type": "response.created", "response": {"id": "r", "status": "in_progress"}}
ADDED = {"type": "response.output_item.added", "output_index": 0, "item": {"type": "message"}}

ENDINGS: dict[str, tuple[str, bytes]] = {
    "only done": ("chat_completions", DONE),
    "only usage": ("chat_completions", encode_event({"choices": [], "usage": USAGE}) + DONE),
    "only usage, without done": ("chat_completions", encode_event({"usage": USAGE})),
    "only a role": ("chat_completions", encode_event(ROLE) + DONE),
    "role and usage": (
        "chat_completions",
        encode_event(ROLE) + encode_event({"choices": [], "usage": USAGE}) + DONE,
    ),
    "only keep-alives": ("chat_completions", b": ping\n\n: ping\n\n" + DONE),
    "empty deltas": ("chat_completions", 3 * encode_event(create_delta(content="")) + DONE),
    "null message": (
        "chat_completions",
        encode_event({"choices": [{"message": {"role": "assistant", "content": None}}]}) + DONE,
    ),
    "Responses API, only done": ("responses", DONE),
    "Responses API, only created": ("responses", encode_event(CREATED) + DONE),
    "Responses API, item without content": (
        "responses",
        encode_event(CREATED) + encode_event(ADDED) + DONE,
    ),
}


@pytest.mark.parametrize(("api", "content"), ENDINGS.values(), ids=ENDINGS)
def test_stream_without_an_answer_raises(api: Any, content: bytes) -> None:
    with pytest.raises(RouterError):
        list(create_model(content, EVENT_STREAM, api=api).stream("Hi"))


def test_error_of_a_stream_names_the_problem() -> None:
    with pytest.raises(InvalidResponseError, match="ended without an answer"):
        list(create_model(DONE, EVENT_STREAM).stream("Hi"))


REASONS = ["error", "ERROR", "failed", "abort", "MALFORMED_FUNCTION_CALL"]


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("text", ["", "Half an ans"])
def test_failed_answer_raises(reason: str, text: str) -> None:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}}
    completion = json.dumps({"choices": [{**choice, "finish_reason": reason}]}).encode()
    streamed = encode_event(create_delta(content=text)) + encode_event(create_delta(reason)) + DONE
    with pytest.raises(ServerError, match=f"finish reason '{reason}'.*code {reason}"):
        create_model(completion).invoke("Hi")
    with pytest.raises(ServerError, match=f"finish reason '{reason}'") as caught:
        list(create_model(streamed, EVENT_STREAM).stream("Hi"))
    assert caught.value.partial == text


BODIES = {
    "no choices": {"choices": [], "usage": USAGE},
    "only usage": {"usage": USAGE},
    "message with a role": {"choices": [{"message": {"role": "assistant"}}]},
    "null content": {"choices": [{"message": {"content": None}, "finish_reason": None}]},
    "no message": {"choices": [{"finish_reason": "stop"}]},
    "second choice failed": {
        "choices": [{"message": {"content": "Hi"}}, {"message": {}, "finish_reason": "error"}]
    },
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_complete_response_without_an_answer_raises(body: Any) -> None:
    with pytest.raises(RouterError):
        create_model(json.dumps(body).encode()).invoke("Hi")


ANSWERS = {
    "empty text with a finish reason": [create_delta("stop", content="")],
    "text without a finish reason": [create_delta(content="Hi")],
    "tool call without a finish reason": [
        create_delta(tool_calls=[create_tool_delta("{}", "f", id="a", index=0)])
    ],
    "reasoning only": [create_delta(reasoning_content="Hm")],
    "filtered": [create_delta("content_filter")],
    "messages, the last of them empty": [
        {"choices": [{"message": {"content": "Hi"}}]},
        {"choices": [{"message": {"content": ""}}]},
    ],
}


@pytest.mark.parametrize("events", ANSWERS.values(), ids=ANSWERS)
def test_answer_without_text_or_finish_reason_is_accepted(events: list[Any]) -> None:
    content = b"".join(map(encode_event, events)) + DONE
    merge_chunks(create_model(content, EVENT_STREAM).stream("Hi"))


class Joke(BaseModel):
    """A joke."""

    setup: str


FILTERED = {
    "no content": (None, "content_filter"),
    "half an answer": ('{"setup": "Why', "content_filter"),
    "text": ("I can't help with that.", "content_filter"),
    "Gemini": ("", "SAFETY"),
    "Anthropic": ("", "refusal"),
}
METHODS = ("json_schema", "function_calling", "json_mode")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("text", "reason"), FILTERED.values(), ids=FILTERED)
def test_filtered_structured_output_is_a_refusal(text: Any, reason: str, method: Any) -> None:
    choice = {"message": {"role": "assistant", "content": text}, "finish_reason": reason}
    model = create_model(json.dumps({"choices": [choice]}).encode())
    with pytest.raises(RefusalError, match=f"(filtered|refused).*'{reason}'") as caught:
        model.with_structured_output(Joke, method=method).invoke("Hi")
    if hasattr(core, "ModelRefusalError"):  # langchain-core 1.7.5 and later
        assert isinstance(caught.value, core.ModelRefusalError)
    assert caught.value.raw_message is not None
    output: Any = model.with_structured_output(Joke, method=method, include_raw=True).invoke("Hi")
    assert isinstance(output["parsing_error"], RefusalError)


def test_streamed_structured_output_that_is_filtered_is_a_refusal() -> None:
    events = [create_delta(content='{"setup": "W'), create_delta("content_filter")]
    content = b"".join(map(encode_event, events)) + DONE
    with pytest.raises(RefusalError, match="filtered"):
        list(create_model(content, EVENT_STREAM).with_structured_output(Joke).stream("Hi"))


def test_complete_structured_output_is_returned_whatever_the_finish_reason() -> None:
    choice = {"message": {"content": '{"setup": "Why?"}'}, "finish_reason": "content_filter"}
    model = create_model(json.dumps({"choices": [choice]}).encode())
    assert model.with_structured_output(Joke).invoke("Hi") == Joke(setup="Why?")
