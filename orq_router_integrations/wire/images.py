"""What the image endpoints take: their parameters, by operation and by family of models.

Source: contract sections 2.2 to 2.4; where it says nothing of a model, everything is passed on.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from orq_router_integrations.wire.controls import ModelId
from orq_router_integrations.wire.endpoints import (
    IMAGE_EDITS,
    IMAGE_GENERATIONS,
    IMAGE_VARIATIONS,
    Endpoint,
)
from orq_router_integrations.wire.suggestions import create_pattern_validator

MAX_INPUT_BYTES = 50 * 1024 * 1024
"""An image or mask that is sent must have less (contract section 2.3)."""

INPUT_MIME_TYPES = ("image/png", "image/jpeg", "image/webp")

StrictInt = Annotated[int, Field(strict=True)]
SIZE_PATTERN = r"^(auto|[1-9]\d{1,4}x[1-9]\d{1,4})$"
ImageSize = Annotated[
    str,
    create_pattern_validator(SIZE_PATTERN, "'auto' or pixels such as '1024x1024'"),
    Field(pattern=SIZE_PATTERN),
]
"""The pattern stays for models, which read the schema."""


class ImageParams(BaseModel):
    """Parameters beside model, prompt and images; sent only when set.

    Attributes:
        n: how many images, 1 to 10; dall-e-3 makes one.
        size: ``auto``, or width x height in pixels such as ``1024x1024``; which a model takes,
            its provider knows.
        quality: ``auto``, ``high``, ``medium``, ``low``, ``hd`` or ``standard``; varies by model.
        style: ``vivid`` or ``natural`` (dall-e-3).
        background: ``transparent``, ``opaque`` or ``auto`` (GPT Image).
        output_format: ``png``, ``jpeg`` or ``webp`` (GPT Image).
        output_compression: 0 to 100, for webp and jpeg (GPT Image).
        moderation: ``auto`` or ``low`` (GPT Image).
        delivery: how images come: ``url`` or ``b64_json`` (DALL-E); GPT Image always sends base64.
            Travels as ``response_format``, a name that LangChain's tools use for something else.
        user: your own name of the end user (edits and variations).
    """

    n: Annotated[StrictInt, Field(ge=1, le=10)] | None = Field(
        default=None, description="How many images to make."
    )
    size: ImageSize | None = Field(
        default=None, description="Width x height in pixels such as 1024x1024, or auto."
    )
    quality: Literal["auto", "high", "medium", "low", "hd", "standard"] | None = Field(
        default=None, description="How much work goes into the image."
    )
    style: Literal["vivid", "natural"] | None = Field(
        default=None, description="Dramatic, or true to life."
    )
    background: Literal["transparent", "opaque", "auto"] | None = Field(
        default=None, description="Whether the image has a background."
    )
    output_format: Literal["png", "jpeg", "webp"] | None = Field(
        default=None, description="The kind of image file."
    )
    output_compression: Annotated[StrictInt, Field(ge=0, le=100)] | None = Field(
        default=None, description="Quality of a jpeg or webp, in percent."
    )
    moderation: Literal["auto", "low"] | None = None
    return_format: Literal["url", "b64_json"] | None = None
    user: Annotated[str, Field(min_length=1)] | None = None

    @model_validator(mode="after")
    def _compressed_what_can_be(self) -> Self:
        if self.output_compression is not None and self.output_format not in {"webp", "jpeg"}:
            raise ValueError("output_compression: needs output_format 'webp' or 'jpeg'")
        return self

    def collect_image_params(self) -> dict[str, Any]:
        """The parameters that are set, under their names here."""
        values = {name: getattr(self, name) for name in ImageParams.model_fields}
        return {name: value for name, value in values.items() if value is not None}


class ImageRequest(ImageParams):
    """What one call asks for beside the images it brings.

    Attributes:
        model: the provider, a slash, the provider's model.
        prompt: what to draw or to change; variations have none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    model: ModelId
    prompt: str | None = None

    @field_validator("prompt")
    @classmethod
    def _says_something(cls, prompt: str | None) -> str | None:
        if prompt is not None and not prompt.strip():
            raise ValueError("it is empty; say what the image should show")
        try:
            _ = (prompt or "").encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"half a character at position {error.start}") from None
        return prompt

    def to_wire(self) -> dict[str, Any]:
        """The members of the body."""
        prompt = {} if self.prompt is None else {"prompt": self.prompt}
        params = {_ON_WIRE.get(name, name): it for name, it in self.collect_image_params().items()}
        return {"model": self.model, **prompt, **params}


