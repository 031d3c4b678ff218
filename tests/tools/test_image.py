"""``OrqImageTool``: requests, tool messages and results."""

import asyncio
import base64
import hashlib
import inspect
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage, messages_from_dict, messages_to_dict
from pydantic import ValidationError
from support.picture_reader import words

from orq_router_integrations import OfflineRouter, OrqImageTool, RouterError
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.tools.base import ToolInputError
from orq_router_integrations.tools.image_result import GeneratedImage, ImageResult

GPT, DALLE2, DALLE3 = "openai/gpt-image-1", "openai/dall-e-2", "openai/dall-e-3"
SMALL = {"size": "256x256"}


def tool(router: OfflineRouter | None = None, **given: Any) -> OrqImageTool:
    client = (router or OfflineRouter()).client()
    return OrqImageTool(**{"model": GPT, "client": client} | given)


def called(image_tool: OrqImageTool, **args: Any) -> ToolMessage:
    call = {"type": "tool_call", "id": "1", "name": image_tool.name, "args": args}
    return image_tool.invoke(call)


def test_generate_returns_image_and_metadata(router):
    result = tool(router).generate("a red boat", **SMALL)
    image = result.image
    data = image.read()
    assert words(data) == "a red boat"
    assert (image.width, image.height, image.mime_type) == (256, 256, "image/png")
    assert image.sha256 == hashlib.sha256(data).hexdigest()
    assert image.id == f"img_{image.sha256[:12]}"
    assert image.size == len(data)
    assert (result.model, result.answering_model, result.attempts) == (GPT, GPT, 1)
    assert result.usage["total_tokens"] > 0
    assert result.trace_id == "0" * 31 + "1"
    assert result.offline
    assert router.requests[0].body == {"model": GPT, "prompt": "a red boat", **SMALL}


def test_sync_and_async_return_equal_results():
    def results(image_tool: OrqImageTool, prefix: str) -> list[ImageResult]:
        async def ask() -> list[ImageResult]:
            verbs = [getattr(image_tool, f"{prefix}{name}") for name in ("generate", "edit")]
            drawn = verbs[0]("a boat", n=2, **SMALL)
            drawn = await drawn if prefix else drawn
            edited = verbs[1]("a bird", drawn, mask=drawn.images[0])
            edited = await edited if prefix else edited
            varied = getattr(image_tool, f"{prefix}create_variation")(edited, model=DALLE2, **SMALL)
            varied = await varied if prefix else varied
            fetched = getattr(image_tool, f"{prefix}download")(varied)
            return [drawn, edited, varied, await fetched if prefix else fetched]

        return asyncio.run(ask())

    sync, twin = results(tool(), ""), results(tool(), "a")
    assert sync == twin
    assert [result.operation for result in sync] == ["generate", "edit", "vary", "vary"]


@pytest.mark.parametrize("verb", ["generate", "edit", "create_variation", "download"])
def test_sync_and_async_signatures_match(verb):
    sync, twin = getattr(OrqImageTool, verb), getattr(OrqImageTool, f"a{verb}")
    assert inspect.signature(sync).parameters == inspect.signature(twin).parameters


def test_tool_message_contains_summary_and_images():
    image_tool = tool(size="512x256", n=2)
    message = called(image_tool, prompt="a red boat")
    result = ImageResult.of(message)
    ids = "; ".join(f"{image.id} (512x256 PNG)" for image in result.images)
    assert message.content == f"2 images were drawn: {ids}."
    assert words(result.images[1].read()) == "a red boat"
    assert len(message.content) < 200


def test_artifact_survives_json():
    message = called(tool(), prompt="a red boat")
    stored = json.loads(json.dumps(messages_to_dict([message])))
    (restored,) = messages_from_dict(stored)
    assert restored.artifact == message.artifact
    assert ImageResult.of(restored) == ImageResult.of(message)
    assert ImageResult.of(message).to_artifact() == message.artifact


def test_message_without_images_raises():
    with pytest.raises(RouterInputError, match="contains no images: operation: Field required"):
        ImageResult.of({"images": []})
    with pytest.raises(RouterInputError, match="contains no images"):
        ImageResult.of(ToolMessage("text", tool_call_id="1"))


def schema(image_tool: OrqImageTool) -> dict[str, Any]:
    return image_tool.tool_call_schema.model_json_schema()["properties"]


def test_schema_contains_model_args_only():
    assert set(schema(tool())) == {"prompt"}
    opened = schema(tool(model_args=("size", "n", "image")))
    assert list(opened) == ["prompt", "image", "n", "size"]
    assert opened["n"]["anyOf"][0] == {"maximum": 10, "minimum": 1, "type": "integer"}


def test_model_args_override_parameters_of_tool(router):
    image_tool = tool(router, size="64x64", quality="low", model_args=("size",))
    called(image_tool, prompt="boat", size="128x128")
    assert router.requests[0].body["size"] == "128x128"
    assert router.requests[0].body["quality"] == "low"


