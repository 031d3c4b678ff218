"""Convert images to edit (paths, bytes, data URLs, ids, earlier results) to uploads."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Union

from langchain_core.messages import ToolMessage

from orq_router_integrations.errors import RouterInputError, to_input_error
from orq_router_integrations.media.content_block import create_upload
from orq_router_integrations.media.metadata import ImageSize, can_be_transparent, read_image_size
from orq_router_integrations.media.mime import detect_mime_type
from orq_router_integrations.tools.image_call import (
    HEADER_BYTES,
    ImageRegistry,
    is_image_id,
    resolve_path_within,
)
from orq_router_integrations.tools.image_result import GeneratedImage, ImageResult
from orq_router_integrations.wire.call import Upload
from orq_router_integrations.wire.images import INPUT_MIME_TYPES, MAX_INPUT_BYTES, ImageOperation

if TYPE_CHECKING:
    import PIL.Image
    from langchain_core.documents.base import Blob

RawImageSource = Union["str | os.PathLike[str] | bytes | BinaryIO | Blob | PIL.Image.Image"]
ImageSource = Union[RawImageSource, "GeneratedImage | ImageResult | ToolMessage | dict[str, Any]"]
"""An image to edit: a path, bytes, a binary file object, a PIL image (sent as PNG), a ``Blob``, a
data URL, the id of an image, or a result.

Results may be passed as objects, tool messages or dicts. Paths in messages and dicts are only
opened if they are inside the ``directory`` of the tool, because others may have written them.
"""


@dataclass(frozen=True, slots=True)
class ImageInput:
    """An image to upload, with properties read from its header. Only a PNG may be transparent."""

    upload: Upload
    mime_type: str
    size: ImageSize | None
    can_be_transparent: bool


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
        inputs = self._load_images("image", images, operation.max_images)
        files = {"image": [image.upload for image in inputs]}
        if mask is not None:
            [mask_input] = self._load_images("mask", mask, 1)
            check_mask(mask_input, inputs[0])
            files["mask"] = [mask_input.upload]
        return files

    def _load_images(self, argument: str, sources: Any, limit: int) -> list[ImageInput]:
        items = sources if isinstance(sources, (list, tuple)) else [sources]
        inputs = []
        for index, source in enumerate(items):
            name = f"{argument}[{index}]" if len(items) > 1 else argument
            try:
                inputs += [_inspect_upload(upload) for upload in self._create_uploads(source)]
            except ValueError as error:
                message = to_input_error(error).message
                detail = message.removeprefix("upload: ").removeprefix("image: ")
                raise RouterInputError(f"{name}: {detail}") from None
        if not 1 <= len(inputs) <= limit:
            expected = f"1 to {limit} images" if limit > 1 else "1 image"
            raise RouterInputError(f"{argument}: Expected {expected}, got {len(inputs)}.")
        return inputs

    def _create_uploads(self, source: Any) -> list[Upload]:
        images: Sequence[GeneratedImage]
        match source:
            case {"id": _} if "images" not in source:  # a single image
                image = GeneratedImage.model_validate(source)
                images = [resolve_path_within(image, self.directory)]
            case ToolMessage() | Mapping():
                images = ImageResult.of(source).images
                images = [resolve_path_within(image, self.directory) for image in images]
            case ImageResult():
                images = source.images
            case GeneratedImage():
                images = [source]
            case str() if is_image_id(source):
                images = [self.registry.find(source, self.directory)]
            case _:
                return [create_upload(source)]
        return [
            create_upload(
                image.path if image.data is None and image.path else image.read(),
                filename=image.filename,
            )
            for image in images
        ]


def _inspect_upload(upload: Upload) -> ImageInput:
    with upload.open() as stream:
        header = stream.read(HEADER_BYTES)
    mime_type = detect_mime_type(header[:16])
    if mime_type not in INPUT_MIME_TYPES:
        raise ValueError(
            f"{upload.filename} is {mime_type or 'not a known image format'}. "
            "Convert it to PNG, JPEG or WebP."
        )
    if upload.size >= MAX_INPUT_BYTES:
        raise ValueError(
            f"{upload.filename} has {upload.size / 2**20:.1f} MB. Images must be smaller than "
            f"{MAX_INPUT_BYTES // 2**20} MB."
        )
    return ImageInput(upload, mime_type, read_image_size(header), can_be_transparent(header))


def check_mask(mask: ImageInput, image: ImageInput) -> None:
    """Check that a mask is a PNG with transparency and the dimensions of the image."""
    if mask.mime_type != "image/png":
        raise RouterInputError(
            f"mask: Expected a PNG, got {mask.mime_type}. Its transparent pixels mark the area to "
            "edit."
        )
    if not mask.can_be_transparent:
        raise RouterInputError(
            "mask: The PNG has no alpha channel, so it does not mark an area to edit. Save it as "
            "RGBA, and make the area to edit transparent."
        )
    if mask.size and image.size and mask.size != image.size:
        mask_size, image_size = ("{}x{}".format(*size) for size in (mask.size, image.size))
        raise RouterInputError(
            f"mask: The mask has {mask_size} pixels, the first image {image_size}. Use a mask of "
            "the same size."
        )
