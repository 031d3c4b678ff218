"""Parse responses of ``POST /chat/completions``, complete and streamed.

Almost every field is optional in the router's schema, so missing fields are accepted. Only a
response without an answer, and a stream without an end, are errors.
"""

from collections.abc import Iterable
from typing import Any

from orq_router_integrations.wire import reasoning
from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    Response,
    raise_for_error,
)
from orq_router_integrations.wire.event_stream import EventStreamDecoder
from orq_router_integrations.wire.json import as_dict, as_dicts, as_int, as_str, dumps

_FIELDS_BESIDES_CONTENT = {"tool_calls", "refusal", "audio", "images"} | {
    field.name for field in reasoning.REASONING_FIELDS
}
"""Fields that make a message an answer even if its content has no text."""

_FAILURES = {"error", "failed", "abort", "aborted", "malformed_function_call"}
"""Finish reasons of an answer that the provider failed to complete, in lower case."""


def parse_completion(response: Response) -> dict[str, Any]:
    """Parse a complete response. Each choice has a message, whose content becomes a string."""
    body = response.json_object()
    choices = body.get("choices")
    if not isinstance(choices, list) or not choices:
        raise MalformedResponseError("the completion has no choices")
    for index, choice in enumerate(choices):
        _raise_for_failure(choice, response.content)
        if not isinstance(choice, dict) or not isinstance(message := choice.get("message"), dict):
            raise MalformedResponseError(f"choice {index} of the completion has no message")
        _convert_content(message, response.content, required=True)
        if not (choice.get("finish_reason") or _has_answer(message)):
            raise MalformedResponseError(f"choice {index} of the completion has no answer")
    return body


def _raise_for_failure(choice: Any, data: bytes) -> None:
    """Raise ``EmbeddedError`` if a choice has an error, or says that the provider failed."""
    raise_for_error(choice, data)
    reason = as_str(as_dict(choice).get("finish_reason"))
    if reason.lower() in _FAILURES:
        message = f"The provider failed to complete the answer (finish reason {reason!r})."
        raise EmbeddedError(dumps({"error": {"message": message, "code": reason}}))


def _has_answer(message: dict[str, Any]) -> bool:
    return any(value for name, value in message.items() if name != "role")


def _convert_content(message: dict[str, Any], data: bytes, *, required: bool = False) -> None:
    """Reduce the content to its text, and copy its other parts to message fields that are empty."""
    if parts := as_dicts(message.get("content")):
        refusals = [as_str(part.get("refusal")) for part in parts if part.get("type") == "refusal"]
        images = [part for part in parts if part.get("type") == "image_url"]
        fields = {"refusal": "".join(refusals), "images": images}
        if not any(message.get(field.name) for field in reasoning.REASONING_FIELDS):
            fields |= reasoning.collect_reasoning(parts)
        message |= {
            name: value for name, value in fields.items() if value and not message.get(name)
        }
    required = required and not any(message.get(name) for name in _FIELDS_BESIDES_CONTENT)
    message["content"] = extract_text(message.get("content"), data, required=required)


def extract_text(content: Any, data: bytes = b"", *, required: bool = False) -> str:
    """Return the text of a message or delta, joining the parts that some providers send.

    Parts without any text are an error if it is ``required``. The error shows ``data``.
    """
    if isinstance(content, str):
        return content
    if content is None:
        return ""
    if isinstance(content, list) and all(isinstance(part, str | dict) for part in content):
        texts = [text for text in map(_get_part_text, content) if text is not None]
        if texts or not (content and required):
            return "".join(texts)
    message = f"the content of the answer ({type(content).__name__}) has no text"
    raise MalformedResponseError(message, data)


def _get_part_text(part: str | dict[str, Any]) -> str | None:
    """Return the text of a part: empty for reasoning, ``None`` for a part without text."""
    if isinstance(part, str):
        return part
    if as_str(part.get("type")) in reasoning.REASONING_BLOCK_TYPES:
        return ""
    text = part.get("text")
    return text if isinstance(text, str) else None


class ChatStreamDecoder(EventStreamDecoder):
    """Decodes the bytes of a chat stream into chunks of a completion.

    The stream is complete after ``[DONE]``, or if it ends after a finish reason.
    """

    _has_deltas = False  # whether any part of the answer was a delta

    def decode_event(self, event: dict[str, Any], data: bytes) -> Iterable[dict[str, Any]]:
        """Check a chunk, and replace its content with its text."""
        choice = get_first_choice(event)
        if choice.get("finish_reason") or choice.get("error"):
            _raise_for_failure(choice, data)
            self.finish_seen = True
        is_message = choice.get("delta") is None and "message" in choice
        if is_message:
            # Some providers send complete messages instead of deltas. After deltas, such a
            # message repeats the whole answer and is dropped.
            choice["delta"] = None if self._has_deltas else choice["message"]
        delta = choice.get("delta") or {}
        if not isinstance(delta, dict):
            raise MalformedResponseError("the delta of an event is not an object", data)
        content = delta.get("content")
        if content is not None and not isinstance(content, str):
            _convert_content(delta, data)
        if not self._has_deltas and _has_answer(delta):
            self.has_answer = True
            self._has_deltas = not is_message
        return (event,)


def get_first_choice(chunk: dict[str, Any]) -> dict[str, Any]:
    """Return the choice with index 0, or an empty dict; streams request a single choice."""
    choices = chunk.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict) and not as_int(choice.get("index")):  # 0 or missing
            return choice
    return {}
