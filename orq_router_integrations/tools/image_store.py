"""Store generated images in memory or in files, and find them by id."""

import hashlib
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from orq_router_integrations.media.atomic_write import PartialFile, map_write_errors
from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.media.mime import IMAGE_TYPES, detect_mime_type
from orq_router_integrations.tools.image_result import (
    IMAGE_SUFFIXES,
    GeneratedImage,
    build_image_filename,
)
from orq_router_integrations.wire.call import MalformedResponseError

HEADER_BYTES = 64 * 1024
"""Leading bytes of an image that contain its dimensions in every format."""

MAX_REGISTRY_BYTES = 64 * 1024 * 1024
"""Image data that a tool keeps in memory; the oldest images are dropped first."""

REGISTRY_ENTRY_BYTES = 1024
"""Memory attributed to an image whose data is not held in memory."""

_ID_PATTERN = re.compile(r"img_[0-9a-f]{12}")


def create_image_id(digest: str) -> str:
    """Create the id of an image from its SHA-256 digest."""
    return f"img_{digest[:12]}"


def is_image_id(text: str) -> bool:
    return _ID_PATTERN.fullmatch(text) is not None


class ImageSink:
    """Collects the bytes of one image: in a temporary file, or in memory if no directory is set."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self._partial_file = PartialFile(directory, "image") if directory else None
        self._file: BinaryIO = self._partial_file.file if self._partial_file else BytesIO()
        self._digest = hashlib.sha256()
        self._header = b""
        self._size = 0

    def write(self, data: bytes) -> None:
        if len(self._header) < HEADER_BYTES:
            self._header += data[: HEADER_BYTES - len(self._header)]
        self._digest.update(data)
        self._size += len(data)
        if self._directory is None:
            self._file.write(data)
        else:
            with map_write_errors(self._directory):
                self._file.write(data)

    def validate(self) -> None:
        """Raise ``MalformedResponseError`` if the bytes are not an image."""
        if detect_mime_type(self._header[:16]) not in IMAGE_TYPES:
            raise MalformedResponseError("the data of an image has an unknown format")

    def build_image(
        self, *, url: str | None = None, revised_prompt: str | None = None
    ) -> GeneratedImage:
        """Build the image from the complete data. A temporary file gets its final name."""
        digest = self._digest.hexdigest()
        image_id = create_image_id(digest)
        mime_type = detect_mime_type(self._header[:16]) or ""
        path = None
        if self._partial_file and self._directory:
            path = self._directory / build_image_filename(image_id, mime_type)
            with map_write_errors(path):
                self._partial_file.commit(path)
        width, height = read_image_size(self._header) or (None, None)
        return GeneratedImage(
            id=image_id,
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
        """Delete the temporary file if the image was not completed."""
        if self._partial_file:
            self._partial_file.discard()


def create_linked_image(url: str, revised_prompt: str | None) -> GeneratedImage:
    """Create an image that the router sent as a URL."""
    digest = hashlib.sha256(url.encode("utf-8", "replace")).hexdigest()
    return GeneratedImage(id=create_image_id(digest), url=url, revised_prompt=revised_prompt)


class ImageRegistry:
    """The recent images of a tool by id, so that the model can refer to them.

    Copies and pickles of a registry are empty.
    """

    _lock = threading.RLock()
    """Shared by all registries, so that one function can replace it after a fork."""

    def __init__(self) -> None:
        self._images: OrderedDict[str, GeneratedImage] = OrderedDict()

    @classmethod
    def reset_after_fork(cls) -> None:
        """Replace the lock, which another thread of the parent process may hold."""
        cls._lock = threading.RLock()

    def __reduce__(self) -> tuple[type["ImageRegistry"], tuple[()]]:
        return ImageRegistry, ()

    def register(self, images: Iterable[GeneratedImage]) -> None:
        """Add images, and drop the oldest ones above ``MAX_REGISTRY_BYTES``."""
        with self._lock:
            for image in images:
                self._images[image.id] = image
                self._images.move_to_end(image.id)
            while len(self._images) > 1 and self._size > MAX_REGISTRY_BYTES:
                self._images.popitem(last=False)

    @property
    def _size(self) -> int:
        images = self._images.values()
        return sum(REGISTRY_ENTRY_BYTES + len(image.data or b"") for image in images)

    def find(self, image_id: str, directory: Path | None) -> GeneratedImage:
        """Find an image here or in the directory of the tool, or raise ``ValueError``."""
        with self._lock:
            image, ids = self._images.get(image_id), list(self._images)
        if image is not None:
            return image
        if directory is not None and is_image_id(image_id):
            for mime_type in IMAGE_SUFFIXES:
                path = directory / build_image_filename(image_id, mime_type)
                if path.is_file():
                    image = GeneratedImage(id=image_id, path=str(path), mime_type=mime_type)
                    return resolve_path_within(image, directory)
        hint = f"Use one of {', '.join(ids[-5:])}." if ids else "Create an image first."
        raise ValueError(f"image: {image_id[:80]!r} is not an image of this tool. {hint}")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ImageRegistry.reset_after_fork)


def resolve_path_within(image: GeneratedImage, directory: Path | None) -> GeneratedImage:
    """Resolve the path of an untrusted image, and check that it is inside the directory.

    Paths in messages may come from a model or another party, so they must not give access to
    other files. Raises ``ValueError`` if the file is outside, or a link to a file outside.
    """
    if image.data is not None or image.path is None:
        return image
    resolved = os.path.realpath(image.path)
    if directory is None or not Path(resolved).is_relative_to(os.path.realpath(directory)):
        raise ValueError(
            f"The file of {image.id}, {image.path[:200]!r}, is outside the directory of this tool, "
            "so a message cannot refer to it. Set directory= to its directory, or pass the "
            "ImageResult or the path."
        )
    return image.model_copy(update={"path": resolved})
