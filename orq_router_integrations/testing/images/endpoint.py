"""The image endpoints: how one provider call is answered.

Chosen here, where the contract says nothing: without a ``size`` (or with ``auto``) an edit is as
large as its first image and everything else 1024x1024; GPT Image always sends base64, DALL-E a URL
unless asked, other models base64 unless asked (variations: a URL). Only PNGs are drawn.
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
    Chunks,
    EndpointHandler,
    ProviderResponse,
    RouterResponse,
)
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.model_registry import get_provider_model_name
from orq_router_integrations.testing.routing.multipart_parsing import FormFile
from orq_router_integrations.testing.routing.schema_validation import validate_body
from orq_router_integrations.wire.controls import RouterControls, RouterRetry
from orq_router_integrations.wire.endpoints import (
    IMAGE_EDITS,
    IMAGE_GENERATIONS,
    IMAGE_VARIATIONS,
    Endpoint,
)

DEFAULT_SIZE = (1024, 1024)
CHUNK_BYTES = 4 * 1024
"""Bytes of a reply that are sent at once; faults cut between pieces."""


def create_image_endpoints(links: ImageHost) -> tuple[EndpointHandler, ...]:
    """The three endpoints."""
    return (
        ImageEndpoint(IMAGE_GENERATIONS, Generation, links),
        ImageEndpoint(IMAGE_EDITS, Edit, links),
        ImageEndpoint(IMAGE_VARIATIONS, Variation, links),
    )


class ImageEndpoint:
    """One of the image endpoints."""

    default_retry: RouterRetry | None = None

    def __init__(self, endpoint: Endpoint, kind: type[AnyRequest], links: ImageHost) -> None:
        self.endpoint = endpoint
        self.links = links
        self._kind = kind

    def parse(
        self,
        body: Mapping[str, Any],
        controls: RouterControls,  # noqa: ARG002 - none of them changes a body
        *,
        lenient: bool,
    ) -> "ImageCall":
        """Check a body without its controls.

        Raises:
            HTTPError: 400, naming the member at fault.
        """
        if self._kind is Edit and isinstance(image := body.get("image"), FormFile):
            body = {**body, "image": [image]}
        request: AnyRequest = validate_body(self._kind, body, lenient=lenient)
        if isinstance(request, Edit):
            check_mask_size(request)
        if not lenient and getattr(request, "output_format", None) in {"jpeg", "webp"}:
            message = "output_format: the offline router draws PNG only; lenient=True sends that"
            raise HTTPError(400, message, param="output_format")
        return ImageCall(self, request, lenient)


@dataclass(frozen=True, slots=True)
class ImageCall:
    """One valid request for images; its answer is sent in pieces, so that faults can cut it."""

    service: ImageEndpoint
    request: AnyRequest
    lenient: bool

    is_streamed = True
    is_cacheable = True
    guarded_text = None

    @property
    def model(self) -> str:
        """The model id of the request."""
        return self.request.model

    def provider_body(self, model: str) -> dict[str, Any]:
        """The body as the provider sees it."""
        sent = sorted(self.request.model_fields_set)
        given = {name: getattr(self.request, name) for name in sent}
        return given | {"model": get_provider_model_name(model)}

    def answer(self, model: str) -> ProviderResponse:
        """As many pictures as were asked for."""
        if not self.lenient:
            check_model_params(model, self.provider_body(model))
        numbers = range(1, (self.request.n or 1) + 1)
        files = [
            png.encode_png(self._draw(number), Description=self._get_prompt) for number in numbers
        ]
        body = {"created": 0, "data": [self._build_item(file, model) for file in files]}
        if find_model_family(model) == "gpt-image":
            body |= self._get_revised_prompt(len(files))
        data = orjson.dumps(body)
        pieces = tuple(data[at : at + CHUNK_BYTES] for at in range(0, len(data), CHUNK_BYTES))
        return ProviderResponse(None, pieces, {"content-type": "application/json"})

    def cut_stream(self, chunks: Chunks, after: int, error: Any) -> Chunks:  # noqa: ARG002 - no place
        """The first pieces, never all."""
        data = b"".join(chunks)
        return (data[: min(after * CHUNK_BYTES, len(data) - 1)],)

    def finalize(self, outcome: RouterResponse) -> RouterResponse:
        """The outcome as it is."""
        return outcome

    @property
    def _get_prompt(self) -> str:
        return "variation" if isinstance(self.request, Variation) else self.request.prompt

    @property
    def _choose_size(self) -> draw.Size:
        size = self.request.size
        if size and size != "auto":
            width, _, height = size.partition("x")
            return int(width), int(height)
        own = (
            read_image_size(self.request.image[0].data) if isinstance(self.request, Edit) else None
        )
        return own if own and all(side in SIDE_RANGE for side in own) else DEFAULT_SIZE

    def _draw(self, number: int) -> png.PixelBuffer:
        asked, size = self.request, self._choose_size
        sources = [_read_pixels(file, size) for file in asked.files]
        match asked:
            case Generation():
                clear = asked.background == "transparent"
                return draw.draw_image(asked.prompt, size, number, transparent=clear)
            case Edit():
                mask = _read_pixels(asked.mask, size) if asked.mask else None
                return draw.draw_edit(sources, asked.prompt, size, number, mask=mask)
        return draw.draw_variation(sources[0], size, number)

    def _build_item(self, file: bytes, model: str) -> dict[str, str]:
        """One picture of the reply, sent or linked."""
        linked = isinstance(self.request, Variation) or find_model_family(model) is not None
        wanted = self.request.response_format or ("url" if linked else "b64_json")
        if wanted == "b64_json" or find_model_family(model) == "gpt-image":
            item = {"b64_json": base64.b64encode(file).decode()}
        else:
            item = {"url": self.service.links.store(hashlib.sha256(file).hexdigest()[:32], file)}
        revised = find_model_family(model) == "dall-e-3" and isinstance(self.request, Generation)
        return item | ({"revised_prompt": f"A picture: {self._get_prompt}"} if revised else {})

    def _get_revised_prompt(self, count: int) -> dict[str, Any]:
        """What GPT Image tells beside: settings, and made-up numbers of tokens."""
        width, height = self._choose_size
        text, seen = len(self._get_prompt) // 4 + 1, 256 * len(self.request.files)
        made = count * max(1, width * height // 1000)
        return {
            "output_format": "png",
            "size": f"{width}x{height}",
            "quality": getattr(self.request, "quality", None) or "auto",
            "usage": {
                "input_tokens": text + seen,
                "output_tokens": made,
                "total_tokens": text + seen + made,
                "input_tokens_details": {"text_tokens": text, "image_tokens": seen},
            },
        }


def _read_pixels(file: FormFile, size: draw.Size) -> png.PixelBuffer:
    """The pixels of an image, or, where they cannot be read here, a picture that names it."""
    if found := png.decode_png(file.data):
        return found
    seen = read_image_info(file.data)
    shape = "{}x{}".format(*seen.size) if seen.size else "unknown size"
    return draw.draw_label(f"{seen.format} {shape} {file.sha256[:8]}", size)
