"""Decode responses with images while they arrive, so that no image is held in memory twice.

An image arrives as base64 or as a URL. After a fallback this may differ from what was requested, so
both are always accepted. Either may be a ``data:`` URL.
"""

import re
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

import orjson
from pydantic_core import from_json

from orq_router_integrations.wire.call import (
    MAX_ERROR_BYTES,
    MalformedResponseError,
    TruncatedStreamError,
    parse_json_object,
    raise_for_error,
)
from orq_router_integrations.wire.json import (
    as_dicts,
    as_str,
    decode_base64,
    dumps,
    strip_data_prefix,
)

MAX_RESPONSE_BYTES = 256 * 1024 * 1024
MAX_JSON_BYTES = 64 * 1024 * 1024  # without the base64
MAX_VALUES = 100_000  # in the JSON, because parsed values need far more memory than their text
MAX_CHUNK_BYTES = 64 * 1024  # decoded at a time

_BASE64_START = re.compile(rb'"b64_json"\s*:\s*"')
_MAX_START_BYTES = 64  # of what the pattern matches, if it is cut between two chunks
_MAX_DATA_PREFIX = 100
_MAX_PREFIX_BYTES = 1024 * 1024
_WHITESPACE = b" \t\r\n"
_INCOMPLETE_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?$")

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class ImageSink(Protocol[T_co]):
    """Receives the bytes of one image."""

    def write(self, data: bytes, /) -> object:
        """Write the next bytes."""

    def finish(self) -> T_co:
        """Return the image, or raise ``MalformedResponseError`` if the bytes are not an image."""


class ImageResponseDecoder(Generic[T]):
    """Decodes a response into images, writing the bytes of each image to a sink as they arrive.

    In the JSON that remains, base64 is replaced by the key of the image in ``images``.
    """

    done = False  # the response ends with its body, not with a marker
    partial = ""  # required by StreamDecoder; images have no text

    def __init__(self, open_sink: Callable[[], ImageSink[T]]) -> None:
        self._open_sink = open_sink
        self._json = bytearray()  # the response without base64
        self._json_offset = 0  # end of the last start of base64 in ``_json``
        self._base64: Base64Decoder | None = None  # inside of base64
        self._sink: ImageSink[T] | None = None  # opened at the first byte of an image
        self._received_bytes = 0
        self.images: dict[str, T] = {}
        self.body: dict[str, Any] = {}  # the complete response

    def feed(self, data: bytes) -> Generator[T]:
        """Decode the next bytes and yield the images that they complete."""
        self._received_bytes += len(data)
        if self._received_bytes > MAX_RESPONSE_BYTES or len(self._json) > MAX_JSON_BYTES:
            limits = [f"{limit // 1024**2} MB" for limit in (MAX_RESPONSE_BYTES, MAX_JSON_BYTES)]
            message = f"the response is larger than {limits[0]}, or {limits[1]} besides images"
            raise MalformedResponseError(message, self._error_body)
        with self._map_errors():
            for offset in range(0, len(data), MAX_CHUNK_BYTES):
                yield from self._feed_chunk(data[offset : offset + MAX_CHUNK_BYTES])

    def _feed_chunk(self, data: bytes) -> Generator[T]:
        while data:
            if self._base64 is None:
                data = self._read_json(data)
                continue
            text, quote, data = data.partition(b'"')
            self._write(self._base64.decode(text))
            if quote:
                self._write(self._base64.finish())
                self._base64 = None
                if self._sink:
                    key, image = self._finish_image()
                    self._json += key.encode()
                    yield image
                data = quote + data

    def _read_json(self, data: bytes) -> bytes:
        """Read up to the next base64, and return the bytes after its start."""
        offset = max(self._json_offset, len(self._json) - _MAX_START_BYTES)
        self._json += data
        match = _BASE64_START.search(self._json, offset)
        if match is None:
            return b""
        self._base64 = Base64Decoder()
        self._json_offset = match.end()
        rest = bytes(self._json[self._json_offset :])
        del self._json[self._json_offset :]
        return rest

    def _write(self, data: bytes) -> None:
        if data:
            self._sink = self._sink or self._open_sink()
            self._sink.write(data)

    def _finish_image(self) -> tuple[str, T]:
        key = str(len(self.images))
        sink = self._sink or self._open_sink()
        self._sink = None
        image = self.images[key] = sink.finish()
        return key, image

    def finish(self) -> Generator[T]:
        """Check that the response is complete, and yield images that are ``data:`` URLs."""
        if self._json.count(b",") >= MAX_VALUES:
            message = f"the response has more than {MAX_VALUES} values"
            raise MalformedResponseError(message, self._error_body)
        try:
            body = parse_json_object(bytes(self._json), self._error_body)
        except MalformedResponseError:
            if self._parse_prefix() is not None:
                raise TruncatedStreamError("the JSON of the images is truncated") from None
            raise
        items = body.get("data")
        if not isinstance(items, list) or not items or len(items) != len(as_dicts(items)):
            raise MalformedResponseError("the response contains no images", self._error_body)
        with self._map_errors():
            for item in items:
                yield from self._finish_item(item)
        self.body = body

    def _finish_item(self, item: dict[str, Any]) -> Generator[T]:
        raise_for_error(item, dumps(item))
        url = as_str(item.get("url"))
        if (base64 := strip_data_prefix(url)) != url:
            item["url"] = None
            if not item.get("b64_json"):
                self._write(decode_base64(base64.encode()))
                item["b64_json"], image = self._finish_image()
                yield image
        elif not url and as_str(item.get("b64_json")) not in self.images:
            raise MalformedResponseError(
                "an image of the response has neither b64_json nor a url", self._error_body
            )

    @contextmanager
    def _map_errors(self) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            message = f"image {len(self.images)} cannot be read: {error}"
            raise MalformedResponseError(message, self._error_body) from None

    @property
    def items(self) -> list[dict[str, Any]]:
        """The images in the JSON that was received, even if it is not complete."""
        return as_dicts((self.body or self._parse_prefix() or {}).get("data"))

    def _parse_prefix(self) -> dict[str, Any] | None:
        """Parse the start of a JSON object, which may be truncated."""
        try:
            body = from_json(bytes(self._json[:_MAX_PREFIX_BYTES]), allow_partial=True)
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    @property
    def _error_body(self) -> bytes:
        """The start of the response without base64, to show in errors."""
        return bytes(self._json[:MAX_ERROR_BYTES])


