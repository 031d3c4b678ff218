"""State of one image request or download, without any I/O.

The sync and async methods of ``OrqImageTool`` share these classes and do the I/O.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orq_router_integrations.errors import InvalidResponseError, RouterError
from orq_router_integrations.tools.image_result import GeneratedImage, ImageResult
from orq_router_integrations.tools.image_store import ImageSink, create_linked_image
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
        if received.sink is not None:
            image = received.sink.build_image(url=received.url, revised_prompt=prompt)
            self._images.append(image)
        elif received.url is not None:
            self._images.append(create_linked_image(received.url, prompt))

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
                sink.discard()

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


class ImageDownload:
    """The download of the images of a result that are only available at URLs."""

    def __init__(self, result: ImageResult, directory: Path | None) -> None:
        self._result = result
        self._directory = directory
        self._sink: ImageSink | None = None
        self._images: list[GeneratedImage] = []

    def iter_sinks(self) -> Iterator[tuple[str, ImageSink]]:
        """Yield the URLs to fetch, each with a sink for its data."""
        for image in self._result.images:
            if image.data is None and image.path is None and image.url:
                self._sink = ImageSink(self._directory)
                yield image.url, self._sink
                self._sink.validate()
                self._images.append(
                    self._sink.build_image(url=image.url, revised_prompt=image.revised_prompt)
                )
            else:
                self._images.append(image)

    @contextmanager
    def handle_errors(self) -> Iterator[None]:
        """Attach all images to errors, and delete temporary files."""
        try:
            yield
        except MalformedResponseError as error:
            invalid = InvalidResponseError(str(error))
            invalid.partial_items = self._collect_images()
            raise invalid from None
        except RouterError as error:
            error.partial_items = self._collect_images()
            raise
        finally:
            if self._sink:
                self._sink.discard()

    def build_result(self) -> ImageResult:
        """Build a copy of the result that contains the downloaded images."""
        return self._result.model_copy(update={"images": self._collect_images()})

    def _collect_images(self) -> tuple[GeneratedImage, ...]:
        """Return the processed images, followed by the remaining ones as they were."""
        return (*self._images, *self._result.images[len(self._images) :])
