"""The image endpoints, which draw images that contain their prompt.

With Pillow, an image shows its prompt on a card, an edit its source images, and a variation changes
their colors. Without Pillow, every image is blank. All images store their prompt as text, so tests
can check which image they got. Drawing is deterministic.

Choices where the documentation is silent: images have 16 to 4096 pixels per side, and 1024x1024
without a ``size``. GPT Image always sends base64, DALL-E a URL by default, other models base64 by
default (variations: a URL).
"""

import base64
import io
import re
import struct
import textwrap
import zlib
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.util import find_spec
from typing import Annotated, Any, ClassVar, Literal

import orjson
from pydantic import AfterValidator, BeforeValidator, Field

from orq_router_integrations.media.metadata import ImageSize
from orq_router_integrations.media.mime import detect_mime_type, get_suffixes
from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RouterResponse,
    get_provider_model_name,
    split_bytes,
)
from orq_router_integrations.testing.routing.error_responses import reject_field
from orq_router_integrations.testing.routing.multipart_parsing import AnyFile, FormFile
from orq_router_integrations.testing.routing.platform import ExpiringDict
from orq_router_integrations.wire.endpoints import (
    IMAGE_EDITS,
    IMAGE_GENERATIONS,
    IMAGE_VARIATIONS,
    Endpoint,
)

IMAGE_HOST = "images.offline.invalid"  # its URLs exist only within this process
URL_LIFETIME_SECONDS = 3600.0  # documented for variations
MAX_FILE_BYTES = 50 * 1024 * 1024

_GPT_IMAGE_FIELDS = {"background", "output_format", "output_compression", "moderation"}
_UNSUPPORTED_FIELDS = {
    "dall-e-2": {"style"} | _GPT_IMAGE_FIELDS,
    "dall-e-3": _GPT_IMAGE_FIELDS,
    "gpt-image": {"style", "response_format"},
}
"""Fields that the models of a family reject. Other models support all fields."""

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
TEXT_KEYWORD = "offline-router-prompt"
TEXT_MARKER = f"{TEXT_KEYWORD}\0\0\0\0\0".encode()
"""Start of the chunk of a PNG with the prompt. In JPEG and WebP, it is part of the description."""

INK, PAPER = (32, 34, 44), (251, 250, 245)
MAX_CAPTION_CHARS = 120

_EXIF_DESCRIPTION = 0x010E


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSpec:
    size: ImageSize
    number: int = 1  # of the image in its response
    prompt: str | None = None  # None for a variation
    sources: tuple[bytes, ...] = ()
    mask: bytes | None = None  # a PNG whose transparent area is edited
    is_transparent: bool = False
    file_format: str = "png"  # jpeg and webp require Pillow
    quality: int = 90

    @property
    def color(self) -> tuple[int, ...]:
        """Red, green, blue and alpha of the background, which depend on prompt and number."""
        seed = f"{self.number}:{self.prompt}".encode("utf-8", "replace")
        return (0, 0, 0, 0) if self.is_transparent else (*sha256(seed).digest()[:3], 255)

    @property
    def caption(self) -> str:
        """The prompt, with a label for edits and variations."""
        if self.prompt is None:
            return f"Variation {self.number}"
        return f"Edit {self.number}: {self.prompt}" if self.sources else self.prompt

    @property
    def text(self) -> str:
        """The texts of the source images, followed by the caption."""
        texts = [
            read_image_text(data) or f"image {sha256(data).hexdigest()[:8]}"
            for data in self.sources
        ]
        return " ".join([*texts, self.caption])


def has_pillow() -> bool:
    return find_spec("PIL") is not None


def read_image_text(data: bytes) -> str | None:
    """Return the prompt stored in an image of the offline router, or ``None`` for other images.

    >>> from orq_router_integrations import OfflineRouter, OrqImageTool
    >>> tool = OrqImageTool(model="openai/gpt-image-1", client=OfflineRouter().client())
    >>> read_image_text(tool.generate("a red boat").image.read())
    'a red boat'
    """
    position = data.find(TEXT_MARKER)
    if position < 0:
        return None
    start = position + len(TEXT_MARKER)
    if data[position - 4 : position] == b"iTXt":  # in a PNG, the size precedes the name of a chunk
        size = int.from_bytes(data[position - 8 : position - 4]) - len(TEXT_MARKER)
    else:  # Exif
        size = data.find(b"\0", start) - start
    return data[start : start + size].decode("utf-8", "replace")


def create_png(text: str, size: ImageSize, color: tuple[int, ...] = (90, 140, 190, 255)) -> bytes:
    """Create a PNG in one color (red, green, blue, alpha), and store a text in it."""
    width, height = size
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0),
        b"iTXt": TEXT_MARKER + text.encode("utf-8", "replace"),
        b"IDAT": zlib.compress((b"\0" + bytes(color) * width) * height),
        b"IEND": b"",
    }
    return PNG_SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks.items()
    )


