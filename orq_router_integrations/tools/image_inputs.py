"""The images that a call brings along: from files, bytes, data URIs, or earlier results."""

import base64
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Union

from langchain_core.messages import ToolMessage

from orq_router_integrations.errors import RouterInputError, to_input_error
from orq_router_integrations.media import metadata as dimensions
from orq_router_integrations.media.content_block import create_upload
from orq_router_integrations.media.mime import detect_mime_type, parse_data_url, validate_base64
from orq_router_integrations.tools.image_result import IMAGE_SUFFIXES, GeneratedImage, ImageResult
from orq_router_integrations.wire.call import Upload
from orq_router_integrations.wire.images import INPUT_MIME_TYPES, MAX_INPUT_BYTES, ImageOperation

if TYPE_CHECKING:
    from langchain_core.documents.base import Blob

RawImageSource = Union["str | os.PathLike[str] | bytes | Blob"]
ImageSource = Union[RawImageSource, "GeneratedImage | ImageResult | ToolMessage | dict[str, Any]"]
"""A path, bytes, a ``Blob``, a data URI, an id, or an earlier result in any of its forms.

Messages and dicts are data that others may have written: of files they open only those in the
tool's ``directory``.
"""

HEADER_BYTES = 64 * 1024
MAX_REGISTRY_BYTES = 64 * 1024 * 1024
"""Bytes of images that a tool remembers; the oldest are forgotten first."""

_ID = re.compile(r"img_[0-9a-f]{12}")
_URL = re.compile(r"(?!data:)[a-z][a-z0-9+.-]*:(//|%2f)", re.IGNORECASE)


