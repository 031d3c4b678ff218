"""Convert tools, tool choices and output schemas to the router's JSON."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, TypeGuard

from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

from orq_router_integrations.chat_models.json_schemas import (
    create_class_function,
    create_function,
    get_class_schema,
    inline_refs,
    is_object_schema,
    wrap_schema,
)
from orq_router_integrations.chat_models.strict_schemas import to_strict_schema
from orq_router_integrations.chat_models.typed_dict_schemas import (
    create_typed_dict_function,
    is_typed_dict,
)
from orq_router_integrations.settings import MASK
from orq_router_integrations.wire import json

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool
else:
    # LangChain evaluates annotations at run time, so the name must exist. Importing the real
    # class here would slow down programs that use no tools.
    from langchain_core.runnables import Runnable as BaseTool

ToolLike = dict[str, Any] | type | Callable[..., Any] | BaseTool
ToolChoice = str | bool | dict[str, Any] | None
OutputSchema = dict[str, Any] | type
StructuredOutputMethod = Literal["json_schema", "function_calling", "json_mode"]

FUNCTION_EXTRAS = ("async", "cache_control", "defer_loading")
"""Keys of ``BaseTool.extras`` that the Responses API accepts on functions."""

TOOL_SEARCH = "orq:tool_search"  # the server tool that loads tools with ``defer_loading``

_CREDENTIAL_FIELDS = ("headers", "authorization")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_INVALID_NAME_CHARS = re.compile(r"[^A-Za-z0-9_-]+")


class ConvertedTools(list[dict[str, Any]]):
    """Tools that are already converted for one of the two chat APIs."""

    for_responses = False


class ConvertedResponseFormat(dict[str, Any]):
    """A response format that is already converted."""


def convert_tools(
    tools: Sequence[ToolLike], *, strict: bool | None = None, for_responses: bool = False
) -> ConvertedTools:
    """Convert tools to the router's JSON. Converted tools are returned unchanged.

    A ``strict`` key in ``BaseTool.extras`` takes precedence. Only the Responses API supports server
    tools (``orq:*``, ``mcp``, ``custom``) and the keys in ``FUNCTION_EXTRAS``; all other extras
    belong to other providers and are dropped.
    """
    if isinstance(tools, ConvertedTools) and tools.for_responses == for_responses:
        return tools
    if isinstance(tools, (str, Mapping)) or not isinstance(tools, Iterable):
        raise ValueError(f"'tools' must be a list of tools, got {type(tools).__name__}.")
    converted = ConvertedTools(_convert_any_tool(tool, strict, for_responses) for tool in tools)
    converted.for_responses = for_responses
    if for_responses:
        _check_deferred_tools(converted)
    return converted


def _convert_any_tool(tool: ToolLike, strict: bool | None, for_responses: bool) -> dict[str, Any]:
    if _is_server_tool(tool):
        if not for_responses:
            raise ValueError(
                f"Tool type {tool['type']!r} needs the Responses API. Use api='responses'."
            )
        return dict(tool)
    from langchain_core.tools import BaseTool  # noqa: PLC0415

    extras = (tool.extras or {}) if isinstance(tool, BaseTool) else {}
    converted = _convert_function(tool, extras.get("strict", strict), for_responses)
    if for_responses:
        converted.update({name: extras[name] for name in FUNCTION_EXTRAS if name in extras})
    return converted


def _is_server_tool(tool: ToolLike) -> TypeGuard[dict[str, Any]]:
    type_ = tool.get("type") if isinstance(tool, dict) else None
    return isinstance(type_, str) and (type_.startswith("orq:") or type_ in {"mcp", "custom"})


def _convert_function(tool: ToolLike, strict: bool | None, for_responses: bool) -> dict[str, Any]:
    converted = convert_to_tool(_nest_function(tool), strict, "tool")
    type_ = converted.get("type")
    if type_ == "custom" and for_responses:
        return converted
    if type_ != "function":
        fix = "Use api='responses'." if type_ == "custom" else "Use a function instead."
        raise ValueError(f"Tool type {type_!r} is not supported by this API. {fix}")
    function = converted["function"]
    name, parameters = function.get("name"), function.get("parameters") or {}
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"Invalid tool name {name!r}. Use 1 to 64 letters (A-Z, a-z), digits, '_' or '-'."
        )
    if not isinstance(parameters, Mapping):
        raise ValueError(f"The parameters of tool {name!r} must be a JSON schema.")
    schema = _convert_root(parameters, f"tool {name!r}: parameters", function.get("strict"))
    return {**converted, "function": {**function, "parameters": {"properties": {}, **schema}}}


def _convert_root(schema: Mapping[str, Any], label: str, strict: bool | None) -> dict[str, Any]:
    """Return the schema of an object, in the strict subset if ``strict``."""
    json.dumps(schema, label)  # raises if it is not valid JSON
    if not is_object_schema(schema):
        schema = inline_refs(schema)
    if not is_object_schema(schema):
        raise ValueError(
            f"{label}: The schema must be an object. Use a class with a field for the value."
        )
    schema = {"type": "object", **schema}
    return to_strict_schema({"properties": {}, **schema}) if strict else schema


def _nest_function(tool: ToolLike) -> ToolLike:
    """Convert a function in the flat form of the Responses API to the nested form."""
    if not isinstance(tool, dict) or tool.get("type") != "function" or "function" in tool:
        return tool
    function = {k: tool[k] for k in ("name", "description", "parameters", "strict") if k in tool}
    return {**{k: v for k, v in tool.items() if k not in function}, "function": function}


def _check_deferred_tools(tools: Sequence[Mapping[str, Any]]) -> None:
    """Raise if a tool is deferred but no tool search is bound: the model could never call it."""
    if any(tool["type"] == TOOL_SEARCH for tool in tools):
        return
    for tool in tools:
        if tool.get("defer_loading"):
            name = tool.get("function", tool).get("name")
            raise ValueError(
                f"Tool {name!r} has defer_loading=True, but there is no tool search to load it. "
                f"Add {{'type': '{TOOL_SEARCH}'}} to the tools."
            )


def convert_to_tool(tool: ToolLike, strict: bool | None, noun: str) -> dict[str, Any]:
    """Convert a tool or schema, called ``noun`` in errors, to an OpenAI tool definition.

    A ``strict`` key of the tool takes precedence.
    """
    try:
        converted = convert_to_openai_tool(_create_function(tool))
    except (TypeError, LookupError, AttributeError, NameError, ValueError, RuntimeError) as error:
        detail = " ".join(str(error).split())[:300]
        raise ValueError(f"Cannot convert the {noun} {tool!r:.80}: {detail}") from None
    if converted.get("type") != "function":
        return converted
    if not isinstance(converted.get("function"), Mapping):
        raise ValueError(
            f"Cannot convert the {noun} {tool!r:.80}: 'function' must be a dict with 'name' "
            "and 'parameters'."
        )
    function = dict(converted["function"])
    if strict is not None:
        function.setdefault("strict", strict)
    return {**converted, "function": function}


def _create_function(tool: Any) -> Any:
    """Convert a type or JSON schema; LangChain would drop ``$ref`` at its root and in recursion."""
    from langchain_core.tools import BaseTool, create_schema_from_function  # noqa: PLC0415

    if isinstance(tool, dict):
        return _create_function_from_json_schema(tool)
    if isinstance(tool, type) and is_basemodel_subclass(tool):
        return create_class_function(tool)
    if is_typed_dict(tool):
        return create_typed_dict_function(tool)
    if isinstance(tool, BaseTool):
        return tool if _takes_text(tool) else _create_function_from_tool(tool)
    if not callable(tool):
        return tool
    cls = create_schema_from_function(
        tool.__name__,
        tool,
        filter_args=(),
        parse_docstring=True,
        error_on_invalid_docstring=False,
        include_injected=False,
    )
    return {**create_class_function(cls), "name": tool.__name__}


def _create_function_from_json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    if not schema.keys().isdisjoint({"name", "function", "toolSpec"}):
        return schema
    root = schema if "title" in schema or "$ref" not in schema else inline_refs(schema)
    if "title" not in root:
        return schema
    function = {"name": root["title"], "description": root.get("description")}
    parameters = {key: value for key, value in root.items() if key not in ("title", "description")}
    return {**{k: v for k, v in function.items() if v is not None}, "parameters": parameters}


def _create_function_from_tool(tool: Any) -> dict[str, Any]:
    schema = tool.tool_call_schema
    schema = schema if isinstance(schema, dict) else get_class_schema(schema)
    return create_function(tool.name, tool.description, schema)


def _takes_text(tool: BaseTool) -> bool:
    """Return whether a tool is a custom tool, or one whose only argument is a string."""
    from langchain_core.tools import Tool  # noqa: PLC0415

    is_custom = (tool.metadata or {}).get("type") == "custom_tool"
    return isinstance(tool, Tool) and (is_custom or not tool.args_schema)


def redact_tool_secrets(tools: Any) -> Any:
    """Mask the credentials of MCP servers."""
    if not isinstance(tools, (list, tuple)):
        return tools
    return [
        {name: MASK if name in _CREDENTIAL_FIELDS else value for name, value in tool.items()}
        if isinstance(tool, Mapping) and tool.get("type") == "mcp"
        else tool
        for tool in tools
    ]


def convert_tool_choice(
    choice: ToolChoice, tools: Sequence[Mapping[str, Any]]
) -> str | dict[str, Any] | None:
    """Convert a tool choice to the router's JSON; ``None`` means that the model decides.

    ``"any"``, ``"required"`` and ``True`` force a call of any tool. The name or the OpenAI dict
    of a converted tool forces a call of that tool.
    """
    if choice is None or choice is False:
        return None
    if choice in ("auto", "none"):
        return str(choice)
    if choice is True or choice in ("any", "required"):
        if not tools:
            raise ValueError(f"tool_choice={choice!r} needs tools. Pass 'tools' as well.")
        return "required"
    name = _get_chosen_name(choice)
    names = [tool["function"]["name"] for tool in tools if tool["type"] == "function"]
    if name in [tool.get("name") for tool in tools if tool["type"] == "custom"]:
        raise ValueError(
            f"tool_choice cannot be the custom tool {name!r}. Only functions can be forced."
        )
    if name not in names:
        available = ", ".join(names) or "none"
        raise ValueError(f"Unknown tool {name!r} in tool_choice. Available tools: {available}.")
    return {"type": "function", "function": {"name": name}}


def _get_chosen_name(choice: str | bool | dict[str, Any]) -> Any:
    if not isinstance(choice, Mapping):
        return choice
    if choice.get("type") in ("any", "auto", "none"):
        raise ValueError(f"Unsupported tool_choice {choice!r}. Use {choice['type']!r}.")
    function = choice.get("function")
    return function.get("name") if isinstance(function, Mapping) else choice.get("name")


def build_response_format(schema: OutputSchema, strict: bool | None) -> dict[str, Any]:
    """Build the ``response_format`` for an output schema, whose ``strict`` key takes precedence.

    A dict may also be a complete ``response_format``, or its inner dict with ``name`` and
    ``schema``.
    """
    if isinstance(schema, ConvertedResponseFormat):
        return schema
    if isinstance(schema, Mapping) and schema.get("type") in ("json_object", "text"):
        return dict(schema)
    json_schema = _create_json_schema(schema)
    if strict is not None:
        json_schema.setdefault("strict", strict)
    label = f"schema {json_schema['name']!r}"
    json_schema["schema"] = _convert_root(json_schema["schema"], label, json_schema.get("strict"))
    return ConvertedResponseFormat(type="json_schema", json_schema=json_schema)


def create_output_schema(schema: OutputSchema) -> tuple[dict[str, Any], bool]:
    """Create the inner dict of a ``response_format``, and return whether its schema is wrapped.

    A schema that is not an object is wrapped in one, because answers must be objects.
    """
    json_schema = _create_json_schema(schema)
    root = json_schema["schema"]
    is_wrapped = not is_object_schema(root) and not is_object_schema(inline_refs(root))
    if is_wrapped:
        json_schema["schema"] = wrap_schema(root)
    return json_schema, is_wrapped


def output_schema_to_tool(json_schema: Mapping[str, Any]) -> dict[str, Any]:
    """Convert the inner dict of a ``response_format`` to a tool."""
    function = {"description": "", **json_schema, "parameters": json_schema["schema"]}
    del function["schema"]
    return {"type": "function", "function": function}


def _create_json_schema(schema: OutputSchema) -> dict[str, Any]:
    json_schema = _get_json_schema_dict(schema)
    if json_schema is None:
        function = convert_to_tool(schema, None, "schema")["function"]
        json_schema = {**function, "schema": function.get("parameters") or {"type": "object"}}
        json_schema.pop("parameters", None)
        if not json_schema.get("description"):
            json_schema.pop("description", None)
    json.dumps(json_schema, "schema")  # raises if it is not valid JSON
    json_schema["name"] = _to_valid_name(json_schema.get("name"))
    return json_schema


def _to_valid_name(name: Any) -> str:
    """Return a name that providers accept: generic classes have names such as ``Page[int]``."""
    if not isinstance(name, str) or not name:
        raise ValueError("The schema has no name. Add 'name', or 'title' to a JSON schema.")
    return _INVALID_NAME_CHARS.sub("_", name).strip("_")[:64] or "schema"


def _get_json_schema_dict(schema: OutputSchema) -> dict[str, Any] | None:
    """Return the dict with ``name``, ``schema`` and ``strict`` if the schema has that form."""
    if not isinstance(schema, Mapping):
        return None
    if schema.get("type") == "json_schema":
        json_schema = schema.get("json_schema")
        if not isinstance(json_schema, Mapping):
            raise ValueError(
                "A response format of type 'json_schema' needs 'json_schema', a dict with "
                "'name' and 'schema'."
            )
        return dict(json_schema)
    return dict(schema) if isinstance(schema.get("schema"), Mapping) else None
