"""Decode responses with images while they arrive, so that no image is held in memory twice.

An image arrives as base64 or as a URL. After a fallback this may differ from what was requested, so
both are always accepted. The URL may be a ``data:`` URL.
"""

import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
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
_MAX_KEY_BYTES = 64


class Sink(Protocol):
    """Receives the bytes of one image."""

    def write(self, data: bytes, /) -> object:
        """Write the next bytes."""

    def validate(self) -> object:
        """Raise ``MalformedResponseError`` if the bytes written are not an image."""


S = TypeVar("S", bound=Sink)


@dataclass(frozen=True, slots=True)
class ReceivedImage(Generic[S]):
    """One image of a response."""

    fields: dict[str, Any]  # as in the response, but with an empty string instead of base64
    sink: S | None  # what received its bytes, or ``None`` if the image is a URL

    @property
    def url(self) -> str | None:
        """URL of the image, if the router sent a URL instead of the image."""
        url = self.fields.get("url")
        return url if isinstance(url, str) and url else None


class ImageResponseDecoder(Generic[S]):
    """Decodes a response into images, writing the bytes of each image to a sink as they arrive.

    ``open_sink`` is called at the first byte of each image that is sent as base64.
    """

    done = False  # the response ends with its body, not with a marker
    partial = ""  # required by StreamDecoder; images have no text

    def __init__(self, open_sink: Callable[[], S]) -> None:
        self._open_sink = open_sink
        self._json = StreamingJsonReader()
        self._base64 = _Base64Decoder()
        self._sink: S | None = None
        self._received_bytes = 0
        self._image_count = 0
        self.body: dict[str, Any] = {}  # the complete response without base64

    def feed(self, data: bytes) -> Generator[ReceivedImage[S]]:
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

    def finish(self) -> Generator[ReceivedImage[S]]:
        """Check that the response is complete and contains images; yields nothing."""
        if not self._json.is_complete and self._error_body.lstrip().startswith(b"{"):
            raise TruncatedStreamError(
                f"the JSON is truncated after {self._image_count} complete images"
            )
        body = parse_json_object(bytes(self._json.skeleton), self._error_body)
        data = body.get("data")
        if not isinstance(data, list) or not data or len(data) != self._image_count:
            raise MalformedResponseError("the response contains no images", self._error_body)
        self.body = body
        yield from ()

    @property
    def _error_body(self) -> bytes:
        """The start of the response without base64, to show in errors."""
        return bytes(self._json.skeleton[:MAX_ERROR_BYTES])

    def _write(self, data: bytes) -> None:
        if self._sink is None:
            self._sink = self._open_sink()
        self._sink.write(data)

    def _finish_image(self, fields: dict[str, Any]) -> ReceivedImage[S]:
        raise_for_error(fields, dumps(fields))
        if data := self._base64.finish():
            self._write(data)
        image = ReceivedImage(fields, self._sink)
        if image.url and (base64 := strip_data_prefix(image.url)) != image.url:
            if self._sink is None:  # otherwise base64 was sent as well
                self._write(decode_base64(base64.encode()))
            image = ReceivedImage({**fields, "url": None}, self._sink)
        if self._sink is not None:
            self._sink.validate()
        elif image.url is None:
            message = f"image {self._image_count} has neither b64_json nor a url"
            raise MalformedResponseError(message, self._error_body)
        self._sink = None
        self._image_count += 1
        return image


class _Base64Decoder:
    """Decodes base64 that arrives in chunks of any size, with or without a ``data:`` prefix."""

    def __init__(self) -> None:
        self._pending = b""  # characters that are decoded with the next chunk
        self._is_start = True  # until it is clear whether there is a prefix
        self._padded = False

    def decode(self, chunk: bytes) -> bytes:
        """Decode all complete groups of four characters."""
        if any(char in chunk for char in _WHITESPACE):
            chunk = chunk.translate(None, _WHITESPACE)
        self._pending += chunk
        if self._is_start and len(self._pending) < _MAX_DATA_PREFIX:
            return b""
        return self._decode_pending()

    def _decode_pending(self) -> bytes:
        text = self._pending
        if self._is_start and text.startswith(b"data:"):  # a data URL instead of base64
            text = text[text.find(b",", 0, _MAX_DATA_PREFIX) + 1 :]
        self._is_start = False
        end = len(text) // 4 * 4
        groups, self._pending = text[:end], text[end:]
        if groups and self._padded:
            raise ValueError("base64 continues after its padding")
        self._padded = self._padded or groups.endswith(b"=")
        return decode_base64(groups)

    def finish(self) -> bytes:
        """Decode the remaining characters, and reset the decoder for the next image."""
        data = self._decode_pending()
        if self._pending:
            raise ValueError("base64 is truncated")
        self._is_start, self._padded = True, False
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
        self._last_string = b""  # the last short string, which may turn out to be a key
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
            is_short = len(self.skeleton) - self._string_start <= _MAX_KEY_BYTES
            self._last_string = bytes(self.skeleton[self._string_start :]) if is_short else b""
            self._string_start = -1
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
