"""Request bodies of the image endpoints, without the router's controls.

The size limits (16 to 4096 pixels per side) are those of the offline router. Only the sizes of
variations are documented. Fields that only some models support are checked by the provider.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.media.mime import detect_mime_type
from orq_router_integrations.testing.routing.endpoint import EndpointRequest
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.model_registry import get_provider_model_name
from orq_router_integrations.testing.routing.multipart_parsing import AnyFile, FormFile, FormInt
from orq_router_integrations.wire.arguments import create_pattern_validator

MAX_FILE_BYTES = 50 * 1024 * 1024
SIDE_RANGE = range(16, 4097)

MODEL_FAMILIES = ("dall-e-2", "dall-e-3", "gpt-image")

_SUPPORTED_FAMILIES = {
    "style": {"dall-e-3"},
    "background": {"gpt-image"},
    "output_format": {"gpt-image"},
    "output_compression": {"gpt-image"},
    "moderation": {"gpt-image"},
    "response_format": {"dall-e-2", "dall-e-3"},
}


def _check_size(size: str) -> str:
    if size != "auto":
        sides = [int(side) for side in size.split("x")]
        if not all(side in SIDE_RANGE for side in sides):
            raise ValueError("each side must have 16 to 4096 pixels in the offline router")
    return size


def _check_image_file(file: FormFile) -> FormFile:
    mime_type = detect_mime_type(file.data[:16])
    if mime_type not in {"image/png", "image/jpeg", "image/webp"}:
        raise ValueError(f"must be PNG, WebP or JPEG, not {mime_type or 'an unknown type'}")
    if len(file.data) >= MAX_FILE_BYTES:
        raise ValueError("must be smaller than 50 MB")
    return file


def _check_mask_file(file: FormFile) -> FormFile:
    if detect_mime_type(file.data[:16]) != "image/png":
        raise ValueError("a mask must be a PNG")
    return file


Size = Annotated[
    str,
    create_pattern_validator(
        r"^(auto|\d{2,4}x\d{2,4})\Z", "'auto', or width x height such as '1024x1024'"
    ),
    AfterValidator(_check_size),
]
ImageFormat = Literal["url", "b64_json"]
ImageFile = Annotated[AnyFile, AfterValidator(_check_image_file)]


class _Common(EndpointRequest):
    n: Annotated[FormInt, Field(ge=1, le=10)] | None = None
    response_format: ImageFormat | None = None

    @property
    def is_streamed(self) -> bool:
        return True

    @property
    def is_cacheable(self) -> bool:
        return True

    @property
    def files(self) -> Sequence[FormFile]:
        """Uploaded images."""
        return ()

    def build_provider_body(self, model: str) -> dict[str, Any]:
        fields = {name: getattr(self, name) for name in sorted(self.model_fields_set)}
        return fields | {"model": get_provider_model_name(model)}


class Generation(_Common):
    """Body of /images/generations."""

    prompt: str = Field(min_length=1)
    n: Annotated[int, Field(ge=1, le=10)] | None = None
    size: Size | None = None
    quality: Literal["auto", "high", "medium", "low", "hd", "standard"] | None = None
    style: Literal["vivid", "natural"] | None = None
    background: Literal["transparent", "opaque", "auto"] | None = None
    output_format: Literal["png", "jpeg", "webp"] | None = None
    output_compression: int | None = Field(default=None, ge=0, le=100)
    moderation: Literal["auto", "low"] | None = None


class Edit(_Common):
    """Body of /images/edits."""

    prompt: str = Field(min_length=1)
    size: Size | None = None
    image: Annotated[list[ImageFile], Field(min_length=1, max_length=16)]
    mask: Annotated[AnyFile, AfterValidator(_check_mask_file)] | None = None
    quality: Literal["auto", "high", "medium", "low", "standard"] | None = None
    user: str | None = None

    @property
    def files(self) -> Sequence[FormFile]:
        """Uploaded images."""
        return self.image


class Variation(_Common):
    """Body of /images/variations."""

    image: ImageFile
    size: Literal["256x256", "512x512", "1024x1024"] | None = None
    user: str | None = None

    @property
    def files(self) -> Sequence[FormFile]:
        """The uploaded image."""
        return (self.image,)


AnyRequest = Generation | Edit | Variation


def find_model_family(model: str) -> str | None:
    """Return the family of a model that has documented rules, or ``None``."""
    name = model.partition("/")[2]
    return next((family for family in MODEL_FAMILIES if name.startswith(family)), None)


def check_mask_size(request: Edit) -> None:
    """Check that the mask has the size of the first image.

    Raises:
        HTTPError: 400, the sizes differ.
    """
    mask = request.mask and read_image_size(request.mask.data)
    image = read_image_size(request.image[0].data)
    if mask and image and mask != image:
        sizes = " and ".join("{}x{}".format(*size) for size in (mask, image))
        raise HTTPError(400, f"mask: must have the size of the image ({sizes})", param="mask")


def check_model_params(model: str, fields: Mapping[str, Any]) -> None:
    """Check that a provider's model supports the fields; unknown model families support all.

    Raises:
        HTTPError: 400, as the provider would answer.
    """
    family = find_model_family(model)
    if family is None:
        return
    for name in fields:
        if family not in _SUPPORTED_FAMILIES.get(name, {family}):
            raise HTTPError(400, f"{name}: {model} does not support it", param=name)
    if family == "dall-e-3" and (fields.get("n") or 1) > 1:
        raise HTTPError(400, f"n: {model} creates one image only", param="n")
