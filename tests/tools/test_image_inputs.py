"""Input of the image tool: supported sources, and errors that are raised before sending."""

import asyncio
import base64
import hashlib
import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import PIL.Image
import pytest
from langchain_core.documents.base import Blob
from pydantic import ValidationError
from support.image_tools import DALLE2, DALLE3, GPT, call_tool, create_tool

from orq_router_integrations import OfflineRouter, OrqImageTool
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing.images import create_png
from orq_router_integrations.tools.image_result import ImageResult
from orq_router_integrations.wire.images import MAX_INPUT_BYTES

BOAT = create_png("boat", (64, 48))
DATA_URL = "data:image/png;base64," + base64.b64encode(BOAT).decode()
JPEG = b"\xff\xd8\xff\xc0\0\x11\x08\0\x30\0\x40" + bytes(20)


@pytest.fixture
def image_tool(router: OfflineRouter) -> OrqImageTool:
    return create_tool(router)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "boat.png"
    path.write_bytes(BOAT)
    return path


@pytest.mark.slow
def test_accepts_paths_bytes_blobs_and_data_urls(router, image_tool, file):
    sources = [
        *(str(file), file, BOAT, bytearray(BOAT), DATA_URL),
        *(Blob.from_path(str(file)), Blob.from_data(BOAT, mime_type="image/png")),
    ]
    for source in sources:
        image_tool.edit("bird", source)
    digests = {request.body["image"]["sha256"] for request in router.requests}
    assert len(digests) == 1
    image_tool.edit("bird", sources)
    assert [item["size"] for item in router.requests[-1].body["image"]] == [len(BOAT)] * 7


def test_accepts_file_objects(router, image_tool, file):
    buffer = io.BytesIO()
    buffer.write(BOAT)  # the position is at the end
    with file.open("rb") as stream:
        image_tool.edit("bird", [buffer, stream], mask=io.BytesIO(BOAT))
    image_tool.create_variation(buffer, model=DALLE2, size="256x256")
    edit, variation = (request.body for request in router.requests)
    assert {item["sha256"] for item in [*edit["image"], edit["mask"], variation["image"]]} == {
        hashlib.sha256(BOAT).hexdigest()
    }
    assert [item["filename"] for item in edit["image"]] == ["file.png", "boat.png"]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "HSV", "F", "YCbCr"])
def test_accepts_pil_images(router, image_tool, mode):
    image_tool.edit("bird", PIL.Image.new(mode, (64, 48)), mask=PIL.Image.new("RGBA", (64, 48)))
    assert router.requests[0].body["image"]["mime_type"] == "image/png"


@pytest.mark.slow
def test_accepts_earlier_results(router, image_tool):
    result = image_tool.generate("boat", n=2, size="64x64")
    message = call_tool(image_tool, prompt="boat")
    image = result.image
    for source in (image, image.id, image.model_dump(mode="json", by_alias=True), [image]):
        image_tool.edit("bird", source)
        assert router.requests[-1].body["image"]["sha256"] == image.sha256
    for source in (result, result.to_artifact(), list(result.images)):
        image_tool.edit("bird", source)
        assert len(router.requests[-1].body["image"]) == 2
    image_tool.edit("bird", message)
    assert router.requests[-1].body["image"]["sha256"] == ImageResult.of(message).image.sha256
    assert router.requests[-1].body["image"]["filename"].endswith(".png")


