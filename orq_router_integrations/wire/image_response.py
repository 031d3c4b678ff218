"""Replies with images: read as they arrive, so that no image stands in memory twice.

Source: contract sections 2.2 to 2.4. Replies name no model; an image comes as base64 or as a URL,
whatever was asked for: a fallback of another family decides by its own defaults (contract, trap
11), so both are always read. A URL may be the image itself (``data:``).
"""

import base64
import re
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from orq_router_integrations.wire.call import MalformedResponseError, TruncatedStreamError
from orq_router_integrations.wire.event_stream import get_json_type_name, raise_for_error
from orq_router_integrations.wire.json import dumps, loads
from orq_router_integrations.wire.json_stream import StreamingJsonReader

MAX_RESPONSE_BYTES = 256 * 1024 * 1024
"""Bytes of a reply with images; more is refused."""

MAX_SHOWN = 64 * 1024

_DATA_URL = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_BLANKS = b" \t\r\n"
_PAD = ord("=")


class Sink(Protocol):
    """Where the bytes of one image go."""

    def write(self, data: bytes, /) -> object:
        """Take the next bytes."""

    def validate(self) -> object:
        """Called when they are complete.

        Raises:
            BadReply: they are no image.
        """


S = TypeVar("S", bound=Sink)


@dataclass(frozen=True, slots=True)
class ReceivedImage(Generic[S]):
    """One image of a reply.

    Attributes:
        members: its members on the wire, without the base64.
        sink: what holds its bytes; ``None`` where it is a URL.
    """

    fields: dict[str, Any]
    sink: S | None

    @property
    def url(self) -> str | None:
        """Where the image is, if it was not sent itself."""
        url = self.fields.get("url")
        return url if isinstance(url, str) and url else None


class ImageResponseDecoder(Generic[S]):
    """Bytes of a reply in, images out; the base64 goes decoded into a sink as it arrives.

    Attributes:
        body: the whole reply without the base64, once it is complete.
    """

    done = False
    partial = ""

    def __init__(self, open_sink: Callable[[], S]) -> None:
        self._open_sink = open_sink
        self._json = StreamingJsonReader(items_key="data", text_key="b64_json")
        self._base64 = _Base64()
        self._sink: S | None = None
        self._received = 0
        self._images = 0
        self.body: dict[str, Any] = {}

    def feed(self, data: bytes) -> Generator[ReceivedImage[S]]:
        """Take bytes, yield the images they complete.

        Raises:
            BadReply: an image is neither base64 nor a URL, or the reply is too large.
        """
        self._received += len(data)
        if self._received > MAX_RESPONSE_BYTES:
            raise MalformedResponseError(
                f"the reply has more than {MAX_RESPONSE_BYTES // 2**20} MB", self._shown
            )
        try:
            for found in self._json.feed(data):
                if isinstance(found, bytes):
                    self._write(self._base64.decoded(found))
                else:
                    yield self._ended(found)
        except ValueError as error:
            raise MalformedResponseError(
                f"image {self._images} cannot be read: {error}", self._shown
            ) from None

    def finish(self) -> Generator[ReceivedImage[S]]:
        """Check that the reply was complete, and held images.

        Raises:
            Truncated: it ends in the middle.
            BadReply: it is not JSON, or holds no image.
            ErrorInReply: it is an error.
        """
        if not self._json.is_complete and self._shown.lstrip().startswith(b"{"):
            raise TruncatedStreamError(
                f"the JSON ends in the middle, after {self._images} whole images"
            )
        try:
            body = loads(bytes(self._json.skeleton))
        except ValueError as error:
            raise MalformedResponseError(f"the body is not JSON ({error})", self._shown) from None
        raise_for_error(body, self._shown)
        if not isinstance(body, dict):
            raise MalformedResponseError(
                f"the body is {get_json_type_name(body)}, not an object", self._shown
            )
        data = body.get("data")
        if not isinstance(data, list) or not data or len(data) != self._images:
            raise MalformedResponseError("the reply holds no images", self._shown)
        self.body = body
        yield from ()

    @property
    def _shown(self) -> bytes:
        return bytes(self._json.skeleton[:MAX_SHOWN])

    def _write(self, data: bytes) -> None:
        if self._sink is None:
            self._sink = self._open_sink()
        self._sink.write(data)

    def _ended(self, members: dict[str, Any]) -> ReceivedImage[S]:
        raise_for_error(members, dumps(members))
        self._base64.end()
        image = self._inlined(ReceivedImage(members, self._sink))
        if self._sink is not None:
            self._sink.validate()
        elif image.url is None:
            message = f"image {self._images} has neither b64_json nor a url"
            raise MalformedResponseError(message, self._shown)
        self._sink = None
        self._images += 1
        return image

    def _inlined(self, image: ReceivedImage[S]) -> ReceivedImage[S]:
        """The same image; one whose URL holds it is taken out of there."""
        inline = _DATA_URL.match(image.url or "")
        if inline is None:
            return image
        if self._sink is None:
            self._write(base64.b64decode((image.url or "")[inline.end() :], validate=True))
        return ReceivedImage({**image.fields, "url": None}, self._sink)


class _Base64:
    """Decodes base64 that comes in pieces, cut anywhere."""

    def __init__(self) -> None:
        self._left = b""
        self._padded = False

    def decoded(self, piece: bytes) -> bytes:
        """The bytes that are complete.

        Raises:
            ValueError: it is not base64.
        """
        if any(blank in piece for blank in _BLANKS):
            piece = piece.translate(None, _BLANKS)
        start = min(-len(self._left) % 4, len(piece))
        end = len(piece) - (len(piece) - start) % 4
        first, self._left = self._left + piece[:start], piece[end:]
        if len(first) % 4:
            self._left = first
            return b""
        rest = memoryview(piece)[start:end]  # megabytes come through here: not one more copy
        return self._whole(first) + self._whole(rest) if first else self._whole(rest)

    def _whole(self, text: "bytes | memoryview[int]") -> bytes:
        """The bytes of whole groups of four characters."""
        if not text:
            return b""
        if self._padded:
            raise ValueError("base64 goes on behind its end")
        self._padded = text[-1] == _PAD
        return base64.b64decode(text, validate=True)

    def end(self) -> None:
        """Check that nothing is left over, and be ready for the next.

        Raises:
            ValueError: the base64 stops in the middle.
        """
        if self._left:
            raise ValueError("base64 stops in the middle")
        self._padded = False