@pytest.mark.parametrize(
    "args", [{"size": "64x64"}, {"model": GPT}, {"controls": {}}, {"image": 1}]
)
def test_other_arguments_are_rejected(router, args):
    with pytest.raises(ValidationError, match="Extra inputs"):
        called(tool(router), prompt="boat", **args)
    assert not router.requests


def test_model_edits_and_varies_images_by_id(router):
    image_tool = tool(router, model_args=("image", "mask", "size"))
    drawn = ImageResult.of(called(image_tool, prompt="boat", size="128x128"))
    edited = called(image_tool, prompt="add a bird", image=drawn.image.id, mask=drawn.image.id)
    assert edited.content.startswith("1 image was edited: img_")
    both = [drawn.image.id, ImageResult.of(edited).image.id]
    assert ImageResult.of(called(image_tool, prompt="join them", image=both)).operation == "edit"
    varied = called(image_tool, prompt="", image=drawn.image.id, size="256x256")
    assert varied.content.startswith("1 variation was created: ")
    assert [request.path.rpartition("/")[2] for request in router.requests] == [
        "generations",
        "edits",
        "edits",
        "variations",
    ]
    assert len(router.requests[2].body["image"]) == 2


@pytest.mark.parametrize("name", ["img_000000000000", "/etc/hostname", "https://x/y.png", ""])
def test_unknown_image_id_raises(router, name):
    image_tool = tool(router, model_args=("image", "mask"))
    with pytest.raises(
        ToolInputError, match=r"image: .* is not an image of this tool. It did not create any"
    ):
        image_tool.invoke({"prompt": "x", "image": name})
    made = image_tool.generate("boat", **SMALL)
    with pytest.raises(ToolInputError, match=f"Use one of {made.image.id}"):
        image_tool.invoke({"prompt": "x", "image": made.image.id, "mask": name or "none"})
    with pytest.raises(ToolInputError, match="mask: a mask requires an image"):
        image_tool.invoke({"prompt": "x", "mask": made.image.id})
    assert len(router.requests) == 1


def test_register_images_of_another_tool():
    message = called(tool(), prompt="boat")
    other = tool(model_args=("image",))
    other.register_images(ImageResult.of(message))
    assert called(other, prompt="x", image=ImageResult.of(message).image.id).content


def test_directory_stores_images_and_finds_them_by_id(tmp_path: Path):
    message = called(tool(directory=tmp_path), prompt="boat")
    image = ImageResult.of(message).image
    assert image.path == str(tmp_path / f"{image.id}.png")
    assert [path.name for path in tmp_path.iterdir()] == [f"{image.id}.png"]
    assert f"saved as {image.path}" in message.content
    assert "base64" not in json.dumps(message.artifact)
    assert hashlib.sha256(image.read()).hexdigest() == image.sha256
    later = tool(directory=tmp_path, model_args=("image",))
    assert called(later, prompt="bird", image=image.id).content


def test_save_numbers_several_images(tmp_path: Path):
    result = tool().generate("boat", n=2, **SMALL)
    assert result.image.save(tmp_path / "one.png").read_bytes() == result.image.read()
    saved = result.save(tmp_path / "boat.png")
    assert [path.name for path in saved] == ["boat-1.png", "boat-2.png"]
    with pytest.raises(RouterInputError, match="exists"):
        result.image.save(tmp_path / "one.png", overwrite=False)


@pytest.mark.parametrize("n", [1, 2])
def test_save_to_directory_uses_ids(tmp_path: Path, n: int):
    result = tool().generate("boat", n=n, **SMALL)
    for folder in (tmp_path, f"{tmp_path}/"):
        assert result.save(folder) == [tmp_path / f"{image.id}.png" for image in result.images]
    assert len(list(tmp_path.iterdir())) == n
    assert result.image.save(tmp_path) == tmp_path / f"{result.image.id}.png"
    with pytest.raises(RouterInputError, match="exists"):
        result.save(tmp_path, overwrite=False)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("wrong", ["", "a\0b", None, "none/", "none/boat.png"])
def test_save_rejects_invalid_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, wrong: Any
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RouterInputError, match="path: "):
        tool().generate("boat", n=n, **SMALL).save(wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("id_", ["../boat", "/tmp/boat", "a/../../boat"])
def test_save_ignores_directories_in_id(tmp_path: Path, id_: str):
    (tmp_path / "in").mkdir()
    image = GeneratedImage(id=id_, data=tool().generate("boat", **SMALL).image.data)
    assert image.save(tmp_path / "in") == tmp_path / "in" / "boat"


@pytest.mark.parametrize("name", ["one.jpg", "one.JPEG", "one.webp"])
def test_save_warns_about_wrong_suffix(tmp_path: Path, name: str):
    image = tool().generate("boat", **SMALL).image
    with pytest.warns(UserWarning, match=rf"{name} contains image/png"):
        image.save(tmp_path / name)
    assert (tmp_path / name).read_bytes() == image.data


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["boat.png", "boat.PNG", "boat", "boat.bin"])
def test_save_accepts_other_suffixes(router, tmp_path, name):
    assert tool(router).generate("boat").save(tmp_path / name)[0].is_file()


