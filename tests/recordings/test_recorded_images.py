"""Images: every operation and return format. The assertions hold for any router."""

from pathlib import Path

import pytest

from orq_router_integrations import ImageResult, OrqImageTool, RouterClient
from orq_router_integrations.errors import RouterStatusError

pytestmark = pytest.mark.vcr

ASSETS = Path(__file__).parents[1] / "assets"
SQUARE, MASK = ASSETS / "square.png", ASSETS / "mask.png"
GPT_IMAGE = {"model": "openai/gpt-image-1", "size": "1024x1024", "quality": "low"}
DALL_E = {"model": "openai/dall-e-2", "size": "256x256"}


def check_images(result: ImageResult) -> ImageResult:
    """Check type and size of each image, and return the result."""
    for image in result.images:
        assert image.mime_type in {"image/png", "image/jpeg", "image/webp"}
        assert image.size == len(image.read())
    return result


def test_generate(client: RouterClient) -> None:
    result = check_images(OrqImageTool(**GPT_IMAGE, client=client).generate("a red boat"))
    assert (result.image.width, result.image.height) == (1024, 1024)


def test_generate_two(client: RouterClient) -> None:
    tool = OrqImageTool(**DALL_E, return_format="b64_json", n=2, client=client)
    assert len(check_images(tool.generate("a red boat")).images) == 2


def test_generate_url(client: RouterClient) -> None:
    result = OrqImageTool(**DALL_E, return_format="url", client=client).generate("a red boat")
    assert result.image.url
    assert result.image.data is None


def test_edit(client: RouterClient) -> None:
    tool = OrqImageTool(**GPT_IMAGE, client=client)
    assert check_images(tool.edit("at night", SQUARE)).operation == "edit"


def test_edit_with_mask_and_controls(client: RouterClient) -> None:
    controls = {"retry": {"count": 1}, "fallbacks": ["azure/dall-e-2"], "name": "recorded"}
    tool = OrqImageTool(**DALL_E, return_format="b64_json", controls=controls, client=client)
    assert check_images(tool.edit("a whale in the sea", SQUARE, mask=MASK)).images


def test_variations(client: RouterClient) -> None:
    tool = OrqImageTool(**DALL_E, return_format="b64_json", n=2, client=client)
    assert len(check_images(tool.create_variation(SQUARE)).images) == 2


def test_unknown_model(client: RouterClient) -> None:
    with pytest.raises(RouterStatusError) as caught:
        OrqImageTool(model="openai/no-such-model-9", client=client).generate("a red boat")
    assert 400 <= caught.value.status_code < 500
