"""Which files the image tool opens: those in its directory, and those the program passes."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from support.agent_tools import called, every_way

from orq_router_integrations import OfflineRouter, OrqImageTool
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing.images.drawing import draw_image
from orq_router_integrations.testing.images.png import encode_png
from orq_router_integrations.tools.image_result import ImageResult

GPT = "openai/gpt-image-1"
ID = "img_0123456789ab"
ELSEWHERE = "is outside the directory of this tool.*directory=.*pass the ImageResult or the path"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """An image that belongs to no tool."""
    path = tmp_path / "secret.png"
    path.write_bytes(encode_png(draw_image("secret", (64, 48), 1)))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    return path


def draw(router: OfflineRouter, **given: Any) -> OrqImageTool:
    return OrqImageTool(model=GPT, client=router.client(), model_args=("image", "mask"), **given)


def message(path: Path | str) -> ToolMessage:
    """A message of a conversation that anybody may have written."""
    artifact = {"operation": "edit", "model": GPT, "images": [{"id": ID, "path": str(path)}]}
    return ToolMessage("1 image was drawn.", tool_call_id="1", artifact=artifact)


def forms(path: Path | str) -> list[Any]:
    """All in which a message, or what is in it, can be given."""
    whole = message(path)
    return [whole, [whole], whole.artifact, whole.artifact["images"][0]]


async def edited(tool: OrqImageTool, awaited: bool, *given: Any, **more: Any) -> ImageResult:
    return await tool.aedit(*given, **more) if awaited else tool.edit(*given, **more)


@every_way
async def test_message_cannot_open_files_outside_directory(router, awaited, secret, folder):
    (folder / "link.png").symlink_to(secret)
    paths = [secret, folder / "link.png", folder / ".." / "secret.png", f"{folder}-not/a.png"]
    for tool in (draw(router), draw(router, directory=folder)):
        for source in [form for path in paths for form in forms(path)]:
            with pytest.raises(RouterInputError, match=ELSEWHERE):
                await edited(tool, awaited, "bird", source)
        with pytest.raises(RouterInputError, match=f"mask: .*{ELSEWHERE}"):
            await edited(tool, awaited, "bird", secret, mask=message(secret))
        with pytest.raises(RouterInputError, match=ELSEWHERE):
            tool.create_variation(message(secret), model="openai/dall-e-2")
    assert router.requests == []


@every_way
async def test_message_opens_files_in_directory(router, awaited, folder):
    (folder.parent / "other name").symlink_to(folder)
    call = {"type": "tool_call", "id": "1", "name": "draw_image", "args": {"prompt": "boat"}}
    drawn = draw(router, directory=folder).invoke(call)
    for directory in (folder, folder.parent / "other name"):
        tool = draw(router, directory=directory)
        for source in (drawn, drawn.artifact, drawn.artifact["images"][0]):
            assert (await edited(tool, awaited, "bird", source)).operation == "edit"


@every_way
async def test_program_may_open_any_file(router, awaited, secret, folder):
    result = ImageResult.of(message(secret))
    for tool in (draw(router), draw(router, directory=folder)):
        for source in (secret, str(secret), result, result.image, [result]):
            assert (await edited(tool, awaited, "bird", source)).operation == "edit"
        tool.register_images(result)
        assert await called(tool, awaited, {"prompt": "bird", "image": ID})


@every_way
async def test_model_cannot_open_files_outside_directory(router, awaited, secret, folder):
    (folder / f"{ID}.png").symlink_to(secret)
    tool = draw(router, directory=folder)
    for args in ({"image": ID}, {"image": [ID]}, {"image": str(secret)}, {"image": "../secret"}):
        with pytest.raises(RouterInputError, match=f"{ELSEWHERE}|is not an image of this tool"):
            await called(tool, awaited, {"prompt": "bird", **args})
    with pytest.raises(RouterInputError, match=ELSEWHERE):
        await edited(tool, awaited, "bird", ID)
    assert router.requests == []


async def test_directory_is_resolved_when_tool_is_created(router, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    tool = draw(router, directory=folder.name)
    result = tool.generate("a boat")
    monkeypatch.chdir("/")
    told = ToolMessage("1 image was drawn.", tool_call_id="1", artifact=result.to_artifact())
    assert tool.edit("add a bird", told).image.path.startswith(str(folder))
