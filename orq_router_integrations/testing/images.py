"""The image endpoints, which draw images that contain their prompt.

With Pillow, an image shows its prompt on a card, and an edit or a variation its source images.
Without Pillow, every image is blank. All images store their prompt as text, so tests can check
which image they got. Drawing is deterministic.

Choices where the documentation is silent: images have 16 to 4096 pixels per side, and 1024x1024
without a ``size``. GPT Image always sends base64, DALL-E a URL by default, other models base64 by
default (variations: a URL).
"""

import base64
import io
import json
import re
import struct
import textwrap
import zlib
from hashlib import sha256
from importlib.util import find_spec
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from orq_router_integrations.media.metadata import ImageSize
from orq_router_integrations.media.mime import SUFFIXES, detect_mime_type
from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.routing.endpoint import EndpointHandler, EndpointRequest
from orq_router_integrations.testing.routing.multipart_parsing import AnyFile, FormFile
from orq_router_integrations.testing.routing.platform import ExpiringDict
from orq_router_integrations.testing.routing.response import reject_field
from orq_router_integrations.wire import endpoints

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

INK, PAPER = (32, 34, 44), (251, 250, 245)

_TEXT_KEYWORD = b"offline-router-prompt\0"
"""Precedes the prompt, a JSON string, in the text chunk of a PNG or in the Exif description."""


def has_pillow() -> bool:
    return find_spec("PIL") is not None


def read_image_text(data: bytes) -> str | None:
    """Return the prompt stored in an image of the offline router, or ``None`` for other images.

    >>> from orq_router_integrations import OfflineRouter, OrqImageTool
    >>> tool = OrqImageTool(model="openai/gpt-image-1", client=OfflineRouter().client())
    >>> read_image_text(tool.generate("a red boat").image.read())
    'a red boat'
    """
    match = re.search(_TEXT_KEYWORD + rb'("(?:[^"\\]|\\.)*+")', data)
    return json.loads(match[1]) if match else None


def create_png(text: str, size: ImageSize, color: tuple[int, ...] = (90, 140, 190, 255)) -> bytes:
    """Create a PNG in one color (red, green, blue, alpha), and store a string in it."""
    width, height = size
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0),
        b"tEXt": _TEXT_KEYWORD + json.dumps(text).encode(),
        b"IDAT": zlib.compress((b"\0" + bytes(color) * width) * height),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks.items()
    )


def _check_size(size: str) -> str:
    match = re.fullmatch(r"(\d{2,4})x(\d{2,4})", size)
    if size != "auto" and not (match and all(16 <= int(side) <= 4096 for side in match.groups())):
        raise ValueError("must be 'auto' or a size from 16x16 to 4096x4096, such as '1024x1024'")
    return size


def _create_type_check(*mime_types: str) -> AfterValidator:
    def check(file: FormFile) -> FormFile:
        mime_type = detect_mime_type(file.data[:16])
        if mime_type not in mime_types:
            raise ValueError(f"must be {' or '.join(mime_types)}, not {mime_type or 'unknown'}")
        if len(file.data) >= MAX_FILE_BYTES:
            raise ValueError("must be smaller than 50 MB")
        return file

    return AfterValidator(check)


Prompt = Annotated[str, Field(min_length=1)]
Image = Annotated[AnyFile, _create_type_check("image/png", "image/jpeg", "image/webp")]
Images = Annotated[
    list[Image],
    Field(min_length=1, max_length=16),
    BeforeValidator(lambda value: [value] if isinstance(value, FormFile) else value),
]


class ImageRequest(EndpointRequest):
    n: Annotated[int, Field(ge=1, le=10)] | None = None
    size: Annotated[str, AfterValidator(_check_size)] | None = None
    response_format: Literal["url", "b64_json"] | None = None

    @property
    def dimensions(self) -> ImageSize:
        size = "1024x1024" if self.size in {None, "auto"} else str(self.size)
        width, height = map(int, size.split("x"))
        return width, height

    @property
    def sources(self) -> list[bytes]:
        """The uploaded images."""
        return [file.data for file in getattr(self, "image", ())]


class Generation(ImageRequest):
    prompt: Prompt
    quality: Literal["auto", "high", "medium", "low", "hd", "standard"] | None = None
    style: Literal["vivid", "natural"] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: Annotated[int, Field(ge=0, le=100)] | None = None
    moderation: Literal["auto", "low"] | None = None


class Edit(ImageRequest, strict=False):
    prompt: Prompt
    image: Images
    mask: Annotated[AnyFile, _create_type_check("image/png")] | None = None
    quality: Literal["auto", "high", "medium", "low", "standard"] | None = None
    user: str | None = None


class Variation(ImageRequest, strict=False):
    image: Annotated[Images, Field(max_length=1)]
    size: Literal["256x256", "512x512", "1024x1024"] | None = None
    user: str | None = None


AnyRequest = Generation | Edit | Variation
IMAGE_SCHEMAS: dict[endpoints.Endpoint, type[AnyRequest]] = {
    endpoints.IMAGE_GENERATIONS: Generation,
    endpoints.IMAGE_EDITS: Edit,
    endpoints.IMAGE_VARIATIONS: Variation,
}


