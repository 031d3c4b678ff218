"""Streams of JSON events, whichever API they belong to: what all of them have in common."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from orq_router_integrations.wire.call import BadReply, ErrorInReply, Truncated
from orq_router_integrations.wire.json import loads
from orq_router_integrations.wire.sse import SSEDecoder

MAX_UNREAD = 64 * 1024
"""Bytes kept of a reply that turns out to be no stream."""


LONGEST_MARK = 100
"""Bytes of ``[DONE]`` and the blanks that may be around it."""


REPLACEMENT = "\ufffd"


class EventReader(ABC):
    """Bytes of an event stream in, JSON objects out.

    Subclasses say what an event means (``read``) and when the stream may end (``finished``).
    """

    def __init__(self) -> None:
        self._events = SSEDecoder()
        self._unread: bytearray | None = bytearray()  # what came, as long as no event came of it
        self._text: list[str] = []
        self._half = ""  # of a character, which the text ends in and the next event may complete
        self.finished = False
        self.done = False

    @property
    def partial(self) -> str:
        """The text received so far."""
        return "".join(self._text)

    @property
    def rest(self) -> str:
        """What stands for half a character at the end of the text; empty where there is none."""
        return REPLACEMENT if self._half else ""

    def hear(self, text: Any) -> None:
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
            yield from self.read(event, content)
            if self.done:
                return

    def _joined(self, event: Any) -> Any:
        """An event whose text begins with the half that was left, and leaves its own at the end."""
        holder, name = self.text_in(event) if isinstance(event, dict) else ({}, "")
        if isinstance(text := holder.get(name), str):
            text = self._half + text
            self._half = text[-1:] if "\ud800" <= text[-1:] <= "\udbff" else ""
            holder[name] = text.removesuffix(self._half)
        return event

    @abstractmethod
    def text_in(self, event: dict[str, Any]) -> tuple[dict[str, Any], str]:
        """Where an event has a piece of the answer's text: the object, and the member."""

    @abstractmethod
    def read(self, event: dict[str, Any], data: bytes) -> Iterable[dict[str, Any]]:
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
        if not (self.done or self.finished):
            raise Truncated("neither a finish reason nor [DONE] was received")


def _object(data: bytes, name: str, halves: Callable[[Any], Any], due: object) -> dict[str, Any]:
    """The JSON object that an event is."""
    try:
        found = loads(data, halves, due=due)
    except ValueError:
        if name == "error":
            raise ErrorInReply(data) from None
        raise BadReply("an event of the stream is not JSON", data) from None
    if name == "error":
        raise ErrorInReply(data)
    if not isinstance(found, dict):
        raise BadReply(f"an event of the stream is {kind_of(found)}, not an object", data)
    refuse_error(found, data)
    return found


def _refuse_what_is_no_stream(body: bytes) -> None:
    """Nothing, a whole reply, an error or a web page where a stream was asked for."""
    if not body:
        raise BadReply("the reply is empty")
    if body.lstrip().startswith((b"data:", b"event:", b":", b"id:", b"retry:")):
        return  # a stream that broke in its first event
    try:
        found = loads(body)
    except ValueError:
        raise BadReply("the reply is no event stream", body) from None
    choices = found.get("choices") if isinstance(found, dict) else None
    for part in (found, *(choices if isinstance(choices, list) else ())):
        refuse_error(part, body)
    raise BadReply("a JSON body came where a stream was asked for", body)


def refuse_error(body: Any, content: bytes) -> None:
    """Refuse an error, which may stand in a 200 in any of its shapes.

    Raises:
        ErrorInReply: it is one.
    """
    if isinstance(body, dict):
        flat = "code" in body and "choices" not in body and isinstance(body.get("message"), str)
        if flat or body.get("error"):
            raise ErrorInReply(content)


def kind_of(value: Any) -> str:
    """What a JSON value is, in words."""
    kinds = {list: "an array", dict: "an object", str: "a text", type(None): "null"}
    return kinds.get(type(value), "a value")
