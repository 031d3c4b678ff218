"""Replies of ``POST /chat/completions``, whole and in chunks; ``chat_params`` has what is sent.

Source: contract section 2.1. Replies are read leniently, for nearly every member is optional in
the router's schema; but a reply without choices, or a stream without an end, is no answer.
"""

import math
from collections.abc import Iterable
from typing import Any

from orq_router_integrations.wire.call import MalformedResponseError, Response
from orq_router_integrations.wire.event_stream import (
    EventStreamDecoder,
    get_json_type_name,
    raise_for_error,
)
from orq_router_integrations.wire.json import as_dict, as_dicts


def parse_completion(reply: Response) -> dict[str, Any]:
    """The completion in a reply: a dict whose ``choices`` each have a ``message``.

    Raises:
        BadReply: it is not JSON, lacks these, or has content that is no text.
        ErrorInReply: it is an error after all.
    """
    body = reply.json()
    raise_for_error(body, reply.content)
    if not isinstance(body, dict):
        raise MalformedResponseError(f"the body is {get_json_type_name(body)}, not an object")
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise MalformedResponseError("the completion has no choices")
    for index, choice in enumerate(choices):
        raise_for_error(choice, reply.content)
        if not isinstance(choice, dict) or not isinstance(choice.get("message"), dict):
            raise MalformedResponseError(f"choice {index} of the completion has no message")
        _check_message(choice["message"])
    return body


def _check_message(message: dict[str, Any]) -> None:
    """Refuse an answer that is empty because nothing in it can be read.

    Parts of its content that have a member of their own are put there.
    """
    content = message.get("content")
    parts = as_dicts(content)
    for part in parts:
        if part.get("type") == "refusal" and not message.get("refusal"):
            message["refusal"] = part.get("refusal")
    drawn = [part for part in parts if part.get("type") == "image_url"]
    if drawn and not message.get("images"):
        message["images"] = drawn
    if not any(message.get(name) for name in _BESIDE):
        extract_text(content, required=True)


_BESIDE = (
    "tool_calls",
    "refusal",
    "audio",
    "images",
    "reasoning",
    "reasoning_content",
    "redacted_reasoning",
)
"""What an answer may consist of without a text."""


def extract_text(content: Any, data: bytes = b"", *, required: bool = False) -> str:
    """The text of a message or delta, also where an upstream sends it in parts.

    Args:
        content: its ``content``.
        data: the bytes in which it came, for the error.
        required: whether it is all there is, so that there must be text in it.

    Raises:
        BadReply: it is neither text nor parts, or there must be text and is none.
    """
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list) and all(isinstance(part, str | dict) for part in content):
        texts = [text for text in map(_text_in, content) if text is not None]
        if texts or not (content and required):
            return "".join(texts)
    raise MalformedResponseError(
        f"the content of the answer is {get_json_type_name(content)} without text", data
    )


_THOUGHTS = ("thinking", "reasoning", "redacted_thinking")


def _text_in(part: Any) -> str | None:
    """The text in a part, which is empty in those that hold thoughts."""
    if isinstance(part, dict):
        part = "" if part.get("type") in _THOUGHTS else part.get("text")
    return part if isinstance(part, str) else None


class ChatStreamDecoder(EventStreamDecoder):
    """Bytes of a chat stream in, chunks (as dicts) out.

    It knows when a stream is complete: at ``[DONE]``, or when it ends after a finish reason.
    """

    _in_messages = _in_deltas = False

    def find_text(self, event: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """The content of the delta."""
        choice = get_first_choice(event)
        return as_dict(choice.get("delta") or choice.get("message")), "content"

    def decode_event(self, event: dict[str, Any], data: bytes) -> Iterable[dict[str, Any]]:
        """Check a chunk, and note what it says of the stream's end."""
        choice = get_first_choice(event)
        raise_for_error(choice, data)
        delta = choice.get("delta")
        if delta is None and "message" in choice:
            delta = choice["delta"] = self._instead(choice["message"])
        delta = delta or {}
        if not isinstance(delta, dict):
            raise MalformedResponseError("the delta of an event is not an object", data)
        if not (self._in_deltas or self._in_messages):
            self._in_deltas = any(value for name, value in delta.items() if name != "role")
        if choice.get("finish_reason"):
            self.finish_seen = True
        content = delta.get("content")
        if isinstance(content, str):
            self._text.append(content)
        elif content is not None:
            self.record_text(extract_text(content, data))
        return (event,)

    def _instead(self, message: Any) -> Any:
        """The message that some upstreams send where a delta belongs.

        Behind deltas it is the whole answer once more.
        """
        self._in_messages = not self._in_deltas
        return message if self._in_messages else None


def get_first_choice(chunk: dict[str, Any]) -> dict[str, Any]:
    """The choice with index 0 of a chunk, or an empty one; only it feeds a stream."""
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and not choice.get("index"):
            return choice
    return {}


def parse_token_count(value: Any) -> int:
    """A token count as an integer, whatever the router wrote; 0 where it wrote none."""
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return 0
    return max(int(value), 0)