class ImageRegistry:
    """The images that a tool has made, by their ids, so that a model can name them.

    Copies and pickles of it are empty.
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
        """Remember images, and forget the oldest where they are too many."""
        with self._lock:
            for image in images:
                self._images[image.id] = image
                self._images.move_to_end(image.id)
            while len(self._images) > 1 and self._weight > MAX_REGISTRY_BYTES:
                self._images.popitem(last=False)

    @property
    def _weight(self) -> int:
        """Bytes in memory; every image counts a little, also where it is not held here."""
        return sum(1024 + len(image.data or b"") for image in self._images.values())

    def find(self, name: str, directory: Path | None) -> GeneratedImage:
        """The image of this id: a remembered one, or one in the tool's folder.

        Raises:
            ValueError: there is none, or it is a link that leads out of the folder.
        """
        with self._lock:
            found, known = self._images.get(name), list(self._images)
        if found is not None:
            return found
        if _ID.fullmatch(name) and directory is not None:
            for mime_type, suffix in IMAGE_SUFFIXES.items():
                if (path := directory / f"{name}{suffix}").is_file():
                    image = GeneratedImage(id=name, path=str(path), mime_type=mime_type)
                    return _inside(image, directory)
        ids = f"; there are {', '.join(known[-5:])}" if known else ", for it has made none yet"
        raise ValueError(f"image: {name[:80]!r} is no image of this tool{ids}")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=ImageRegistry.reset_after_fork)


@dataclass(frozen=True, slots=True)
class ImageInput:
    """An image to send.

    Attributes:
        upload: the part of the form.
        mime_type: by its bytes.
        size: pixels, where its header tells them.
    """

    upload: Upload
    mime_type: str
    size: dimensions.ImageSize | None


def build_image_files(
    operation: ImageOperation,
    images: "ImageSource | Sequence[ImageSource]",
    mask: ImageSource | None,
    *,
    registry: "ImageRegistry",
    directory: Path | None,
) -> dict[str, list[Upload]]:
    """The files of a form: the images, and the mask.

    Raises:
        RouterInputError: they are too many or none, or one of them cannot be sent.
    """
    most = operation.max_images
    if not most:
        return {}
    found = load_images("image", images, registry, directory)
    if not 1 <= len(found) <= most:
        wanted = f"1 to {most} images" if most > 1 else "1 image"
        raise RouterInputError(f"image: give {wanted}, not {len(found)}")
    files = {"image": [picture.upload for picture in found]}
    if mask is not None:
        masks = load_images("mask", mask, registry, directory)
        if len(masks) != 1:
            raise RouterInputError(f"mask: give 1 image, not {len(masks)}")
        validate_mask(masks[0], found[0])
        files["mask"] = [masks[0].upload]
    return files


def load_images(
    field: str,
    sources: "ImageSource | Sequence[ImageSource]",
    registry: ImageRegistry,
    directory: Path | None,
) -> list[ImageInput]:
    """The images to send.

    Args:
        field: what they are given as, for errors.
        sources: one or several.
        registry: where ids are looked up.
        directory: where else.

    Raises:
        RouterInputError: one of them is not there, no PNG, JPEG or WebP, or too large.
    """
    given = sources if isinstance(sources, (list, tuple)) else [sources]
    found = []
    for index, source in enumerate(given):
        name = f"{field}[{index}]" if len(given) > 1 else field
        try:
            found += [_checked(part) for part in _uploads(source, registry, directory)]
        except ValueError as error:
            told = to_input_error(error).message
            said = told.removeprefix("upload: ").removeprefix("image: ")
            raise RouterInputError(f"{name}: {said}") from None
    return found


def _checked(part: Upload) -> ImageInput:
    with part.open() as stream:
        head = stream.read(HEADER_BYTES)
    mime_type = detect_mime_type(head[:16])
    if mime_type not in INPUT_MIME_TYPES:
        shown = mime_type or "no image that is known"
        raise ValueError(f"{part.filename} is {shown}; the router takes PNG, JPEG and WebP")
    if part.size >= MAX_INPUT_BYTES:
        raise ValueError(
            f"{part.filename} has {part.size / 2**20:.1f} MB; it must have less than 50 MB"
        )
    return ImageInput(part, mime_type, dimensions.read_image_size(head))


def _uploads(source: Any, album: ImageRegistry, folder: Path | None) -> list[Upload]:
    """The parts that one source stands for: a result may hold several images."""
    if isinstance(source, (ToolMessage, Mapping)):
        return [_earlier(_inside(image, folder)) for image in _images_in(source)]
    if isinstance(source, ImageResult):
        return [_earlier(image) for image in source.images]
    match source:
        case GeneratedImage():
            found = _earlier(source)
        case bytes() | bytearray() | memoryview():
            found = create_upload(bytes(source))
        case str():
            found = _named(source, album, folder)
        case os.PathLike():
            found = create_upload(source)
        case _:
            found = _blob(source)
    return [found]


def _blob(source: Any) -> Upload:
    if not hasattr(source, "as_bytes"):
        raise ValueError(
            "give a path, bytes, a Blob, a data URI or an earlier image, "
            f"not {type(source).__name__}"
        )
    if source.data is None and source.path:
        return create_upload(source.path)
    return create_upload(source.as_bytes())


def _images_in(source: ToolMessage | Mapping[str, Any]) -> Sequence[GeneratedImage]:
    if isinstance(source, Mapping) and "images" not in source and "id" in source:
        return (GeneratedImage.model_validate(source),)
    return ImageResult.of(source).images


def _inside(image: GeneratedImage, folder: Path | None) -> GeneratedImage:
    """An image that a message or a model names: of files it opens those in the tool's folder.

    Raises:
        ValueError: its file is elsewhere, or a link to elsewhere.
    """
    if image.data is not None or image.path is None:
        return image
    real = os.path.realpath(image.path)
    if folder is None or not Path(real).is_relative_to(os.path.realpath(folder)):
        raise ValueError(
            f"the file of {image.id}, {image.path[:200]!r}, is not in this tool's own folder, and "
            "neither a message nor a model can have it opened: make the tool with directory=, or "
            "pass the ImageResult or the path itself"
        )
    return image.model_copy(update={"path": real})


def _earlier(image: GeneratedImage) -> Upload:
    if image.data is not None:
        return create_upload(image.data, filename=image.filename)
    if image.path is not None:
        return create_upload(image.path, filename=image.filename)
    raise ValueError(f"{image.id} is behind a URL; fetch it with download(...) first")


def _named(source: str, album: ImageRegistry, folder: Path | None) -> Upload:
    """The part that a text stands for: a data URI, an id, or a path."""
    if source[:5].lower() == "data:":
        text, _, _ = validate_base64(parse_data_url(source)[1])
        return create_upload(base64.b64decode(text))
    if _URL.match(source):
        raise ValueError(
            f"{source[:200]!r} is a URL, and images to edit are sent as files: fetch it yourself, "
            "and give its bytes"
        )
    if _ID.fullmatch(source):
        return _earlier(album.find(source, folder))
    return create_upload(source)


def validate_mask(mask: ImageInput, image: ImageInput) -> None:
    """Check that a mask fits an image, as far as their headers tell.

    Raises:
        RouterInputError: it is no PNG, or of another size.
    """
    if mask.mime_type != "image/png":
        raise RouterInputError(
            f"mask: it must be a PNG, whose clear pixels are edited, not {mask.mime_type}"
        )
    if mask.size and image.size and mask.size != image.size:
        sizes = ["{}x{}".format(*size) for size in (mask.size, image.size)]
        raise RouterInputError(
            f"mask: it has {sizes[0]} pixels, and the first image {sizes[1]}; make them the same"
        )
