"""``ImageResult`` and ``GeneratedImage``: serialization, files and notebook output."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage, messages_from_dict, messages_to_dict
from support.image_tools import DALLE2, DALLE3, GPT, call_tool, create_tool

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.tools.image_result import GeneratedImage, ImageResult

SMALL = {"size": "256x256"}


def test_artifact_survives_json():
    message = call_tool(create_tool(), prompt="a red boat")
    stored = json.loads(json.dumps(messages_to_dict([message])))
    (restored,) = messages_from_dict(stored)
    assert restored.artifact == message.artifact
    assert ImageResult.of(restored) == ImageResult.of(message)
    assert ImageResult.of(message).to_artifact() == message.artifact


def test_message_without_images_raises():
    with pytest.raises(
        RouterInputError, match="Cannot restore the ImageResult: operation: Field required"
    ):
        ImageResult.of({"images": []})
    with pytest.raises(RouterInputError, match="Cannot restore the ImageResult"):
        ImageResult.of(ToolMessage("text", tool_call_id="1"))


def test_save_numbers_several_images(tmp_path: Path):
    result = create_tool().generate("boat", n=2, **SMALL)
    assert result.image.save(tmp_path / "one.png").read_bytes() == result.image.read()
    saved = result.save(tmp_path / "boat.png")
    assert [path.name for path in saved] == ["boat-1.png", "boat-2.png"]
    with pytest.raises(RouterInputError, match="exists"):
        result.image.save(tmp_path / "one.png", overwrite=False)


@pytest.mark.parametrize("n", [1, 2])
def test_save_to_directory_uses_ids(tmp_path: Path, n: int):
    result = create_tool().generate("boat", n=n, **SMALL)
    for directory in (tmp_path, f"{tmp_path}/"):
        assert result.save(directory) == [tmp_path / f"{image.id}.png" for image in result.images]
    assert len(list(tmp_path.iterdir())) == n
    assert result.image.save(tmp_path) == tmp_path / f"{result.image.id}.png"
    with pytest.raises(RouterInputError, match="exists"):
        result.save(tmp_path, overwrite=False)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize(
    "path",
    ["", "a\0b", None, "none/", "none/boat.png"],
    ids=["empty", "NUL", "None", "no directory", "in no directory"],
)
def test_save_rejects_invalid_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, n: int, path: Any
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RouterInputError, match="path: "):
        create_tool().generate("boat", n=n, **SMALL).save(path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("image_id", ["../boat", "/tmp/boat", "a/../../boat"])
def test_save_ignores_directories_in_id(tmp_path: Path, image_id: str):
    (tmp_path / "in").mkdir()
    image = GeneratedImage(id=image_id, data=create_tool().generate("boat", **SMALL).image.data)
    assert image.save(tmp_path / "in") == tmp_path / "in" / "boat"


@pytest.mark.parametrize("name", ["one.jpg", "one.JPEG", "one.webp"])
def test_save_warns_about_wrong_suffix(tmp_path: Path, name: str):
    image = create_tool().generate("boat", **SMALL).image
    with pytest.warns(UserWarning, match=rf"{name} contains image/png"):
        image.save(tmp_path / name)
    assert (tmp_path / name).read_bytes() == image.data


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["boat.png", "boat.PNG", "boat", "boat.bin"])
def test_save_accepts_other_suffixes(router, tmp_path, name):
    assert create_tool(router).generate("boat").save(tmp_path / name)[0].is_file()


def test_summary_contains_revised_prompt():
    result = create_tool(model=DALLE3, return_format="b64_json").generate("boat", **SMALL)
    assert result.image.revised_prompt == "A picture: boat"
    assert result.summary.endswith("The prompt was revised to: A picture: boat")


def test_notebook_shows_images_without_fetching(router, tmp_path):
    image_tool = create_tool(router)
    result = image_tool.generate("<b>", **SMALL)
    page = result._repr_html_()
    assert base64.b64encode(result.image.read()).decode() in page
    linked = image_tool.generate("x", model=DALLE2, **SMALL)
    assert "<img" not in linked._repr_html_()
    saved = create_tool(router, directory=tmp_path).generate("x", **SMALL)
    Path(saved.image.path).unlink()
    assert "<img" not in saved._repr_html_()
    assert len(router.requests) == 3


def test_repr_is_short_and_contains_no_url():
    result = create_tool(size="1024x1024").generate("boat")
    assert repr(result.image) == f"GeneratedImage({result.image.id!r}, 1024x1024 PNG)"
    assert repr(result) == f"ImageResult(generate: {result.image.id}, {GPT!r})"
    image = GeneratedImage(id="img_x", url="https://a/?key=secret", revised_prompt="p")
    assert "secret" not in repr(image)


def test_summary_is_limited():
    image = GeneratedImage(id="img_x", url="https://a/" + "x" * 5000, revised_prompt="p" * 9000)
    result = ImageResult(operation="generate", images=(image,), model=GPT)
    assert "img_x (at a URL)" in result.summary
    assert len(result.summary) < 2200
