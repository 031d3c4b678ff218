"""Bodies of the image endpoints without the router's controls.

Sizes are bounded by what is drawn here: 16 to 4096 pixels a side; the contract names none but
those of variations. What only some models take, their provider checks, not the router.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.media.mime import detect_mime_type
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.multipart_parsing import AnyFile, FormFile, FormInt
from orq_router_integrations.testing.routing.schema_validation import RequestModel
from orq_router_integrations.wire.suggestions import create_pattern_validator

MAX_FILE_BYTES = 50 * 1024 * 1024
SIDE_RANGE = range(16, 4097)

_ONLY_FOR = {
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
            raise ValueError("the offline router draws 16 to 4096 pixels a side")
    return size


def _check_image_file(file: FormFile) -> FormFile:
    found = detect_mime_type(file.data[:16])
    if found not in {"image/png", "image/jpeg", "image/webp"}:
        raise ValueError(f"must be PNG, WebP or JPEG, and is {found or 'no image'}")
    if len(file.data) >= MAX_FILE_BYTES:
        raise ValueError("must have less than 50 MB")
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


class _Common(RequestModel):
    model: str
    n: Annotated[FormInt, Field(ge=1, le=10)] | None = None
    response_format: ImageFormat | None = None

    @property
    def files(self) -> Sequence[FormFile]:
        """The images that came along."""
        return ()


class Generation(_Common):
    """The body of /images/generations."""

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
    """The body of /images/edits."""

    prompt: str = Field(min_length=1)
    size: Size | None = None
    image: Annotated[list[ImageFile], Field(min_length=1, max_length=16)]
    mask: Annotated[AnyFile, AfterValidator(_check_mask_file)] | None = None
    quality: Literal["auto", "high", "medium", "low", "standard"] | None = None
    user: str | None = None

    @property
    def files(self) -> Sequence[FormFile]:
        """The images that came along."""
        return self.image


class Variation(_Common):
    """The body of /images/variations."""

    image: ImageFile
    size: Literal["256x256", "512x512", "1024x1024"] | None = None
    user: str | None = None

    @property
    def files(self) -> Sequence[FormFile]:
        """The image that came along."""
        return (self.image,)


AnyRequest = Generation | Edit | Variation


def find_model_family(model: str) -> str | None:
    """The family that the contract has rules for; ``None`` for models of no such family."""
    name = model.partition("/")[2]
    return next((it for it in ("dall-e-2", "dall-e-3", "gpt-image") if name.startswith(it)), None)


def check_mask_size(request: Edit) -> None:
    """Check that the mask is as large as the first image.

    Raises:
        HTTPError: 400; it is not.
    """
    mask = request.mask and read_image_size(request.mask.data)
    image = read_image_size(request.image[0].data)
    if mask and image and mask != image:
        shown = " and ".join("{}x{}".format(*size) for size in (mask, image))
        raise HTTPError(400, f"mask: must be as large as the image ({shown})", param="mask")


def check_model_params(model: str, sent: Mapping[str, Any]) -> None:
    """Check what a provider's model takes; models of no known family take everything.

    Raises:
        HTTPError: 400, as the provider would answer.
    """
    family = find_model_family(model)
    if family is None:
        return
    for name in sent:
        if family not in _ONLY_FOR.get(name, {family}):
            raise HTTPError(400, f"{name}: {model} does not take it", param=name)
    if family == "dall-e-3" and (sent.get("n") or 1) > 1:
        raise HTTPError(400, f"n: {model} makes one image", param="n")