def test_urls_are_only_fetched_by_download(router):
    image_tool = tool(router, model=DALLE2)
    linked = image_tool.generate("boat", **SMALL)
    assert linked.image.url.startswith("https://images.offline.invalid/")
    assert linked.image.url in linked.summary
    assert len(router.requests) == 1
    with pytest.raises(RouterInputError, match=r"only available at a URL. Fetch it"):
        linked.image.read()
    fetched = image_tool.download(linked)
    assert words(fetched.image.read()) == "boat"
    assert (fetched.image.url, fetched.image.width) == (linked.image.url, 256)
    assert "authorization" not in router.requests[1].headers
    assert image_tool.download(fetched) == fetched
    assert len(router.requests) == 2


def test_fetch_urls_allows_edits_by_id(router, tmp_path):
    image_tool = tool(
        router, model=DALLE2, fetch_urls=True, model_args=("image",), directory=tmp_path
    )
    message = called(image_tool, prompt="boat")
    image = ImageResult.of(message).image
    assert Path(image.path).is_file()
    edited = asyncio.run(image_tool.aedit("bird", image.id))
    assert words(edited.image.read()).endswith("Edit 1: bird")


def test_summary_contains_revised_prompt():
    result = tool(model=DALLE3, return_format="b64_json").generate("boat", **SMALL)
    assert result.image.revised_prompt == "A picture: boat"
    assert result.summary.endswith("The prompt was revised to: A picture: boat")


def test_parameters_are_sent_where_supported(router):
    image_tool = tool(router, background="opaque", quality="high", user="u-1", size="256x256")
    drawn = image_tool.generate("boat")
    image_tool.edit("bird", drawn)
    image_tool.create_variation(drawn, model=DALLE2)
    sent = [set(request.body) - {"model", "prompt", "image"} for request in router.requests]
    assert sent == [
        {"background", "quality", "size"},
        {"quality", "size", "user"},
        {"size", "user"},
    ]


def test_notebook_shows_images_without_fetching(router, tmp_path):
    image_tool = tool(router)
    result = image_tool.generate("<b>", **SMALL)
    page = result._repr_html_()
    assert base64.b64encode(result.image.read()).decode() in page
    assert result.image._repr_png_() == result.image.read()
    linked = image_tool.generate("x", model=DALLE2, **SMALL)
    assert "<img" not in linked._repr_html_()
    assert linked.image._repr_png_() is None
    saved = tool(router, directory=tmp_path).generate("x", **SMALL)
    Path(saved.image.path).unlink()
    assert "<img" not in saved._repr_html_()
    assert len(router.requests) == 3


def test_repr_is_short_and_contains_no_url():
    result = tool(size="1024x1024").generate("boat")
    assert repr(result.image) == f"GeneratedImage({result.image.id!r}, 1024x1024 PNG)"
    assert repr(result) == f"ImageResult(generate: {result.image.id}, {GPT!r})"
    image = GeneratedImage(id="img_x", url="https://a/?key=secret", revised_prompt="p")
    assert "secret" not in repr(image)


def test_summary_is_limited():
    image = GeneratedImage(id="img_x", url="https://a/" + "x" * 5000, revised_prompt="p" * 9000)
    result = ImageResult(operation="generate", images=(image,), model=GPT)
    assert "img_x (at a URL)" in result.summary
    assert len(result.summary) < 2200


def test_pickle():
    image_tool = OrqImageTool(model=GPT, api_key="sk-orq-test", model_args=("image", "n"))
    copy = pickle.loads(pickle.dumps(image_tool))
    assert (copy.model, copy.model_args) == (GPT, ("image", "n"))
    assert set(copy.args) == {"prompt", "image", "n"}


def test_answering_model_of_a_fallback():
    fallen = tool(
        OfflineRouter(faults={GPT: 503}), controls={"fallbacks": [DALLE2]}, fetch_urls=True
    )
    drawn = fallen.generate("boat", **SMALL)
    edited = fallen.edit("bird", drawn)
    assert [result.answering_model for result in (drawn, edited)] == [DALLE2, DALLE2]
    assert [result.model for result in (drawn, edited)] == [GPT, GPT]


def test_status_error_has_no_partial_items(router):
    with pytest.raises(RouterError) as caught:
        tool(OfflineRouter(faults={GPT: 401})).generate("boat")
    assert caught.value.status_code == 401
    assert caught.value.partial_items == ()
