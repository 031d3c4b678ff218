"""Shapes of the image endpoints: parameters out, and images in as they arrive.

Source: contract sections 2.2 to 2.4. Replies name no model; an image comes as base64 or as a URL,
whatever was asked for: a fallback of another family decides by its own defaults (contract, trap
11), so both are always read.
"""

import base64
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, Protocol, TypeVar

from pydantic import BaseModel, Field, model_validator
from typing_extensions import Self

from orq_router_integrations.wire.call import BadReply, Truncated
from orq_router_integrations.wire.endpoints import (
    IMAGE_EDITS,
    IMAGE_GENERATIONS,
    IMAGE_VARIATIONS,
    Endpoint,
)
from orq_router_integrations.wire.events import kind_of, refuse_error
from orq_router_integrations.wire.json import loads
from orq_router_integrations.wire.texts_apart import TextsApart

MAX_REPLY = 256 * 1024 * 1024
"""Bytes of a reply with images; more is refused."""

MAX_SHOWN = 64 * 1024
MAX_INPUT_BYTES = 50 * 1024 * 1024
"""An image or mask that is sent must have less (contract section 2.3)."""

INPUT_TYPES = ("image/png", "image/jpeg", "image/webp")

Whole = Annotated[int, Field(strict=True)]


class ImageParams(BaseModel):
    """Parameters beside model, prompt and images; sent only when set.

    Attributes:
        n: how many images, 1 to 10; dall-e-3 makes one.
        size: ``auto``, or width x height in pixels such as ``1024x1024``; which a model takes,
            its provider knows.
        quality: ``auto``, ``high``, ``medium``, ``low``, ``hd`` or ``standard``; varies by model.
        style: ``vivid`` or ``natural`` (dall-e-3).
        background: ``transparent``, ``opaque`` or ``auto`` (GPT Image).
        output_format: ``png``, ``jpeg`` or ``webp`` (GPT Image).
        output_compression: 0 to 100, for webp and jpeg (GPT Image).
        moderation: ``auto`` or ``low`` (GPT Image).
        response_format: ``url`` or ``b64_json`` (DALL-E); GPT Image always sends base64.
        user: your own name of the end user (edits and variations).
    """

    n: Annotated[Whole, Field(ge=1, le=10)] | None = None
    size: Annotated[str, Field(pattern=r"^(auto|[1-9]\d{1,4}x[1-9]\d{1,4})$")] | None = None
    quality: Literal["auto", "high", "medium", "low", "hd", "standard"] | None = None
    style: Literal["vivid", "natural"] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[Whole, Field(ge=0, le=100)] | None = None
    moderation: Literal["auto", "low"] | None = None
    response_format: Literal["url", "b64_json"] | None = None
    user: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _compressed_what_can_be(self) -> Self:
        if self.output_compression is not None and self.output_format not in {"webp", "jpeg"}:
            raise ValueError("output_compression: needs output_format 'webp' or 'jpeg'")
        return self

    def image_params(self) -> dict[str, Any]:
        """The parameters that are set."""
        values = {name: getattr(self, name) for name in ImageParams.model_fields}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Operation:
    """One of the three things that are done with images.

    Attributes:
        name: ``generate``, ``edit`` or ``vary``.
        takes: the parameters of its endpoint.
        most_images: how many images it takes as input.
    """

    name: str
    endpoint: Endpoint
    takes: frozenset[str]
    most_images: int = 0


GENERATE = Operation("generate", IMAGE_GENERATIONS, frozenset(ImageParams.model_fields) - {"user"})
EDIT = Operation(
    "edit", IMAGE_EDITS, frozenset({"n", "size", "quality", "response_format", "user"}), 16
)
VARY = Operation("vary", IMAGE_VARIATIONS, frozenset({"n", "size", "response_format", "user"}), 1)

FAMILIES = ("dall-e-2", "dall-e-3", "gpt-image")
_ONLY_FOR = {
    "style": ("dall-e-3",),
    "background": ("gpt-image",),
    "output_format": ("gpt-image",),
    "output_compression": ("gpt-image",),
    "moderation": ("gpt-image",),
    "response_format": ("dall-e-2", "dall-e-3"),
}
_VARIATION_SIZES = ("256x256", "512x512", "1024x1024")


def family_of(model: str) -> str | None:
    """The family of a model that the contract has rules for; ``None`` for all others.

    >>> family_of("azure/gpt-image-1-mini")
    'gpt-image'
    """
    name = model.rpartition("/")[2]
    return next((family for family in FAMILIES if name.startswith(family)), None)


