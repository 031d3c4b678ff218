"""Results of the image tool: generated images and how they were created."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import Field

from orq_router_integrations.media.atomic_write import parse_path
from orq_router_integrations.media.mime import IMAGE_TYPES, SUFFIXES
from orq_router_integrations.tools.artifact import Artifact, MediaData
from orq_router_integrations.wire.images import OperationName

MAX_DISPLAY_WIDTH = 512  # largest width of an image in a notebook, in pixels
MAX_SUMMARY_CHARS = 2000  # longest URL or revised prompt in a summary


class GeneratedImage(MediaData):
    """A generated image and its metadata.

    Attributes:
        id: Short id derived from the content, by which the model can refer to the image.
        data: The bytes, unless the image is in a file or at a URL. Serialized as ``base64``.
        path: Path of the file, if the image was written to one.
        url: URL of the image, if the router sent a URL instead of the data. Such URLs expire
            (variations: after one hour). ``OrqImageTool.download`` fetches the image.
        mime_type: MIME type, detected from the data.
        width: Width in pixels.
        height: Height in pixels.
        size: Size in bytes.
        sha256: Hexadecimal SHA-256 digest of the data.
        revised_prompt: The prompt as rewritten by the image model, if it reports one.

    >>> GeneratedImage(id="img_0123456789ab", url="https://example.com/a.png")
    GeneratedImage('img_0123456789ab', at a URL)
    """

    suffixes: ClassVar[Mapping[str, tuple[str, ...]]] = {
        mime_type: SUFFIXES[mime_type] for mime_type in IMAGE_TYPES
    }

    id: str
    url: str | None = None
    width: int | None = None
    height: int | None = None
    sha256: str | None = None
    revised_prompt: str | None = None

    @property
    def summary(self) -> str:
        """Short description for the model: id, size in pixels, format and location."""
        return f"{self.id} ({self._describe(self.url)})"

    @property
    def pending_url(self) -> str | None:
        """The URL, unless the data is available."""
        return self.url if self.data is None and self.path is None else None

    @property
    def _stem(self) -> str:
        return self.id

    def _describe(self, url: str | None) -> str:
        image_type = (self.mime_type or "").removeprefix("image/").upper()
        pixels = f"{self.width}x{self.height}" if self.width and self.height else ""
        location = f"saved as {self.path}" if self.path else ""
        if not (self.data or self.path):
            is_short = url is not None and len(url) <= MAX_SUMMARY_CHARS
            location = f"at {url}" if is_short else "at a URL"
        return ", ".join(filter(None, (f"{pixels} {image_type}".strip(), location)))

    def __repr__(self) -> str:
        return f"GeneratedImage({self.id!r}, {self._describe(None)})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        width = min(self.width or MAX_DISPLAY_WIDTH, MAX_DISPLAY_WIDTH)
        template = f'<img src="{{url}}" width="{width}" style="max-width: 100%">'
        return self._build_html(template, self.summary)


class ImageResult(Artifact):
    """The images of one call, and how they were created.

    Attributes:
        operation: ``generate``, ``edit`` or ``vary``.
        images: The images.
        prompt: The prompt; ``None`` for variations.
        model: The requested model.
        answering_model: The model that answered. ``None`` if a fallback or load balancer may have
            chosen another model, because image responses do not name the model.
        usage: Token usage as reported by the router.
        attempts: Number of requests the client sent, including retries. Retries by the router
            are not counted.
        trace_id: The router's trace id.
        offline: Whether the answer came from the offline router.

    >>> from orq_router_integrations import OfflineRouter, OrqImageTool
    >>> client = OfflineRouter().client()
    >>> result = OrqImageTool(model="openai/gpt-image-1", client=client).generate("a boat")
    >>> ImageResult.of(result.to_artifact()) == result
    True
    """

    operation: OperationName
    images: Annotated[tuple[GeneratedImage, ...], Field(min_length=1)]
    prompt: str | None = None
    model: str
    answering_model: str | None = None
    usage: dict[str, Any] | None = None
    attempts: int = 1
    trace_id: str | None = None
    offline: bool = False

    @property
    def image(self) -> GeneratedImage:
        """The first image."""
        return self.images[0]

    @property
    def summary(self) -> str:
        """Description for the model: ids, sizes and locations, without the data."""
        noun, action = {
            "generate": ("image", "drawn"),
            "edit": ("image", "edited"),
            "vary": ("variation", "created"),
        }[self.operation]
        count = f"1 {noun} was" if len(self.images) == 1 else f"{len(self.images)} {noun}s were"
        images = "; ".join(image.summary for image in self.images)
        sentences = [f"{count} {action}: {images}."]
        prompts = dict.fromkeys(image.revised_prompt or "" for image in self.images)
        sentences += [
            f"The prompt was revised to: {prompt[:MAX_SUMMARY_CHARS]}"
            for prompt in filter(None, prompts)
        ]
        return " ".join(sentences)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = True) -> list[Path]:
        """Write the images to files. Each file appears only once it is complete.

        Args:
            path: Path of the new file. If there are several images, their numbers are added to the
                file name (``boat-1.png``). In an existing directory, files are named after the
                ids of the images.
            overwrite: Whether existing files may be replaced.

        Returns:
            The paths that were written, in the order of ``images``.
        """
        target = parse_path(path)
        if len(self.images) == 1 or os.path.isdir(target):
            return [image.save(target, overwrite=overwrite) for image in self.images]
        return [
            image.save(target.with_stem(f"{target.stem}-{number}"), overwrite=overwrite)
            for number, image in enumerate(self.images, start=1)
        ]

    def __repr__(self) -> str:
        ids = ", ".join(image.id for image in self.images)
        return f"ImageResult({self.operation}: {ids}, {self.answering_model or self.model!r})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """Return the images for notebooks, next to each other if there is room."""
        style = "display: inline-block; margin-right: 8px"
        return "".join(f'<div style="{style}">{image._repr_html_()}</div>' for image in self.images)
