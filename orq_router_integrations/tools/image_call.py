"""One call for images: what it sends, and what has come of it so far.

Nothing here waits or sends: the tool's sync and async verbs carry the call, and share the rest.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orq_router_integrations.errors import RouterError
from orq_router_integrations.tools.image_result import GeneratedImage, ImageResult
from orq_router_integrations.tools.image_sink import ImageSink, create_linked_image
from orq_router_integrations.wire.call import Response, StreamCall, Upload
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.image_response import ImageResponseDecoder, ReceivedImage
from orq_router_integrations.wire.images import ImageOperation, ImageRequest
from orq_router_integrations.wire.model_candidates import ModelCandidates

IncomingImage = ReceivedImage[ImageSink]


@dataclass(slots=True, kw_only=True)
class ImageCall:
    """The state of one call of the tool.

    Attributes:
        operation: what is done.
        request: its parameters.
        files: the images it brings along, by form field.
        asked: the models that may answer.
        controls: the router's controls.
        extra_body: further members of the body.
        repeatable: whether it may be sent again when it is unknown if it was worked on.
        folder: where the images go; ``None`` keeps them in memory.
    """

    operation: ImageOperation
    request: ImageRequest
    files: Mapping[str, Upload | Sequence[Upload]]
    candidates: ModelCandidates
    controls: RouterControls
    extra_body: Mapping[str, Any]
    repeatable: bool
    directory: Path | None
    images: list[GeneratedImage] = field(default_factory=list)
    _sinks: list[ImageSink] = field(default_factory=list)
    _head: Response = field(default_factory=lambda: Response(0, {}))
    _decoder: ImageResponseDecoder[ImageSink] | None = None

    @property
    def call(self) -> StreamCall[IncomingImage]:
        """The call; its reply is read as it arrives, so that no image stands in memory twice."""
        return StreamCall(
            endpoint=self.operation.endpoint,
            body={**self.request.to_wire(), **self.extra_body},
            files=self.files,
            controls=self.controls,
            create_decoder=self._begun,
            retry_ambiguous=self.repeatable,
        )

    def _begun(self, head: Response) -> ImageResponseDecoder[ImageSink]:
        self._head = head
        self._decoder = ImageResponseDecoder(self._open)
        return self._decoder

    def _open(self) -> ImageSink:
        self._sinks.append(ImageSink(self.directory))
        return self._sinks[-1]

    def add_image(self, arrived: IncomingImage) -> None:
        """Keep an image that is whole."""
        revised = arrived.fields.get("revised_prompt")
        revised = revised if isinstance(revised, str) and revised else None
        if arrived.sink is not None:
            self.images.append(arrived.sink.build_image(url=arrived.url, revised_prompt=revised))
        elif arrived.url is not None:
            self.images.append(create_linked_image(arrived.url, revised))

    @contextmanager
    def handle_errors(self) -> Iterator[None]:
        """Errors keep the images that had arrived; of others nothing remains."""
        try:
            yield
        except RouterError as error:
            if self.images:
                ids = ", ".join(image.id for image in self.images)
                had = f"{len(self.images)} of its images had arrived: {ids}, in partial_items"
                error.args = (f"{error.message}; {had}", *error.args[1:])
                error.partial_items = tuple(self.images)
            raise
        finally:
            for sink in self._sinks:
                sink.discard()

    @property
    def result(self) -> ImageResult:
        """The images, and what is known of how they came about."""
        body = self._decoder.body if self._decoder else {}
        usage = body.get("usage")
        return ImageResult.model_validate(
            {
                "operation": self.operation.name,
                "images": self.images,
                "prompt": self.request.prompt,
                "model": self.request.model,
                "answering_model": self.candidates.resolve_model(
                    body.get("model"), self._head.headers
                ),
                "usage": usage if isinstance(usage, dict) else None,
                "attempts": self._head.attempts,
                "trace_id": self._head.trace_id,
                "offline": self._head.headers.get("x-orq-offline") == "1",
            }
        )
