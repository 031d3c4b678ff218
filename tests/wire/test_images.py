"""Image parameters: valid values, and rules by operation and model family."""

import pytest
from pydantic import ValidationError

from orq_router_integrations.wire.images import (
    EDIT,
    GENERATION,
    VARIATION,
    ImageParams,
    ImageRequest,
    check_model_params,
    check_operation_params,
)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.0}, "n"),
        ({"size": "big"}, "size"),
        ({"size": "1024X1024"}, "size"),
        ({"size": "0x10"}, "size"),
        ({"size": "1024x1024\n"}, "size"),
        ({"quality": "best"}, "quality"),
        ({"style": "x"}, "style"),
        ({"background": "x"}, "background"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_compression": 101, "output_format": "webp"}, "output_compression"),
        ({"output_compression": -1, "output_format": "webp"}, "output_compression"),
        ({"moderation": "high"}, "moderation"),
        ({"return_format": "png"}, "return_format"),
        ({"user": ""}, "user"),
    ],
)
def test_invalid_value_is_rejected(params, message):
    with pytest.raises(ValidationError, match=message):
        ImageParams(**params)


SUPPORTED = {
    "dall-e-2": {"n": 10, "return_format": "url"},
    "dall-e-3": {"n": 1, "return_format": "b64_json", "style": "vivid", "quality": "hd"},
    "gpt-image-1": {"n": 4, "background": "opaque", "output_format": "webp", "moderation": "low"},
    "gpt-image-1-mini": {"output_format": "jpeg", "output_compression": 0},
    "gpt-image-2": {"output_compression": 100},
    "imagen-4": {"n": 4, "background": "opaque", "style": "vivid", "return_format": "url"},
    "imagen-4-fast": {"output_compression": 50},
}
UNSUPPORTED = [
    ("dall-e-2", {"style": "vivid"}, "style: Not supported by openai/dall-e-2, only by dall-e-3"),
    ("dall-e-2", {"background": "auto"}, "only by gpt-image models"),
    ("dall-e-3", {"output_format": "png"}, "output_format"),
    ("dall-e-3", {"moderation": "low"}, "moderation"),
    ("dall-e-3", {"n": 2}, "n: The model openai/dall-e-3 generates 1 image per request, not 2"),
    ("gpt-image-1", {"style": "vivid"}, "only by dall-e-3 models"),
    ("gpt-image-1", {"background": "transparent", "output_format": "jpeg"}, "no transparency"),
    ("imagen-4", {"background": "transparent", "output_format": "jpeg"}, "no transparency"),
    ("gpt-image-1", {"return_format": "b64_json"}, "only by dall-e-2 and dall-e-3 models"),
]


@pytest.mark.parametrize(("model", "params"), SUPPORTED.items(), ids=SUPPORTED)
def test_params_that_a_model_supports_are_accepted(model, params):
    check_model_params(f"openai/{model}", params)


@pytest.mark.parametrize(("model", "params", "message"), UNSUPPORTED)
def test_params_that_a_model_does_not_support_raise(model, params, message):
    with pytest.raises(ValueError, match=message):
        check_model_params(f"openai/{model}", params)


@pytest.mark.parametrize(
    ("operation", "params", "message"),
    [
        (GENERATION, {"user": "u"}, "user: Not supported by /images/generations"),
        (EDIT, {"background": "opaque"}, "background: Not supported by /images/edits"),
        (EDIT, {"quality": "hd"}, "quality: /images/edits does not support 'hd'"),
        (VARIATION, {"quality": "low"}, "Supported: n, return_format, size, user"),
        (
            VARIATION,
            {"size": "auto"},
            "/images/variations does not support 'auto'. Use 256x256, 512x512, 1024x1024",
        ),
    ],
    ids=["generation", "edit", "edit in HD", "variation", "variation size"],
)
def test_params_that_an_operation_does_not_support_raise(operation, params, message):
    with pytest.raises(ValueError, match=message):
        check_operation_params(operation, params)


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        (GENERATION, {"quality": "hd", "size": "auto"}),
        (EDIT, {"quality": "standard", "size": "1536x1024"}),
        (VARIATION, {"size": "512x512"}),
    ],
    ids=["generation", "edit", "variation"],
)
def test_values_that_an_operation_supports_are_accepted(operation, params):
    check_operation_params(operation, params)


def test_to_wire_contains_set_params_only():
    request = ImageRequest(model="openai/dall-e-2", prompt="boat", n=2, return_format="url")
    assert request.to_wire() == {
        "model": "openai/dall-e-2",
        "prompt": "boat",
        "n": 2,
        "response_format": "url",
    }
    assert ImageRequest(model="openai/dall-e-2").to_wire() == {"model": "openai/dall-e-2"}


@pytest.mark.parametrize(
    "prompt", ["", " \n", "\ud800", 7], ids=["empty", "blank", "surrogate", "number"]
)
def test_invalid_prompt_is_rejected(prompt):
    with pytest.raises(ValidationError, match="prompt"):
        ImageRequest(model="openai/dall-e-2", prompt=prompt)
