"""The endpoint POST /v2/router/ocr.

The text of a PDF is read from its text layer, that of an image only if the offline router has
generated it. Other images, and pages without a text layer, are described. URLs are not opened.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import Field

from orq_router_integrations.testing.images.drawing import read_image_text
from orq_router_integrations.testing.media.attachment import decode_base64
from orq_router_integrations.testing.media.image_info import read_image_info
from orq_router_integrations.testing.media.pdf import read_pdf
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RouterResponse,
)
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.model_registry import get_provider_model_name
from orq_router_integrations.testing.routing.schema_validation import RequestModel
from orq_router_integrations.wire.endpoints import Dialect, Endpoint
from orq_router_integrations.wire.model_kinds import get_model_kind

PATH = Endpoint("/ocr", {}, dialects=frozenset({Dialect.V2_ROUTER}))

_DATA_URL = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)


class _DocumentUrl(RequestModel):
    type: Literal["document_url"]
    document_url: str
    document_name: str | None = None


class _Image(RequestModel):
    url: str
    detail: str | None = None


class _ImageUrl(RequestModel):
    type: Literal["image_url"]
    image_url: str | _Image


class _Settings(RequestModel):
    include_image_base64: bool | None = None
    max_images_to_include: int | None = None
    image_min_size: int | None = None


class OCRRequest(EndpointRequest):
    document: Annotated[_DocumentUrl | _ImageUrl, Field(discriminator="type")]
    pages: list[int] | None = None
    ocr_settings: _Settings = _Settings()

    @property
    def url(self) -> str:
        if isinstance(self.document, _DocumentUrl):
            return self.document.document_url
        image = self.document.image_url
        return image if isinstance(image, str) else image.url


class OCREndpoint(EndpointHandler[OCRRequest]):
    endpoint = PATH
    schema = OCRRequest

    def respond(self, request: OCRRequest, model: str) -> RouterResponse:
        if get_model_kind(model) not in {"ocr", None}:
            raise HTTPError(400, f"{model} does not support OCR", param="model")
        pages = _read_pages(request)
        wanted = range(len(pages)) if request.pages is None else request.pages
        if missing := [index for index in wanted if not 0 <= index < len(pages)]:
            message = f"page {missing[0]} does not exist: the document has {len(pages)}"
            raise HTTPError(400, message, param="pages")
        body = {
            "model": get_provider_model_name(model),
            "pages": [{"index": index, "images": [], **pages[index]} for index in wanted],
            "usage": {"type": "pages", "pages_processed": len(wanted)},
        }
        return RouterResponse(body)


def _read_pages(request: OCRRequest) -> list[dict[str, Any]]:
    match = _DATA_URL.fullmatch(request.url)
    if match is None:
        text = f"(The offline router does not open {request.url[:80]})"
        return [{"markdown": text, "dimensions": None}]
    try:
        data = decode_base64(match[2])
    except ValueError as error:
        raise HTTPError(400, f"document: {error}", param="document") from None
    if match[1] == "application/pdf":
        return _read_pdf_pages(data)
    info = read_image_info(data)
    width, height = info.size or (0, 0)
    unread = f"(An image of {width} x {height} pixels. The offline router cannot read it.)"
    text = read_image_text(data) or unread
    dimensions = {"dpi": 72, "width": width, "height": height} if info.size else None
    return [{"markdown": text, "dimensions": dimensions}]


def _read_pdf_pages(data: bytes) -> list[dict[str, Any]]:
    """Return one text per page: of its content stream, if there is one for each page."""
    info = read_pdf(data)
    count = max(1, info.pages)
    texts = list(info.page_texts)
    if len(texts) != count:
        texts = [" ".join(texts)] + [""] * (count - 1)
    missing = "(A page without a text layer. The offline router cannot read it.)"
    dimensions = {"dpi": 72, "width": 595, "height": 842}
    return [{"markdown": text or missing, "dimensions": dimensions} for text in texts]
