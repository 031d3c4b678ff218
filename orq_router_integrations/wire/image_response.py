"""Decode responses with images while they arrive, so that no image is held in memory twice.

An image arrives as base64 or as a URL. After a fallback this may differ from what was requested, so
both are always accepted. The URL may be a ``data:`` URL.
"""

import re
from collections.abc import Callable, Generator
from typing import Any, Generic, Protocol, TypeVar

import orjson

from orq_router_integrations.wire.call import (
    MAX_ERROR_BYTES,
    MalformedResponseError,
    TruncatedStreamError,
    parse_json_object,
    raise_for_error,
)
from orq_router_integrations.wire.json import (
    MAX_DEPTH,
    as_str,
    decode_base64,
    dumps,
    loads,
    strip_data_prefix,
)

MAX_RESPONSE_BYTES = 256 * 1024 * 1024
MAX_CHUNK_BYTES = 64 * 1024  # of base64, decoded at a time
MAX_VALUES = 100_000  # not counting the contents of strings

_MAX_DATA_PREFIX = 100
_WHITESPACE = b" \t\r\n"
_STRUCTURE = re.compile(rb'["{}\[\]:,]')
_ITEMS_KEY, _BASE64_KEY = b'"data"', b'"b64_json"'

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ImageSink(Protocol[T_co]):
    """Receives one image."""

    def write(self, data: bytes, /) -> object:
        """Write the next bytes."""

    def finish(self, fields: dict[str, Any], /) -> T_co:
        """Return the image, which is only at a URL if nothing was written.

        ``fields`` are those of the response, with an empty string instead of base64. Raises
        ``MalformedResponseError`` if the bytes written are not an image.
        """


class ImageResponseDecoder(Generic[T]):
    """Decodes a response into images, writing the bytes of each image to a sink as they arrive."""

    done = False  # the response ends with its body, not with a marker
    partial = ""  # required by StreamDecoder; images have no text

    def __init__(self, open_sink: Callable[[], ImageSink[T]]) -> None:
        self._open_sink = open_sink
        self._json = StreamingJsonReader()
        self._base64 = _Base64Decoder()
        self._sink: ImageSink[T] | None = None  # opened at the first byte of an image
        self._received_bytes = 0
        self._image_count = 0
        self.body: dict[str, Any] = {}  # the complete response without base64

    def feed(self, data: bytes) -> Generator[T]:
        """Decode the next bytes and yield the images that they complete."""
        self._received_bytes += len(data)
        if self._received_bytes > MAX_RESPONSE_BYTES:
            megabytes = MAX_RESPONSE_BYTES // 2**20
            raise MalformedResponseError(
                f"the response is larger than {megabytes} MB", self._error_body
            )
        try:
            for item in self._json.feed(data):
                if isinstance(item, bytes):
                    self._write(self._base64.decode(item))
                else:
                    yield self._finish_image(item)
        except ValueError as error:
            message = f"image {self._image_count} cannot be read: {error}"
            raise MalformedResponseError(message, self._error_body) from None

    def finish(self) -> tuple[()]:
        """Check that the response is complete and contains images."""
        if not self._json.is_complete and self._error_body.lstrip().startswith(b"{"):
            raise TruncatedStreamError(
                f"the JSON is truncated after {self._image_count} complete images"
            )
        self.body = parse_json_object(bytes(self._json.skeleton), self._error_body)
        data = self.body.get("data")
        if not isinstance(data, list) or not data or len(data) != self._image_count:
            raise MalformedResponseError("the response contains no images", self._error_body)
        return ()

    @property
    def _error_body(self) -> bytes:
        """The start of the response without base64, to show in errors."""
        return bytes(self._json.skeleton[:MAX_ERROR_BYTES])

    def _write(self, data: bytes) -> None:
        self._sink = self._sink or self._open_sink()
        self._sink.write(data)

    def _finish_image(self, fields: dict[str, Any]) -> T:
        raise_for_error(fields, dumps(fields))
        if data := self._base64.finish():
            self._write(data)
        url = as_str(fields.get("url"))
        if (base64 := strip_data_prefix(url)) != url:
            fields["url"] = None
            if self._sink is None:  # otherwise base64 was sent as well
                self._write(decode_base64(base64.encode()))
        elif self._sink is None and not url:
            message = f"image {self._image_count} has neither b64_json nor a url"
            raise MalformedResponseError(message, self._error_body)
        sink, self._sink = self._sink or self._open_sink(), None
        self._image_count += 1
        return sink.finish(fields)


