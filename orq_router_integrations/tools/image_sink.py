"""Where the bytes of an arriving image go: into memory, or into a file of its own."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from orq_router_integrations.errors import InvalidResponseError, RouterError
from orq_router_integrations.media.atomic_write import PartialFile, map_write_errors
from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.media.mime import IMAGE_TYPES, detect_mime_type
from orq_router_integrations.tools.image_result import IMAGE_SUFFIXES, GeneratedImage, ImageResult
from orq_router_integrations.wire.call import MalformedResponseError

HEADER_BYTES = 64 * 1024
"""Bytes that are kept beside, in which every format tells its size in pixels."""

ID_LENGTH = 12


def create_image_id(digest: str) -> str:
    """The short name of an image."""
    return f"img_{digest[:ID_LENGTH]}"


class ImageSink:
    """Takes the bytes of one image as they arrive."""

    def __init__(self, directory: Path | None) -> None:
        self._folder = directory
        self._part = PartialFile(directory, "image") if directory else None
        self._file: BinaryIO = self._part.file if self._part else BytesIO()
        self._digest = hashlib.sha256()
        self._head = b""
        self._size = 0

    def write(self, data: bytes) -> None:
        """Take the next bytes.

        Raises:
            SavingError: the folder does not take them.
        """
        if len(self._head) < HEADER_BYTES:
            self._head += data[: HEADER_BYTES - len(self._head)]
        self._digest.update(data)
        self._size += len(data)
        with map_write_errors(self._folder):
            self._file.write(data)

    def validate(self) -> None:
        """Check that it is an image.

        Raises:
            BadReply: it is not.
        """
        if detect_mime_type(self._head[:16]) not in IMAGE_TYPES:
            raise MalformedResponseError(
                "what came as an image is none: its bytes begin as no image does"
            )

    def build_image(
        self, *, url: str | None = None, revised_prompt: str | None = None
    ) -> GeneratedImage:
        """The image, once it is whole; a file then gets its name.

        Raises:
            SavingError: the folder does not take all of it.
        """
        digest = self._digest.hexdigest()
        mime_type = detect_mime_type(self._head[:16]) or ""
        path = None
        if self._part and self._folder:
            path = self._folder / f"{create_image_id(digest)}{IMAGE_SUFFIXES.get(mime_type, '')}"
            with map_write_errors(path):
                self._part.commit(path)
        width, height = read_image_size(self._head) or (None, None)
        return GeneratedImage(
            id=create_image_id(digest),
            data=self._file.getvalue() if isinstance(self._file, BytesIO) else None,
            path=str(path) if path else None,
            url=url,
            mime_type=mime_type,
            width=width,
            height=height,
            size=self._size,
            sha256=digest,
            revised_prompt=revised_prompt,
        )

    def discard(self) -> None:
        """Take away what was written, unless it became an image."""
        if self._part:
            self._part.discard()


class ImageFetcher:
    """The images of a result, those behind URLs among them once they were fetched."""

    def __init__(self, result: ImageResult, directory: Path | None) -> None:
        self._before = result
        self._folder = directory
        self._sink: ImageSink | None = None
        self._images: list[GeneratedImage] = []

    def iter_urls(self) -> Iterator[str]:
        """What is to be fetched; asked for the next, the one before is complete.

        Raises:
            BadReply: it is no image.
        """
        for image in self._before.images:
            if image.data is None and image.path is None and image.url:
                self._sink = ImageSink(self._folder)
                yield image.url
                self._sink.validate()
                told = {"url": image.url, "revised_prompt": image.revised_prompt}
                self._images.append(self._sink.build_image(**told))
            else:
                self._images.append(image)

    def write(self, data: bytes) -> None:
        """Take the next bytes."""
        assert self._sink is not None  # noqa: S101 - urls() opened it
        self._sink.write(data)

    @contextmanager
    def handle_errors(self) -> Iterator[None]:
        """Errors keep all images; of what broke off nothing remains."""
        try:
            yield
        except MalformedResponseError as fault:
            error = InvalidResponseError(str(fault))
            error.partial_items = self._all
            raise error from None
        except RouterError as error:
            error.partial_items = self._all
            raise
        finally:
            if self._sink:
                self._sink.discard()

    @property
    def _all(self) -> tuple[GeneratedImage, ...]:
        """The images so far, and as they were those that are still to come."""
        return (*self._images, *self._before.images[len(self._images) :])

    @property
    def result(self) -> ImageResult:
        """The same result, with the images."""
        return self._before.model_copy(update={"images": self._all})


def create_linked_image(url: str, revised_prompt: str | None) -> GeneratedImage:
    """An image that the router left behind a URL."""
    digest = hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()
    return GeneratedImage(id=create_image_id(digest), url=url, revised_prompt=revised_prompt)
