"""Parameters and responses of ``POST /v2/router/ocr``."""

from collections.abc import Collection
from dataclasses import asdict, dataclass, replace
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from orq_router_integrations.wire import json
from orq_router_integrations.wire.call import MalformedResponseError, Response, Upload
from orq_router_integrations.wire.json import as_dict, as_dicts, as_int, as_str, get_json_type_name
from orq_router_integrations.wire.request_encoding import DeferredBase64

PDF_TYPE = "application/pdf"


@dataclass(frozen=True, slots=True)
class PageImage:
    """An image on a page. Its id is unique on that page only."""

    id: str
    base64: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The text of a page, as Markdown. Pages are counted from 0."""

    index: int
    markdown: str
    images: tuple[PageImage, ...] = ()
    width: int | None = None
    height: int | None = None
    dpi: int | None = None


@dataclass(frozen=True, slots=True)
class OCRResult:
    """The pages of a file, in order."""

    pages: tuple[Page, ...]
    model: str | None = None
    offline: bool = False

    def to_json(self) -> bytes:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(data: bytes) -> "OCRResult":
        return _create_adapter().validate_json(data)


@cache
def _create_adapter() -> TypeAdapter[OCRResult]:
    return TypeAdapter(OCRResult)


def build_file_document(upload: Upload) -> dict[str, Any]:
    """Build the field ``document`` for a file, which is encoded while it is sent."""
    data = DeferredBase64(upload, f"data:{upload.mime_type};base64,")
    if upload.mime_type == PDF_TYPE:
        return {"type": "document_url", "document_url": data, "document_name": upload.filename}
    return {"type": "image_url", "image_url": data}


def build_url_document(url: str, *, is_image: bool) -> dict[str, Any]:
    """Build the field ``document`` for a file that the provider downloads."""
    kind = "image_url" if is_image else "document_url"
    return {"type": kind, kind: url}


def parse_ocr(response: Response, requested: Collection[int] | None = None) -> OCRResult:
    """Parse a response and order its pages.

    Args:
        response: The response.
        requested: Indices of the requested pages. By default all of the file.

    Raises:
        MalformedResponseError: A page is missing, duplicated, or has no text.
        EmbeddedError: The body is an error.
    """
    body = response.json_object()
    items = body.get("pages")
    if not isinstance(items, list):
        raise MalformedResponseError(f"'pages' must be an array, not {get_json_type_name(items)}")
    pages = sorted(map(_parse_page, items), key=lambda page: page.index)
    indices = [page.index for page in pages]
    expected = set(indices) if requested is None else set(requested)
    if not pages or len(set(indices)) < len(indices) or set(indices) != expected:
        wanted = ", ".join(map(str, sorted(expected))) or "of the file"
        received = ", ".join(map(str, indices)) or "none"
        raise MalformedResponseError(f"expected the pages {wanted}, got {received}")
    return OCRResult(tuple(pages), as_str(body.get("model")) or None, response.is_offline)


def _parse_page(item: Any) -> Page:
    fields = as_dict(item)
    index, markdown = as_int(fields.get("index", 0)), fields.get("markdown")
    if index is None or index < 0 or not isinstance(markdown, str):
        raise MalformedResponseError(f"page {fields.get('index')!r:.40} has no index or no text")
    dimensions = as_dict(fields.get("dimensions"))
    return Page(
        index,
        markdown,
        tuple(
            PageImage(as_str(image.get("id")), as_str(image.get("image_base64")) or None)
            for image in as_dicts(fields.get("images"))
            if as_str(image.get("id"))
        ),
        as_int(dimensions.get("width")),
        as_int(dimensions.get("height")),
        as_int(dimensions.get("dpi")),
    )


def link_images(page: Page, paths: dict[str, str]) -> Page:
    """Return a page whose Markdown refers to saved images by their paths."""
    markdown = page.markdown
    for image_id, path in paths.items():
        markdown = markdown.replace(f"]({image_id})", f"]({path})")
    return replace(page, markdown=markdown)
