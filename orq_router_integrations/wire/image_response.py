"""Decode responses with images while they arrive, so that no image is held in memory twice.

An image arrives as base64 or as a URL. After a fallback this may differ from what was requested, so
both are always accepted. Either may be a ``data:`` URL.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson
from pydantic_core import from_json

from orq_router_integrations.wire.call import (
    MAX_ERROR_BYTES,
    MalformedResponseError,
    TruncatedStreamError,
    parse_json_object,
    raise_for_error,
)
from orq_router_integrations.wire.json import as_dicts, as_str, decode_base64, dumps

MAX_RESPONSE_BYTES = 256 * 1024 * 1024
MAX_JSON_BYTES = 4 * 1024 * 1024  # without base64; parsed JSON needs far more memory than its text

_BASE64_START = re.compile(
    rb'("url"\s*:\s*"(?=data:)|"b64_json"\s*:\s*")'
    # The prefix of a data URL, or nothing if enough has arrived to know that there is none
    rb'(data:[^",]*,|(?!data:)(?=[^"]{5}|[^"]*"))'
)
_MAX_START_BYTES = 256  # longest match of the pattern, which may be cut between two chunks
_WHITESPACE = b" \t\r\n"
_INCOMPLETE_ESCAPE = re.compile(rb"\\(?:u[0-9a-fA-F]{0,3})?$")


class ImageResponseDecoder:
    """Decodes a response with images, and passes their bytes on as they arrive.

    ``write`` is called with the bytes of an image. ``finish_image`` is called at the end of its
    base64, and returns the id that replaces it in the JSON, empty if there were no bytes.
    """

    done = False  # the response ends with its body, not with a marker
    partial = ""  # required by StreamDecoder; images have no text

    def __init__(self, write: Callable[[bytes], object], finish_image: Callable[[], str]) -> None:
        self._write = write
        self._finish_image = finish_image
        self._json = bytearray()  # the response without base64
        self._json_offset = 0  # where the base64 of the latest image was in ``_json``
        self._base64: bytes | None = None  # undecoded characters; ``None`` outside of base64
        self._received_bytes = 0

    def feed(self, data: bytes) -> tuple[()]:
        """Decode the next bytes. Only ``finish`` yields an item."""
        self._received_bytes += len(data)
        if self._received_bytes > MAX_RESPONSE_BYTES or len(self._json) > MAX_JSON_BYTES:
            limits = [f"{limit // 1024**2} MB" for limit in (MAX_RESPONSE_BYTES, MAX_JSON_BYTES)]
            message = f"the response is larger than {limits[0]}, or {limits[1]} without its images"
            raise MalformedResponseError(message, self._error_body)
        while data:
            data = self._read_json(data) if self._base64 is None else self._read_base64(data)
        return ()

    def _read_json(self, data: bytes) -> bytes:
        """Read up to the next base64, and return the bytes after its start."""
        offset = max(self._json_offset, len(self._json) - _MAX_START_BYTES)
        self._json += data
        match = _BASE64_START.search(self._json, offset)
        if match is None:
            return b""
        self._base64 = b""
        self._json_offset = match.end(1)
        remaining = bytes(self._json[match.end() :])
        del self._json[match.end(1) :]
        return remaining

    def _read_base64(self, data: bytes) -> bytes:
        """Read up to the end of the base64, and return the bytes from there."""
        text, quote, remaining = data.partition(b'"')
        try:
            decoded, self._base64 = _decode_groups((self._base64 or b"") + text)
            if quote and self._base64:
                raise ValueError("its base64 is truncated")
        except ValueError as error:
            raise self._create_error(error) from None
        if decoded:
            self._write(decoded)
        if quote:
            self._base64 = None
            self._json += self._finish_image().encode()
        return quote + remaining

    def finish(self) -> Iterator[dict[str, Any]]:
        """Yield the response without base64, or raise an error if it is not complete."""
        try:
            body = parse_json_object(bytes(self._json), self._error_body)
        except MalformedResponseError:
            if self._parse_prefix() is not None:
                raise TruncatedStreamError("the JSON of the images is truncated") from None
            raise
        items = body.get("data")
        if not isinstance(items, list) or not items or len(items) != len(as_dicts(items)):
            raise MalformedResponseError("the response contains no images", self._error_body)
        try:
            for item in items:
                raise_for_error(item, dumps(item))
                if not as_str(item.get("b64_json")) and not as_str(item.get("url")):
                    raise ValueError("it has neither b64_json nor a url")
        except ValueError as error:
            raise self._create_error(error) from None
        yield body

    def parse_items(self) -> list[dict[str, Any]]:
        """Parse the images in the JSON that was received so far."""
        return as_dicts((self._parse_prefix() or {}).get("data"))

    def _parse_prefix(self) -> dict[str, Any] | None:
        """Parse the start of a JSON object, which may be truncated."""
        try:
            body = from_json(bytes(self._json), allow_partial=True)
        except ValueError:
            return None
        return body if isinstance(body, dict) else None

    def _create_error(self, error: ValueError) -> MalformedResponseError:
        return MalformedResponseError(f"an image cannot be read: {error}", self._error_body)

    @property
    def _error_body(self) -> bytes:
        """The start of the response without base64, to show in errors."""
        return bytes(self._json[:MAX_ERROR_BYTES])


def _decode_groups(text: bytes) -> tuple[bytes, bytes]:
    """Decode all complete groups of four characters; also return the remaining characters."""
    incomplete_escape = b""
    if b"\\" in text:
        if match := _INCOMPLETE_ESCAPE.search(text):
            text, incomplete_escape = text[: match.start()], match[0]
        text = orjson.loads(b'"' + text + b'"').encode()
    if any(char in text for char in _WHITESPACE):
        text = text.translate(None, _WHITESPACE)
    end = len(text) // 4 * 4
    return decode_base64(text[:end]), text[end:] + incomplete_escape