def check_family(model: str, params: Mapping[str, Any]) -> None:
    """Check that a model takes these parameters; of an unknown family everything is passed on.

    Raises:
        ValueError: it does not, which the router would answer with an error, or ignore.
    """
    family = family_of(model)
    if family is None:
        return
    for name in params:
        if family not in _ONLY_FOR.get(name, (family,)):
            why = f"only {' and '.join(_ONLY_FOR[name])} models take it"
            if name == "response_format":
                why = "it always answers in base64"
            raise ValueError(f"{name}: leave it out for {model}; {why}")
    if family == "dall-e-3" and params.get("n", 1) > 1:
        raise ValueError(f"n: {model} makes 1 image in a call, not {params['n']}")


def check_operation(operation: Operation, params: Mapping[str, Any]) -> None:
    """Check that an endpoint takes these parameters with these values.

    Raises:
        ValueError: it does not.
    """
    for name in params:
        if name not in operation.takes:
            takes = ", ".join(sorted(operation.takes))
            path = operation.endpoint.path
            raise ValueError(f"{name}: {path} does not take it; it takes {takes}")
    if operation is EDIT and params.get("quality") == "hd":
        raise ValueError("quality: edits take auto, high, medium, low and standard, not 'hd'")
    if operation is VARY and params.get("size", "256x256") not in _VARIATION_SIZES:
        sizes = ", ".join(_VARIATION_SIZES)
        raise ValueError(f"size: variations take {sizes}, not {params['size']!r}")


class Sink(Protocol):
    """Where the bytes of one image go."""

    def write(self, data: bytes, /) -> object:
        """Take the next bytes."""

    def end(self) -> object:
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

    members: dict[str, Any]
    sink: S | None

    @property
    def url(self) -> str | None:
        """Where the image is, if it was not sent itself."""
        url = self.members.get("url")
        return url if isinstance(url, str) and url else None


class ImagesDecoder(Generic[S]):
    """Bytes of a reply in, images out; the base64 goes decoded into a sink as it arrives.

    Attributes:
        body: the whole reply without the base64, once it is complete.
    """

    done = False
    partial = ""

    def __init__(self, open_sink: Callable[[], S]) -> None:
        self._open_sink = open_sink
        self._json = TextsApart(items="data", text="b64_json")
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
        if self._received > MAX_REPLY:
            raise BadReply(f"the reply has more than {MAX_REPLY // 2**20} MB", self._shown)
        try:
            for found in self._json.feed(data):
                if isinstance(found, bytes):
                    self._write(self._base64.decoded(found))
                else:
                    yield self._ended(found)
        except ValueError as error:
            raise BadReply(f"image {self._images} cannot be read: {error}", self._shown) from None

    def finish(self) -> Generator[ReceivedImage[S]]:
        """Check that the reply was complete, and held images.

        Raises:
            Truncated: it ends in the middle.
            BadReply: it is not JSON, or holds no image.
            ErrorInReply: it is an error.
        """
        if not self._json.complete and self._shown.lstrip().startswith(b"{"):
            raise Truncated(f"the JSON ends in the middle, after {self._images} whole images")
        try:
            body = loads(bytes(self._json.rest))
        except ValueError as error:
            raise BadReply(f"the body is not JSON ({error})", self._shown) from None
        refuse_error(body, self._shown)
        if not isinstance(body, dict):
            raise BadReply(f"the body is {kind_of(body)}, not an object", self._shown)
        data = body.get("data")
        if not isinstance(data, list) or not data or len(data) != self._images:
            raise BadReply("the reply holds no images", self._shown)
        self.body = body
        yield from ()

    @property
    def _shown(self) -> bytes:
        return bytes(self._json.rest[:MAX_SHOWN])

    def _write(self, data: bytes) -> None:
        if self._sink is None:
            self._sink = self._open_sink()
        self._sink.write(data)

    def _ended(self, members: dict[str, Any]) -> ReceivedImage[S]:
        refuse_error(members, self._shown)
        self._base64.end()
        image = ReceivedImage(members, self._sink)
        if self._sink is not None:
            self._sink.end()
        elif image.url is None:
            message = f"image {self._images} has neither b64_json nor a url"
            raise BadReply(message, self._shown)
        self._sink = None
        self._images += 1
        return image


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
        text = self._left + piece.translate(None, b" \t\r\n")
        whole = len(text) // 4 * 4
        self._left = text[whole:]
        if self._padded and text:
            raise ValueError("base64 goes on behind its end")
        self._padded = text[:whole].endswith(b"=")
        return base64.b64decode(text[:whole], validate=True)

    def end(self) -> None:
        """Check that nothing is left over, and be ready for the next.

        Raises:
            ValueError: the base64 stops in the middle.
        """
        if self._left:
            raise ValueError("base64 stops in the middle")
        self._padded = False
