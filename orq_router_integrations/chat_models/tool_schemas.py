"""Tools and the choice between them, as a chat completion wants them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeGuard

from langchain_core.utils.function_calling import convert_to_openai_tool

from orq_router_integrations.wire import json

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool
else:  # loaded with the first tool, for many programs have none; LangChain evaluates annotations
    from langchain_core.runnables import Runnable as BaseTool

ToolLike = dict[str, Any] | type | Callable[..., Any] | BaseTool
ToolChoice = str | bool | dict[str, Any] | None

FUNCTION_EXTRAS = ("async", "cache_control", "defer_loading")
"""Members of ``BaseTool.extras`` that a function has on /responses (the vendor's SDK 4.17.13)."""

TOOL_SEARCH = "orq:tool_search"

_SWITCH = "use api='responses'"
_SECRET = ("headers", "authorization")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ConvertedTools(list[dict[str, Any]]):
    """Tools as they go on the wire to one of the APIs, and need not be converted again."""

    for_responses = False


def convert_tools(
    tools: Sequence[ToolLike], *, strict: bool | None = None, for_responses: bool = False
) -> ConvertedTools:
    """Convert tools of any kind that LangChain knows.

    Args:
        tools: functions, classes, ``BaseTool``s, dicts.
        strict: whether arguments must follow the schema to the letter; the ``strict`` in a tool's
            ``extras`` goes before it.
        for_responses: whether this is for the Responses API, where tools that the router runs
            (``orq:*``, ``mcp``, ``custom``) may be there, and the ``EXTRAS`` of functions go
            along. Extras that the wire does not know are another provider's, and stay here.

    Raises:
        ValueError: a tool cannot be converted, has a name that no provider takes, or waits to be
            found by a search that is not among the tools.
    """
    if isinstance(tools, ConvertedTools) and tools.for_responses == for_responses:
        return tools
    if isinstance(tools, (str, Mapping)) or not isinstance(tools, Iterable):
        raise ValueError(f"tools: give a list of tools, not {type(tools).__name__}")
    wire = ConvertedTools(_one(tool, strict, for_responses) for tool in tools)
    wire.for_responses = for_responses
    if for_responses:
        _check_search(wire)
    return wire


def _one(tool: ToolLike, strict: bool | None, server: bool) -> dict[str, Any]:
    if _is_server_tool(tool):
        if not server:
            raise ValueError(f"tools: {tool['type']!r} is for the Responses API; {_SWITCH}")
        return dict(tool)
    from langchain_core.tools import BaseTool  # noqa: PLC0415

    extras = (tool.extras or {}) if isinstance(tool, BaseTool) else {}
    wire = _converted(_nested(tool), extras.get("strict", strict), server)
    return {**wire, **{name: extras[name] for name in FUNCTION_EXTRAS if server and name in extras}}


def _check_search(wire: Sequence[Mapping[str, Any]]) -> None:
    """The router hides a deferred tool until its search finds it, so there must be one."""
    if any(tool["type"] == TOOL_SEARCH for tool in wire):
        return
    for tool in wire:
        if tool.get("defer_loading"):
            name = tool.get("function", tool).get("name")
            raise ValueError(
                f"tools: {name} has defer_loading, so nothing finds it; add "
                f'{{"type": "{TOOL_SEARCH}"}} to the tools'
            )


def _is_server_tool(tool: ToolLike) -> TypeGuard[dict[str, Any]]:
    kind = tool.get("type") if isinstance(tool, dict) else None
    return isinstance(kind, str) and (kind.startswith("orq:") or kind in {"mcp", "custom"})


def _nested(tool: ToolLike) -> ToolLike:
    """A function as chat has it, also where it comes flat, as the Responses API has it."""
    if not isinstance(tool, dict) or tool.get("type") != "function" or "function" in tool:
        return tool
    inner = {k: tool[k] for k in ("name", "description", "parameters", "strict") if k in tool}
    return {**{k: v for k, v in tool.items() if k not in inner}, "function": inner}


def _converted(tool: ToolLike, strict: bool | None, server: bool) -> dict[str, Any]:
    wire = convert_to_tool(tool, strict, "tools")
    if wire.get("type") == "custom" and server:
        return wire
    if wire.get("type") != "function":
        hint = f"; {_SWITCH}" if wire.get("type") == "custom" else ""
        raise ValueError(
            f"tools: {wire.get('type')!r} is not a function, which is all this API takes{hint}"
        )
    function = wire["function"]
    validate_name("tools", function.get("name"))
    parameters = function.get("parameters") or {}
    if not isinstance(parameters, Mapping):
        raise ValueError(f"tools: the parameters of {function['name']} must be a JSON schema")
    schema = {"type": "object", "properties": {}, **parameters}
    json.dumps(schema, f"tools: the parameters of {function['name']}")
    return {**wire, "function": {**function, "parameters": schema}}


def redact_tool_secrets(tools: Any, redact: Callable[[Any], str]) -> Any:
    """Tools with the credentials of MCP servers replaced by what ``shown`` makes of them."""
    if not isinstance(tools, (list, tuple)):
        return tools
    return [
        {k: redact(v) if k in _SECRET else v for k, v in tool.items()}
        if isinstance(tool, Mapping) and tool.get("type") == "mcp"
        else tool
        for tool in tools
    ]


def convert_to_tool(tool: ToolLike, strict: bool | None, where: str) -> dict[str, Any]:
    """A tool or schema as OpenAI's tool, by LangChain's own rules.

    Raises:
        ValueError: it cannot be converted.
    """
    try:
        wire = convert_to_openai_tool(tool, strict=strict)
    except (TypeError, KeyError, AttributeError, ValueError, RuntimeError) as error:
        said = " ".join(str(error).split())[:300]
        raise ValueError(f"{where}: {tool!r:.80} cannot be converted: {said}") from None
    if wire.get("type") == "function" and not isinstance(wire.get("function"), Mapping):
        raise ValueError(f"{where}: {tool!r:.80} has no function with a name and parameters")
    return wire


def validate_name(where: str, name: Any) -> None:
    """Check the name of a tool or schema.

    Raises:
        ValueError: it is not 1 to 64 letters, digits, dashes or underscores.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(f"{where}: the name {name!r} must be 1 to 64 of A-Z a-z 0-9 _ -")


def convert_tool_choice(
    choice: ToolChoice, offered: Sequence[Mapping[str, Any]]
) -> str | dict[str, Any] | None:
    """The wire's ``tool_choice``, or ``None`` to leave the choice to the model.

    ``"any"``, ``"required"`` and ``True`` demand some tool; a name or an OpenAI dict demands that
    tool; ``"auto"`` and ``"none"`` mean what they say. ``offered`` are the tools on the wire.

    Raises:
        ValueError: a tool is demanded that is not among them.
    """
    if choice is None or choice is False:
        return None
    if choice in ("auto", "none"):
        return str(choice)
    if choice is True or choice in ("any", "required"):
        if not offered:
            raise ValueError("tool_choice: a tool is demanded, but there are no tools")
        return "required"
    name = _chosen(choice)
    names = [tool["function"]["name"] for tool in offered if tool["type"] == "function"]
    if name in [tool.get("name") for tool in offered if tool["type"] == "custom"]:
        raise ValueError(f"tool_choice: {name!r} is a custom tool; only functions can be demanded")
    if name not in names:
        raise ValueError(
            f"tool_choice: there is no tool {name!r}; there are {', '.join(names) or 'none'}"
        )
    return {"type": "function", "function": {"name": name}}


def _chosen(choice: str | bool | dict[str, Any]) -> Any:
    if not isinstance(choice, Mapping):
        return choice
    if choice.get("type") in ("any", "auto", "none"):
        raise ValueError(f"tool_choice: write {choice['type']!r} instead of {choice!r}")
    function = choice.get("function")
    return function.get("name") if isinstance(function, Mapping) else choice.get("name")
