"""Images: every operation and kind of delivery. What is asserted holds for any router."""

from pathlib import Path

import pytest

from orq_router_integrations import ImageResult, OrqImageTool, RouterClient
from orq_router_integrations.errors import RouterStatusError

pytestmark = pytest.mark.vcr

ASSETS = Path(__file__).parents[1] / "assets"
SQUARE, MASK = ASSETS / "square.png", ASSETS / "mask.png"
PAINTER = {"model": "openai/gpt-image-1", "size": "1024x1024", "quality": "low"}
DALLE = {"model": "openai/dall-e-2", "size": "256x256"}


def shown(result: ImageResult) -> ImageResult:
    """The result, whose images are here and are what they say."""
    for image in result.images:
        assert image.mime_type in {"image/png", "image/jpeg", "image/webp"}
        assert image.size == len(image.read())
    return result


def test_a_drawing(client: RouterClient) -> None:
    result = shown(OrqImageTool(**PAINTER, client=client).generate("a red boat"))
    assert (result.image.width, result.image.height) == (1024, 1024)


def test_two_small_drawings(client: RouterClient) -> None:
    tool = OrqImageTool(**DALLE, return_format="b64_json", n=2, client=client)
    assert len(shown(tool.generate("a red boat")).images) == 2


def test_a_drawing_behind_a_url(client: RouterClient) -> None:
    result = OrqImageTool(**DALLE, return_format="url", client=client).generate("a red boat")
    assert result.image.url
    assert result.image.data is None


def test_an_edit(client: RouterClient) -> None:
    tool = OrqImageTool(**PAINTER, client=client)
    assert shown(tool.edit("at night", SQUARE)).operation == "edit"


def test_an_edit_with_a_mask_and_controls(client: RouterClient) -> None:
    controls = {"retry": {"count": 1}, "fallbacks": ["azure/dall-e-2"], "name": "recorded"}
    tool = OrqImageTool(**DALLE, return_format="b64_json", controls=controls, client=client)
    assert shown(tool.edit("a whale in the sea", SQUARE, mask=MASK)).images


def test_variations(client: RouterClient) -> None:
    tool = OrqImageTool(**DALLE, return_format="b64_json", n=2, client=client)
    assert len(shown(tool.create_variation(SQUARE)).images) == 2


def test_a_model_that_draws_nothing(client: RouterClient) -> None:
    with pytest.raises(RouterStatusError) as caught:
        OrqImageTool(model="openai/no-such-model-9", client=client).generate("a red boat")
    assert 400 <= caught.value.status_code < 500