def assert_raises_unsent(router: OfflineRouter, call: Any, message: str) -> None:
    """Check that a call raises an error before anything is sent, also when it is repeated."""
    request_count = len(router.requests)
    for _ in range(2):
        with pytest.raises(RouterInputError, match=message):
            call()
    assert len(router.requests) == request_count


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"prompt": ""}, "prompt: The prompt is empty"),
        ({"prompt": "  "}, "prompt: The prompt is empty"),
        ({"prompt": None}, "prompt: Expected a str, got NoneType"),
        ({"prompt": "\ud800"}, "prompt: Contains a lone surrogate at position 0"),
        ({"n": 0}, "n: .* greater than or equal to 1, not 0"),
        ({"n": 11}, "n: .* less than or equal to 10"),
        ({"n": "2"}, "n: "),
        ({"size": "large"}, "size: .* 'large'"),
        ({"quality": "best"}, "quality: "),
        ({"output_format": "webp", "output_compression": 101}, "output_compression: "),
        ({"output_compression": 50}, "output_compression: Not supported for PNG"),
        ({"output_compression": 0, "output_format": "png"}, "Use output_format='jpeg' or 'webp'"),
        (
            {"return_format": "b64_json"},
            "return_format: Not supported by openai/gpt-image-1, only by dall-e-2",
        ),
        ({"style": "vivid"}, "style: .* only by dall-e-3"),
        ({"model": DALLE3, "n": 2}, "n: The model openai/dall-e-3 generates 1 image"),
        ({"model": "gpt-image-1"}, "model: "),
        ({"user": "u"}, "user: Not supported by /images/generations"),
        ({"sizes": "auto"}, "Unknown argument 'sizes'. Did you mean 'size'"),
        ({"fallbacks": [DALLE2]}, "Unknown argument 'fallbacks'. It is a router control"),
        ({"response_format": "url"}, "Unknown argument 'response_format'. Use 'return_format'"),
        ({"controls": {"retry": {"count": 9}}}, "retry.count"),
        ({"controls": {"thread": "t"}}, "thread"),
    ],
)
def test_invalid_argument_raises_before_sending(router, image_tool, args, message):
    kwargs = {"prompt": "boat"} | args
    assert_raises_unsent(router, lambda: image_tool.generate(**kwargs), message)
    assert_raises_unsent(router, lambda: asyncio.run(image_tool.agenerate(**kwargs)), message)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ([], "image: Expected 1 to 16 images, got 0"),
        ([BOAT] * 17, "image: Expected 1 to 16 images, got 17"),
        (b"", "image: The data is empty"),
        (b"no image", "image: .* is application/octet-stream. Convert it to PNG, JPEG or WebP"),
        (b"GIF89a" + bytes(20), "image: .* is image/gif"),
        ([BOAT, b"%PDF-1.7"], r"image\[1\]: .* is application/pdf"),
        (
            "https://example.com/a.png",
            "image: .* is a URL. Download it, and pass the path",
        ),
        ("file:///etc/hostname", "is a URL"),
        ("data:image/png,xyz", "image: Expected a data URL"),
        (
            "data:image/png;base64,%%%",
            "image: The data is not base64. Encode it with base64.b64encode",
        ),
        ("nowhere.png", "image: Cannot open 'nowhere.png'"),
        ("", "image: "),
        ("img_0123456789ab", "is not an image of this tool"),
        ("img_1", "'img_1' is not an image of this tool. Create an image first."),
        (7, "image: Expected a path, bytes, a binary file object, a PIL image or a Blob, got int"),
        (None, "image: Expected a path"),
        ({"a": 1}, "image: Cannot restore the ImageResult"),
        (io.StringIO("text"), "image: The file object must contain bytes. Open .* binary mode"),
        (io.BytesIO(), "image: The data is empty"),
    ],
)
def test_invalid_image_raises_before_sending(router, image_tool, image, message):
    assert_raises_unsent(router, lambda: image_tool.edit("bird", image), message)
    assert_raises_unsent(router, lambda: asyncio.run(image_tool.aedit("bird", image)), message)


