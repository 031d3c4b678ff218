"""Bodies of the image endpoints without the router's controls (contract sections 2.2 to 2.4).

Sizes are bounded by what is drawn here: 16 to 4096 pixels a side; the contract names none but
those of variations. What only some models take, their provider checks, not the router.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.media.mime import detect_mime_type
from orq_router_integrations.testing.routing.checking import Schema
from orq_router_integrations.testing.routing.forms import AnyFile, FormFile, FormInt
from orq_router_integrations.testing.routing.refusals import Refusal
from orq_router_integrations.wire.suggestions import create_pattern_validator

LARGEST_FILE = 50 * 1024 * 1024
SIDES = range(16, 4097)

_ONLY_FOR = {
    "style": {"dall-e-3"},
    "background": {"gpt-image"},
    "output_format": {"gpt-image"},
    "output_compression": {"gpt-image"},
    "moderation": {"gpt-image"},
    "response_format": {"dall-e-2", "dall-e-3"},
}


def _checked_size(size: str) -> str:
    if size != "auto":
        sides = [int(side) for side in size.split("x")]
        if not all(side in SIDES for side in sides):
            raise ValueError("the offline router draws 16 to 4096 pixels a side")
    return size


def _checked_picture(file: FormFile) -> FormFile:
    found = detect_mime_type(file.data[:16])
    if found not in {"image/png", "image/jpeg", "image/webp"}:
        raise ValueError(f"must be PNG, WebP or JPEG, and is {found or 'no image'}")
    if len(file.data) >= LARGEST_FILE:
        raise ValueError("must have less than 50 MB")
    return file


def _checked_mask(file: FormFile) -> FormFile:
    if detect_mime_type(file.data[:16]) != "image/png":
        raise ValueError("a mask must be a PNG")
    return file


Size = Annotated[
    str,
    create_pattern_validator(
        r"^(auto|\d{2,4}x\d{2,4})\Z", "'auto', or width x height such as '1024x1024'"
    ),
    AfterValidator(_checked_size),
]
Link = Literal["url", "b64_json"]
PictureFile = Annotated[AnyFile, AfterValidator(_checked_picture)]


class _Common(Schema):
    model: str
    n: Annotated[FormInt, Field(ge=1, le=10)] | None = None
    response_format: Link | None = None

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
    image: Annotated[list[PictureFile], Field(min_length=1, max_length=16)]
    mask: Annotated[AnyFile, AfterValidator(_checked_mask)] | None = None
    quality: Literal["auto", "high", "medium", "low", "standard"] | None = None
    user: str | None = None

    @property
    def files(self) -> Sequence[FormFile]:
        """The images that came along."""
        return self.image


class Variation(_Common):
    """The body of /images/variations."""

    image: PictureFile
    size: Literal["256x256", "512x512", "1024x1024"] | None = None
    user: str | None = None

    @property
    def files(self) -> Sequence[FormFile]:
        """The image that came along."""
        return (self.image,)


AnyRequest = Generation | Edit | Variation


def family_of(model: str) -> str | None:
    """The family that the contract has rules for; ``None`` for models of no such family."""
    name = model.partition("/")[2]
    return next((it for it in ("dall-e-2", "dall-e-3", "gpt-image") if name.startswith(it)), None)


def check_mask(request: Edit) -> None:
    """Check that the mask is as large as the first image.

    Raises:
        Refusal: 400; it is not.
    """
    mask = request.mask and read_image_size(request.mask.data)
    image = read_image_size(request.image[0].data)
    if mask and image and mask != image:
        shown = " and ".join("{}x{}".format(*size) for size in (mask, image))
        raise Refusal(400, f"mask: must be as large as the image ({shown})", param="mask")


def check_family(model: str, sent: Mapping[str, Any]) -> None:
    """Check what a provider's model takes; models of no known family take everything.

    Raises:
        Refusal: 400, as the provider would answer.
    """
    family = family_of(model)
    if family is None:
        return
    for name in sent:
        if family not in _ONLY_FOR.get(name, {family}):
            raise Refusal(400, f"{name}: {model} does not take it", param=name)
    if family == "dall-e-3" and (sent.get("n") or 1) > 1:
        raise Refusal(400, f"n: {model} makes one image", param="n")
