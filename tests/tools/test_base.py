"""Errors in tool arguments: reported to the model in tool calls, raised otherwise."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from pydantic import ValidationError
from support.agent_tools import invoke_runnable
from support.marks import sync_and_async

from orq_router_integrations import OfflineRouter, OrqImageTool, OrqSpeechTool
from orq_router_integrations.errors import RouterInputError, ServerError
from orq_router_integrations.tools.base import ToolInputError

INVALID_ARGS = {
    "empty prompt": ("image", {"prompt": " "}, "prompt: The prompt is empty"),
    "path as image": ("image", {"prompt": "x", "image": "/etc/hostname"}, "not an image of this"),
    "transparent JPEG": (
        "image",
        {"prompt": "x", "background": "transparent", "output_format": "jpeg"},
        "JPEG has no transparency",
    ),
    "empty text": ("speech", {"text": " "}, "text: The text is empty"),
    "long opus": ("speech", {"text": "Long. " * 900, "audio_format": "opus"}, "5400 characters"),
    "surrogate": ("speech", {"text": "half \ud83d"}, "text: .*position 5"),
}
invalid_args = pytest.mark.parametrize(
    ("name", "args", "message"), INVALID_ARGS.values(), ids=INVALID_ARGS
)


def create_tools(router: OfflineRouter, **kwargs: Any) -> dict[str, Any]:
    kwargs = {"client": router.client(), **kwargs}
    return {
        "image": OrqImageTool(
            model="openai/gpt-image-1",
            model_args=("image", "background", "output_format"),
            **kwargs,
        ),
        "speech": OrqSpeechTool(
            model="openai/tts-1", voice="alloy", model_args=("audio_format",), **kwargs
        ),
    }


def create_tool_call(args: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_call", "id": "call_1", "name": "x", "args": args}


@sync_and_async
@invalid_args
async def test_input_error_becomes_tool_message(router, is_async, name, args, message):
    tool = create_tools(router)[name]
    result = await invoke_runnable(tool, is_async, create_tool_call(args))
    assert isinstance(result, ToolMessage)
    assert (result.status, result.tool_call_id, result.name) == ("error", "call_1", tool.name)
    assert re.search(message, result.text)
    assert router.requests == []


@sync_and_async
@invalid_args
async def test_input_error_is_raised_without_tool_call(router, is_async, name, args, message):
    with pytest.raises(ToolInputError, match=message):
        await invoke_runnable(create_tools(router)[name], is_async, args)
    assert router.requests == []


@sync_and_async
@invalid_args
async def test_input_error_is_raised_if_not_handled(router, is_async, name, args, message):
    tool = create_tools(router, handle_tool_error=False)[name]
    with pytest.raises(ToolInputError, match=message):
        await invoke_runnable(tool, is_async, create_tool_call(args))
    assert router.requests == []


@sync_and_async
async def test_missing_directory_is_not_a_tool_input_error(router, is_async, tmp_path: Path):
    """The developer of the agent has to fix it, the model cannot."""
    directory = tmp_path / "removed"
    directory.mkdir()
    tools = create_tools(router, directory=directory)
    directory.rmdir()
    for name, args in (("image", {"prompt": "x"}), ("speech", {"text": "x"})):
        with pytest.raises(RouterInputError, match="directory: ") as caught:
            await invoke_runnable(tools[name], is_async, create_tool_call(args))
        assert not isinstance(caught.value, ToolInputError)
    assert router.requests == []


def test_directory_must_be_utf_8(router, tmp_path: Path):
    """Tool messages contain the path, and JSON cannot."""
    directory = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    directory.mkdir()
    with pytest.raises(ValidationError, match=r"directory\n .* is not UTF-8"):
        create_tools(router, directory=directory)


@sync_and_async
async def test_router_error_is_not_a_tool_input_error(is_async: bool):
    router = OfflineRouter(faults={"openai/gpt-image-1": 501, "openai/tts-1": 501})
    for name, args in (("image", {"prompt": "x"}), ("speech", {"text": "x"})):
        with pytest.raises(ServerError):
            await invoke_runnable(create_tools(router)[name], is_async, create_tool_call(args))
