"""State of one image request or download, and the registry of earlier images.

The sync and async methods of ``OrqImageTool`` share these classes and do the network requests.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from orq_router_integrations.errors import InvalidResponseError, RouterError
from orq_router_integrations.media.atomic_write import PartialFile, map_write_errors
from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.media.mime import IMAGE_TYPES, detect_mime_type
from orq_router_integrations.tools.image_result import (
    IMAGE_SUFFIXES,
    GeneratedImage,
    ImageResult,
    build_image_filename,
)
from orq_router_integrations.wire.call import (
    MalformedResponseError,
    Response,
    StreamCall,
    Upload,
)
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.image_response import ImageResponseDecoder, ReceivedImage
from orq_router_integrations.wire.images import ImageOperation, ImageRequest
from orq_router_integrations.wire.model_candidates import ModelCandidates

HEADER_BYTES = 64 * 1024
"""Leading bytes of an image that contain its dimensions in every format."""

MAX_REGISTRY_BYTES = 64 * 1024 * 1024
"""Image data that a tool keeps in memory; the oldest images are dropped first."""

REGISTRY_ENTRY_BYTES = 1024
"""Memory attributed to an image whose data is not held in memory."""

_ID_PATTERN = re.compile(r"img_[0-9a-f]{12}")


def is_image_id(text: str) -> bool:
    return _ID_PATTERN.fullmatch(text) is not None


def create_image_id(digest: str) -> str:
    """Create the id of an image from its SHA-256 digest."""
    return f"img_{digest[:12]}"


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

    def build_downloaded_image(self, image: GeneratedImage) -> GeneratedImage:
        """Build the image from the data at its URL."""
        try:
            self.validate()
        except MalformedResponseError as error:
            raise InvalidResponseError(str(error)) from None
        return self.build_image(url=image.url, revised_prompt=image.revised_prompt)

    def close(self) -> None:
        """Delete the temporary file if the image was not completed."""
        if self._partial_file:
            self._partial_file.discard()


@dataclass(slots=True, kw_only=True)
class ImageCall:
    """One call of the image tool. Images stay in memory without a directory."""

    operation: ImageOperation
    request: ImageRequest
    files: Mapping[str, Upload | Sequence[Upload]]
    candidates: ModelCandidates
    controls: RouterControls
    extra_body: Mapping[str, Any]
    retry_ambiguous: bool
    directory: Path | None
    _images: list[GeneratedImage] = field(default_factory=list)
    _sinks: list[ImageSink] = field(default_factory=list)
    _response: Response = field(default_factory=lambda: Response(0, {}))
    _decoder: ImageResponseDecoder[ImageSink] | None = None

    def build_stream_call(self) -> StreamCall[ReceivedImage[ImageSink]]:
        """Build the call. Images are decoded as they arrive, so each is in memory only once."""
        return StreamCall(
            endpoint=self.operation.endpoint,
            body={**self.request.to_wire(), **self.extra_body},
            files=self.files,
            controls=self.controls,
            create_decoder=self._create_decoder,
            retry_ambiguous=self.retry_ambiguous,
            is_collected=True,
        )

    def _create_decoder(self, response: Response) -> ImageResponseDecoder[ImageSink]:
        self._response = response
        self._decoder = ImageResponseDecoder(self._create_sink)
        return self._decoder

    def _create_sink(self) -> ImageSink:
        sink = ImageSink(self.directory)
        self._sinks.append(sink)
        return sink

    def add_image(self, received: ReceivedImage[ImageSink]) -> None:
        prompt = received.fields.get("revised_prompt")
        prompt = prompt if isinstance(prompt, str) and prompt else None
        url = received.url
        if received.sink is not None:
            self._images.append(received.sink.build_image(url=url, revised_prompt=prompt))
        elif url is not None:
            image_id = create_image_id(hashlib.sha256(url.encode("utf-8", "replace")).hexdigest())
            self._images.append(GeneratedImage(id=image_id, url=url, revised_prompt=prompt))

    @contextmanager
    def handle_errors(self) -> Iterator[None]:
        """Attach the images that have arrived to errors, and delete temporary files."""
        try:
            yield
        except RouterError as error:
            if self._images:
                ids = ", ".join(image.id for image in self._images)
                note = f"partial_items contains the images received before: {ids}"
                error.args = (f"{error.message}; {note}", *error.args[1:])
                error.partial_items = tuple(self._images)
            raise
        finally:
            for sink in self._sinks:
                sink.close()

    def build_result(self) -> ImageResult:
        body = self._decoder.body if self._decoder else {}
        headers, usage = self._response.headers, body.get("usage")
        return ImageResult.model_validate(
            {
                "operation": self.operation.name,
                "images": self._images,
                "prompt": self.request.prompt,
                "model": self.request.model,
                "answering_model": self.candidates.resolve_model(body.get("model"), headers),
                "usage": usage if isinstance(usage, dict) else None,
                "attempts": self._response.attempts,
                "trace_id": self._response.trace_id,
                "offline": self._response.is_offline,
            }
        )


@contextmanager
def attach_images(images: Sequence[GeneratedImage]) -> Iterator[None]:
    """Attach the images of a download, whether they have been fetched or not, to errors."""
    try:
        yield
    except RouterError as error:
        error.partial_items = tuple(images)
        raise


class ImageRegistry:
    """The recent images of a tool by id, so that the model can refer to them.

    Threads may share a registry. Copies and pickles of it are empty.
    """

    def __init__(self) -> None:
        self._images: dict[str, GeneratedImage] = {}

    def __reduce__(self) -> tuple[type["ImageRegistry"], tuple[()]]:
        return ImageRegistry, ()

    def register(self, images: Iterable[GeneratedImage]) -> None:
        """Add images, and drop the oldest ones above ``MAX_REGISTRY_BYTES``."""
        for image in images:
            self._images.pop(image.id, None)  # it becomes the newest one
            self._images[image.id] = image
        kept = list(self._images.values())
        size = sum(REGISTRY_ENTRY_BYTES + len(image.data or b"") for image in kept)
        for image in kept[:-1]:
            if size <= MAX_REGISTRY_BYTES:
                break
            size -= REGISTRY_ENTRY_BYTES + len(image.data or b"")
            self._images.pop(image.id, None)

    def find(self, image_id: str, directory: Path | None) -> GeneratedImage:
        """Find an image here or in the directory of the tool, or raise ``ValueError``."""
        if image := self._images.get(image_id):
            return image
        if directory is not None and is_image_id(image_id):
            for mime_type in IMAGE_SUFFIXES:
                path = directory / build_image_filename(image_id, mime_type)
                if path.is_file():
                    image = GeneratedImage(id=image_id, path=str(path), mime_type=mime_type)
                    return resolve_path_within(image, directory)
        ids = list(self._images)
        hint = f"Use one of {', '.join(ids[-5:])}." if ids else "Create an image first."
        raise ValueError(f"image: {image_id[:80]!r} is not an image of this tool. {hint}")


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
