"""The endpoint POST /v2/router/ocr.

The text of a PDF is read from its text layer, that of an image only if the offline router has
generated it. Other images, and pages without a text layer, are described. URLs are not opened.
"""

import base64
import re
from typing import Annotated, Any, Literal

from pydantic import Field

from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.testing.images.drawing import read_image_text
from orq_router_integrations.testing.media.pdf import read_pdf_pages
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RequestModel,
    RouterResponse,
    get_provider_model_name,
)
from orq_router_integrations.testing.routing.error_responses import reject_field
from orq_router_integrations.wire.endpoints import Dialect, Endpoint
from orq_router_integrations.wire.model_kinds import get_model_kind

_DATA_URL = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)


class _DocumentUrl(RequestModel):
    type: Literal["document_url"]
    url: str = Field(alias="document_url")
    document_name: str | None = None


class _Image(RequestModel):
    url: str
    detail: str | None = None


class _ImageUrl(RequestModel):
    type: Literal["image_url"]
    url: str | _Image = Field(alias="image_url")


class _Settings(RequestModel):
    include_image_base64: bool | None = None
    max_images_to_include: int | None = None
    image_min_size: int | None = None


class OCRRequest(EndpointRequest):
    document: Annotated[_DocumentUrl | _ImageUrl, Field(discriminator="type")]
    pages: list[int] | None = None
    ocr_settings: _Settings = _Settings()


class OCREndpoint(EndpointHandler[OCRRequest]):
    endpoint = Endpoint("/ocr", {}, dialects=frozenset({Dialect.V2_ROUTER}))
    schema = OCRRequest

    def respond(self, request: OCRRequest, model: str) -> RouterResponse:
        if get_model_kind(model) not in {"ocr", None}:
            reject_field("model", f"{model} does not support OCR")
        url = request.document.url
        pages = _read_pages(url if isinstance(url, str) else url.url)
        indices = range(len(pages)) if request.pages is None else request.pages
        if missing := [index for index in indices if not 0 <= index < len(pages)]:
            reject_field("pages", f"page {missing[0]} does not exist: there are {len(pages)}")
        body = {
            "model": get_provider_model_name(model),
            "pages": [{"index": index, "images": [], **pages[index]} for index in indices],
            "usage": {"type": "pages", "pages_processed": len(indices)},
        }
        return RouterResponse(body)


def _read_pages(url: str) -> list[dict[str, Any]]:
    """Return the text and the size of each page of a document."""
    match = _DATA_URL.fullmatch(url)
    if match is None:
        return [{"markdown": f"(The offline router does not open {url[:80]})", "dimensions": None}]
    try:
        data = base64.b64decode(match[2], validate=True)
    except ValueError as error:
        reject_field("document", str(error))
    if match[1] == "application/pdf":
        missing = "(A page without a text layer. The offline router cannot read it.)"
        dimensions = {"dpi": 72, "width": 595, "height": 842}
        texts = read_pdf_pages(data) or [""]
        return [{"markdown": text or missing, "dimensions": dimensions} for text in texts]
    width, height = read_image_size(data) or (0, 0)
    unread = f"(An image of {width} x {height} pixels. The offline router cannot read it.)"
    dimensions = {"dpi": 72, "width": width, "height": height}
    return [
        {"markdown": read_image_text(data) or unread, "dimensions": dimensions if width else None}
    ]