class _Base64Decoder:
    """Decodes base64 that arrives in chunks of any size, with or without a ``data:`` prefix."""

    def __init__(self) -> None:
        self._pending = b""  # characters that are decoded with the next chunk
        self._is_start = True  # until it is clear whether there is a prefix

    def decode(self, chunk: bytes, *, is_last: bool = False) -> bytes:
        """Decode all complete groups of four characters."""
        if any(char in chunk for char in _WHITESPACE):
            chunk = chunk.translate(None, _WHITESPACE)
        text = self._pending + chunk
        if self._is_start and len(text) < _MAX_DATA_PREFIX and not is_last:
            self._pending = text
            return b""
        if self._is_start and text.startswith(b"data:"):  # a data URL instead of base64
            text = text[text.find(b",", 0, _MAX_DATA_PREFIX) + 1 :]
        self._is_start = False
        end = len(text) // 4 * 4
        self._pending = text[end:]
        return decode_base64(text[:end])

    def finish(self) -> bytes:
        """Decode the remaining characters, and reset the decoder for the next image."""
        data = self.decode(b"", is_last=True)
        if self._pending:
            raise ValueError("base64 is truncated")
        self._is_start = True
        return data


class StreamingJsonReader:
    """Reads the JSON of a response, and passes on its base64 in chunks.

    Only the short remainder is parsed. Parsed in one step, an image of several megabytes would be
    in memory as bytes, as a str and decoded.

    >>> reader = StreamingJsonReader()
    >>> chunks = b'{"data": [{"b64_json": "aGV', b'sbG8=", "n": 1}]}'
    >>> [item for chunk in chunks for item in reader.feed(chunk)]
    [b'aGV', b'sbG8=', {'b64_json': '', 'n': 1}]
    """

    def __init__(self) -> None:
        self.skeleton = bytearray()  # the JSON received so far, with empty strings for base64
        self._open: list[tuple[int, bytes]] = []  # start and key of each open object or list
        self._key = b""  # key of the next value
        self._last_string = b""  # start of the last string, which may turn out to be a key
        self._string_start = -1  # start of the current string in ``skeleton``
        self._in_base64 = False
        self._escape = b""
        self._value_count = 0

    @property
    def is_complete(self) -> bool:
        return not self._open and self._string_start < 0

    def _is_inside_items(self, depth: int) -> bool:
        return len(self._open) == depth and self._open[1][1] == _ITEMS_KEY

    def feed(self, data: bytes) -> Generator[bytes | dict[str, Any]]:
        """Read the next bytes, which may be cut anywhere.

        Chunks of base64 are yielded as bytes, then the object that contains it as a dict.
        """
        offset = 0
        while offset < len(data):
            if self._escape:
                offset = yield from self._read_escape(data, offset)
            elif self._string_start >= 0:
                offset = yield from self._read_string(data, offset)
            else:
                offset = yield from self._read_structure(data, offset)

    def _read_structure(self, data: bytes, offset: int) -> Generator[dict[str, Any], None, int]:
        """Read up to the next structural character, and return the offset after it."""
        match = _STRUCTURE.search(data, offset)
        end = match.end() if match else len(data)
        self.skeleton += data[offset:end]
        char = match[0] if match else b" "
        if char == b":":
            self._key = self._last_string
        elif char == b'"':
            self._string_start = len(self.skeleton) - 1
            self._in_base64 = self._key == _BASE64_KEY and self._is_inside_items(3)
            self._key = b""
        elif char in b"{[":
            self._open.append((len(self.skeleton) - 1, self._key))
            self._start_value()
        elif char == b",":
            self._start_value()
        elif char in b"}]" and self._open:
            start, _ = self._open.pop()
            if self._is_inside_items(2) and self.skeleton[start] == ord("{"):
                yield loads(bytes(memoryview(self.skeleton)[start:]))
        return end

    def _start_value(self) -> None:
        self._key = b""
        self._value_count += 1
        if len(self._open) > MAX_DEPTH or self._value_count > MAX_VALUES:
            raise ValueError("nested too deeply, or too many values")

    def _read_string(self, data: bytes, offset: int) -> Generator[bytes, None, int]:
        """Read up to the end of the string, an escape, or the maximum chunk size."""
        stop = min(offset + MAX_CHUNK_BYTES, len(data))
        # Two searches: one regular expression for both characters takes ten times as long
        quote = data.find(b'"', offset, stop)
        backslash = data.find(b"\\", offset, stop if quote < 0 else quote)
        end = next((position for position in (backslash, quote) if position >= 0), stop)
        if not self._in_base64:
            self.skeleton += data[offset:end]
        elif end > offset:
            yield data[offset:end]
        if end == stop:
            return end
        if end == backslash:
            self._escape = b"\\"
        else:
            self.skeleton += b'"'
            start, self._string_start = self._string_start, -1
            self._last_string = bytes(self.skeleton[start : start + len(_BASE64_KEY) + 1])
        return end + 1

    def _read_escape(self, data: bytes, offset: int) -> Generator[bytes, None, int]:
        self._escape += data[offset : offset + 1]
        if len(self._escape) == (6 if self._escape[1:2] == b"u" else 2):
            if self._in_base64:
                yield orjson.loads(b'"' + self._escape + b'"').encode()
            else:
                self.skeleton += self._escape
            self._escape = b""
        return offset + 1
