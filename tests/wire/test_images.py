"""What the image endpoints and the families of models take."""

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
    find_model_family,
)


@pytest.mark.parametrize(
    ("params", "said"),
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
        ({"output_compression": 50}, "output_compression: needs output_format"),
        ({"output_compression": 50, "output_format": "png"}, "output_compression: needs"),
        ({"moderation": "high"}, "moderation"),
        ({"delivery": "png"}, "delivery"),
        ({"user": ""}, "user"),
    ],
)
def test_values_out_of_range_are_refused(params, said):
    with pytest.raises(ValidationError, match=said):
        ImageParams(**params)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("openai/dall-e-2", "dall-e-2"),
        ("azure/dall-e-3", "dall-e-3"),
        ("openai/gpt-image-1", "gpt-image"),
        ("aws/eu/gpt-image-1.5-mini", "gpt-image"),
        ("google/imagen-4", None),
        ("dall-e-2/other", None),
    ],
)
def test_families_go_by_the_providers_name(model, family):
    assert find_model_family(model) == family


TAKEN = {
    "dall-e-2": {"n": 10, "delivery": "url"},
    "dall-e-3": {"n": 1, "delivery": "b64_json", "style": "vivid", "quality": "hd"},
    "gpt-image-1": {"n": 4, "background": "opaque", "output_format": "webp", "moderation": "low"},
    "imagen-4": {"n": 4, "background": "opaque", "style": "vivid", "delivery": "url"},
}
REFUSED = [
    ("dall-e-2", {"style": "vivid"}, "style: leave it out for openai/dall-e-2; only dall-e-3"),
    ("dall-e-2", {"background": "auto"}, "only gpt-image models take it"),
    ("dall-e-3", {"output_format": "png"}, "output_format"),
    ("dall-e-3", {"moderation": "low"}, "moderation"),
    ("dall-e-3", {"n": 2}, "n: openai/dall-e-3 makes 1 image in a call, not 2"),
    ("gpt-image-1", {"style": "vivid"}, "only dall-e-3 models take it"),
    ("gpt-image-1", {"delivery": "b64_json"}, "always answers in base64"),
]


@pytest.mark.parametrize(("model", "params"), TAKEN.items())
def test_what_a_family_takes_is_passed_on(model, params):
    check_model_params(f"openai/{model}", params)


@pytest.mark.parametrize(("model", "params", "said"), REFUSED)
def test_what_a_family_does_not_take_is_refused_with_the_reason(model, params, said):
    with pytest.raises(ValueError, match=said):
        check_model_params(f"openai/{model}", params)


@pytest.mark.parametrize(
    ("operation", "params", "said"),
    [
        (GENERATION, {"user": "u"}, "user: /images/generations does not take it"),
        (EDIT, {"background": "opaque"}, "background: /images/edits"),
        (EDIT, {"quality": "hd"}, "quality: edits take"),
        (VARIATION, {"quality": "low"}, "it takes delivery, n, size, user"),
        (VARIATION, {"size": "auto"}, "variations take 256x256, 512x512, 1024x1024, not 'auto'"),
    ],
)
def test_what_an_endpoint_does_not_take_is_refused(operation, params, said):
    with pytest.raises(ValueError, match=said):
        check_operation_params(operation, params)


def test_only_what_is_set_is_sent_under_its_name_on_the_wire():
    request = ImageRequest(model="openai/dall-e-2", prompt="boat", n=2, return_format="url")
    wire = {"model": "openai/dall-e-2", "prompt": "boat", "n": 2, "response_format": "url"}
    assert request.to_wire() == wire
    assert ImageRequest(model="openai/dall-e-2").to_wire() == {"model": "openai/dall-e-2"}


@pytest.mark.parametrize("prompt", ["", " \n", "\ud800", 7])
def test_a_prompt_says_something(prompt):
    with pytest.raises(ValidationError, match="prompt"):
        ImageRequest(model="openai/dall-e-2", prompt=prompt)
