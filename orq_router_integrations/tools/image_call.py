"""One call of the image tool: its images, files and result. No network I/O.

The sync and async methods of ``OrqImageTool`` share this module.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orq_router_integrations.errors import InvalidResponseError, RouterError
from orq_router_integrations.media.atomic_write import OutputFile
from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.media.mime import IMAGE_TYPES, SUFFIXES, FileView, detect_mime_type
from orq_router_integrations.tools.image_result import GeneratedImage, ImageResult
from orq_router_integrations.wire.call import MalformedResponseError, Response, StreamCall
from orq_router_integrations.wire.image_response import ImageResponseDecoder
from orq_router_integrations.wire.images import OperationName
from orq_router_integrations.wire.json import as_dict, as_str
from orq_router_integrations.wire.model_names import ModelCandidates


def create_image(output: OutputFile) -> GeneratedImage:
    """Create an image from its complete data, and give its file the final name."""
    size = output.file.tell()
    content = FileView(output.file)
    mime_type = detect_mime_type(content)
    if mime_type not in IMAGE_TYPES:
        raise MalformedResponseError("the data of an image has an unknown format")
    width, height = read_image_size(content) or (None, None)
    digest = output.compute_digest()
    image = GeneratedImage(
        id=f"img_{digest[:12]}",
        data=output.data,
        mime_type=mime_type,
        width=width,
        height=height,
        size=size,
        sha256=digest,
    )
    path = output.commit(f"{image.id}{SUFFIXES[mime_type][0]}")
    return image.model_copy(update={"path": str(path)}) if path else image


@dataclass(slots=True)
class ImageCall:
    """One call of the image tool. Without a directory, its images stay in memory."""

    operation: OperationName
    prompt: str | None
    candidates: ModelCandidates
    directory: Path | None
    request: StreamCall[dict[str, Any]] = field(init=False)  # set later: refers to create_decoder
    _response: Response = field(default_factory=lambda: Response(0, {}))
    _decoder: ImageResponseDecoder | None = None
    _images: dict[str, GeneratedImage] = field(default_factory=dict)
    _file: OutputFile | None = None
    _open_files: ExitStack = field(default_factory=ExitStack)

    def create_decoder(self, response: Response) -> ImageResponseDecoder:
        self._response = response
        self._images = {}  # forget the images of a failed attempt
        self._file = None
        self._decoder = ImageResponseDecoder(self._write, self._finish_image)
        return self._decoder

    def _write(self, data: bytes) -> None:
        if self._file is None:
            self._file = self._open_files.enter_context(OutputFile(self.directory))
        self._file.file.write(data)

    def _finish_image(self) -> str:
        """Return the id of the complete image, which replaces its base64 in the response."""
        if self._file is None:
            return ""
        image = create_image(self._file)
        self._file = None
        self._images[image.id] = image
        return image.id

    @contextmanager
    def handle_errors(self) -> Iterator[None]:
        """Attach the images that have arrived to errors, and delete temporary files."""
        try:
            with self._open_files:
                yield
        except RouterError as error:
            items = self._decoder.parse_items() if self._decoder else []
            if images := self._build_images(items) or tuple(self._images.values()):
                ids = ", ".join(image.id for image in images)
                note = f"partial_items contains the images received before: {ids}"
                error.args = (f"{error.message}; {note}", *error.args[1:])
                error.partial_items = images
            raise

    def _build_images(self, items: Sequence[Mapping[str, Any]]) -> tuple[GeneratedImage, ...]:
        images = []
        for item in items:
            # The decoder has replaced base64 by the id of its image, also in data URLs.
            image_id, url = as_str(item.get("b64_json")), as_str(item.get("url"))
            image = self._images.get(image_id) or self._images.get(url)
            if url in self._images:
                url = ""
            if image is None and url:
                image = GeneratedImage(id=f"img_{hashlib.sha256(url.encode()).hexdigest()[:12]}")
            if image:
                prompt = as_str(item.get("revised_prompt"))
                update = {"url": url or None, "revised_prompt": prompt or None}
                images.append(image.model_copy(update=update))
        return tuple(images)

    def build_result(self, body: Mapping[str, Any]) -> ImageResult:
        response = self._response
        return ImageResult(
            operation=self.operation,
            images=self._build_images(body["data"]),
            prompt=self.prompt,
            model=self.candidates.model,
            answering_model=self.candidates.resolve_model(body.get("model"), response.headers),
            usage=as_dict(body.get("usage")) or None,
            attempts=response.attempts,
            trace_id=response.trace_id,
            offline=response.is_offline,
        )


@contextmanager
def open_download(
    images: list[GeneratedImage], index: int, directory: Path | None
) -> Iterator[OutputFile]:
    """Open a file for the data of an image at a URL, and replace the image in the list afterwards.

    Errors contain all images of the list, whether they have been downloaded or not.
    """
    fields = images[index].model_dump(include={"url", "revised_prompt"})
    try:
        with OutputFile(directory) as output:
            yield output
            images[index] = create_image(output).model_copy(update=fields)
    except MalformedResponseError as error:
        raise InvalidResponseError(str(error), partial_items=tuple(images)) from None
    except RouterError as error:
        error.partial_items = tuple(images)
        raise
