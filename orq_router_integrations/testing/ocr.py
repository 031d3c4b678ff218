"""The endpoint POST /v2/router/ocr.

The text of a PDF is read from its text layer, that of an image only if the offline router has
generated it. Other images, and pages without a text layer, are described. URLs are not opened.
"""

import base64
import re
import zlib
from contextlib import suppress
from typing import Annotated, Any

from orq_router_integrations.media.metadata import count_pdf_pages, read_image_size
from orq_router_integrations.testing.images import read_image_text
from orq_router_integrations.testing.routing.endpoint import EndpointHandler, EndpointRequest
from orq_router_integrations.testing.routing.error_responses import reject_field
from orq_router_integrations.testing.routing.json_shapes import Fields, OneOf, Shape
from orq_router_integrations.wire.endpoints import Dialect, Endpoint

MAX_STREAM_BYTES = 1024 * 1024

_DATA_URL = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)
_STREAM = re.compile(rb"stream\r?\n(.*?)(?:endstream|\Z)", re.DOTALL)
_SHOWN_STRING = re.compile(rb"\(((?:[^\\()]|\\.)*+)\)\s*Tj", re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|(.))", re.DOTALL)


SETTINGS: Fields = {
    "include_image_base64?": bool | None,
    "max_images_to_include?": int | None,
    "image_min_size?": int | None,
}
Image = Shape({"url": str, "detail?": str | None})
Document = OneOf(
    "type",
    {
        "document_url": {"document_url": str, "document_name?": str | None},
        "image_url": {"image_url": str | Annotated[Any, Image]},
    },
)


class OCRRequest(EndpointRequest):
    document: Annotated[dict[str, Any], Document]
    pages: list[int] | None = None
    ocr_settings: Annotated[Any, Shape(SETTINGS)] = None


class OCREndpoint(EndpointHandler[OCRRequest]):
    endpoint = Endpoint("/ocr", {}, dialects=frozenset({Dialect.V2_ROUTER}))
    schema = OCRRequest

    def respond(self, request: OCRRequest, model: str) -> dict[str, Any]:
        url = request.document[request.document["type"]]
        pages = _read_pages(url if isinstance(url, str) else url["url"])
        indices = range(len(pages)) if request.pages is None else request.pages
        if missing := [index for index in indices if not 0 <= index < len(pages)]:
            reject_field("pages", f"page {missing[0]} does not exist: there are {len(pages)}")
        return {
            "model": model.partition("/")[2],
            "pages": [{"index": index, "images": [], **pages[index]} for index in indices],
            "usage": {"type": "pages", "pages_processed": len(indices)},
        }


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
        width, height = 595, 842  # A4
        texts = read_pdf_pages(data) or [""]
    else:
        width, height = read_image_size(data) or (0, 0)
        texts = [read_image_text(data) or ""]
    unread = f"(A page of {width} x {height} without text that the offline router can read.)"
    dimensions = {"dpi": 72, "width": width, "height": height} if width else None
    return [{"markdown": text or unread, "dimensions": dimensions} for text in texts]


def read_pdf_pages(data: bytes) -> list[str]:
    """Return the text of each page, or an empty list if the pages cannot be counted. Never raises.

    Only text in a Latin encoding that is shown by ``Tj`` is read. If not every page has a text, the
    first one has all of it.
    """
    texts = []
    for match in _STREAM.finditer(data):
        content = match[1][:MAX_STREAM_BYTES]
        with suppress(zlib.error):  # of a stream that is not compressed
            content = zlib.decompressobj().decompress(content, MAX_STREAM_BYTES)
        strings = [_ESCAPE.sub(_unescape, it) for it in _SHOWN_STRING.findall(content)]
        if text := " ".join(b" ".join(strings).decode("cp1252", "replace").split()):
            texts.append(text)
    count = count_pdf_pages(data) or 0
    return texts if len(texts) == count else [" ".join(texts), *[""] * (count - 1)][:count]


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8) & 255]) if match[1] else match[2]
