"""Chat completions: what counts as an answer, what is an error, and how streams end."""

from typing import Any

import orjson
import pytest

from orq_router_integrations.wire.call import (
    MalformedResponseError,
    Response,
    TruncatedStreamError,
)
from orq_router_integrations.wire.chat_completions import (
    ChatStreamDecoder,
    extract_text,
    parse_completion,
)

CALLS = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


def parse(*messages: Any) -> dict[str, Any]:
    body = {"choices": [{"message": message} for message in messages]}
    return parse_completion(Response(200, {}, orjson.dumps(body)))


TEXTS: dict[str, tuple[Any, str]] = {
    "null": (None, ""),
    "empty string": ("", ""),
    "string": ("Hi", "Hi"),
    "empty list": ([], ""),
    "parts": (["Hi", {"type": "text", "text": " you"}, {"type": "x"}], "Hi you"),
    "reasoning": ([{"type": "thinking", "thinking": "Hm."}], ""),
    "reasoning and text": (
        [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hi"}],
        "Hi",
    ),
}


@pytest.mark.parametrize(("content", "text"), TEXTS.values(), ids=TEXTS)
def test_extract_text(content: Any, text: str) -> None:
    assert extract_text(content) == text


NOT_TEXT: dict[str, Any] = {
    "number": 5,
    "zero": 0,
    "false": False,
    "object": {"text": "Hi"},
    "list of null": [None],
    "list of numbers": [5],
    "part with a number": [{"text": 5}],
}


@pytest.mark.parametrize("content", NOT_TEXT.values(), ids=NOT_TEXT)
def test_content_without_text_raises(content: Any) -> None:
    with pytest.raises(MalformedResponseError, match="has no text"):
        parse({"content": "Hi"}, {"content": content})


def test_content_may_be_missing() -> None:
    body = {"choices": [{"message": {"role": "assistant"}, "finish_reason": "stop"}]}
    (choice,) = parse_completion(Response(200, {}, orjson.dumps(body)))["choices"]
    assert choice["message"]["content"] == ""


ANSWERS: dict[str, dict[str, Any]] = {
    "tool calls": {"content": [{"type": "text", "text": None}], "tool_calls": CALLS},
    "tool calls in parts too": {"content": [{"type": "tool_use"}], "tool_calls": CALLS},
    "refusal": {"content": [{"type": "refusal", "refusal": "No."}], "refusal": "No."},
    "audio": {"content": [{"type": "audio"}], "audio": {"id": "a", "data": "QUJD"}},
    "reasoning": {"content": [{"type": "x"}], "reasoning": "Hm."},
}


@pytest.mark.parametrize("message", ANSWERS.values(), ids=ANSWERS)
def test_answer_outside_content_is_accepted(message: dict[str, Any]) -> None:
    assert parse(message)["choices"] == [{"message": {**message, "content": ""}}]


def test_images_and_refusals_in_parts_are_copied_to_their_fields() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://any.host/a.png"}}
    (choice,) = parse({"content": [image, {"type": "refusal", "refusal": "No."}]})["choices"]
    assert (choice["message"]["images"], choice["message"]["refusal"]) == ([image], "No.")


def build_event(finish_reason: str | None = None, **choice: Any) -> bytes:
    choice = {"index": 0, "finish_reason": finish_reason, **choice}
    return b"data: " + orjson.dumps({"choices": [choice]}) + b"\n\n"


class TestStream:
    @staticmethod
    def decode(*events: bytes) -> list[Any]:
        decoder = ChatStreamDecoder()
        chunks = [chunk for event in events for chunk in decoder.feed(event)]
        decoder.finish()
        return [chunk["choices"][0].get("delta") for chunk in chunks]

    DELTA = build_event(delta={"content": "Hi"})
    MESSAGE = build_event("stop", message={"content": "Hi"})

    def test_message_instead_of_deltas_is_read(self) -> None:
        assert self.decode(self.MESSAGE) == [{"content": "Hi"}]

    def test_message_that_repeats_the_deltas_is_dropped(self) -> None:
        assert self.decode(self.DELTA, self.MESSAGE) == [{"content": "Hi"}, None]

    def test_content_parts_become_text(self) -> None:
        parts = [{"type": "text", "text": "Hi"}, " you"]
        assert self.decode(build_event("stop", delta={"content": parts})) == [{"content": "Hi you"}]

    @pytest.mark.parametrize(
        "end", [build_event("stop", delta={}), b"data: [DONE]\n\n"], ids=["finish reason", "marker"]
    )
    def test_complete_stream(self, end: bytes) -> None:
        assert self.decode(self.DELTA, end)[0] == {"content": "Hi"}

    def test_stream_without_an_end_raises(self) -> None:
        with pytest.raises(TruncatedStreamError):
            self.decode(self.DELTA)

    def test_delta_that_is_not_an_object_raises(self) -> None:
        with pytest.raises(MalformedResponseError, match="delta"):
            self.decode(build_event(delta="Hi"))
