"""What comes in to the image tool: images of every kind, and input that is refused unsent."""

import asyncio
import base64
import os
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents.base import Blob
from pydantic import ValidationError

from orq_router_integrations import OfflineRouter, OrqImageTool
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing.images.drawing import draw_image
from orq_router_integrations.testing.images.png import encode_png
from orq_router_integrations.tools import image_inputs as picture_sources
from orq_router_integrations.tools.image_result import ImageResult
from orq_router_integrations.wire.images import MAX_INPUT_BYTES

GPT, DALLE2, DALLE3 = "openai/gpt-image-1", "openai/dall-e-2", "openai/dall-e-3"
BOAT = encode_png(draw_image("boat", (64, 48), 1))
OTHER = encode_png(draw_image("other", (32, 32), 1))
DATA_URI = "data:image/png;base64," + base64.b64encode(BOAT).decode()
JPEG = b"\xff\xd8\xff\xc0\0\x11\x08\0\x30\0\x40" + bytes(20)


@pytest.fixture
def draw(router: OfflineRouter) -> OrqImageTool:
    return OrqImageTool(model=GPT, client=router.client())


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "boat.png"
    path.write_bytes(BOAT)
    return path


def test_images_come_as_paths_bytes_blobs_and_data_uris(router, draw, file):
    sources = [
        *(str(file), file, BOAT, bytearray(BOAT), DATA_URI),
        *(Blob.from_path(str(file)), Blob.from_data(BOAT, mime_type="image/png")),
    ]
    for source in sources:
        draw.edit("bird", source)
    digests = {request.body["image"]["sha256"] for request in router.requests}
    assert len(digests) == 1
    draw.edit("bird", sources)
    assert [item["size"] for item in router.requests[-1].body["image"]] == [len(BOAT)] * 7


def test_images_come_as_earlier_results_in_every_form(router, draw):
    result = draw.generate("boat", n=2, size="64x64")
    call = {"type": "tool_call", "id": "1", "name": draw.name, "args": {"prompt": "boat"}}
    message = draw.invoke(call)
    one = result.image
    for source in (one, one.id, one.model_dump(mode="json", by_alias=True), [one]):
        draw.edit("bird", source)
        assert router.requests[-1].body["image"]["sha256"] == one.sha256
    for source in (result, result.artifact(), list(result.images)):
        draw.edit("bird", source)
        assert len(router.requests[-1].body["image"]) == 2
    draw.edit("bird", message)
    assert router.requests[-1].body["image"]["sha256"] == ImageResult.of(message).image.sha256
    assert router.requests[-1].body["image"]["filename"].endswith(".png")


def unsent(router: OfflineRouter, ask: Any, said: str) -> None:
    """An error that names its field, and nothing on the wire; sync and async alike."""
    before = len(router.requests)
    for _ in range(2):
        with pytest.raises(RouterInputError, match=said):
            ask()
    assert len(router.requests) == before


@pytest.mark.parametrize(
    ("args", "said"),
    [
        ({"prompt": ""}, "prompt: must not be empty"),
        ({"prompt": "  "}, "prompt: must not be empty"),
        ({"prompt": None}, "prompt: must be text, not NoneType"),
        ({"prompt": "\ud800"}, "prompt: contains a lone surrogate at position 0"),
        ({"n": 0}, "n: .* greater than or equal to 1, not 0"),
        ({"n": 11}, "n: .* less than or equal to 10"),
        ({"n": "2"}, "n: "),
        ({"size": "large"}, "size: .* 'large'"),
        ({"quality": "best"}, "quality: "),
        ({"output_format": "webp", "output_compression": 101}, "output_compression: "),
        ({"output_compression": 50}, "output_compression: requires output_format"),
        (
            {"return_format": "b64_json"},
            "return_format: not supported by openai/gpt-image-1, it always",
        ),
        ({"style": "vivid"}, "style: .* only dall-e-3"),
        ({"model": DALLE3, "n": 2}, "n: openai/dall-e-3 generates 1 image"),
        ({"model": "gpt-image-1"}, "model: "),
        ({"user": "u"}, "user: /images/generations does not take it"),
        ({"sizes": "auto"}, "Unknown argument 'sizes'. Did you mean 'size'"),
        ({"fallbacks": [DALLE2]}, "Unknown argument 'fallbacks'. It is a router control"),
        ({"response_format": "url"}, "Unknown argument 'response_format'. Use 'delivery'"),
        ({"controls": {"retry": {"count": 9}}}, "retry.count"),
        ({"controls": {"thread": "t"}}, "thread"),
    ],
)
def test_bad_arguments_are_named_before_anything_is_sent(router, draw, args, said):
    given = {"prompt": "boat"} | args
    unsent(router, lambda: draw.generate(**given), said)
    unsent(router, lambda: asyncio.run(draw.agenerate(**given)), said)


@pytest.mark.parametrize(
    ("image", "said"),
    [
        ([], "image: give 1 to 16 images, not 0"),
        ([BOAT] * 17, "image: give 1 to 16 images, not 17"),
        (b"", "image: The data is empty"),
        (b"no image", "image: .* no image that is known; the router takes PNG, JPEG and WebP"),
        (b"GIF89a" + bytes(20), "image: .* is image/gif"),
        ([BOAT, b"%PDF-1.7"], r"image\[1\]: .* is application/pdf"),
        ("https://example.com/a.png", "image: .* is a URL, .* fetch it yourself"),
        ("file:///etc/hostname", "is a URL"),
        ("data:image/png,xyz", "image: Expected a data URL"),
        ("data:image/png;base64,%%%", "image: The data is not base64"),
        ("nowhere.png", "image: Cannot open 'nowhere.png'"),
        ("", "image: "),
        ("img_0123456789ab", "is no image of this tool"),
        (7, "image: give a path, bytes, a Blob, a data URI or an earlier image, not int"),
        (None, "image: give a path"),
        ({"a": 1}, "image: no images are in it"),
    ],
)
def test_what_is_no_image_is_refused_before_anything_is_sent(router, draw, image, said):
    unsent(router, lambda: draw.edit("bird", image), said)
    unsent(router, lambda: asyncio.run(draw.aedit("bird", image)), said)


