"""``OrqOCRLoader`` and ``OrqOCRParser``: the text of PDFs and images as Documents."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import AfterValidator, Field, model_validator

from orq_router_integrations._integration import INTEGRATION_CONFIG
from orq_router_integrations.document_loaders.file_loader import (
    BlobParser,
    FileIntegration,
    FileLoader,
)
from orq_router_integrations.document_loaders.ocr_reader import OCRReader
from orq_router_integrations.media.atomic_write import validate_directory
from orq_router_integrations.wire.controls import ModelId
from orq_router_integrations.wire.deferred_model import CoercedField, optional
from orq_router_integrations.wire.model_kinds import check_model_kind

PageIndex = Annotated[int, Field(strict=True, ge=0)]


class OCRIntegration(FileIntegration):
    """Base class of the OCR loader and parser."""

    model_config = INTEGRATION_CONFIG

    argument_hints: ClassVar[Mapping[str, str]] = {
        **FileIntegration.argument_hints,
        "image_directory": "directory",
        "image_dir": "directory",
        "extract_images": "Use 'directory', which saves the images.",
        "mode": "Each Document contains one page.",
    }

    model: ModelId = Field(description="The OCR model, as `provider/model`.")
    pages: Annotated[list[PageIndex], Field(min_length=1)] | None = optional(
        "Pages to read, counted from 0. By default all of them."
    )
    directory: CoercedField[
        str | os.PathLike[str] | None, Annotated[Path, AfterValidator(validate_directory)] | None
    ] = optional(
        "Existing directory for the images of the pages. The text refers to the saved files. "
        "By default images are not requested."
    )
    max_images: Annotated[int, Field(strict=True, ge=1)] | None = optional(
        "Maximum number of images, if there is a `directory`."
    )
    min_image_size: Annotated[int, Field(strict=True, ge=1)] | None = optional(
        "Minimum width and height of images, in pixels."
    )

    @model_validator(mode="after")
    def _check_settings(self) -> Self:
        check_model_kind(self.model, "ocr", "mistral/mistral-ocr-latest")
        return self

    def _create_processor(self) -> OCRReader:
        settings = {
            "include_image_base64": self.directory is not None,
            "max_images_to_include": self.max_images,
            "image_min_size": self.min_image_size,
        }
        body = {
            "model": self.model,
            "pages": self.pages and list(dict.fromkeys(self.pages)),
            "ocr_settings": {name: value for name, value in settings.items() if value is not None},
        }
        body = {name: value for name, value in body.items() if value is not None}
        return OCRReader(self, body, validate_directory(self.directory))


class OrqOCRLoader(OCRIntegration, FileLoader):
    """Load the text of PDFs and images as Markdown, one Document per page.

    Several files are sent concurrently, and Documents are returned in the order of the source.
    Files are streamed from disk, so memory does not grow with their size.

    The metadata of a Document contains ``source``, ``page`` (counted from 0), ``model``, and if
    known ``width``, ``height``, ``dpi`` and ``image_count``. ``file_cost`` (in US dollars) and
    ``file_pages`` or ``file_tokens`` state what was billed for the complete file. Other fields that
    the provider returns, such as ``header`` and the positions of ``images``, are included. Blank
    pages are Documents, too. Results of files at URLs are not kept in the ``store``.

    OCR is documented under ``v2/router`` only, so requests go to ``/v2/router/ocr`` on the host of
    ``base_url``, regardless of its API version.

    Raises:
        pydantic.ValidationError: An argument is invalid.
        RouterError: Loading failed; see ``on_error``.

    >>> from orq_router_integrations.testing import OfflineRouter
    >>> loader = OrqOCRLoader(
    ...     b"%PDF-1.4 BT (Hello) Tj ET",
    ...     model="mistral/mistral-ocr-latest",
    ...     client=OfflineRouter().client(),
    ... )
    >>> loader.load()[0].metadata["page"]
    0
    """


class OrqOCRParser(OCRIntegration, BlobParser):
    """Parse blobs that contain a PDF or an image into Documents, one per page.

    Works with every LangChain blob loader. The metadata of a Document contains that of the blob and
    the fields described in ``OrqOCRLoader``.

    Raises:
        pydantic.ValidationError: An argument is invalid.
        RouterError: A call failed; see ``on_error``.

    >>> from langchain_core.documents.base import Blob
    >>> from orq_router_integrations.testing import OfflineRouter
    >>> parser = OrqOCRParser(
    ...     model="mistral/mistral-ocr-latest", client=OfflineRouter().client()
    ... )
    >>> blob = Blob.from_data(b"%PDF-1.4 ...", metadata={"topic": "boats"})
    >>> parser.parse(blob)[0].metadata["topic"]
    'boats'
    """
