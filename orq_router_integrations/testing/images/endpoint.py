"""The image endpoints.

Choices where the documentation is silent: without a ``size`` (or with ``auto``) images are
1024x1024, and edits have the size of their first image, with GPT Image the supported size of the
closest shape. GPT Image always sends base64, DALL-E a URL by default, other models base64 by
default (variations: a URL).
"""

import base64
import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import orjson

from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.testing.images.drawing import ImageSpec, draw_image, has_pillow
from orq_router_integrations.testing.images.image_host import ImageHost
from orq_router_integrations.testing.images.png import Size
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
GPT_IMAGE_SIZES = ((1024, 1024), (1536, 1024), (1024, 1536))
GPT_IMAGE_QUALITIES = {"low": "low", "medium": "medium", "standard": "medium"}
"""Quality reported for the requested one; ``high`` for all others."""


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
        if isinstance(request, Generation) and not lenient:
            _check_output_format(request)
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
        spec = self._create_spec(model)
        numbers = range(1, (self.request.n or 1) + 1)
        files = [draw_image(replace(spec, number=number)) for number in numbers]
        body = {"created": 0, "data": [self._build_item(file, model) for file in files]}
        if find_model_family(model) == "gpt-image":
            body |= self._get_gpt_image_fields(spec, len(files))
        headers = {"content-type": "application/json"}
        return RouterResponse(chunks=split_bytes(orjson.dumps(body)), headers=headers)

    def _create_spec(self, model: str) -> ImageSpec:
        request = self.request
        spec = ImageSpec(
            size=self._choose_size(model),
            prompt=None if isinstance(request, Variation) else request.prompt,
            sources=tuple(file.data for file in request.files),
        )
        match request:
            case Edit(mask=FormFile(data=mask)):
                return replace(spec, mask=mask)
            case Generation():
                return replace(
                    spec,
                    is_transparent=request.background == "transparent",
                    file_format=(request.output_format or "png") if has_pillow() else "png",
                    quality=request.output_compression or spec.quality,
                )
        return spec

    def _choose_size(self, model: str) -> Size:
        size = self.request.size
        if size and size != "auto":
            width, _, height = size.partition("x")
            return int(width), int(height)
        is_edit = isinstance(self.request, Edit)
        image_size = read_image_size(self.request.files[0].data) if is_edit else None
        if image_size is None or not all(side in SIDE_RANGE for side in image_size):
            return DEFAULT_SIZE
        if find_model_family(model) != "gpt-image":
            return image_size
        ratio = math.log(image_size[0] / image_size[1])
        return min(GPT_IMAGE_SIZES, key=lambda it: abs(math.log(it[0] / it[1]) - ratio))

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

    @property
    def _prompt(self) -> str:
        return "variation" if isinstance(self.request, Variation) else self.request.prompt

    def _get_gpt_image_fields(self, spec: ImageSpec, count: int) -> dict[str, Any]:
        """Return the fields that only GPT Image returns: settings and estimated usage.

        Only values that the schemas of OpenAI's clients allow are returned. ``size`` is omitted if
        the request has another one.
        """
        width, height = spec.size
        text_tokens, image_tokens = len(self._prompt) // 4 + 1, 256 * len(spec.sources)
        output_tokens = count * max(1, width * height // 1000)
        requested_quality = getattr(self.request, "quality", None) or "auto"
        return {
            "background": "transparent" if spec.is_transparent else "opaque",
            "output_format": spec.file_format,
            **({"size": f"{width}x{height}"} if spec.size in GPT_IMAGE_SIZES else {}),
            "quality": GPT_IMAGE_QUALITIES.get(requested_quality, "high"),
            "usage": {
                "input_tokens": text_tokens + image_tokens,
                "output_tokens": output_tokens,
                "total_tokens": text_tokens + image_tokens + output_tokens,
                "input_tokens_details": {"text_tokens": text_tokens, "image_tokens": image_tokens},
            },
        }


def _check_output_format(request: Generation) -> None:
    """Check that the requested format can be produced.

    Raises:
        HTTPError: 400, Pillow is missing, or the format has no transparency.
    """
    if request.output_format not in {"jpeg", "webp"}:
        return
    if request.output_format == "jpeg" and request.background == "transparent":
        message = "output_format: JPEG has no transparency. Use png or webp."
        raise HTTPError(400, message, param="output_format")
    if not has_pillow():
        message = (
            "output_format: JPEG and WebP require Pillow. Install it with pip install pillow, "
            "or use lenient=True to get a PNG."
        )
        raise HTTPError(400, message, param="output_format")
