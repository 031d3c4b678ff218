"""The image tool: what it sends, what the model sees, what the program gets."""

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


def test_a_prompt_becomes_an_image_with_all_that_is_known_of_it(router):
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


def test_sync_and_async_are_one_behaviour():
    def results(image_tool: OrqImageTool, prefix: str) -> list[ImageResult]:
        async def ask() -> list[ImageResult]:
            verbs = [getattr(image_tool, f"{prefix}{name}") for name in ("generate", "edit")]
            drawn = verbs[0]("a boat", n=2, **SMALL)
            drawn = await drawn if prefix else drawn
            edited = verbs[1]("a bird", drawn, mask=drawn.images[0])
            edited = await edited if prefix else edited
            varied = getattr(image_tool, f"{prefix}vary")(edited, model=DALLE2, **SMALL)
            varied = await varied if prefix else varied
            fetched = getattr(image_tool, f"{prefix}download")(varied)
            return [drawn, edited, varied, await fetched if prefix else fetched]

        return asyncio.run(ask())

    sync, twin = results(tool(), ""), results(tool(), "a")
    assert sync == twin
    assert [result.operation for result in sync] == ["generate", "edit", "vary", "vary"]


@pytest.mark.parametrize("verb", ["generate", "edit", "vary", "download"])
def test_every_verb_has_a_twin_with_the_same_signature(verb):
    sync, twin = getattr(OrqImageTool, verb), getattr(OrqImageTool, f"a{verb}")
    assert inspect.signature(sync).parameters == inspect.signature(twin).parameters


def test_the_model_sees_words_and_the_program_the_image():
    image_tool = tool(size="512x256", n=2)
    message = called(image_tool, prompt="a red boat")
    result = ImageResult.of(message)
    ids = "; ".join(f"{image.id} (512x256 PNG)" for image in result.images)
    assert message.content == f"2 images were drawn: {ids}."
    assert words(result.images[1].read()) == "a red boat"
    assert len(message.content) < 200


def test_the_artifact_is_json_and_comes_back_whole():
    message = called(tool(), prompt="a red boat")
    stored = json.loads(json.dumps(messages_to_dict([message])))
    (restored,) = messages_from_dict(stored)
    assert restored.artifact == message.artifact
    assert ImageResult.of(restored) == ImageResult.of(message)
    assert ImageResult.of(message).to_artifact() == message.artifact


def test_what_is_no_artifact_says_so():
    with pytest.raises(RouterInputError, match="no images are in it: operation: Field required"):
        ImageResult.of({"images": []})
    with pytest.raises(RouterInputError, match="no images are in it"):
        ImageResult.of(ToolMessage("text", tool_call_id="1"))


def schema(image_tool: OrqImageTool) -> dict[str, Any]:
    return image_tool.tool_call_schema.model_json_schema()["properties"]


def test_the_model_may_fill_in_what_it_is_let():
    assert set(schema(tool())) == {"prompt"}
    opened = schema(tool(open_args=("size", "n", "image")))
    assert list(opened) == ["prompt", "image", "n", "size"]
    assert opened["n"]["anyOf"][0] == {"maximum": 10, "minimum": 1, "type": "integer"}


def test_what_the_model_fills_in_wins_over_the_tools_own(router):
    image_tool = tool(router, size="64x64", quality="low", open_args=("size",))
    called(image_tool, prompt="boat", size="128x128")
    assert router.requests[0].body["size"] == "128x128"
    assert router.requests[0].body["quality"] == "low"


@pytest.mark.parametrize(
    "args", [{"size": "64x64"}, {"model": GPT}, {"controls": {}}, {"image": 1}]
)
def test_what_the_model_was_not_let_is_refused(router, args):
    with pytest.raises(ValidationError, match="Extra inputs"):
        called(tool(router), prompt="boat", **args)
    assert not router.requests


