"""Parameters of the image endpoints, with the rules for each operation and model family.

Only documented model families have rules. All other models accept every parameter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt, field_validator

from orq_router_integrations.wire import endpoints
from orq_router_integrations.wire.arguments import create_pattern_validator
from orq_router_integrations.wire.controls import ModelId
from orq_router_integrations.wire.deferred_model import optional
from orq_router_integrations.wire.json import check_encodable

MAX_INPUT_BYTES = 50 * 1024 * 1024  # input images and masks must be smaller

INPUT_MIME_TYPES = ("image/png", "image/jpeg", "image/webp")

SIZE_PATTERN = r"^(auto|[1-9]\d{1,4}x[1-9]\d{1,4})$"
ImageSize = Annotated[
    str,
    create_pattern_validator(SIZE_PATTERN, "'auto' or pixels such as '1024x1024'"),
    Field(pattern=SIZE_PATTERN),  # shown to models, which read the JSON schema
]


class ImageParams(BaseModel):
    """Parameters of an image request other than model, prompt and images."""

    n: Annotated[StrictInt, Field(ge=1, le=10)] | None = optional(
        "Number of images, 1 to 10; dall-e-3 supports only 1."
    )
    size: ImageSize | None = optional(
        "Width x height in pixels such as 1024x1024, or auto. Models support different sizes."
    )
    quality: Literal["auto", "high", "medium", "low", "hd", "standard"] | None = optional(
        "Rendering quality. Models support different values."
    )
    style: Literal["vivid", "natural"] | None = optional(
        "Dramatic (vivid) or true to life (natural); dall-e-3 only."
    )
    background: Literal["transparent", "opaque", "auto"] | None = optional(
        "Background of the image; GPT Image models only."
    )
    output_format: Literal["png", "jpeg", "webp"] | None = optional(
        "File format of the image; GPT Image models only."
    )
    output_compression: Annotated[StrictInt, Field(ge=0, le=100)] | None = optional(
        "Quality of a jpeg or webp image in percent, 0 to 100; GPT Image models only."
    )
    moderation: Literal["auto", "low"] | None = optional(
        "Strictness of content moderation; GPT Image models only."
    )
    return_format: Literal["url", "b64_json"] | None = optional(
        "Return the image as a URL or as base64; DALL-E models only (GPT Image always returns "
        "base64). Sent as `response_format`.",
        serialization_alias="response_format",
    )
    user: Annotated[str, Field(min_length=1)] | None = optional(
        "Id of your end user; edits and variations only."
    )

    def collect_image_params(self) -> dict[str, Any]:
        return self.model_dump(include=set(ImageParams.model_fields), exclude_none=True)


class ImageRequest(ImageParams):
    """Parameters of one image request, except for its input images."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    model: ModelId
    prompt: str | None = None  # ``None`` for variations

    @field_validator("prompt")
    @classmethod
    def _check_prompt(cls, prompt: str | None) -> str | None:
        if prompt is not None and not prompt.strip():
            raise ValueError("The prompt is empty. Describe the image to draw.")
        return prompt and check_encodable(prompt)

    def to_wire(self) -> dict[str, Any]:
        fields = self.model_dump(exclude_none=True, by_alias=True)
        first = {name: fields[name] for name in ("model", "prompt") if name in fields}
        return first | fields


OperationName = Literal["generate", "edit", "vary"]


@dataclass(frozen=True, slots=True)
class ImageOperation:
    name: OperationName
    endpoint: endpoints.Endpoint
    params: frozenset[str]  # names of the parameters that the endpoint supports
    max_images: int = 0  # maximum number of input images


GENERATION = ImageOperation(
    "generate", endpoints.IMAGE_GENERATIONS, frozenset(ImageParams.model_fields) - {"user"}
)
EDIT = ImageOperation(
    "edit", endpoints.IMAGE_EDITS, frozenset({"n", "size", "quality", "return_format", "user"}), 16
)
VARIATION = ImageOperation(
    "vary", endpoints.IMAGE_VARIATIONS, frozenset({"n", "size", "return_format", "user"}), 1
)

_SUPPORTED_VALUES = {
    ("edit", "quality"): ("auto", "high", "medium", "low", "standard"),
    ("vary", "size"): ("256x256", "512x512", "1024x1024"),
}
"""Supported values of the parameters that an operation supports only in part."""

_MODEL_FAMILIES = ("dall-e-2", "dall-e-3", "gpt-image")
_FAMILIES_BY_PARAM = {
    "style": ("dall-e-3",),
    "background": ("gpt-image",),
    "output_format": ("gpt-image",),
    "output_compression": ("gpt-image",),
    "moderation": ("gpt-image",),
    "return_format": ("dall-e-2", "dall-e-3"),
}
"""Families that support a parameter. Parameters that all families support are not listed."""


def _get_family(model: str) -> str | None:
    name = model.rpartition("/")[2]
    return next((family for family in _MODEL_FAMILIES if name.startswith(family)), None)


def check_model_params(model: str, params: Mapping[str, Any]) -> None:
    """Check that a model supports a combination of parameters; undocumented models support all."""
    family = _get_family(model)
    for param in params:
        families = _FAMILIES_BY_PARAM.get(param)
        if family and families and family not in families:
            raise ValueError(
                f"{param}: Not supported by {model}, only by {' and '.join(families)} models. "
                f"Remove {param}."
            )
    if family == "dall-e-3" and params.get("n", 1) > 1:
        raise ValueError(
            f"n: The model {model} generates 1 image per request, not {params['n']}. Use n=1."
        )
    if params.get("background") == "transparent" and params.get("output_format") == "jpeg":
        raise ValueError("background: JPEG has no transparency. Use output_format='png'.")


def check_compression(model: str, params: Mapping[str, Any]) -> None:
    """Check that the format of a request, which may also be in ``extra_body``, is compressed."""
    is_png = params.get("output_format", "png") == "png" and _get_family(model) == "gpt-image"
    if is_png and params.get("output_compression", 100) < 100:
        raise ValueError(
            "output_compression: Not supported for PNG, the default format. "
            "Use output_format='jpeg' or 'webp'."
        )


def check_operation_params(operation: ImageOperation, params: Mapping[str, Any]) -> None:
    path = operation.endpoint.path
    for name, value in params.items():
        if name not in operation.params:
            supported = ", ".join(sorted(operation.params))
            raise ValueError(f"{name}: Not supported by {path}. Supported: {supported}.")
        values = _SUPPORTED_VALUES.get((operation.name, name), (value,))
        if value not in values:
            raise ValueError(f"{name}: {path} does not support {value!r}. Use {', '.join(values)}.")