class ImageEndpoint(EndpointHandler[AnyRequest]):
    def __init__(
        self, endpoint: endpoints.Endpoint, script: AnswerScript, urls: ExpiringDict[bytes]
    ) -> None:
        super().__init__(script)
        self.endpoint, self.schema, self._urls = endpoint, IMAGE_SCHEMAS[endpoint], urls

    def respond(self, request: AnyRequest, model: str) -> dict[str, Any]:
        name = model.partition("/")[2]
        family = next((family for family in _UNSUPPORTED_FIELDS if name.startswith(family)), "")
        _check_support(request, family, model)
        images = [draw_image(request, number) for number in range(1, (request.n or 1) + 1)]
        items = [self._build_item(image, request, family) for image in images]
        details = _describe_gpt_images(request, images) if family == "gpt-image" else {}
        return {"created": 0, "data": items, **details}

    def _build_item(self, image: bytes, request: AnyRequest, family: str) -> dict[str, str]:
        default = "url" if isinstance(request, Variation) or family else "b64_json"
        if (request.response_format or default) == "url" and family != "gpt-image":
            suffix = SUFFIXES[detect_mime_type(image[:16]) or "image/png"][0]
            path = f"/{sha256(image).hexdigest()[:32]}{suffix}"
            self._urls.put(path, image, seconds=URL_LIFETIME_SECONDS)
            item = {"url": f"https://{IMAGE_HOST}{path}"}
        else:
            item = {"b64_json": base64.b64encode(image).decode()}
        if family == "dall-e-3" and isinstance(request, Generation):
            item["revised_prompt"] = f"A picture: {request.prompt}"
        return item


def _check_support(request: AnyRequest, family: str, model: str) -> None:
    """Reject fields that the model or the installed packages do not support."""
    for name in sorted(request.model_fields_set & _UNSUPPORTED_FIELDS.get(family, set())):
        reject_field(name, f"{model} does not support it")
    if family == "dall-e-3" and (request.n or 1) > 1:
        reject_field("n", f"{model} creates one image only")
    if getattr(request, "output_format", None) in {"jpeg", "webp"} and not has_pillow():
        message = "JPEG and WebP require Pillow. Install it with pip install pillow."
        reject_field("output_format", message)


def _describe_gpt_images(request: AnyRequest, images: list[bytes]) -> dict[str, Any]:
    """Return the settings and the usage, limited to values that OpenAI's clients accept."""
    fields = dict(request)  # some exist for one endpoint only
    size, quality = "{}x{}".format(*request.dimensions), fields.get("quality")
    text_tokens = len(fields.get("prompt", "")) // 4 + 1
    image_tokens, output_tokens = 256 * len(request.sources), 1000 * len(images)
    usage = {
        "input_tokens": text_tokens + image_tokens,
        "output_tokens": output_tokens,
        "total_tokens": text_tokens + image_tokens + output_tokens,
        "input_tokens_details": {"text_tokens": text_tokens, "image_tokens": image_tokens},
    }
    return {
        "background": "transparent" if fields.get("background") == "transparent" else "opaque",
        "output_format": str(detect_mime_type(images[0][:16])).removeprefix("image/"),
        "quality": quality if quality in {"low", "medium"} else "high",
        **({"size": size} if size in {"1024x1024", "1024x1536", "1536x1024"} else {}),
        "usage": usage,
    }


def draw_image(request: AnyRequest, number: int) -> bytes:
    """Draw an image with its number in the response. Without Pillow, it is blank."""
    prefixes = {Edit: f"Edit {number}: ", Variation: f"Variation {number}"}
    caption = prefixes.get(type(request), "") + getattr(request, "prompt", "")
    source_texts = [
        read_image_text(data) or f"image {sha256(data).hexdigest()[:8]}" for data in request.sources
    ]
    stored_text = " ".join([*source_texts, caption])
    digest = sha256(f"{number} {caption}".encode("utf-8", "replace")).digest()
    is_transparent = getattr(request, "background", None) == "transparent"
    color = (0, 0, 0, 0) if is_transparent else (*digest[:3], 255)
    if has_pillow():
        return _draw_with_pillow(request, caption, stored_text, color)
    return create_png(stored_text, request.dimensions, color)


def _draw_with_pillow(
    request: AnyRequest, caption: str, stored_text: str, color: tuple[int, ...]
) -> bytes:
    from PIL import ExifTags, Image, ImageDraw, ImageFont  # noqa: PLC0415 - optional dependency

    width, height = size = request.dimensions
    image = Image.new("RGBA", size, color)
    for index, data in enumerate(request.sources):  # side by side
        left, right = (width * i // len(request.sources) for i in (index, index + 1))
        image.paste(_open_image(data, (right - left, height)), (left, 0))
    if isinstance(request, Edit) and request.mask:  # its transparent area is edited
        mask = _open_image(request.mask.data, size).getchannel("A")
        image = Image.composite(image, Image.new("RGBA", size, color), mask)
    card = ImageDraw.Draw(image)
    card.rectangle((0, height - height // 4, width, height), fill=PAPER)
    lines = textwrap.fill(textwrap.shorten(caption, 120), 40)
    font = ImageFont.load_default(max(8, width // 28))
    center = (width / 2, height - height / 8)
    card.multiline_text(center, lines, INK, font, anchor="mm", align="center")
    exif = Image.Exif()
    exif[ExifTags.Base.ImageDescription] = _TEXT_KEYWORD + json.dumps(stored_text).encode()
    file_format = getattr(request, "output_format", None) or "png"
    quality = getattr(request, "output_compression", None) or 90
    file = io.BytesIO()
    image = image.convert("RGB") if file_format == "jpeg" else image
    image.save(file, file_format, quality=quality, exif=exif)
    return file.getvalue()


def _open_image(data: bytes, size: ImageSize) -> Any:
    """Decode and scale an image, or return an empty one if it cannot be decoded."""
    from PIL import Image  # noqa: PLC0415 - optional dependency

    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.convert("RGBA").resize(size)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Image.new("RGBA", size, PAPER)
