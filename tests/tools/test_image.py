"""``OrqImageTool``: requests, tool calls and downloads."""

import asyncio
import hashlib
import inspect
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support.image_tools import DALLE2, GPT, call_tool, create_tool
from support.picture_reader import read_text

from orq_router_integrations import OfflineRouter, OrqImageTool, RouterError
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.tools.base import ToolInputError
from orq_router_integrations.tools.image_result import ImageResult

SMALL = {"size": "256x256"}


def test_generate_returns_image_and_metadata(router):
    result = create_tool(router).generate("a red boat", **SMALL)
    image = result.image
    data = image.read()
    assert read_text(data) == "a red boat"
    assert (image.width, image.height, image.mime_type) == (256, 256, "image/png")
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    assert image.id == f"img_{image.sha256[:12]}"
    assert image.size == len(data)
    assert (result.model, result.answering_model, result.attempts) == (GPT, GPT, 1)
    assert result.usage["total_tokens"] > 0
    assert result.trace_id == "0" * 31 + "1"
    assert result.offline
    assert router.requests[0].body == {"model": GPT, "prompt": "a red boat", **SMALL}


@pytest.mark.slow
def test_sync_and_async_return_equal_results():
    async def run(prefix: str) -> list[ImageResult]:
        image_tool = create_tool()

        async def call(method: str, *args: Any, **kwargs: Any) -> ImageResult:
            result = getattr(image_tool, f"{prefix}{method}")(*args, **kwargs)
            return await result if prefix else result

        generated = await call("generate", "a boat", n=2, **SMALL)
        edited = await call("edit", "a bird", generated, mask=generated.images[0])
        variation = await call("create_variation", edited, model=DALLE2, **SMALL)
        return [generated, edited, variation, await call("download", variation)]

    results = asyncio.run(run(""))
    assert results == asyncio.run(run("a"))
    assert [result.operation for result in results] == ["generate", "edit", "vary", "vary"]


@pytest.mark.parametrize("method", ["generate", "edit", "create_variation", "download"])
def test_sync_and_async_signatures_match(method):
    signatures = [inspect.signature(getattr(OrqImageTool, p + method)) for p in ("", "a")]
    assert signatures[0].parameters == signatures[1].parameters


def test_tool_message_contains_summary_and_images():
    image_tool = create_tool(size="512x256", n=2)
    message = call_tool(image_tool, prompt="a red boat")
    result = ImageResult.of(message)
    ids = "; ".join(f"{image.id} (512x256 PNG)" for image in result.images)
    assert message.content == f"2 images were drawn: {ids}."
    assert read_text(result.images[1].read()) == "a red boat"
    assert len(message.content) < 200


def get_schema(image_tool: OrqImageTool) -> dict[str, Any]:
    return image_tool.tool_call_schema.model_json_schema()["properties"]


def test_schema_contains_model_args_only():
    assert set(get_schema(create_tool())) == {"prompt"}
    schema = get_schema(create_tool(model_args=("size", "n", "image")))
    assert list(schema) == ["prompt", "size", "n", "image"]
    assert schema["n"]["anyOf"][0] == {"maximum": 10, "minimum": 1, "type": "integer"}


def test_model_args_override_parameters_of_tool(router):
    image_tool = create_tool(router, size="64x64", quality="low", model_args=("size",))
    call_tool(image_tool, prompt="boat", size="128x128")
    assert router.requests[0].body["size"] == "128x128"
    assert router.requests[0].body["quality"] == "low"


@pytest.mark.parametrize(
    "args", [{"size": "64x64"}, {"model": GPT}, {"controls": {}}, {"image": 1}]
)
def test_other_arguments_are_rejected(router, args):
    with pytest.raises(ValidationError, match="Extra inputs"):
        call_tool(create_tool(router), prompt="boat", **args)
    assert not router.requests


@pytest.mark.slow
def test_model_edits_and_varies_images_by_id(router):
    image_tool = create_tool(router, model_args=("image", "size"))
    generated = ImageResult.of(call_tool(image_tool, prompt="boat", size="128x128"))
    edited = call_tool(image_tool, prompt="add a bird", image=generated.image.id)
    assert edited.content.startswith("1 image was edited: img_")
    image_ids = [generated.image.id, ImageResult.of(edited).image.id]
    joined = call_tool(image_tool, prompt="join them", image=image_ids)
    assert ImageResult.of(joined).operation == "edit"
    variation = call_tool(image_tool, prompt="", image=generated.image.id, size="256x256")
    assert variation.content.startswith("1 variation was created: ")
    assert [request.path.rpartition("/")[2] for request in router.requests] == [
        "generations",
        "edits",
        "edits",
        "variations",
    ]
    assert len(router.requests[2].body["image"]) == 2