def test_the_model_edits_and_varies_what_it_drew(router):
    image_tool = tool(router, open_args=("image", "mask", "size"))
    drawn = ImageResult.of(called(image_tool, prompt="boat", size="128x128"))
    edited = called(image_tool, prompt="add a bird", image=drawn.image.id, mask=drawn.image.id)
    assert edited.content.startswith("1 image was edited: img_")
    both = [drawn.image.id, ImageResult.of(edited).image.id]
    assert ImageResult.of(called(image_tool, prompt="join them", image=both)).operation == "edit"
    varied = called(image_tool, prompt="", image=drawn.image.id, size="256x256")
    assert varied.content.startswith("1 image was varied: ")
    assert [request.path.rpartition("/")[2] for request in router.requests] == [
        "generations",
        "edits",
        "edits",
        "variations",
    ]
    assert len(router.requests[2].body["image"]) == 2


@pytest.mark.parametrize("name", ["img_000000000000", "/etc/hostname", "https://x/y.png", ""])
def test_a_model_names_images_of_the_tool_and_opens_nothing_else(router, name):
    image_tool = tool(router, open_args=("image", "mask"))
    with pytest.raises(ToolInputError, match=r"image: .* is no image of this tool, for it has"):
        image_tool.invoke({"prompt": "x", "image": name})
    made = image_tool.generate("boat", **SMALL)
    with pytest.raises(ToolInputError, match=f"there are {made.image.id}"):
        image_tool.invoke({"prompt": "x", "image": made.image.id, "mask": name or "none"})
    with pytest.raises(ToolInputError, match="mask: needs an image"):
        image_tool.invoke({"prompt": "x", "mask": made.image.id})
    assert len(router.requests) == 1


def test_images_of_another_process_can_be_remembered():
    message = called(tool(), prompt="boat")
    other = tool(open_args=("image",))
    other.register_images(ImageResult.of(message))
    assert called(other, prompt="x", image=ImageResult.of(message).image.id).content


def test_a_folder_takes_the_images_and_finds_them_again(tmp_path: Path):
    message = called(tool(directory=tmp_path), prompt="boat")
    image = ImageResult.of(message).image
    assert image.path == str(tmp_path / f"{image.id}.png")
    assert [path.name for path in tmp_path.iterdir()] == [f"{image.id}.png"]
    assert f"saved as {image.path}" in message.content
    assert "base64" not in json.dumps(message.artifact)
    assert hashlib.sha256(image.read()).hexdigest() == image.sha256
    later = tool(directory=tmp_path, open_args=("image",))
    assert called(later, prompt="bird", image=image.id).content


def test_images_are_saved_whole_and_in_numbers(tmp_path: Path):
    result = tool().generate("boat", n=2, **SMALL)
    assert result.image.save(tmp_path / "one.png").read_bytes() == result.image.read()
    saved = result.save(tmp_path / "boat.png")
    assert [path.name for path in saved] == ["boat-1.png", "boat-2.png"]
    with pytest.raises(RouterInputError, match="exists"):
        result.image.save(tmp_path / "one.png", overwrite=False)


@pytest.mark.parametrize("n", [1, 2])
def test_in_a_folder_images_are_called_by_their_ids(tmp_path: Path, n: int):
    result = tool().generate("boat", n=n, **SMALL)
    for folder in (tmp_path, f"{tmp_path}/"):
        assert result.save(folder) == tuple(tmp_path / f"{i.id}.png" for i in result.images)
    assert len(list(tmp_path.iterdir())) == n
    assert result.image.save(tmp_path) == tmp_path / f"{result.image.id}.png"
    with pytest.raises(RouterInputError, match="exists"):
        result.save(tmp_path, overwrite=False)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("wrong", ["", "a\0b", None, "none/", "none/boat.png"])
def test_a_path_that_names_no_file_is_refused_for_one_image_and_for_several(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, wrong: Any
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RouterInputError, match="path: "):
        tool().generate("boat", n=n, **SMALL).save(wrong)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("id_", ["../boat", "/tmp/boat", "a/../../boat"])
def test_an_id_that_a_message_made_up_leads_out_of_no_folder(tmp_path: Path, id_: str):
    (tmp_path / "in").mkdir()
    image = GeneratedImage(id=id_, data=tool().generate("boat", **SMALL).image.data)
    assert image.save(tmp_path / "in") == tmp_path / "in" / "boat"