class Base64Decoder:
    """Decodes base64 in JSON, with or without a ``data:`` prefix, in chunks of any size.

    >>> decoder = Base64Decoder()
    >>> decoder.decode(b"data:image/png;base64,aG"), decoder.decode(b"Vs"), decoder.finish()
    (b'', b'', b'hel')
    """

    def __init__(self) -> None:
        self._pending = b""  # characters that are decoded with the next chunk
        self._is_start = True  # until it is clear whether there is a prefix

    def decode(self, chunk: bytes, *, is_last: bool = False) -> bytes:
        """Decode all complete groups of four characters."""
        text = self._pending + chunk
        rest = b""
        if b"\\" in text:
            if match := _INCOMPLETE_ESCAPE.search(text):
                text, rest = text[: match.start()], match[0]
            text = orjson.loads(b'"' + text + b'"').encode()
        if any(char in text for char in _WHITESPACE):
            text = text.translate(None, _WHITESPACE)
        if self._is_start and len(text) < _MAX_DATA_PREFIX and not is_last:
            self._pending = text + rest
            return b""
        if self._is_start and text.startswith(b"data:"):  # a data URL instead of base64
            text = text[text.find(b",", 0, _MAX_DATA_PREFIX) + 1 :]
        self._is_start = False
        end = len(text) // 4 * 4
        self._pending = text[end:] + rest
        return decode_base64(text[:end])

    def finish(self) -> bytes:
        """Decode the remaining characters."""
        data = self.decode(b"", is_last=True)
        if self._pending:
            raise ValueError("base64 is truncated")
        return data
