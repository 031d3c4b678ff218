"""Which files the image tool opens: those in its directory, and those the program passes."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from support.agent_tools import invoke_runnable
from support.marks import sync_and_async

from orq_router_integrations import OfflineRouter, OrqImageTool
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.testing.images import create_png
from orq_router_integrations.tools.image_result import ImageResult

GPT = "openai/gpt-image-1"
ID = "img_0123456789ab"
OUTSIDE = "is outside the directory of this tool.*directory=.*pass the ImageResult or the path"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """An image outside the directories of all tools."""
    path = tmp_path / "secret.png"
    path.write_bytes(create_png("secret", (64, 48)))
    return path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    path = tmp_path / "pictures"
    path.mkdir()
    return path


def create_tool(router: OfflineRouter, **kwargs: Any) -> OrqImageTool:
    return OrqImageTool(model=GPT, client=router.client(), model_args=("image",), **kwargs)


def create_message(path: Path | str) -> ToolMessage:
    """Create a tool message that someone else may have written."""
    artifact = {"operation": "edit", "model": GPT, "images": [{"id": ID, "path": str(path)}]}
    return ToolMessage("1 image was drawn.", tool_call_id="1", artifact=artifact)


def list_message_forms(path: Path | str) -> list[Any]:
    """Return all forms in which a tool message can be passed as an image."""
    message = create_message(path)
    return [message, [message], message.artifact, message.artifact["images"][0]]


async def edit(tool: OrqImageTool, is_async: bool, *args: Any, **kwargs: Any) -> ImageResult:
    return await tool.aedit(*args, **kwargs) if is_async else tool.edit(*args, **kwargs)


@sync_and_async
async def test_message_cannot_open_files_outside_directory(router, is_async, secret, directory):
    (directory / "link.png").symlink_to(secret)
    paths = [
        secret,
        directory / "link.png",
        directory / ".." / "secret.png",
        f"{directory}-not/a.png",
    ]
    for tool in (create_tool(router), create_tool(router, directory=directory)):
        for source in [form for path in paths for form in list_message_forms(path)]:
            with pytest.raises(RouterInputError, match=OUTSIDE):
                await edit(tool, is_async, "bird", source)
        with pytest.raises(RouterInputError, match=f"mask: .*{OUTSIDE}"):
            await edit(tool, is_async, "bird", secret, mask=create_message(secret))
        with pytest.raises(RouterInputError, match=OUTSIDE):
            tool.create_variation(create_message(secret), model="openai/dall-e-2")
    assert router.requests == []


@pytest.mark.slow
@sync_and_async
async def test_message_opens_files_in_directory(router, is_async, directory):
    (directory.parent / "other name").symlink_to(directory)
    call = {"type": "tool_call", "id": "1", "name": "draw_image", "args": {"prompt": "boat"}}
    generated = create_tool(router, directory=directory).invoke(call)
    for path in (directory, directory.parent / "other name"):
        tool = create_tool(router, directory=path)
        for source in (generated, generated.artifact, generated.artifact["images"][0]):
            assert (await edit(tool, is_async, "bird", source)).operation == "edit"


@pytest.mark.slow
@sync_and_async
async def test_program_may_open_any_file(router, is_async, secret, directory):
    result = ImageResult.of(create_message(secret))
    for tool in (create_tool(router), create_tool(router, directory=directory)):
        for source in (secret, str(secret), result, result.image, [result]):
            assert (await edit(tool, is_async, "bird", source)).operation == "edit"
        tool.register_images(result)
        assert await invoke_runnable(tool, is_async, {"prompt": "bird", "image": ID})


@sync_and_async
async def test_model_cannot_open_files_outside_directory(router, is_async, secret, directory):
    (directory / f"{ID}.png").symlink_to(secret)
    tool = create_tool(router, directory=directory)
    for args in ({"image": ID}, {"image": [ID]}, {"image": str(secret)}, {"image": "../secret"}):
        with pytest.raises(RouterInputError, match=f"{OUTSIDE}|is not an image of this tool"):
            await invoke_runnable(tool, is_async, {"prompt": "bird", **args})
    with pytest.raises(RouterInputError, match=OUTSIDE):
        await edit(tool, is_async, "bird", ID)
    assert router.requests == []


async def test_directory_is_resolved_when_tool_is_created(router, directory, monkeypatch):
    monkeypatch.chdir(directory.parent)
    tool = create_tool(router, directory=directory.name)
    result = tool.generate("a boat")
    monkeypatch.chdir("/")
    message = ToolMessage("1 image was drawn.", tool_call_id="1", artifact=result.to_artifact())
    assert tool.edit("add a bird", message).image.path.startswith(str(directory))
