"""Chat completions: what an answer may say, and what is no answer."""

from typing import Any

import orjson
import pytest

from orq_router_integrations.wire.call import BadReply, Reply
from orq_router_integrations.wire.chat_completions import read_completion, text_of

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
    assert text_of(content) == text


@pytest.mark.parametrize("content", [5, 0, False, {"text": "Hi"}, [None], [5], [{"text": 5}]])
def test_content_without_text_is_no_answer(content: Any) -> None:
    choices = [{"message": {"content": "Hi"}}, {"message": {"content": content}}]
    with pytest.raises(BadReply, match="without text"):
        read_completion(Reply(200, {}, orjson.dumps({"choices": choices})))


def test_content_may_be_missing() -> None:
    body = {"choices": [{"message": {"role": "assistant"}}]}
    assert read_completion(Reply(200, {}, orjson.dumps(body))) == body