@pytest.mark.parametrize("image_id", ["img_000000000000", "/etc/hostname", "https://x/y.png", ""])
def test_unknown_image_id_raises(router, image_id):
    image_tool = create_tool(router, model_args=("image",))
    with pytest.raises(
        ToolInputError, match=r"image: .* is not an image of this tool. Create an image first"
    ):
        image_tool.invoke({"prompt": "x", "image": image_id})
    generated = image_tool.generate("boat", **SMALL)
    with pytest.raises(ToolInputError, match=f"Use one of {generated.image.id}"):
        image_tool.invoke({"prompt": "x", "image": [generated.image.id, image_id]})
    assert len(router.requests) == 1


def test_images_of_another_tool_can_be_registered():
    message = call_tool(create_tool(), prompt="boat")
    other_tool = create_tool(model_args=("image",))
    other_tool.register_images(ImageResult.of(message))
    assert call_tool(other_tool, prompt="x", image=ImageResult.of(message).image.id).content


def test_directory_stores_images_and_finds_them_by_id(tmp_path: Path):
    message = call_tool(create_tool(directory=tmp_path), prompt="boat")
    image = ImageResult.of(message).image
    assert image.path == str(tmp_path / f"{image.id}.png")
    assert [path.name for path in tmp_path.iterdir()] == [f"{image.id}.png"]
    assert f"saved as {image.path}" in message.content
    assert "base64" not in json.dumps(message.artifact)
    assert hashlib.sha256(image.read()).hexdigest() == image.sha256
    second_tool = create_tool(directory=tmp_path, model_args=("image",))
    assert call_tool(second_tool, prompt="bird", image=image.id).content


@pytest.mark.parametrize("result", [None, "img_0123456789ab", {"images": []}], ids=repr)
async def test_download_and_register_reject_other_types(router, result):
    image_tool = create_tool(router)
    message = f"result: Expected an ImageResult, got {type(result).__name__}"
    for call in (image_tool.download, image_tool.register_images):
        with pytest.raises(RouterInputError, match=message):
            call(result)
    with pytest.raises(RouterInputError, match=message):
        await image_tool.adownload(result)


def test_urls_are_only_fetched_by_download(router):
    image_tool = create_tool(router, model=DALLE2)
    linked = image_tool.generate("boat", **SMALL)
    assert linked.image.url.startswith("https://images.offline.invalid/")
    assert linked.image.url in linked.summary
    assert len(router.requests) == 1
    with pytest.raises(RouterInputError, match=r"If it is an image at a URL, fetch it"):
        linked.image.read()
    downloaded = image_tool.download(linked)
    assert read_text(downloaded.image.read()) == "boat"
    assert (downloaded.image.url, downloaded.image.width) == (linked.image.url, 256)
    assert "authorization" not in router.requests[1].headers
    assert image_tool.download(downloaded) == downloaded
    assert len(router.requests) == 2


def test_fetch_urls_allows_edits_by_id(router, tmp_path):
    image_tool = create_tool(
        router, model=DALLE2, fetch_urls=True, model_args=("image",), directory=tmp_path
    )
    message = call_tool(image_tool, prompt="boat")
    image = ImageResult.of(message).image
    assert Path(image.path).is_file()
    edited = asyncio.run(image_tool.aedit("bird", image.id))
    assert read_text(edited.image.read()).endswith("Edit 1: bird")


def test_parameters_are_sent_where_supported(router):
    image_tool = create_tool(
        router, background="opaque", quality="high", user="u-1", size="256x256"
    )
    generated = image_tool.generate("boat")
    image_tool.edit("bird", generated)
    image_tool.create_variation(generated, model=DALLE2)
    sent_names = [set(request.body) - {"model", "prompt", "image"} for request in router.requests]
    assert sent_names == [
        {"background", "quality", "size"},
        {"quality", "size", "user"},
        {"size", "user"},
    ]


def test_unpickled_tool_keeps_its_settings(monkeypatch):
    monkeypatch.setenv("ORQ_API_KEY", "sk-orq-test")
    image_tool = OrqImageTool(model=GPT, model_args=("image", "n"))
    copy = pickle.loads(pickle.dumps(image_tool))
    assert (copy.model, copy.model_args) == (GPT, ("image", "n"))
    assert set(copy.args) == {"prompt", "image", "n"}


def test_fallback_is_the_answering_model():
    image_tool = create_tool(
        OfflineRouter(faults={GPT: 503}), controls={"fallbacks": [DALLE2]}, fetch_urls=True
    )
    generated = image_tool.generate("boat", **SMALL)
    edited = image_tool.edit("bird", generated)
    assert [result.answering_model for result in (generated, edited)] == [DALLE2, DALLE2]
    assert [result.model for result in (generated, edited)] == [GPT, GPT]


def test_status_error_has_no_partial_items(router):
    with pytest.raises(RouterError) as caught:
        create_tool(OfflineRouter(faults={GPT: 401})).generate("boat")
    assert caught.value.status_code == 401
    assert caught.value.partial_items == ()
