"""Read the text of PDFs and images: send requests, save images and create Documents."""

from base64 import b64decode
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from langchain_core.documents import Document
from langchain_core.documents.base import Blob

from orq_router_integrations._concurrency import Steps
from orq_router_integrations.document_loaders.documents import flatten_metadata
from orq_router_integrations.document_loaders.loader_run import LoadedFile, OnError, raise_or_log
from orq_router_integrations.document_loaders.result_store import FileResultStore, compute_key
from orq_router_integrations.document_loaders.sources import FileKind, SourceItem, get_label
from orq_router_integrations.errors import InvalidResponseError, RouterError, RouterInputError
from orq_router_integrations.media.atomic_write import open_atomic
from orq_router_integrations.media.content_block import SourceFile, resolve_source
from orq_router_integrations.media.metadata import limit_pdf_pages
from orq_router_integrations.media.mime import (
    PDF_TYPE,
    FileView,
    detect_mime_type,
    get_suffixes,
    guess_mime_type,
)
from orq_router_integrations.wire.call import Call, Upload
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import OCR
from orq_router_integrations.wire.ocr import (
    OCRResult,
    Page,
    build_file_document,
    build_url_document,
    link_images,
    parse_ocr,
)

SUFFIXES = ("pdf", "png", "jpg", "jpeg", "webp", "gif", "tif", "tiff", "bmp", "avif")

MAX_COUNTED_BYTES = 8 * 1024 * 1024
"""Size up to which the pages of a PDF are counted before it is sent."""

_SINGLE_PAGE_TYPES = frozenset({"image/png", "image/jpeg", "image/bmp"})


@dataclass(frozen=True, slots=True)
class OCRInput:
    """A PDF or an image that is ready to be sent; ``upload`` is ``None`` for a URL."""

    label: str
    document: Mapping[str, Any]
    upload: Upload | None
    metadata: Mapping[str, Any]


def create_ocr_input(item: SourceItem) -> OCRInput:
    """Create the input from a path, bytes, a ``Blob`` or a URL.

    Raises ``RouterInputError`` if it cannot be read, or is neither a PDF nor an image.
    """
    label = get_label(item)
    if isinstance(item, str) and item.startswith(("https://", "http://")):
        mime_type = guess_mime_type(item.partition("?")[0]) or ""
        document = build_url_document(item, is_image=mime_type.startswith("image/"))
        return OCRInput(label, document, None, {})
    try:
        file = resolve_source(item)
        upload = _create_upload(file, label)
    except (ValueError, OSError) as error:
        raise RouterInputError(f"source: {error}") from None
    metadata = item.metadata if isinstance(item, Blob) else {}
    return OCRInput(label, build_file_document(upload), upload, metadata)


def _create_upload(file: SourceFile, label: str) -> Upload:
    with file.open() as stream:
        mime_type = detect_mime_type(FileView(stream)) or ""
    if mime_type != PDF_TYPE and not mime_type.startswith("image/"):
        raise ValueError(
            f"{label} is {mime_type or 'of an unknown type'}. Use a PDF or an image: "
            f"{', '.join(SUFFIXES)}."
        )
    return Upload(file.name or "file", mime_type, file.size, file.open)


def _limit_pages(upload: Upload) -> int | None:
    """Return a number of pages that a file certainly does not exceed, if it can be determined."""
    if upload.mime_type in _SINGLE_PAGE_TYPES:
        return 1
    if upload.mime_type != PDF_TYPE or upload.size > MAX_COUNTED_BYTES:
        return None
    with upload.open() as stream:
        return limit_pdf_pages(stream.read())


OCR_FILES = FileKind("PDF or image", SUFFIXES, create_ocr_input)


@dataclass(frozen=True, slots=True, kw_only=True)
class OCRReader:
    """Reads one file at a time, with the settings of a loader or parser."""

    body: Mapping[str, Any]
    controls: RouterControls
    pages: Sequence[int] | None = None
    directory: Path | None = None
    on_error: OnError = "raise"
    store: FileResultStore[OCRResult] | None = None
    base_url: str = ""

    def check_item(self, item: SourceItem) -> None:
        if self.on_error == "raise":
            self._create_input(item)

    @contextmanager
    def prepare(self, item: SourceItem) -> Iterator[OCRInput]:
        yield self._create_input(item)

    def _create_input(self, item: SourceItem) -> OCRInput:
        """Create the input, unless a requested page certainly does not exist."""
        file = create_ocr_input(item)
        limit = _limit_pages(file.upload) if self.pages and file.upload else None
        if self.pages and limit is not None and max(self.pages) >= limit:
            raise RouterInputError(
                f"pages: {file.label} does not have a page {max(self.pages)}. Pages are counted "
                f"from 0, so the last page is {limit - 1} or lower."
                if limit > 1
                else f"pages: {file.label} has a single page, which is page 0."
            )
        return file

    def create_steps(self, prepared: OCRInput, max_groups: int) -> list[Steps[OCRResult | str]]:  # noqa: ARG002 - a file is one request
        return [self._read(prepared)]

    def _read(self, file: OCRInput) -> Steps[OCRResult | str]:
        """Read a file. The result is the text of the error if it cannot be read."""
        call = Call(
            endpoint=OCR,
            body={**self.body, "document": file.document},
            controls=self.controls,
            parse=partial(parse_ocr, requested=self.pages),
        )
        try:
            if self.store is None or file.upload is None:  # the file at a URL may change
                result: OCRResult = yield call
                return result
            key = compute_key(file.upload, {"url": self.base_url, **self.body})
            yield key  # wait for a concurrent request for the same file
            if stored := self.store.get(key):
                return stored
            result = yield call
            self.store.put(key, result)
        except RouterError as error:
            return raise_or_log(error, file.label, self.on_error)
        return result

    def build_result(self, prepared: OCRInput, groups: Sequence[OCRResult | str]) -> LoadedFile:
        [result] = groups
        if isinstance(result, str):
            return self._create_failure(result, prepared.label)
        shared = {**prepared.metadata, "source": prepared.label}
        shared |= {
            "model": result.model or self.body["model"],
            "offline": result.offline or None,
            "file_cost": result.cost,
        }
        try:
            pages = [self._save_images(page, prepared.label) for page in result.pages]
        except InvalidResponseError as error:
            return self.build_failure(error, prepared.label)
        return LoadedFile([_create_document(page, shared) for page in pages])

    def build_failure(self, error: RouterError, label: str) -> LoadedFile:
        return self._create_failure(raise_or_log(error, label, self.on_error), label)

    def _create_failure(self, description: str, label: str) -> LoadedFile:
        metadata = {"source": label, "model": self.body["model"], "error": description}
        documents = [Document("", metadata=metadata)] if self.on_error == "mark" else []
        return LoadedFile(documents, error_count=1)

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
    suffixes = get_suffixes(detect_mime_type(data) or "")
    digest = blake2b(data, digest_size=4).hexdigest()
    stem = "".join(char if char.isalnum() or char in "-_" else "-" for char in Path(label).stem)
    return f"{stem[:60] or 'file'}-page{index}-{digest}{suffixes[0] if suffixes else ''}"


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
