"""The image endpoints.

Choices where the documentation is silent: without a ``size`` (or with ``auto``) an edit is as large
as its first image and all other images are 1024x1024. GPT Image always sends base64, DALL-E a URL
by default, other models base64 by default (variations: a URL). Images are always PNG.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.testing.images import drawing as draw
from orq_router_integrations.testing.images import png
from orq_router_integrations.testing.images.image_host import ImageHost
from orq_router_integrations.testing.images.schema import (
    SIDE_RANGE,
    AnyRequest,
    Edit,
    Generation,
    Variation,
    check_mask_size,
    check_model_params,
    find_model_family,
)
from orq_router_integrations.testing.media.image_info import read_image_info
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    RouterResponse,
    split_bytes,
)
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.multipart_parsing import FormFile
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import (
    IMAGE_EDITS,
    IMAGE_GENERATIONS,
    IMAGE_VARIATIONS,
    Endpoint,
)

DEFAULT_SIZE = (1024, 1024)


def create_image_endpoints(
    links: ImageHost, *, lenient: bool
) -> tuple[EndpointHandler[AnyRequest], ...]:
    """Create the three image endpoints."""
    return (
        ImageEndpoint(IMAGE_GENERATIONS, Generation, links, lenient),
        ImageEndpoint(IMAGE_EDITS, Edit, links, lenient),
        ImageEndpoint(IMAGE_VARIATIONS, Variation, links, lenient),
    )


class ImageEndpoint(EndpointHandler[AnyRequest]):
    """One of the image endpoints."""

    def __init__(
        self, endpoint: Endpoint, schema: type[AnyRequest], links: ImageHost, lenient: bool
    ) -> None:
        self.endpoint = endpoint
        self.schema = schema
        self._links = links
        self._lenient = lenient

    def parse(
        self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool
    ) -> AnyRequest:
        if self.schema is Edit and isinstance(image := body.get("image"), FormFile):
            body = {**body, "image": [image]}
        request = super().parse(body, controls, lenient=lenient)
        if isinstance(request, Edit):
            check_mask_size(request)
        if not lenient and getattr(request, "output_format", None) in {"jpeg", "webp"}:
            message = (
                "output_format: the offline router draws PNG only; lenient=True sends PNG instead"
            )
            raise HTTPError(400, message, param="output_format")
        return request

    def respond(self, request: AnyRequest, model: str) -> RouterResponse:
        if not self._lenient:
            check_model_params(model, request.build_provider_body(model))
        return ImageResponseBuilder(request, self._links).build(model)


@dataclass(frozen=True, slots=True)
class ImageResponseBuilder:
    """Draws the images of one request. The response is sent in chunks, so faults can cut it."""

    request: AnyRequest
    links: ImageHost

    def build(self, model: str) -> RouterResponse:
        """Draw the requested images."""
        numbers = range(1, (self.request.n or 1) + 1)
        files = [png.encode_png(self._draw(number), Description=self._prompt) for number in numbers]
        body = {"created": 0, "data": [self._build_item(file, model) for file in files]}
        if find_model_family(model) == "gpt-image":
            body |= self._get_gpt_image_fields(len(files))
        headers = {"content-type": "application/json"}
        return RouterResponse(chunks=split_bytes(orjson.dumps(body)), headers=headers)

    @property
    def _prompt(self) -> str:
        return "variation" if isinstance(self.request, Variation) else self.request.prompt

    @property
    def _size(self) -> draw.Size:
        size = self.request.size
        if size and size != "auto":
            width, _, height = size.partition("x")
            return int(width), int(height)
        image_size = (
            read_image_size(self.request.image[0].data) if isinstance(self.request, Edit) else None
        )
        return (
            image_size
            if image_size and all(side in SIDE_RANGE for side in image_size)
            else DEFAULT_SIZE
        )

    def _draw(self, number: int) -> png.PixelBuffer:
        request, size = self.request, self._size
        sources = [_read_pixels(file, size) for file in request.files]
        match request:
            case Generation():
                transparent = request.background == "transparent"
                return draw.draw_image(request.prompt, size, number, transparent=transparent)
            case Edit():
                mask = _read_pixels(request.mask, size) if request.mask else None
                return draw.draw_edit(sources, request.prompt, size, number, mask=mask)
        return draw.draw_variation(sources[0], size, number)

    def _build_item(self, file: bytes, model: str) -> dict[str, str]:
        """Build one item of ``data``, with base64 or a URL."""
        is_linked = isinstance(self.request, Variation) or find_model_family(model) is not None
        response_format = self.request.response_format or ("url" if is_linked else "b64_json")
        if response_format == "b64_json" or find_model_family(model) == "gpt-image":
            item = {"b64_json": base64.b64encode(file).decode()}
        else:
            item = {"url": self.links.store(hashlib.sha256(file).hexdigest()[:32], file)}
        is_revised = find_model_family(model) == "dall-e-3" and isinstance(self.request, Generation)
        return item | ({"revised_prompt": f"A picture: {self._prompt}"} if is_revised else {})

    def _get_gpt_image_fields(self, count: int) -> dict[str, Any]:
        """Return the fields that only GPT Image returns: settings and made-up usage."""
        width, height = self._size
        text_tokens, image_tokens = len(self._prompt) // 4 + 1, 256 * len(self.request.files)
        output_tokens = count * max(1, width * height // 1000)
        return {
            "output_format": "png",
            "size": f"{width}x{height}",
            "quality": getattr(self.request, "quality", None) or "auto",
            "usage": {
                "input_tokens": text_tokens + image_tokens,
                "output_tokens": output_tokens,
                "total_tokens": text_tokens + image_tokens + output_tokens,
                "input_tokens_details": {"text_tokens": text_tokens, "image_tokens": image_tokens},
            },
        }


def _read_pixels(file: FormFile, size: draw.Size) -> png.PixelBuffer:
    """Decode an image, or draw a label that describes it if it cannot be decoded."""
    if pixels := png.decode_png(file.data):
        return pixels
    info = read_image_info(file.data)
    dimensions = "{}x{}".format(*info.size) if info.size else "unknown size"
    return draw.draw_label(f"{info.format} {dimensions} {file.sha256[:8]}", size)
