"""Read the text of PDFs and images: send requests, save images and create Documents."""

from base64 import b64decode
from collections.abc import Mapping
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar

from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from orq_router_integrations._concurrency import StepGenerator
from orq_router_integrations.document_loaders.documents import flatten_metadata
from orq_router_integrations.document_loaders.file_loader import (
    FileIntegration,
    FileProcessor,
    LoadedFile,
)
from orq_router_integrations.document_loaders.sources import FileKind, SourceItem, get_label
from orq_router_integrations.errors import InvalidResponseError, RouterInputError
from orq_router_integrations.media.atomic_write import open_atomic
from orq_router_integrations.media.content_block import resolve_source
from orq_router_integrations.media.mime import PDF_TYPE, SUFFIXES, detect_mime_type, guess_mime_type
from orq_router_integrations.wire.call import Call, Upload
from orq_router_integrations.wire.endpoints import OCR
from orq_router_integrations.wire.ocr import (
    OCRResult,
    Page,
    build_file_document,
    build_url_document,
    link_images,
    parse_ocr,
)

OCR_SUFFIXES = tuple(
    suffix
    for mime_type, suffixes in SUFFIXES.items()
    if mime_type == PDF_TYPE or mime_type.startswith("image/")
    for suffix in suffixes
)


def create_ocr_document(item: SourceItem) -> tuple[dict[str, Any], Upload | None]:
    """Create the document of a request, and the upload of its file unless it is at a URL.

    Raises ``RouterInputError`` if it cannot be read, or is neither a PDF nor an image.
    """
    if isinstance(item, str) and item.startswith(("https://", "http://")):
        mime_type = guess_mime_type(item.partition("?")[0]) or ""
        return build_url_document(item, is_image=mime_type.startswith("image/")), None
    try:
        file = resolve_source(item)
        mime_type = file.detect_mime_type() or ""
        if mime_type != PDF_TYPE and not mime_type.startswith("image/"):
            raise ValueError(
                f"{get_label(item)} is {mime_type or 'of an unknown type'}. Use a PDF or an image: "
                f"{', '.join(OCR_SUFFIXES)}."
            )
        upload = Upload(file.name or "file", mime_type, file.size, file.open)
    except (ValueError, OSError) as error:
        raise RouterInputError(f"source: {error}") from None
    return build_file_document(upload), upload


class OCRReader(FileProcessor):
    """Reads PDFs and images."""

    kind: ClassVar[FileKind] = FileKind("PDF or image", OCR_SUFFIXES, create_ocr_document)

    def __init__(
        self, settings: FileIntegration, body: Mapping[str, Any], directory: Path | None
    ) -> None:
        super().__init__(settings, body)
        self.directory = directory

    def read(self, item: SourceItem) -> StepGenerator[LoadedFile]:
        label = get_label(item)
        document, upload = create_ocr_document(item)
        call = Call(
            endpoint=OCR,
            body={**self.body, "document": document},
            controls=self.controls,
            parse=partial(parse_ocr, requested=self.body.get("pages")),
        )
        result: OCRResult
        if upload is None:  # the file at a URL may change
            result = yield call
        else:
            result = yield from self.get_or_send(call, upload)
        shared = {
            **(item.metadata if isinstance(item, Blob) else {}),
            "source": label,
            "model": result.model or self.body["model"],
            "offline": result.offline or None,
            "file_cost": result.cost,
            "file_pages": result.billed_pages,
            "file_tokens": result.billed_tokens,
        }
        pages = [self._save_images(page, label) for page in result.pages]
        return LoadedFile([_create_document(page, shared) for page in pages])

    def parse_stored(self, data: bytes) -> OCRResult:
        return OCRResult.from_json(data)

    def _save_images(self, page: Page, label: str) -> Page:
        """Save the images of a page, and refer to them in its text."""
        if self.directory is None:
            return page
        paths: dict[str, str] = {}
        for image in page.images:
            if image.base64 is not None:
                data = _decode_image(image.base64)
                path = self.directory / _create_filename(label, page.index, data)
                with open_atomic(path) as file:
                    file.write(data)
                paths[image.id] = str(path)
        return link_images(page, paths)


def _decode_image(text: str) -> bytes:
    try:
        return b64decode(text.rpartition(",")[2], validate=True)
    except ValueError:
        raise InvalidResponseError(
            "An image of a page is not valid base64.", endpoint=OCR.path
        ) from None


def _create_filename(label: str, index: int, data: bytes) -> str:
    """Create a name that differs for each image, because ids are unique per page only."""
    suffixes = SUFFIXES.get(detect_mime_type(data) or "") or [""]
    digest = blake2b(data, digest_size=4).hexdigest()
    stem = "".join(char if char.isalnum() or char in "-_" else "-" for char in Path(label).stem)
    return f"{stem[:60] or 'file'}-page{index}-{digest}{suffixes[0]}"


def _create_document(page: Page, shared: Mapping[str, Any]) -> Document:
    positions = [{"id": image.id, **image.position} for image in page.images if image.position]
    metadata = {
        **page.extra,
        **shared,
        "images": positions or None,
        "page": page.index,
        "width": page.width,
        "height": page.height,
        "dpi": page.dpi,
        "image_count": len(page.images) or None,
    }
    return Document(page.markdown, metadata=flatten_metadata(metadata))