def test_paths_lead_to_regular_files_only(router, draw, tmp_path, monkeypatch, file):
    os.mkfifo(tmp_path / "pipe")
    unsent(router, lambda: draw.edit("x", tmp_path), "is not a regular file")
    unsent(router, lambda: draw.edit("x", tmp_path / "pipe"), "is not a regular file")
    unsent(router, lambda: draw.edit("x", "/dev/zero"), "is not a regular file")
    with file.open("r+b") as stream:
        stream.truncate(MAX_INPUT_BYTES)
    unsent(router, lambda: draw.edit("x", file), "boat.png has 50.0 MB; it must have less than 50")


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (JPEG, "mask: it must be a PNG, .* not image/jpeg"),
        (OTHER, "mask: it has 32x32 pixels, and the first image 64x48"),
        ([BOAT, BOAT], "mask: give 1 image, not 2"),
        (b"text", "mask: "),
    ],
)
def test_a_mask_must_fit_its_image(router, draw, mask, said):
    unsent(router, lambda: draw.edit("bird", BOAT, mask=mask), said)


def test_a_mask_fits_an_image_of_another_format(router, draw):
    draw.edit("bird", JPEG, mask=BOAT)
    assert router.requests[0].body["mask"]["mime_type"] == "image/png"


@pytest.mark.parametrize(
    ("image", "choices", "said"),
    [
        ([BOAT, BOAT], {}, "image: give 1 image, not 2"),
        (BOAT, {"size": "64x64"}, "size: variations take 256x256, 512x512, 1024x1024"),
        (BOAT, {"quality": "low"}, "quality: /images/variations does not take it"),
    ],
)
def test_variations_take_one_image_and_three_sizes(router, draw, image, choices, said):
    unsent(router, lambda: draw.vary(image, **choices), said)


def test_an_image_behind_a_url_is_not_fetched_behind_ones_back(router):
    draw = OrqImageTool(model=DALLE2, client=router.client())
    linked = draw.generate("boat", size="64x64")
    unsent(router, lambda: draw.edit("bird", linked), "behind a URL; fetch it with download")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"model": "gpt-image-1"}, "provider/model"),
        ({"model": DALLE3, "n": 2}, "makes 1 image"),
        ({"model": DALLE2, "style": "vivid"}, "only dall-e-3"),
        ({"model": GPT, "delivery": "url"}, "always answers in base64"),
        ({"model": DALLE3, "open_args": ["background"]}, "background: leave it out"),
        ({"model": GPT, "open_args": ["sice"]}, "no argument of this tool. Did you mean 'size'"),
        ({"model": GPT, "sice": "auto"}, "Unknown argument 'sice'. Did you mean 'size'"),
        ({"model": GPT, "retry": {"count": 1}}, r"controls=RouterControls\(retry=...\)"),
        ({"model": GPT, "extra_body": {"size": "auto"}}, "extra_body.size: has a keyword"),
        ({"model": GPT, "extra_body": {"response_format": "url"}}, "extra_body.response_format"),
    ],
)
def test_a_tool_that_cannot_work_is_not_made(router, given, said):
    with pytest.raises(ValidationError, match=said):
        OrqImageTool(client=router.client(), **given)


def test_the_models_of_a_load_balancer_are_what_parameters_must_fit(router):
    balanced = {"load_balancer": {"models": [{"model": DALLE3, "weight": 1}]}}
    draw = OrqImageTool(model=GPT, client=router.client(), controls=balanced, style="vivid")
    assert draw.generate("boat", size="64x64").answering_model == DALLE3
    unsent(router, lambda: draw.generate("boat", background="opaque"), "for openai/dall-e-3")


def test_a_missing_folder_is_told_before_anything_is_paid_for(router, tmp_path):
    folder, said = tmp_path / "none", "directory: .*none is not a directory"
    with pytest.raises(ValidationError, match=said):
        OrqImageTool(model=GPT, client=router.client(), directory=folder)
    folder.mkdir()
    draw = OrqImageTool(model=GPT, client=router.client(), directory=folder)
    folder.rmdir()
    unsent(router, lambda: draw.generate("boat"), said)


def test_a_tool_remembers_only_so_much(router, draw, monkeypatch):
    monkeypatch.setattr(picture_sources, "KEPT_BYTES", 3000)
    first = draw.generate("one", size="64x64").image
    draw.generate("two", size="64x64")
    last = draw.generate("three", size="64x64").image
    draw.edit("bird", last.id)
    unsent(router, lambda: draw.edit("bird", first.id), "is no image of this tool; there are")


def test_what_is_wrong_with_an_image_is_told_in_a_line_without_it(draw):
    wrong = [{"id": "img_1", "base64": "!!!"}, base64.b64encode(BOAT).decode(), "x" * 5000]
    for source in wrong:
        with pytest.raises(RouterInputError) as caught:
            draw.edit("bird", source)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 250
