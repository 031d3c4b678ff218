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
from orq_router_integrations.testing.images import draw, png
from orq_router_integrations.testing.images.links import Links
from orq_router_integrations.testing.images.schema import (
    SIDES,
    AnyRequest,
    Edit,
    Generation,
    Variation,
    check_family,
    check_mask,
    family_of,
)
from orq_router_integrations.testing.media.pictures import picture
from orq_router_integrations.testing.routing.checking import checked
from orq_router_integrations.testing.routing.forms import FormFile
from orq_router_integrations.testing.routing.models import provider_name
from orq_router_integrations.testing.routing.refusals import Refusal
from orq_router_integrations.testing.routing.service import Chunks, Outcome, Produced, Service
from orq_router_integrations.wire.controls import RouterControls, RouterRetry
from orq_router_integrations.wire.endpoints import (
    IMAGE_EDITS,
    IMAGE_GENERATIONS,
    IMAGE_VARIATIONS,
    Endpoint,
)

SIZE = (1024, 1024)
PIECE = 4 * 1024
"""Bytes of a reply that are sent at once; faults cut between pieces."""


def image_services(links: Links) -> tuple[Service, ...]:
    """The three endpoints."""
    return (
        ImageService(IMAGE_GENERATIONS, Generation, links),
        ImageService(IMAGE_EDITS, Edit, links),
        ImageService(IMAGE_VARIATIONS, Variation, links),
    )


class ImageService:
    """One of the image endpoints."""

    default_retry: RouterRetry | None = None

    def __init__(self, endpoint: Endpoint, kind: type[AnyRequest], links: Links) -> None:
        self.endpoint = endpoint
        self.links = links
        self._kind = kind

    def read(
        self,
        body: Mapping[str, Any],
        controls: RouterControls,  # noqa: ARG002 - none of them changes a body
        *,
        lenient: bool,
    ) -> "ImageJob":
        """Check a body without its controls.

        Raises:
            Refusal: 400, naming the member at fault.
        """
        if self._kind is Edit and isinstance(image := body.get("image"), FormFile):
            body = {**body, "image": [image]}
        request: AnyRequest = checked(self._kind, body, lenient=lenient)
        if isinstance(request, Edit):
            check_mask(request)
        if not lenient and getattr(request, "output_format", None) in {"jpeg", "webp"}:
            message = "output_format: the offline router draws PNG only; lenient=True sends that"
            raise Refusal(400, message, param="output_format")
        return ImageJob(self, request, lenient)


@dataclass(frozen=True, slots=True)
class ImageJob:
    """One valid request for images; its answer is sent in pieces, so that faults can cut it."""

    service: ImageService
    request: AnyRequest
    lenient: bool

    streams = True
    cacheable = True
    guarded = None

    @property
    def model(self) -> str:
        """The model id of the request."""
        return self.request.model

    def provider_body(self, model: str) -> dict[str, Any]:
        """The body as the provider sees it."""
        sent = sorted(self.request.model_fields_set)
        given = {name: getattr(self.request, name) for name in sent}
        return given | {"model": provider_name(model)}

    def answer(self, model: str) -> Produced:
        """As many pictures as were asked for."""
        if not self.lenient:
            check_family(model, self.provider_body(model))
        numbers = range(1, (self.request.n or 1) + 1)
        files = [png.encoded(self._drawn(number), Description=self._told) for number in numbers]
        body = {"created": 0, "data": [self._item(file, model) for file in files]}
        if family_of(model) == "gpt-image":
            body |= self._said(len(files))
        data = orjson.dumps(body)
        pieces = tuple(data[at : at + PIECE] for at in range(0, len(data), PIECE))
        return Produced(None, pieces, {"content-type": "application/json"})

    def broken(self, chunks: Chunks, after: int, error: Any) -> Chunks:  # noqa: ARG002 - no place
        """The first pieces, never all."""
        data = b"".join(chunks)
        return (data[: min(after * PIECE, len(data) - 1)],)

    def finished(self, outcome: Outcome) -> Outcome:
        """The outcome as it is."""
        return outcome

    @property
    def _told(self) -> str:
        return "variation" if isinstance(self.request, Variation) else self.request.prompt

    @property
    def _size(self) -> draw.Size:
        size = self.request.size
        if size and size != "auto":
            width, _, height = size.partition("x")
            return int(width), int(height)
        own = (
            read_image_size(self.request.image[0].data) if isinstance(self.request, Edit) else None
        )
        return own if own and all(side in SIDES for side in own) else SIZE

    def _drawn(self, number: int) -> png.Picture:
        asked, size = self.request, self._size
        sources = [_pixels(file, size) for file in asked.files]
        match asked:
            case Generation():
                clear = asked.background == "transparent"
                return draw.generated(asked.prompt, size, number, transparent=clear)
            case Edit():
                mask = _pixels(asked.mask, size) if asked.mask else None
                return draw.edited(sources, asked.prompt, size, number, mask=mask)
        return draw.varied(sources[0], size, number)

    def _item(self, file: bytes, model: str) -> dict[str, str]:
        """One picture of the reply, sent or linked."""
        linked = isinstance(self.request, Variation) or family_of(model) is not None
        wanted = self.request.response_format or ("url" if linked else "b64_json")
        if wanted == "b64_json" or family_of(model) == "gpt-image":
            item = {"b64_json": base64.b64encode(file).decode()}
        else:
            item = {"url": self.service.links.put(hashlib.sha256(file).hexdigest()[:32], file)}
        revised = family_of(model) == "dall-e-3" and isinstance(self.request, Generation)
        return item | ({"revised_prompt": f"A picture: {self._told}"} if revised else {})

    def _said(self, count: int) -> dict[str, Any]:
        """What GPT Image tells beside: settings, and made-up numbers of tokens."""
        width, height = self._size
        text, seen = len(self._told) // 4 + 1, 256 * len(self.request.files)
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


def _pixels(file: FormFile, size: draw.Size) -> png.Picture:
    """The pixels of an image, or, where they cannot be read here, a picture that names it."""
    if found := png.decoded(file.data):
        return found
    seen = picture(file.data)
    shape = "{}x{}".format(*seen.size) if seen.size else "unknown size"
    return draw.labelled(f"{seen.kind} {shape} {file.sha256[:8]}", size)