def draw_image(spec: ImageSpec) -> bytes:
    """Draw an image. Without Pillow, it is blank."""
    if not has_pillow():
        return create_png(spec.text, spec.size, spec.color)
    from PIL import Image, ImageDraw, ImageFont  # noqa: PLC0415 - optional dependency

    width, height = spec.size
    count = len(spec.sources)
    image = Image.new("RGBA", spec.size, spec.color)
    for index, data in enumerate(spec.sources):  # side by side
        left, right = width * index // count, width * (index + 1) // count
        image.paste(_open_image(data, (right - left, height)), (left, 0))
    if spec.prompt is None:
        channels = image.split()
        colors = [channels[(index + spec.number) % 3] for index in range(3)]
        image = Image.merge("RGBA", [*colors, channels[3]])
    if spec.mask is not None:
        alpha = _open_image(spec.mask, spec.size).getchannel("A")
        image = Image.composite(image, Image.new("RGBA", spec.size, spec.color), alpha)
    card = ImageDraw.Draw(image)
    card.rectangle((0, height - height // 4, width, height), fill=PAPER)
    lines = textwrap.fill(textwrap.shorten(spec.caption, MAX_CAPTION_CHARS), 40)
    font = ImageFont.load_default(max(8, width // 28))
    center = (width / 2, height - height / 8)
    card.multiline_text(center, lines, INK, font, anchor="mm", align="center")
    return _encode(image, spec)


def _open_image(data: bytes, size: ImageSize) -> Any:
    """Decode and scale an image, or return an empty one if it cannot be decoded."""
    from PIL import Image  # noqa: PLC0415 - optional dependency

    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGBA").resize(size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Image.new("RGBA", size, PAPER)


def _encode(image: Any, spec: ImageSpec) -> bytes:
    from PIL import Image, PngImagePlugin  # noqa: PLC0415 - optional dependency

    file = io.BytesIO()
    text = spec.text.encode("utf-8", "replace")
    if spec.file_format == "png":
        info = PngImagePlugin.PngInfo()
        info.add_itxt(TEXT_KEYWORD, text.decode())
        image.save(file, "png", pnginfo=info)
    else:
        exif = Image.Exif()
        exif[_EXIF_DESCRIPTION] = TEXT_MARKER + text
        mode = "RGB" if spec.file_format == "jpeg" else "RGBA"
        image.convert(mode).save(file, spec.file_format, quality=spec.quality, exif=exif)
    return file.getvalue()


def _check_size(size: str) -> str:
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", size)
    if size != "auto" and not (match and all(16 <= int(side) <= 4096 for side in match.groups())):
        raise ValueError("must be 'auto' or a size from 16x16 to 4096x4096, such as '1024x1024'")
    return size


def _check_type(*mime_types: str) -> AfterValidator:
    def check(file: FormFile) -> FormFile:
        mime_type = detect_mime_type(file.data[:16])
        if mime_type not in mime_types:
            raise ValueError(f"must be {' or '.join(mime_types)}, not {mime_type or 'unknown'}")
        if len(file.data) >= MAX_FILE_BYTES:
            raise ValueError("must be smaller than 50 MB")
        return file

    return AfterValidator(check)


Size = Annotated[str, AfterValidator(_check_size)]
Prompt = Annotated[str, Field(min_length=1)]
Image = Annotated[AnyFile, _check_type("image/png", "image/jpeg", "image/webp")]
Images = Annotated[
    list[Image],
    Field(min_length=1, max_length=16),
    BeforeValidator(lambda value: [value] if isinstance(value, FormFile) else value),
]


class ImageRequest(EndpointRequest):
    n: Annotated[int, Field(ge=1, le=10)] | None = None
    size: Size | None = None
    response_format: Literal["url", "b64_json"] | None = None

    is_streamed: ClassVar[bool] = True
    is_cacheable: ClassVar[bool] = True

    @property
    def dimensions(self) -> ImageSize:
        size = "1024x1024" if self.size in {None, "auto"} else str(self.size)
        width, height = map(int, size.split("x"))
        return width, height


class Generation(ImageRequest):
    prompt: Prompt
    quality: Literal["auto", "high", "medium", "low", "hd", "standard"] | None = None
    style: Literal["vivid", "natural"] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    moderation: Literal["auto", "low"] | None = None

    def create_spec(self) -> ImageSpec:
        return ImageSpec(
            size=self.dimensions,
            prompt=self.prompt,
            is_transparent=self.background == "transparent",
            file_format=(self.output_format or "png") if has_pillow() else "png",
            quality=self.output_compression or 90,
        )


class Edit(ImageRequest, strict=False):
    prompt: Prompt
    image: Images
    mask: Annotated[AnyFile, _check_type("image/png")] | None = None
    quality: Literal["auto", "high", "medium", "low", "standard"] | None = None
    user: str | None = None

    def create_spec(self) -> ImageSpec:
        sources = tuple(file.data for file in self.image)
        mask = self.mask.data if self.mask else None
        return ImageSpec(size=self.dimensions, prompt=self.prompt, sources=sources, mask=mask)


class Variation(ImageRequest, strict=False):
    image: Image
    size: Literal["256x256", "512x512", "1024x1024"] | None = None
    user: str | None = None

    def create_spec(self) -> ImageSpec:
        return ImageSpec(size=self.dimensions, sources=(self.image.data,))


AnyRequest = Generation | Edit | Variation
IMAGE_SCHEMAS: dict[Endpoint, type[AnyRequest]] = {
    IMAGE_GENERATIONS: Generation,
    IMAGE_EDITS: Edit,
    IMAGE_VARIATIONS: Variation,
}


class ImageEndpoint(EndpointHandler[AnyRequest]):
    """Draws images. The response is sent in chunks, so that faults can truncate it."""

    def __init__(
        self, endpoint: Endpoint, script: AnswerScript, urls: ExpiringDict[bytes], *, lenient: bool
    ) -> None:
        super().__init__(script)
        self.endpoint, self.schema = endpoint, IMAGE_SCHEMAS[endpoint]
        self._urls, self._lenient = urls, lenient

    def respond(self, request: AnyRequest, model: str) -> RouterResponse:
        name = get_provider_model_name(model)
        family = next((family for family in _UNSUPPORTED_FIELDS if name.startswith(family)), "")
        if not self._lenient:
            _check_support(request, family, model)
        spec = request.create_spec()
        numbers = range(1, (request.n or 1) + 1)
        images = [draw_image(replace(spec, number=number)) for number in numbers]
        items = [self._build_item(image, request, family) for image in images]
        body: dict[str, Any] = {"created": 0, "data": items}
        if family == "gpt-image":
            body |= _describe_settings(request, spec)
            body["usage"] = _estimate_usage(spec, len(images))
        headers = {"content-type": "application/json"}
        return RouterResponse(chunks=split_bytes(orjson.dumps(body)), headers=headers)

    def _build_item(self, image: bytes, request: AnyRequest, family: str) -> dict[str, str]:
        default = "url" if isinstance(request, Variation) or family else "b64_json"
        if (request.response_format or default) == "url" and family != "gpt-image":
            suffix = get_suffixes(detect_mime_type(image[:16]) or "image/png")[0]
            path = f"/{sha256(image).hexdigest()[:32]}{suffix}"
            self._urls.put(path, image, seconds=URL_LIFETIME_SECONDS)
            item = {"url": f"https://{IMAGE_HOST}{path}"}
        else:
            item = {"b64_json": base64.b64encode(image).decode()}
        if family == "dall-e-3" and isinstance(request, Generation):
            item["revised_prompt"] = f"A picture: {request.prompt}"
        return item


def _check_support(request: AnyRequest, family: str, model: str) -> None:
    """Reject fields that the model, or the offline router, does not support."""
    for name in sorted(request.model_fields_set & _UNSUPPORTED_FIELDS.get(family, set())):
        reject_field(name, f"{model} does not support it")
    if family == "dall-e-3" and (request.n or 1) > 1:
        reject_field("n", f"{model} creates one image only")
    if getattr(request, "output_format", None) in {"jpeg", "webp"} and not has_pillow():
        reject_field(
            "output_format",
            "JPEG and WebP require Pillow. Install it with pip install pillow, or use lenient=True "
            "to get a PNG.",
        )


def _describe_settings(request: AnyRequest, spec: ImageSpec) -> dict[str, str]:
    """Return the settings of GPT Image, limited to values that OpenAI's clients accept."""
    size, quality = "{}x{}".format(*spec.size), getattr(request, "quality", None)
    return {
        "background": "transparent" if spec.is_transparent else "opaque",
        "output_format": spec.file_format,
        "quality": quality if quality in {"low", "medium"} else "high",
        **({"size": size} if size in {"1024x1024", "1024x1536", "1536x1024"} else {}),
    }


def _estimate_usage(spec: ImageSpec, count: int) -> dict[str, Any]:
    text_tokens = len(spec.prompt or "") // 4 + 1
    image_tokens = 256 * len(spec.sources)
    return {
        "input_tokens": text_tokens + image_tokens,
        "output_tokens": 1000 * count,
        "total_tokens": text_tokens + image_tokens + 1000 * count,
        "input_tokens_details": {"text_tokens": text_tokens, "image_tokens": image_tokens},
    }
