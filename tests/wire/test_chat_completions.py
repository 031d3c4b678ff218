"""Chat completions: what an answer may say, and what is no answer."""

from typing import Any

import orjson
import pytest

from orq_router_integrations.wire.call import MalformedResponseError, Response
from orq_router_integrations.wire.chat_completions import extract_text, parse_completion

TEXTS: list[tuple[Any, str]] = [
    (None, ""),
    ("", ""),
    ("Hi", "Hi"),
    ([], ""),
    (["Hi", {"type": "text", "text": " you"}, {"type": "x"}], "Hi you"),
    ([{"type": "thinking", "thinking": "Hm."}], ""),
    ([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hi"}], "Hi"),
]


@pytest.mark.parametrize(("content", "text"), TEXTS)
def test_an_answer_may_say_nothing_and_may_come_in_parts(content: Any, text: str) -> None:
    assert extract_text(content) == text


@pytest.mark.parametrize("content", [5, 0, False, {"text": "Hi"}, [None], [5], [{"text": 5}]])
def test_content_without_text_is_no_answer(content: Any) -> None:
    choices = [{"message": {"content": "Hi"}}, {"message": {"content": content}}]
    with pytest.raises(MalformedResponseError, match="without text"):
        parse_completion(Response(200, {}, orjson.dumps({"choices": choices})))


def test_content_may_be_missing() -> None:
    body = {"choices": [{"message": {"role": "assistant"}}]}
    assert parse_completion(Response(200, {}, orjson.dumps(body))) == body


CALLS = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]


def completion(message: dict[str, Any]) -> dict[str, Any]:
    return parse_completion(Response(200, {}, orjson.dumps({"choices": [{"message": message}]})))


BESIDE = {
    "calls, and no text": {"content": [{"type": "text", "text": None}], "tool_calls": CALLS},
    "calls, in parts too": {"content": [{"type": "tool_use"}], "tool_calls": CALLS},
    "a refusal": {"content": [{"type": "refusal", "refusal": "No."}], "refusal": "No."},
    "sound": {"content": [{"type": "audio"}], "audio": {"id": "a", "data": "QUJD"}},
    "thoughts": {"content": [{"type": "x"}], "reasoning": "Hm."},
}


@pytest.mark.parametrize("message", BESIDE.values(), ids=BESIDE)
def test_an_answer_may_be_beside_its_content(message: dict[str, Any]) -> None:
    assert completion(message)["choices"] == [{"message": message}]


def test_parts_with_a_member_of_their_own_are_put_there() -> None:
    picture = {"type": "image_url", "image_url": {"url": "https://any.host/a.png"}}
    (choice,) = completion({"content": [picture, {"type": "refusal", "refusal": "No."}]})["choices"]
    assert (choice["message"]["images"], choice["message"]["refusal"]) == ([picture], "No.")
