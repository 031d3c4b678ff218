"""State of one image request or download.

The sync and async methods of ``OrqImageTool`` share these classes and do the network requests.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orq_router_integrations.errors import InvalidResponseError, RouterError
from orq_router_integrations.media.atomic_write import OutputFile, map_write_errors
from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.media.mime import IMAGE_TYPES, detect_mime_type
from orq_router_integrations.tools.image_result import GeneratedImage, ImageResult
from orq_router_integrations.wire.call import MalformedResponseError, Response
from orq_router_integrations.wire.image_response import ImageResponseDecoder
from orq_router_integrations.wire.images import OperationName
from orq_router_integrations.wire.json import as_dict, as_str
from orq_router_integrations.wire.model_candidates import ModelCandidates

HEADER_BYTES = 64 * 1024
"""Leading bytes of an image that contain its dimensions in every format."""


def _create_image_id(digest: str) -> str:
    return f"img_{digest[:12]}"


class ImageSink(OutputFile):
    """Collects the bytes of one image, in the directory of the tool or in memory."""

    def write(self, data: bytes) -> None:
        with map_write_errors(self.target):
            self.file.write(data)

    def finish(self, fields: Mapping[str, Any]) -> GeneratedImage:
        """Build the image, and give its file the final name; see ``wire.image_response``."""
        url, prompt = (as_str(fields.get(name)) or None for name in ("url", "revised_prompt"))
        with map_write_errors(self.target):
            size = self.file.tell()
            if not size and url:
                digest = hashlib.sha256(url.encode()).hexdigest()
                return GeneratedImage(id=_create_image_id(digest), url=url, revised_prompt=prompt)
            self.file.seek(0)
            header = self.file.read(HEADER_BYTES)
            mime_type = detect_mime_type(header[:16])
            if mime_type not in IMAGE_TYPES:
                raise MalformedResponseError("the data of an image has an unknown format")
            width, height = read_image_size(header) or (None, None)
            digest = self.compute_digest()
            image = GeneratedImage(
                id=_create_image_id(digest),
                data=self.data,
                url=url,
                mime_type=mime_type,
                width=width,
                height=height,
                size=size,
                sha256=digest,
                revised_prompt=prompt,
            )
            path = self.commit(image.filename)
        return image.model_copy(update={"path": str(path)}) if path else image

    def replace_image(self, image: GeneratedImage) -> GeneratedImage:
        """Build the image whose data was downloaded from the URL of ``image``."""
        downloaded = self.finish({"revised_prompt": image.revised_prompt})
        return downloaded.model_copy(update={"url": image.url})


@dataclass(slots=True)
class ImageCall:
    """One call of the image tool. Images stay in memory without a directory."""

    operation: OperationName
    prompt: str | None
    candidates: ModelCandidates
    directory: Path | None
    images: list[GeneratedImage] = field(default_factory=list)
    _sinks: ExitStack = field(default_factory=ExitStack)
    _response: Response = field(default_factory=lambda: Response(0, {}))
    _decoder: ImageResponseDecoder[GeneratedImage] | None = None

    def create_decoder(self, response: Response) -> ImageResponseDecoder[GeneratedImage]:
        self._response = response
        self._decoder = ImageResponseDecoder(
            lambda: self._sinks.enter_context(ImageSink(self.directory))
        )
        return self._decoder

    @contextmanager
    def handle_errors(self) -> Iterator[None]:
        """Attach the images that have arrived to errors, and delete temporary files."""
        try:
            with self._sinks:
                yield
        except RouterError as error:
            if self.images:
                ids = ", ".join(image.id for image in self.images)
                note = f"partial_items contains the images received before: {ids}"
                error.args = (f"{error.message}; {note}", *error.args[1:])
                error.partial_items = tuple(self.images)
            raise

    def build_result(self) -> ImageResult:
        body = self._decoder.body if self._decoder else {}
        response = self._response
        return ImageResult(
            operation=self.operation,
            images=tuple(self.images),
            prompt=self.prompt,
            model=self.candidates.model,
            answering_model=self.candidates.resolve_model(body.get("model"), response.headers),
            usage=as_dict(body.get("usage")) or None,
            attempts=response.attempts,
            trace_id=response.trace_id,
            offline=response.is_offline,
        )


@contextmanager
def handle_download_errors(images: Sequence[GeneratedImage]) -> Iterator[None]:
    """Attach the images of a download, whether they have been fetched or not, to errors."""
    try:
        yield
    except MalformedResponseError as error:
        raise InvalidResponseError(str(error), partial_items=tuple(images)) from None
    except RouterError as error:
        error.partial_items = tuple(images)
        raise
