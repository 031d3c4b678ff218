"""The image endpoints.

Choices where the documentation is silent: images have 16 to 4096 pixels per side, and 1024x1024
without a ``size``. GPT Image always sends base64, DALL-E a URL by default, other models base64 by
default (variations: a URL).
"""

import base64
import hashlib
import re
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, Self

import orjson
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from orq_router_integrations.media.metadata import ImageSize, read_image_size
from orq_router_integrations.media.mime import detect_mime_type, get_suffixes
from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.images.drawing import ImageSpec, draw_image, has_pillow
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

    @model_validator(mode="after")
    def _check_mask_size(self) -> Self:
        mask = self.mask and read_image_size(self.mask.data)
        image = read_image_size(self.image[0].data)
        if mask and image and mask != image:
            reject_field("mask", f"must have the size of the image: {image}, not {mask}")
        return self

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
            body["usage"] = _estimate_usage(spec, len(images))
        headers = {"content-type": "application/json"}
        return RouterResponse(chunks=split_bytes(orjson.dumps(body)), headers=headers)

    def _build_item(self, image: bytes, request: AnyRequest, family: str) -> dict[str, str]:
        default = "url" if isinstance(request, Variation) or family else "b64_json"
        if (request.response_format or default) == "url" and family != "gpt-image":
            suffix = get_suffixes(detect_mime_type(image[:16]) or "image/png")[0]
            path = f"/{hashlib.sha256(image).hexdigest()[:32]}{suffix}"
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
    if not isinstance(request, Generation) or request.output_format in {None, "png"}:
        return
    if request.output_format == "jpeg" and request.background == "transparent":
        reject_field("output_format", "JPEG has no transparency. Use png or webp.")
    if not has_pillow():
        reject_field(
            "output_format",
            "JPEG and WebP require Pillow. Install it with pip install pillow, or use lenient=True "
            "to get a PNG.",
        )


def _estimate_usage(spec: ImageSpec, count: int) -> dict[str, Any]:
    text_tokens, image_tokens = len(spec.prompt or "") // 4 + 1, 256 * len(spec.sources)
    return {
        "input_tokens": text_tokens + image_tokens,
        "output_tokens": 1000 * count,
        "total_tokens": text_tokens + image_tokens + 1000 * count,
        "input_tokens_details": {"text_tokens": text_tokens, "image_tokens": image_tokens},
    }
