"""Tools and the choice between them, as a chat completion wants them."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeGuard

from langchain_core.tools import BaseTool
from langchain_core.utils.function_calling import convert_to_openai_tool

ToolLike = dict[str, Any] | type | Callable[..., Any] | BaseTool
ToolChoice = str | bool | dict[str, Any] | None

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def to_wire(
    tools: Sequence[ToolLike], *, strict: bool | None = None, server: bool = False
) -> list[dict[str, Any]]:
    """Convert tools of any kind that LangChain knows.

    Args:
        tools: functions, classes, ``BaseTool``s, dicts.
        strict: whether arguments must follow the schema to the letter.
        server: whether tools that the router runs (``orq:*``, ``mcp``, ``custom``) may be there.

    Raises:
        ValueError: a tool cannot be converted, or has a name that no provider takes.
    """
    return [
        dict(tool) if server and _is_server_tool(tool) else _converted(tool, strict)
        for tool in tools
    ]


def _is_server_tool(tool: ToolLike) -> TypeGuard[dict[str, Any]]:
    kind = tool.get("type") if isinstance(tool, dict) else None
    return isinstance(kind, str) and (kind.startswith("orq:") or kind in {"mcp", "custom"})


def _converted(tool: ToolLike, strict: bool | None) -> dict[str, Any]:
    try:
        wire = convert_to_openai_tool(tool, strict=strict)
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"tools: {tool!r:.80} is not a tool: {error}") from None
    if wire.get("type") != "function":
        raise ValueError(
            f"tools: {wire.get('type')!r} is not a function, which is all this API takes"
        )
    function = wire["function"]
    check_name("tools", function.get("name"))
    schema = {"type": "object", "properties": {}, **(function.get("parameters") or {})}
    return {**wire, "function": {**function, "parameters": schema}}


def check_name(where: str, name: Any) -> None:
    """Check the name of a tool or schema.

    Raises:
        ValueError: it is not 1 to 64 letters, digits, dashes or underscores.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{where}: the name {name!r} must be 1 to 64 of A-Z a-z 0-9 _ -")


def choice_to_wire(choice: ToolChoice, names: Sequence[str]) -> str | dict[str, Any] | None:
    """The wire's ``tool_choice``, or ``None`` to leave the choice to the model.

    ``"any"``, ``"required"`` and ``True`` demand some tool; a name or an OpenAI dict demands that
    tool; ``"auto"`` and ``"none"`` mean what they say.

    Raises:
        ValueError: a tool is demanded that is not among ``names``.
    """
    if choice is None or choice is False:
        return None
    if choice in ("auto", "none"):
        return str(choice)
    if choice is True or choice in ("any", "required"):
        if not names:
            raise ValueError("tool_choice: a tool is demanded, but there are no tools")
        return "required"
    name = _chosen(choice)
    if name not in names:
        raise ValueError(
            f"tool_choice: there is no tool {name!r}; there are {', '.join(names) or 'none'}"
        )
    return {"type": "function", "function": {"name": name}}


def _chosen(choice: str | bool | dict[str, Any]) -> Any:
    if not isinstance(choice, Mapping):
        return choice
    if choice.get("type") in {"any", "auto", "none"}:
        raise ValueError(f"tool_choice: write {choice['type']!r} instead of {choice!r}")
    function = choice.get("function")
    return function.get("name") if isinstance(function, Mapping) else choice.get("name")
