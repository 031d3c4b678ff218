"""Decode event streams: server-sent events from bytes, and their JSON, which both chat APIs share.

Only CR, LF and CRLF end a line, as in the WHATWG standard. Splitting decoded text into lines would
also split at characters such as U+2028, which are legal inside JSON strings.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import suppress
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

BOM = b"\xef\xbb\xbf"
MAX_EVENT_BYTES = 16 * 1024 * 1024  # limits the memory that a faulty stream can use

_LOW_SURROGATE_AT_START = re.compile(rb'(?<!\\)"(?=\\u[dD][c-fC-F])')
_HIGH_SURROGATE_AT_END = re.compile(rb'(?<!\\)\\u[dD][89abAB][0-9a-fA-F]{2}(?=")')


class SSEDecoder:
    r"""Decodes a stream of server-sent events.

    Comments, ids, retry hints and blocks without data are ignored. A last block without a blank
    line after it is dropped, as the standard requires.

    >>> decoder = SSEDecoder()
    >>> list(decoder.feed(b"data: one\n"))
    []
    >>> list(decoder.feed(b"\ndata: two\n\n"))
    [(b'one', ''), (b'two', '')]
    """

    def __init__(self) -> None:
        self._block: list[bytes] = []  # fragments of an incomplete block, with LF as line ends
        self._size = 0  # size of the incomplete block in bytes
        self._last_byte = b""
        self._bom = BOM  # to remove from the start of the stream

    def feed(self, data: bytes) -> Iterator[tuple[bytes, str]]:
        """Decode the next bytes, which may be cut anywhere; yield data and name of events."""
        if not data:
            return
        last_byte, self._last_byte = self._last_byte, data[-1:]
        if last_byte == b"\r":  # an LF that follows belongs to it
            data = data.removeprefix(b"\n")
        if b"\r" in data:
            data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        self._block.append(data)
        self._size += len(data)
        if b"\n\n" in data or (last_byte in b"\r\n" and data.startswith(b"\n")):
            content = b"".join(self._block).removeprefix(self._bom)
            self._bom = b""
            *blocks, incomplete = content.split(b"\n\n")
            self._block, self._size = [incomplete], len(incomplete)
            for block in blocks:
                if event := _parse_block(block):
                    yield event
        elif self._size > MAX_EVENT_BYTES:
            limit = f"{MAX_EVENT_BYTES // 1024**2} MB"
            raise MalformedResponseError(f"an event is larger than {limit}", data)


def _parse_block(block: bytes) -> tuple[bytes, str] | None:
    data, name = [], b""
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            data.append(value.removeprefix(b" "))
        elif field == b"event":
            name = value.removeprefix(b" ")
    return (b"\n".join(data), name.decode("utf-8", "replace")) if data else None


class EventStreamDecoder(ABC):
    """Decodes an event stream into chunks of a chat completion, whose content is a string.

    Subclasses convert events (``decode_event``), and set ``has_answer`` and ``finish_seen`` or
    ``done``.
    """

    def __init__(self) -> None:
        self._sse = SSEDecoder()
        self._preamble: bytearray | None = bytearray()  # bytes received before the first event
        self._high_surrogate = b""  # first half of a surrogate pair that was split between events
        self.has_answer = False  # whether any part of an answer was received, also without text
        self.finish_seen = False  # whether the stream may end without the ``[DONE]`` marker
        self.done = False  # whether the stream is complete; nothing is decoded afterwards

    @property
    def pending_text(self) -> str:
        """The replacement character if the text ended in half a surrogate pair, otherwise empty."""
        return "\ufffd" if self._high_surrogate else ""

    def feed(self, data: bytes) -> Iterator[dict[str, Any]]:
        if self._preamble is not None and len(self._preamble) < MAX_ERROR_BYTES:
            self._preamble += data
        for content, name in self._sse.feed(data):
            self._preamble = None
            if content.strip() == b"[DONE]":
                if not (self.finish_seen or self.has_answer):
                    raise MalformedResponseError("the stream ended without an answer", content)
                self.done = True
                return
            if name == "error":
                raise EmbeddedError(content)
            joined = self._join_surrogates(content) if b"\\u" in content else content
            yield from self.decode_event(parse_json_object(joined, content), content)
            if self.done:
                return

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
        if self._preamble is not None:
            _raise_for_missing_events(bytes(self._preamble))
        if not (self.done or self.finish_seen):
            raise TruncatedStreamError("the stream ended without a finish reason or [DONE]")


def _raise_for_missing_events(body: bytes) -> None:
    """Raise for a response without a complete event, unless it starts like an event stream."""
    if not body:
        raise MalformedResponseError("the response is empty")
    if body.lstrip().startswith((b"data:", b"event:", b":", b"id:", b"retry:")):
        return  # the connection was closed during the first event
    with suppress(ValueError):  # it is not JSON
        value = loads(body)
        for item in (value, *as_dicts(as_dict(value).get("choices"))):
            raise_for_error(item, body)
    raise MalformedResponseError("the response is not an event stream", body)