_ON_WIRE = {"delivery": "response_format"}

BODY_FIELDS = frozenset({"model", "prompt", "image", "mask", "response_format"}).union(
    ImageParams.model_fields
)
"""The members of a body, under their names here and on the wire."""


@dataclass(frozen=True, slots=True)
class ImageOperation:
    """One of the three things that are done with images.

    Attributes:
        name: ``generate``, ``edit`` or ``vary``.
        takes: the parameters of its endpoint.
        most_images: how many images it takes as input.
    """

    name: str
    endpoint: Endpoint
    params: frozenset[str]
    max_images: int = 0


GENERATION = ImageOperation(
    "generate", IMAGE_GENERATIONS, frozenset(ImageParams.model_fields) - {"user"}
)
EDIT = ImageOperation(
    "edit", IMAGE_EDITS, frozenset({"n", "size", "quality", "delivery", "user"}), 16
)
VARIATION = ImageOperation(
    "vary", IMAGE_VARIATIONS, frozenset({"n", "size", "delivery", "user"}), 1
)

MODEL_FAMILIES = ("dall-e-2", "dall-e-3", "gpt-image")
_ONLY_FOR = {
    "style": ("dall-e-3",),
    "background": ("gpt-image",),
    "output_format": ("gpt-image",),
    "output_compression": ("gpt-image",),
    "moderation": ("gpt-image",),
    "delivery": ("dall-e-2", "dall-e-3"),
}
_VARIATION_SIZES = ("256x256", "512x512", "1024x1024")


def find_model_family(model: str) -> str | None:
    """The family of a model that the contract has rules for; ``None`` for all others.

    >>> find_model_family("azure/gpt-image-1-mini")
    'gpt-image'
    """
    name = model.rpartition("/")[2]
    return next((family for family in MODEL_FAMILIES if name.startswith(family)), None)


def check_model_params(model: str, params: Mapping[str, Any]) -> None:
    """Check that a model takes these parameters; of an unknown family everything is passed on.

    Raises:
        ValueError: it does not, which the router would answer with an error, or ignore.
    """
    family = find_model_family(model)
    if family is None:
        return
    for name in params:
        if family not in _ONLY_FOR.get(name, (family,)):
            why = f"only {' and '.join(_ONLY_FOR[name])} models take it"
            if name == "delivery":
                why = "it always answers in base64"
            raise ValueError(f"{name}: leave it out for {model}; {why}")
    if family == "dall-e-3" and params.get("n", 1) > 1:
        raise ValueError(f"n: {model} makes 1 image in a call, not {params['n']}")


def check_operation_params(operation: ImageOperation, params: Mapping[str, Any]) -> None:
    """Check that an endpoint takes these parameters with these values.

    Raises:
        ValueError: it does not.
    """
    for name in params:
        if name not in operation.params:
            takes = ", ".join(sorted(operation.params))
            path = operation.endpoint.path
            raise ValueError(f"{name}: {path} does not take it; it takes {takes}")
    if operation is EDIT and params.get("quality") == "hd":
        raise ValueError("quality: edits take auto, high, medium, low and standard, not 'hd'")
    if operation is VARIATION and params.get("size", "256x256") not in _VARIATION_SIZES:
        sizes = ", ".join(_VARIATION_SIZES)
        raise ValueError(f"size: variations take {sizes}, not {params['size']!r}")
