"""Streams of JSON events, whichever API they belong to: what all of them have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    TruncatedStreamError,
)
from orq_router_integrations.wire.json import loads
from orq_router_integrations.wire.sse import SSEDecoder

MAX_UNREAD = 64 * 1024
"""Bytes kept of a reply that turns out to be no stream."""


LONGEST_MARK = 100
"""Bytes of ``[DONE]`` and the blanks that may be around it."""


REPLACEMENT = "\ufffd"


class EventStreamDecoder(ABC):
    """Bytes of an event stream in, JSON objects out.

    Subclasses say what an event means (``read``) and when the stream may end (``finished``).
    """

    def __init__(self) -> None:
        self._events = SSEDecoder()
        self._unread: bytearray | None = bytearray()  # what came, as long as no event came of it
        self._text: list[str] = []
        self._half = ""  # of a character, which the text ends in and the next event may complete
        self.finish_seen = False
        self.done = False

    @property
    def partial(self) -> str:
        """The text received so far."""
        return "".join(self._text)

    @property
    def pending_text(self) -> str:
        """What stands for half a character at the end of the text; empty where there is none."""
        return REPLACEMENT if self._half else ""

    def record_text(self, text: Any) -> None:
        """Remember text, for the error of a stream that breaks off."""
        if isinstance(text, str):
            self._text.append(text)

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Take bytes, yield what the events they complete mean.

        Raises:
            BadReply: an event is not what it should be.
            ErrorInReply: an event is an error.
        """
        if self._unread is not None and len(self._unread) < MAX_UNREAD:
            self._unread += data
        for content, name in self._events.feed(data):
            self._unread = None
            if len(content) < LONGEST_MARK and content.strip() == b"[DONE]":
                self.done = True
                return
            event = _object(content, name, self._joined, self._half)
            yield from self.decode_event(event, content)
            if self.done:
                return

    def _joined(self, event: Any) -> Any:
        """An event whose text begins with the half that was left, and leaves its own at the end."""
        holder, name = self.find_text(event) if isinstance(event, dict) else ({}, "")
        if isinstance(text := holder.get(name), str):
            text = self._half + text
            self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
            holder[name] = text.removesuffix(self._half)
        return event

    @abstractmethod
    def find_text(self, event: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Where an event has a piece of the answer's text: the object, and the member."""

    @abstractmethod
    def decode_event(self, event: dict[str, Any], data: bytes) -> Iterable[dict[str, Any]]:
        """What one event means.

        Args:
            event: the JSON object.
            data: its bytes, for errors.
        """

    def finish(self) -> None:
        """Check that the stream was complete.

        Raises:
            Truncated: it ended without ``[DONE]`` and without a finish reason.
            BadReply: it was no stream.
            ErrorInReply: it was an error, and nothing else.
        """
        if self._unread is not None:
            _refuse_what_is_no_stream(bytes(self._unread))
        if not (self.done or self.finish_seen):
            raise TruncatedStreamError("neither a finish reason nor [DONE] was received")


def _object(data: bytes, name: str, halves: Callable[[Any], Any], due: object) -> dict[str, Any]:
    """The JSON object that an event is."""
    try:
        found = loads(data, halves, always_transform=due)
    except ValueError:
        if name == "error":
            raise EmbeddedError(data) from None
        raise MalformedResponseError("an event of the stream is not JSON", data) from None
    if name == "error":
        raise EmbeddedError(data)
    if not isinstance(found, dict):
        raise MalformedResponseError(
            f"an event of the stream is {get_json_type_name(found)}, not an object", data
        )
    raise_for_error(found, data)
    return found


def _refuse_what_is_no_stream(body: bytes) -> None:
    """Nothing, a whole reply, an error or a web page where a stream was asked for."""
    if not body:
        raise MalformedResponseError("the reply is empty")
    if body.lstrip().startswith((b"data:", b"event:", b":", b"id:", b"retry:")):
        return  # a stream that broke in its first event
    try:
        found = loads(body)
    except ValueError:
        raise MalformedResponseError("the reply is no event stream", body) from None
    choices = found.get("choices") if isinstance(found, dict) else None
    for part in (found, *(choices if isinstance(choices, list) else ())):
        raise_for_error(part, body)
    raise MalformedResponseError("a JSON body came where a stream was asked for", body)


def raise_for_error(body: Any, content: bytes) -> None:
    """Refuse an error, which may stand in a 200 in any of its shapes.

    Raises:
        ErrorInReply: it is one.
    """
    if isinstance(body, dict):
        flat = "code" in body and "choices" not in body and isinstance(body.get("message"), str)
        if flat or body.get("error"):
            raise EmbeddedError(content)


def get_json_type_name(value: Any) -> str:
    """What a JSON value is, in words."""
    kinds = {list: "an array", dict: "an object", str: "a text", type(None): "null"}
    return kinds.get(type(value), "a value")
