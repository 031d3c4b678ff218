"""Decode JSON event streams: the part that both chat APIs share."""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import Any

from orq_router_integrations.wire.call import (
    MAX_ERROR_BYTES,
    EmbeddedError,
    MalformedResponseError,
    TruncatedStreamError,
    parse_json_object,
    raise_for_error,
)
from orq_router_integrations.wire.json import as_dict, as_dicts, loads
from orq_router_integrations.wire.sse import SSEDecoder

_LOW_SURROGATE_AT_START = re.compile(rb'(?<!\\)"(?=\\u[dD][c-fC-F])')
_HIGH_SURROGATE_AT_END = re.compile(rb'(?<!\\)\\u[dD][89abAB][0-9a-fA-F]{2}(?=")')


class EventStreamDecoder(ABC):
    """Decodes an event stream into JSON chunks.

    Subclasses convert events (``decode_event``), and set ``has_answer`` and ``finish_seen`` or
    ``done``.
    """

    def __init__(self) -> None:
        self._sse = SSEDecoder()
        self._unread: bytearray | None = bytearray()  # everything received before the first event
        self._text: list[str] = []
        self._high_surrogate = b""  # first half of a surrogate pair that was split between events
        self.has_answer = False  # whether any part of an answer was received, also without text
        self.finish_seen = False  # whether the stream may end without the ``[DONE]`` marker
        self.done = False  # whether the stream is complete; nothing is decoded afterwards

    @property
    def partial(self) -> str:
        """The text received so far."""
        return "".join(self._text)

    @property
    def pending_text(self) -> str:
        """The replacement character if the text ended in half a surrogate pair, otherwise empty."""
        return "\ufffd" if self._high_surrogate else ""

    def record_text(self, text: Any) -> None:
        """Add received text to ``partial``. Values that are not strings are ignored."""
        if isinstance(text, str):
            self._text.append(text)

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        """Decode the next bytes, which may be cut anywhere, and yield chunks."""
        if self._unread is not None and len(self._unread) < MAX_ERROR_BYTES:
            self._unread += data
        for content, name in self._sse.feed(data):
            self._unread = None
            if content.strip() == b"[DONE]":
                if not (self.finish_seen or self.has_answer):
                    raise MalformedResponseError("the stream ended without an answer", content)
                self.done = True
                return
            yield from self.decode_event(self._parse_event(content, name), content)
            if self.done:
                return

    def _parse_event(self, content: bytes, name: str) -> dict[str, Any]:
        if name == "error":
            raise EmbeddedError(content)
        joined = self._join_surrogates(content) if b"\\u" in content else content
        return parse_json_object(joined, content)

    def _join_surrogates(self, content: bytes) -> bytes:
        """Move half a surrogate pair at the end of a string to the event with its other half.

        Some providers split characters outside the Basic Multilingual Plane between two events.
        """
        if self._high_surrogate and (low := _LOW_SURROGATE_AT_START.search(content)):
            content = content[: low.end()] + self._high_surrogate + content[low.end() :]
            self._high_surrogate = b""
        if high := _HIGH_SURROGATE_AT_END.search(content):
            self._high_surrogate = high[0]
            content = content[: high.start()] + content[high.end() :]
        return content

    @abstractmethod
    def decode_event(self, event: dict[str, Any], data: bytes) -> Iterable[dict[str, Any]]:
        """Convert an event to chunks."""

    def finish(self) -> None:
        """Check that the stream is complete."""
        if self._unread is not None:
            _raise_for_missing_events(bytes(self._unread))
        if not (self.done or self.finish_seen):
            raise TruncatedStreamError("the stream ended without a finish reason or [DONE]")


def _raise_for_missing_events(body: bytes) -> None:
    """Raise for a response without a complete event, unless it starts like an event stream."""
    if not body:
        raise MalformedResponseError("the response is empty")
    if body.lstrip().startswith((b"data:", b"event:", b":", b"id:", b"retry:")):
        return  # the connection was closed during the first event
    try:
        value = loads(body)
    except ValueError:
        value = None
    for item in (value, *as_dicts(as_dict(value).get("choices"))):
        raise_for_error(item, body)
    raise MalformedResponseError("the response is not an event stream", body)
