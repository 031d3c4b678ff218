"""Decode responses with images while they arrive, so that no image is held in memory twice.

An image arrives as base64 or as a URL. After a fallback this may differ from what was requested, so
both are always accepted. The URL may be a ``data:`` URL.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from orq_router_integrations.wire.base64_chunks import decode_base64, strip_data_prefix
from orq_router_integrations.wire.call import (
    MAX_ERROR_BYTES,
    MalformedResponseError,
    TruncatedStreamError,
    parse_json_object,
    raise_for_error,
)
from orq_router_integrations.wire.json import dumps
from orq_router_integrations.wire.json_stream import StreamingJsonReader

MAX_RESPONSE_BYTES = 256 * 1024 * 1024
_DATA_SCHEME = b"data:"
_MAX_DATA_PREFIX = 100
_WHITESPACE = b" \t\r\n"


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
        self._json = StreamingJsonReader(items_key="data", text_key="b64_json")
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
        self._base64.finish()
        image = self._decode_data_url(ReceivedImage(fields, self._sink))
        if self._sink is not None:
            self._sink.validate()
        elif image.url is None:
            message = f"image {self._image_count} has neither b64_json nor a url"
            raise MalformedResponseError(message, self._error_body)
        self._sink = None
        self._image_count += 1
        return image

    def _decode_data_url(self, image: ReceivedImage[S]) -> ReceivedImage[S]:
        """Write the content of a ``data:`` URL to the sink; drop it if base64 was sent as well."""
        if image.url is None or (data := strip_data_prefix(image.url)) == image.url:
            return image
        if self._sink is None:
            self._write(decode_base64(data.encode()))
        return ReceivedImage({**image.fields, "url": None}, self._sink)


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
        text = self._pending + chunk
        if self._is_start:
            text = self._drop_data_prefix(text)
        end = 0 if self._is_start else len(text) // 4 * 4
        groups, self._pending = text[:end], text[end:]
        if not groups:
            return b""
        if self._padded:
            raise ValueError("base64 continues after its padding")
        self._padded = groups.endswith(b"=")
        return decode_base64(groups)

    def _drop_data_prefix(self, text: bytes) -> bytes:
        """Drop ``data:image/png;base64,``: some providers send a data URL instead of base64."""
        if _DATA_SCHEME.startswith(text[: len(_DATA_SCHEME)]):
            comma = text.find(b",", 0, _MAX_DATA_PREFIX)
            if comma < 0 and len(text) < _MAX_DATA_PREFIX:
                return text
            text = text[comma + 1 :]
        self._is_start = False
        return text

    def finish(self) -> None:
        """Check that the base64 is complete, and reset the decoder for the next image."""
        if self._pending:
            raise ValueError("base64 is truncated")
        self._is_start, self._padded = True, False
