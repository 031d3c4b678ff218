"""What a model chooses and cannot be done: it is told, and everyone else gets an error."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import ToolMessage
from support.agent_tools import called, every_way

from orq_router_integrations import OfflineRouter, OrqImageTool, OrqSpeechTool
from orq_router_integrations.errors import RouterInputError, ServerError
from orq_router_integrations.tools.base import ToolInputError

WRONG = [
    ("draw", {"prompt": " "}, "prompt: must not be empty"),
    ("draw", {"prompt": "x", "image": "/etc/hostname"}, "is no image of this tool"),
    ("draw", {"prompt": "x", "output_compression": 5}, "requires output_format"),
    ("speak", {"text": "Long. " * 900, "format": "opus"}, "text: 5400 characters"),
    ("speak", {"text": "half \ud83d"}, "text: contains a lone surrogate at position 5"),
]
wrong_choices = pytest.mark.parametrize(("name", "args", "said"), WRONG)


def tools(router: OfflineRouter, **given: Any) -> dict[str, Any]:
    common = {"client": router.client(), **given}
    opened = ("image", "output_compression")
    return {
        "draw": OrqImageTool(model="openai/gpt-image-1", model_args=opened, **common),
        "speak": OrqSpeechTool(
            model="openai/tts-1", voice="alloy", model_args=("format",), **common
        ),
    }


def call(args: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_call", "id": "call_1", "name": "x", "args": args}


@every_way
@wrong_choices
async def test_a_model_is_told(router: OfflineRouter, awaited: bool, name, args, said):
    tool = tools(router)[name]
    message = await called(tool, awaited, call(args))
    assert isinstance(message, ToolMessage)
    assert (message.status, message.tool_call_id, message.name) == ("error", "call_1", tool.name)
    assert said in message.content
    assert router.requests == []


@every_way
@wrong_choices
async def test_a_program_gets_the_error(router: OfflineRouter, awaited: bool, name, args, said):
    with pytest.raises(ToolInputError, match=said):
        await called(tools(router)[name], awaited, args)
    strict = tools(router, handle_tool_error=False)[name]
    with pytest.raises(ToolInputError, match=said):
        await called(strict, awaited, call(args))
    assert router.requests == []


@every_way
async def test_what_a_developer_did_wrong_is_no_choice(
    router: OfflineRouter, awaited: bool, tmp_path: Path
):
    (tmp_path / "gone").mkdir()
    made = tools(router, directory=tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    for name, args in (("draw", {"prompt": "x"}), ("speak", {"text": "x"})):
        tool = made[name]
        with pytest.raises(RouterInputError, match="make it first") as caught:
            await called(tool, awaited, call(args))
        assert not isinstance(caught.value, ToolInputError)
    assert router.requests == []


@every_way
async def test_a_failure_of_the_router_is_no_choice(awaited: bool):
    router = OfflineRouter(faults={"openai/gpt-image-1": 501, "openai/tts-1": 501})
    for name, args in (("draw", {"prompt": "x"}), ("speak", {"text": "x"})):
        with pytest.raises(ServerError):
            await called(tools(router)[name], awaited, call(args))
