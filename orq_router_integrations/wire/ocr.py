"""Parameters and responses of ``POST /v2/router/ocr``."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from orq_router_integrations.wire import json
from orq_router_integrations.wire.call import (
    DeferredBase64,
    MalformedResponseError,
    Response,
    Upload,
)
from orq_router_integrations.wire.json import as_dict, as_dicts, as_float, as_int, as_str

PDF_TYPE = "application/pdf"

_PAGE_FIELDS = frozenset({"index", "markdown", "images", "dimensions"})


@dataclass(frozen=True, slots=True)
class PageImage:
    """An image on a page. Its id is unique on that page only."""

    id: str
    base64: str | None = None
    position: Mapping[str, float] = field(default_factory=dict)  # as named by the provider


@dataclass(frozen=True, slots=True)
class Page:
    """The text of a page, as Markdown. Pages are counted from 0."""

    index: int
    markdown: str
    images: tuple[PageImage, ...] = ()
    width: int | None = None
    height: int | None = None
    dpi: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)  # such as header and footer


@dataclass(frozen=True, slots=True)
class OCRResult:
    pages: tuple[Page, ...]
    model: str | None = None
    offline: bool = False
    cost: float | None = None  # cost of the request in US dollars, if reported
    billed_pages: int | None = None
    billed_tokens: int | None = None

    def to_json(self) -> bytes:
        return json.dumps(asdict(self))

    @staticmethod
    def from_json(data: bytes) -> "OCRResult":
        result: OCRResult = json.get_adapter(OCRResult).validate_json(data)
        return result


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
        requested: Indices of the requested pages; all pages of the file by default.

    Raises:
        MalformedResponseError: A page is missing, duplicated, or has no text.
        EmbeddedError: The body is an error.
    """
    body = response.json_object()
    items = body.get("pages")
    if not isinstance(items, list):
        raise MalformedResponseError(f"'pages' must be an array, not {type(items).__name__}")
    pages = sorted(map(_parse_page, items), key=lambda page: page.index)
    indices = [page.index for page in pages]
    expected = set(indices) if requested is None else set(requested)
    if not pages or len(set(indices)) < len(indices) or set(indices) != expected:
        requested_pages = ", ".join(map(str, sorted(expected))) or "of the file"
        received = ", ".join(map(str, indices)) or "none"
        raise MalformedResponseError(f"expected the pages {requested_pages}, got {received}")
    usage = as_dict(body.get("usage") or body.get("usage_info"))  # Mistral's name
    return OCRResult(
        tuple(pages),
        as_str(body.get("model")) or None,
        response.is_offline,
        as_float(usage.get("total_cost")),
        as_int(usage.get("pages_processed")),
        as_int(usage.get("tokens_processed")),
    )


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
            _parse_image(item) for item in as_dicts(fields.get("images")) if as_str(item.get("id"))
        ),
        as_int(dimensions.get("width")),
        as_int(dimensions.get("height")),
        as_int(dimensions.get("dpi")),
        _get_extra(fields),
    )


def _parse_image(fields: dict[str, Any]) -> PageImage:
    data = as_str(fields.get("image_base64")) or None
    position = {name: value for name, value in fields.items() if isinstance(value, int | float)}
    return PageImage(fields["id"], data, position)


def _get_extra(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return the undocumented fields of a page that have a value, except for file contents."""
    return {
        name: value
        for name, value in fields.items()
        if name not in _PAGE_FIELDS and "base64" not in name and value not in (None, "", [], {})
    }


def link_images(page: Page, paths: Mapping[str, str]) -> Page:
    """Return a copy of a page whose Markdown refers to saved images by their paths."""
    markdown = page.markdown
    for image_id, path in paths.items():
        # Markdown requires brackets around paths with spaces or parentheses
        link = f"<{path}>" if any(char in path for char in " ()") else path
        markdown = markdown.replace(f"]({image_id})", f"]({link})")
    return replace(page, markdown=markdown)