def test_only_regular_files_are_opened(router, image_tool, tmp_path, monkeypatch, file):
    os.mkfifo(tmp_path / "pipe")
    assert_raises_unsent(router, lambda: image_tool.edit("x", tmp_path), "is not a regular file")
    assert_raises_unsent(
        router, lambda: image_tool.edit("x", tmp_path / "pipe"), "is not a regular file"
    )
    assert_raises_unsent(router, lambda: image_tool.edit("x", "/dev/zero"), "is not a regular file")
    with file.open("r+b") as stream:
        stream.truncate(MAX_INPUT_BYTES)
    assert_raises_unsent(
        router, lambda: image_tool.edit("x", file), "boat.png has 50.0 MB. Images must be smaller"
    )


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (JPEG, "mask: Expected a PNG, got image/jpeg"),
        ([BOAT, BOAT], "mask: Expected 1 image, got 2"),
        (b"text", "mask: "),
    ],
)
def test_invalid_mask_raises(router, image_tool, mask, message):
    assert_raises_unsent(router, lambda: image_tool.edit("bird", BOAT, mask=mask), message)


def create_png(color_type: int, *chunks: bytes) -> bytes:
    """Create the start of a PNG of 64x48 pixels."""
    header = struct.pack(">IIBBBBB", 64, 48, 8, color_type, 0, 0, 0)
    parts = [b"IHDR" + header, *chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
        for part in parts
    )


@pytest.mark.parametrize(
    ("color_type", "chunks", "is_accepted"),
    [
        (0, [b"IDAT"], False),
        (2, [b"tEXttitle\0boat", b"IDAT"], False),
        (3, [b"PLTE" + bytes(6), b"IDAT"], False),
        (2, [b"IDAT", b"tRNS" + bytes(6)], False),  # misplaced, so decoders ignore it
        (3, [b"PLTE" + bytes(6), b"tRNS\0\xff", b"IDAT"], True),
        (0, [b"tRNS\0\0", b"IDAT"], True),
        (4, [b"IDAT"], True),
        (6, [b"IDAT"], True),
        (2, [b"iCCP" + bytes(70_000), b"IDAT"], True),  # not within the bytes that are read
    ],
)
def test_mask_must_have_transparency(router, image_tool, color_type, chunks, is_accepted):
    mask = create_png(color_type, *chunks)
    if is_accepted:
        image_tool.edit("bird", BOAT, mask=mask)
    else:
        message = "mask: The PNG has no alpha channel.* Save it as RGBA"
        assert_raises_unsent(router, lambda: image_tool.edit("bird", BOAT, mask=mask), message)


def test_mask_and_image_formats_may_differ(router, image_tool):
    image_tool.edit("bird", JPEG, mask=BOAT)
    assert router.requests[0].body["mask"]["mime_type"] == "image/png"


@pytest.mark.parametrize(
    ("image", "overrides", "message"),
    [
        ([BOAT, BOAT], {}, "image: Expected 1 image, got 2"),
        (BOAT, {"quality": "low"}, "quality: Not supported by /images/variations"),
        (BOAT, {"size": "64x64"}, "size: /images/variations does not support '64x64'. Use 256x256"),
    ],
)
def test_invalid_variation_raises(router, image_tool, image, overrides, message):
    assert_raises_unsent(router, lambda: image_tool.create_variation(image, **overrides), message)


TRANSPARENT, JPEG_OUTPUT = {"background": "transparent"}, {"output_format": "jpeg"}


@pytest.mark.parametrize(
    ("fields", "overrides"),
    [
        ({}, TRANSPARENT | JPEG_OUTPUT),
        (TRANSPARENT, JPEG_OUTPUT),
        (JPEG_OUTPUT, TRANSPARENT),
        (TRANSPARENT, JPEG_OUTPUT | {"output_compression": 50}),
        (TRANSPARENT, JPEG_OUTPUT | {"n": 2, "size": "64x64"}),
    ],
)
def test_transparent_jpeg_raises_before_sending(router, fields, overrides):
    image_tool = create_tool(router, **fields)
    message = "background: JPEG has no transparency. Use output_format='png'"
    assert_raises_unsent(router, lambda: image_tool.generate("boat", **overrides), message)
    image_tool.generate("boat", **overrides | {"background": "opaque"})
    image_tool.generate("boat", **overrides | {"output_format": "webp"})