@pytest.mark.parametrize("name", ["one.jpg", "one.JPEG", "one.webp"])
def test_a_name_that_says_another_format_is_warned_of(tmp_path: Path, name: str):
    image = tool().generate("boat", **SMALL).image
    with pytest.warns(UserWarning, match=rf"{name} holds image/png"):
        image.save(tmp_path / name)
    assert (tmp_path / name).read_bytes() == image.data


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["boat.png", "boat.PNG", "boat", "boat.bin"])
def test_other_names_are_none(router, tmp_path, name):
    assert tool(router).generate("boat").save(tmp_path / name)[0].is_file()


def test_urls_are_told_and_fetched_only_when_asked(router):
    image_tool = tool(router, model=DALLE2)
    linked = image_tool.generate("boat", **SMALL)
    assert linked.image.url.startswith("https://images.offline.invalid/")
    assert linked.image.url in linked.summary
    assert len(router.requests) == 1
    with pytest.raises(RouterInputError, match="behind a URL; fetch it with download"):
        linked.image.read()
    fetched = image_tool.download(linked)
    assert words(fetched.image.read()) == "boat"
    assert (fetched.image.url, fetched.image.width) == (linked.image.url, 256)
    assert "authorization" not in router.requests[1].headers
    assert image_tool.download(fetched) == fetched
    assert len(router.requests) == 2


def test_urls_can_be_fetched_at_once_so_that_a_model_can_edit_what_is_behind(router, tmp_path):
    image_tool = tool(
        router, model=DALLE2, fetch_urls=True, open_args=("image",), directory=tmp_path
    )
    message = called(image_tool, prompt="boat")
    image = ImageResult.of(message).image
    assert Path(image.path).is_file()
    edited = asyncio.run(image_tool.aedit("bird", image.id))
    assert words(edited.image.read()).endswith("Edit 1: bird")


def test_the_revised_prompt_is_told():
    result = tool(model=DALLE3, delivery="b64_json").generate("boat", **SMALL)
    assert result.image.revised_prompt == "A picture: boat"
    assert result.summary.endswith("The prompt was revised to: A picture: boat")


def test_own_parameters_go_where_they_are_taken(router):
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


def test_a_notebook_shows_images_and_fetches_nothing(router, tmp_path):
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


def test_reprs_are_short_and_show_no_bytes():
    result = tool(size="1024x1024").generate("boat")
    assert repr(result.image) == f"GeneratedImage({result.image.id!r}, 1024x1024 PNG)"
    assert repr(result) == f"ImageResult(generate: {result.image.id}, {GPT!r})"
    image = GeneratedImage(id="img_x", url="https://a/?key=secret", revised_prompt="p")
    assert "secret" not in repr(image)


def test_a_model_is_told_no_more_than_it_can_use():
    image = GeneratedImage(id="img_x", url="https://a/" + "x" * 5000, revised_prompt="p" * 9000)
    result = ImageResult(operation="generate", images=(image,), model=GPT)
    assert "img_x (at a URL)" in result.summary
    assert len(result.summary) < 2200


def test_a_tool_can_be_pickled_and_keeps_no_images():
    image_tool = OrqImageTool(model=GPT, api_key="sk-orq-test", model_args=("image", "n"))
    copy = pickle.loads(pickle.dumps(image_tool))
    assert (copy.model, copy.open_args) == (GPT, ("image", "n"))
    assert set(copy.args) == {"prompt", "image", "n"}


def test_the_answering_model_of_a_fallback_is_named_in_json_and_in_forms():
    fallen = tool(
        OfflineRouter(faults={GPT: 503}), controls={"fallbacks": [DALLE2]}, fetch_urls=True
    )
    drawn = fallen.generate("boat", **SMALL)
    edited = fallen.edit("bird", drawn)
    assert [result.answering_model for result in (drawn, edited)] == [DALLE2, DALLE2]
    assert [result.model for result in (drawn, edited)] == [GPT, GPT]


def test_errors_are_the_tools_own(router):
    with pytest.raises(RouterError) as caught:
        tool(OfflineRouter(faults={GPT: 401})).generate("boat")
    assert caught.value.status_code == 401
    assert caught.value.partial_items == ()
