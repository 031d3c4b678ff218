"""Images as values: what a program, a notebook and a checkpoint get of them."""

import html
import os
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from orq_router_integrations.media.atomic_write import parse_path
from orq_router_integrations.tools.artifact import (
    Artifact,
    MediaData,
    encode_base64,
    warn_about_suffix,
)

IMAGE_SUFFIXES = {
    "image/png": ".png",
    "image/jpeg": ".jpg",
    "image/webp": ".webp",
    "image/gif": ".gif",
}
_KINDS = {**{suffix: kind for kind, suffix in IMAGE_SUFFIXES.items()}, ".jpeg": "image/jpeg"}

MAX_SUMMARY_CHARS = 2000
"""Characters of a URL or of a revised prompt that a model is told."""


class GeneratedImage(MediaData):
    """One image, with all that is known of it.

    Attributes:
        id: a short name made of its digest, by which a model can name it to the tool again.
        data: its bytes, unless it is in a file or behind a URL; under ``base64`` in JSON.
        path: the file that it is in.
        url: where the router left it, if it did not send it; such URLs expire (variations: after
            an hour). ``OrqImageTool.download`` fetches it.
        mime_type: media type, by its bytes.
        width: pixels.
        height: pixels.
        size: bytes.
        sha256: digest of the bytes, in hex.
        revised_prompt: what the model made of the prompt, where it tells.

    >>> GeneratedImage(id="img_0123456789ab", url="https://example.com/a.png")
    GeneratedImage('img_0123456789ab', at a URL)
    """

    id: str
    url: str | None = None
    mime_type: str | None = None
    width: int | None = None
    height: int | None = None
    size: int | None = None
    sha256: str | None = None
    revised_prompt: str | None = None

    @property
    def summary(self) -> str:
        """A few words about it, for a model; never its bytes."""
        kind = (self.mime_type or "").removeprefix("image/").upper()
        pixels = f"{self.width}x{self.height}" if self.width and self.height else ""
        where = f"saved as {self.path}" if self.path else ""
        if not (self.data or self.path):
            where = f"at {self.url}" if len(self.url or "") <= MAX_SUMMARY_CHARS else "at a URL"
        facts = ", ".join(fact for fact in (f"{pixels} {kind}".strip(), where) if fact)
        return f"{self.id} ({facts})"

    @property
    def elsewhere(self) -> str:
        """What is said where the bytes are in neither place."""
        return f"{self.id} is behind a URL; fetch it with download(...) first"

    @property
    def filename(self) -> str:
        """What its file is called where nobody named it: its id, and the suffix of its type."""
        return Path(f"{self.id}{IMAGE_SUFFIXES.get(self.mime_type or '', '')}").name

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
        """Write the image to a file, whole or not at all.

        In a folder that is there, the file is called by the image's id, with the suffix of what it
        holds. Warns where the file's name says another format than it holds: nothing is converted.

        Raises:
            RouterInputError: the path cannot be written to, or the bytes are not here.
        """
        target = parse_path(path)
        if os.path.isdir(target):
            target /= self.filename
        named = _KINDS.get(target.suffix.lower())
        if named and self.mime_type and named != self.mime_type:
            warn_about_suffix(path, self.mime_type)
        return super().save(target, overwrite=overwrite)

    def __repr__(self) -> str:
        short = self.summary if self.data or self.path else f"{self.id} (at a URL)"
        name, _, facts = short.partition(" (")
        return f"GeneratedImage({name!r}, {facts}"

    __str__ = __repr__

    def _repr_png_(self) -> bytes | None:
        """The image itself, for notebooks."""
        shown = self.mime_type == "image/png" and self._is_displayable(self.size)
        return self.read() if shown else None

    def _repr_html_(self) -> str:
        """The image and a few words; nothing is fetched to show it."""
        told = f"<small>{html.escape(self.summary)}</small>"
        if not self._is_displayable(self.size) or not self.mime_type:
            return told
        url = f"data:{html.escape(self.mime_type)};base64,{encode_base64(self.read())}"
        return f'<img src="{url}" style="max-width: 512px"><br>{told}'


class ImageResult(Artifact):
    """The images of one call, with all that is known of how they came about.

    In a tool's message it is a plain dict, which JSON and checkpoints hold; ``ImageResult.of``
    makes it whole again.

    Attributes:
        operation: ``generate``, ``edit`` or ``vary``.
        images: the images.
        prompt: what was asked for; variations have none.
        model: the model that was asked.
        answering_model: the one that answered; ``None`` where several may have, for the router's
            replies with images do not tell it.
        usage: tokens, as the router counts them.
        attempts: requests that the client sent; the router's own retries are not on the wire.
        trace_id: the router's trace.
        offline: whether the offline router answered, which says nothing about the real one.

    >>> from orq_router_integrations import OfflineRouter, OrqImageTool
    >>> client = OfflineRouter().client()
    >>> result = OrqImageTool(model="openai/gpt-image-1", client=client).generate("a boat")
    >>> ImageResult.of(result.to_artifact()) == result
    True
    """

    missing_message: ClassVar[str] = "no images are in it"

    operation: Literal["generate", "edit", "vary"]
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
        """The first image, which often is the only one."""
        return self.images[0]

    @property
    def summary(self) -> str:
        """A few sentences about them, for a model; never their bytes."""
        done = {"generate": "drawn", "edit": "edited", "vary": "varied"}[self.operation]
        count = "1 image was" if len(self.images) == 1 else f"{len(self.images)} images were"
        lines = [f"{count} {done}: " + "; ".join(image.summary for image in self.images) + "."]
        revised = dict.fromkeys(image.revised_prompt for image in self.images)
        lines += [
            f"The prompt was revised to: {text[:MAX_SUMMARY_CHARS]}" for text in revised if text
        ]
        return " ".join(lines)

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = True) -> tuple[Path, ...]:
        """Write the images to files, each whole or not at all.

        In a folder that is there, each is called by its id, with the suffix of what it holds. Else
        one image gets the path as it is, and of several each its number before the suffix.

        Raises:
            RouterInputError: a path cannot be written to, or the bytes of an image are not here.
        """
        target = parse_path(path)
        if len(self.images) == 1 or os.path.isdir(target):
            return tuple(image.save(target, overwrite=overwrite) for image in self.images)
        return tuple(
            image.save(target.with_stem(f"{target.stem}-{number}"), overwrite=overwrite)
            for number, image in enumerate(self.images, start=1)
        )

    def __repr__(self) -> str:
        shown = ", ".join(image.id for image in self.images)
        return f"ImageResult({self.operation}: {shown}, {self.answering_model or self.model!r})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """The images, for notebooks."""
        return "".join(f"<div>{image._repr_html_()}</div>" for image in self.images)