def test_transparent_jpeg_is_reported_to_the_model(router):
    image_tool = create_tool(router, model_args=("background", "output_format"))
    message = call_tool(image_tool, prompt="boat", **TRANSPARENT, **JPEG_OUTPUT)
    assert (message.status, router.requests) == ("error", [])
    assert "JPEG has no transparency" in message.text


@pytest.mark.parametrize("field", ["overrides", "extra_body", "model_args"])
def test_compression_of_the_tool_may_be_completed_by_a_format(router, field):
    webp = {"output_format": "webp"}
    extra_body = webp if field == "extra_body" else {}
    image_tool = create_tool(
        router, output_compression=50, extra_body=extra_body, model_args=["output_format"]
    )
    if field == "model_args":
        assert call_tool(image_tool, prompt="boat", **webp).status == "success"
    else:
        image_tool.generate("boat", **(webp if field == "overrides" else {}))
    assert router.requests[-1].body["output_compression"] == 50


def test_compression_is_not_sent_to_edits(router):
    image_tool = create_tool(router, output_compression=50)
    image_tool.edit("add a bird", BOAT)
    assert "output_compression" not in router.requests[-1].body


def test_linked_image_must_be_downloaded_first(router):
    image_tool = create_tool(router, model=DALLE2)
    linked = image_tool.generate("boat", size="64x64")
    assert_raises_unsent(
        router, lambda: image_tool.edit("bird", linked), "If it is an image at a URL, fetch it with"
    )


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"model": "gpt-image-1"}, "provider/model"),
        ({"model": DALLE3, "n": 2}, "generates 1 image"),
        ({"model": DALLE2, "style": "vivid"}, "only by dall-e-3"),
        ({"model": GPT, "return_format": "url"}, "only by dall-e-2 and dall-e-3"),
        (
            {"model": GPT, "model_args": ["sice"]},
            "model_args\n.*Unknown argument 'sice'. Did you mean 'size'",
        ),
        ({"model": GPT, "sice": "auto"}, "Unknown argument 'sice'. Did you mean 'size'"),
        ({"model": GPT, "retry": {"count": 1}}, r"controls=RouterControls\(retry=...\)"),
    ],
)
def test_invalid_tool_raises(router, args, message):
    with pytest.raises(ValidationError, match=message):
        create_tool(router, **args)


@pytest.mark.parametrize("name", ["prompt", "size"])
def test_extra_body_must_not_repeat_other_arguments(router, name):
    image_tool = create_tool(router, size="64x64", extra_body={name: "x"})
    assert_raises_unsent(router, lambda: image_tool.generate("boat"), f"must not contain '{name}'")


def test_parameters_are_checked_for_load_balancer_models(router):
    controls = {"load_balancer": {"models": [{"model": DALLE3, "weight": 1}]}}
    image_tool = create_tool(router, controls=controls, style="vivid")
    assert image_tool.generate("boat", size="64x64").answering_model == DALLE3
    assert_raises_unsent(
        router,
        lambda: image_tool.generate("boat", background="opaque"),
        "Not supported by openai/dall-e-3",
    )


def test_missing_directory_raises_before_sending(router, tmp_path):
    directory, message = tmp_path / "none", "directory: .*none is not a directory"
    with pytest.raises(ValidationError, match=r"directory\n .*none is not a directory"):
        create_tool(router, directory=directory)
    directory.mkdir()
    image_tool = create_tool(router, directory=directory)
    directory.rmdir()
    assert_raises_unsent(router, lambda: image_tool.generate("boat"), message)


def test_error_message_does_not_contain_the_image(image_tool):
    sources = [{"id": "img_1", "base64": "!!!"}, base64.b64encode(bytes(999)).decode(), "x" * 5000]
    for source in sources:
        with pytest.raises(RouterInputError) as caught:
            image_tool.edit("bird", source)
        assert "\n" not in str(caught.value)
        assert len(str(caught.value)) < 250
