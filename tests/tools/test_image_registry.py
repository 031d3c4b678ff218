"""The registry that finds generated images by id."""

import copy
import pickle

import pytest
from support.image_tools import create_tool

from orq_router_integrations.tools import image_inputs
from orq_router_integrations.tools.image_inputs import ImageLoader, ImageRegistry
from orq_router_integrations.tools.image_result import GeneratedImage


def create_image(number: int, size: int = 0) -> GeneratedImage:
    return GeneratedImage(id=f"img_{number:012x}", data=bytes(size), mime_type="image/png")


def test_registry_drops_oldest_images(monkeypatch):
    monkeypatch.setattr(image_inputs, "MAX_REGISTRY_BYTES", 4000)
    registry, images = ImageRegistry(), [create_image(number, 1000) for number in range(3)]
    registry.register(images)
    assert ImageLoader(registry, None).find(images[2].id) == images[2]
    with pytest.raises(ValueError, match="is not an image of this tool") as caught:
        ImageLoader(registry, None).find(images[0].id)
    assert f"Use one of {images[1].id}, {images[2].id}." in str(caught.value)


def test_registry_keeps_one_large_image(monkeypatch):
    monkeypatch.setattr(image_inputs, "MAX_REGISTRY_BYTES", 10)
    registry, image = ImageRegistry(), create_image(1, 1000)
    registry.register([image])
    assert ImageLoader(registry, None).find(image.id) == image


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, lambda r: pickle.loads(pickle.dumps(r))], ids=["copy", "pickle"]
)
def test_copies_of_a_registry_are_empty(duplicate):
    registry, image = ImageRegistry(), create_image(1)
    registry.register([image])
    with pytest.raises(ValueError, match="Create an image first"):
        ImageLoader(duplicate(registry), None).find(image.id)


def test_dropped_image_cannot_be_edited(router, monkeypatch):
    monkeypatch.setattr(image_inputs, "MAX_REGISTRY_BYTES", 3000)
    tool = create_tool(router)
    first, _, last = (tool.generate(text, size="64x64").image for text in ("one", "two", "three"))
    assert tool.edit("bird", last.id)
    with pytest.raises(ValueError, match="is not an image of this tool"):
        tool.edit("bird", first.id)
    assert len(router.requests) == 4
