"""Load the images to edit: paths, bytes, data URLs, ids and earlier results."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Union

from langchain_core.messages import ToolMessage

from orq_router_integrations.errors import RouterInputError, to_input_error
from orq_router_integrations.media.content_block import create_upload
from orq_router_integrations.media.metadata import can_be_transparent
from orq_router_integrations.media.mime import HEADER_BYTES, IMAGE_TYPES
from orq_router_integrations.tools.image_result import GeneratedImage, ImageResult
from orq_router_integrations.wire.call import Upload
from orq_router_integrations.wire.images import INPUT_MIME_TYPES, MAX_INPUT_BYTES, ImageOperation

if TYPE_CHECKING:
    import PIL.Image
    from langchain_core.documents.base import Blob

RawImageSource = Union["str | os.PathLike[str] | bytes | BinaryIO | Blob | PIL.Image.Image"]
ImageSource = Union[RawImageSource, "GeneratedImage | ImageResult | ToolMessage | dict[str, Any]"]
"""An image to edit: a path, bytes, base64 text, a data URL, a binary file object, a PIL image (sent
as PNG), a ``Blob``, the id of an image, or a result.

Results may be passed as objects, tool messages or dicts. Paths in messages and dicts are only
opened if they are inside the ``directory`` of the tool, because others may have written them.
"""

MAX_REGISTRY_BYTES = 64 * 1024 * 1024
REGISTRY_ENTRY_BYTES = 1024  # needed by an image whose data is not in memory

_ID_PATTERN = re.compile(r"img_[0-9a-f]{12}")


class ImageRegistry(dict[str, GeneratedImage]):
    """The recent images of a tool by id, so that the model can refer to them.

    Threads may share a registry. Copies and pickles of it are empty.
    """

    def __reduce__(self) -> tuple[type["ImageRegistry"], tuple[()]]:
        return ImageRegistry, ()

    def register(self, images: Iterable[GeneratedImage]) -> None:
        """Add images, and drop the oldest ones above ``MAX_REGISTRY_BYTES``."""
        for image in images:
            self.pop(image.id, None)  # it becomes the newest one
            self[image.id] = image
        size = 0
        for image in reversed(list(self.values())):
            if size > MAX_REGISTRY_BYTES:
                self.pop(image.id, None)
            size += REGISTRY_ENTRY_BYTES + len(image.data or b"")


@dataclass(frozen=True, slots=True)
class ImageLoader:
    """Loads images to edit. Ids are looked up in the registry, then in the directory."""

    registry: ImageRegistry
    directory: Path | None

    def load_files(
        self, operation: ImageOperation, images: Any, mask: Any
    ) -> dict[str, list[Upload]]:
        """Load the form parts of an edit or a variation.

        Raises ``RouterInputError`` if the number of images is wrong or one cannot be sent.
        """
        files = {"image": self._load_images("image", images, operation.max_images)}
        if mask is not None:
            files["mask"] = self._load_images("mask", mask, 1)
            _check_mask(files["mask"][0])
        return files

    def _load_images(self, argument: str, sources: Any, limit: int) -> list[Upload]:
        items = sources if isinstance(sources, (list, tuple)) else [sources]
        uploads: list[Upload] = []
        for index, source in enumerate(items):
            name = f"{argument}[{index}]" if len(items) > 1 else argument
            try:
                uploads += [_validate_upload(upload) for upload in self._create_uploads(source)]
            except ValueError as error:
                detail = to_input_error(error).message.removeprefix("image: ")  # from ``find``
                raise RouterInputError(f"{name}: {detail}") from None
        if not 1 <= len(uploads) <= limit:
            expected = f"1 to {limit} images" if limit > 1 else "1 image"
            raise RouterInputError(f"{argument}: Expected {expected}, got {len(uploads)}.")
        return uploads

    def _create_uploads(self, source: Any) -> list[Upload]:
        images: Sequence[GeneratedImage]
        match source:
            case {"id": _} if "images" not in source:  # a single image
                images = [self._resolve_path(GeneratedImage.model_validate(source))]
            case ToolMessage() | Mapping():
                images = [self._resolve_path(image) for image in ImageResult.of(source).images]
            case ImageResult():
                images = source.images
            case GeneratedImage():
                images = [source]
            case str() if re.fullmatch(r"img_\w+", source) and not os.path.exists(source):
                images = [self.find(source)]
            case _:
                return [create_upload(source)]
        return [
            create_upload(
                image.path if image.data is None and image.path else image.read(),
                filename=image.filename,
            )
            for image in images
        ]

    def find(self, image_id: str) -> GeneratedImage:
        """Find an image by its id, or raise ``ValueError``."""
        if image := self.registry.get(image_id):
            return image
        if self.directory is not None and _ID_PATTERN.fullmatch(image_id):
            for mime_type in IMAGE_TYPES:
                image = GeneratedImage(id=image_id, mime_type=mime_type)
                path = self.directory / image.filename
                if path.is_file():
                    return self._resolve_path(image.model_copy(update={"path": str(path)}))
        ids = list(self.registry)
        hint = f"Use one of {', '.join(ids[-5:])}." if ids else "Create an image first."
        raise ValueError(f"image: {image_id[:80]!r} is not an image of this tool. {hint}")

    def _resolve_path(self, image: GeneratedImage) -> GeneratedImage:
        """Resolve the path of an untrusted image, and check that it is inside the directory.

        Paths in messages may come from a model or another party, so they must not give access to
        other files. Raises ``ValueError`` if the file is outside, or a link to a file outside.
        """
        if image.data is not None or image.path is None:
            return image
        resolved = os.path.realpath(image.path)
        directory = self.directory
        if directory is None or not Path(resolved).is_relative_to(os.path.realpath(directory)):
            raise ValueError(
                f"The file of {image.id}, {image.path[:200]!r}, is outside the directory of this "
                "tool, so a message cannot refer to it. Set directory= to its directory, or pass "
                "the ImageResult or the path."
            )
        return image.model_copy(update={"path": resolved})


def _validate_upload(upload: Upload) -> Upload:
    name, size = upload.filename, upload.size
    if upload.mime_type not in INPUT_MIME_TYPES:
        raise ValueError(f"{name} is {upload.mime_type}. Convert it to PNG, JPEG or WebP.")
    if size >= MAX_INPUT_BYTES:
        limit = f"{MAX_INPUT_BYTES // 2**20} MB"
        raise ValueError(f"{name} has {size / 2**20:.1f} MB. Images must be smaller than {limit}.")
    return upload


def _check_mask(mask: Upload) -> None:
    if mask.mime_type != "image/png":
        raise RouterInputError(
            f"mask: Expected a PNG, got {mask.mime_type}. Its transparent pixels mark the area to "
            "edit."
        )
    with mask.open() as stream:
        header = stream.read(HEADER_BYTES)
    if not can_be_transparent(header):
        raise RouterInputError(
            "mask: The PNG has no alpha channel, so it does not mark an area to edit. Save it as "
            "RGBA, and make the area to edit transparent."
        )
