"""Convert tools, tool choices and output schemas to the router's JSON."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal

from langchain_core.runnables import Runnable
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass
from typing_extensions import is_typeddict

from orq_router_integrations.chat_models import json_schemas
from orq_router_integrations.settings import MASK
from orq_router_integrations.wire import json
from orq_router_integrations.wire.json import as_dict

ToolLike = dict[str, Any] | type | Callable[..., Any] | Runnable[Any, Any]
"""A tool. ``BaseTool`` is a ``Runnable``; importing it would slow down programs without tools."""

ToolChoice = str | bool | dict[str, Any] | None
OutputSchema = dict[str, Any] | type
StructuredOutputMethod = Literal["json_schema", "function_calling", "json_mode"]

FUNCTION_EXTRAS = ("async", "cache_control", "defer_loading")
"""Keys of ``BaseTool.extras`` that the Responses API accepts on functions."""

WRAPPER_KEY = "value"  # property that holds the answer if the schema of an answer is not an object
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
    converted = ConvertedTools(_convert_tool(tool, strict, for_responses) for tool in tools)
    converted.for_responses = for_responses
    return converted


def _convert_tool(tool: ToolLike, strict: bool | None, for_responses: bool) -> dict[str, Any]:
    from langchain_core.tools import BaseTool  # noqa: PLC0415

    extras = (tool.extras or {}) if isinstance(tool, BaseTool) else {}
    converted = dict(_create_tool(tool, "tool"))
    type_ = converted["type"]
    if type_ == "function":
        strict = extras.get("strict", strict)
        converted["function"] = _convert_function(as_dict(converted.get("function")), strict)
    elif not _is_server_type(type_):
        raise ValueError(f"Tool type {type_!r} is not supported. Use a function instead.")
    elif not for_responses:
        raise ValueError(f"Tool type {type_!r} needs the Responses API. Use api='responses'.")
    if for_responses:
        converted.update({name: extras[name] for name in FUNCTION_EXTRAS if name in extras})
    return converted


def _convert_function(function: dict[str, Any], strict: bool | None) -> dict[str, Any]:
    """Check the name and the parameters of a function, whose own ``strict`` takes precedence."""
    if strict is not None:
        function = {"strict": strict, **function}
    name, parameters = function.get("name"), function.get("parameters") or {}
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise ValueError(
            f"Invalid tool name {name!r}. Use 1 to 64 letters (A-Z, a-z), digits, '_' or '-'."
        )
    schema = _convert_root(parameters, f"tool {name!r}: parameters", function.get("strict"))
    return {**function, "parameters": {"properties": {}, **schema}}


def _convert_root(schema: Any, label: str, strict: bool | None) -> dict[str, Any]:
    """Return the schema of an object, in the strict subset if ``strict``."""
    if not isinstance(strict, bool | None):
        raise ValueError(f"{label}: 'strict' must be a bool, got {type(strict).__name__}.")
    if not isinstance(schema, Mapping):
        raise ValueError(f"{label}: Expected a JSON schema as a dict, got {type(schema).__name__}.")
    json.dumps(schema, label)  # raises if it is not valid JSON
    if not json_schemas.is_object_schema(schema):
        schema = json_schemas.inline_refs(schema)
    if not json_schemas.is_object_schema(schema):
        raise ValueError(
            f"{label}: The schema must be an object. Use a class with a field for the value."
        )
    schema = {"type": "object", **schema}
    return json_schemas.to_strict_schema({"properties": {}, **schema}) if strict else schema


def _create_tool(tool: Any, noun: str) -> dict[str, Any]:
    """Convert a tool or schema, called ``noun`` in errors, to an OpenAI tool definition."""
    try:
        return _create_tool_from_dict(tool) if isinstance(tool, dict) else _create_function(tool)
    except (TypeError, LookupError, AttributeError, NameError, ValueError, RuntimeError) as error:
        detail = " ".join(str(error).split())[:300]
        raise ValueError(f"Cannot convert the {noun} {tool!r:.80}: {detail}") from None


def _create_tool_from_dict(tool: dict[str, Any]) -> dict[str, Any]:
    if _is_server_type(tool.get("type")):
        return tool
    if tool.get("type") == "function" and "function" not in tool:  # as in the Responses API
        return {"type": "function", "function": {k: v for k, v in tool.items() if k != "type"}}
    if tool.keys().isdisjoint({"name", "function", "toolSpec"}):  # a JSON schema
        # References are only followed to find the title: inlining them could multiply the size.
        schema = dict(tool) if "title" in tool else json_schemas.inline_refs(tool)
        if "title" in schema:
            name, description = schema.pop("title"), schema.pop("description", "")
            function = {"name": name, "description": description, "parameters": schema}
            return {"type": "function", "function": function}
    return convert_to_openai_tool(tool)


def _is_server_type(type_: Any) -> bool:
    return isinstance(type_, str) and (type_.startswith("orq:") or type_ in {"mcp", "custom"})


def _create_function(tool: Any) -> dict[str, Any]:
    """Convert a tool, keeping the references of recursive schemas, which LangChain drops."""
    from langchain_core.tools import BaseTool, Tool, create_schema_from_function  # noqa: PLC0415

    if isinstance(tool, Tool):
        is_custom = (tool.metadata or {}).get("type") == "custom_tool"
        if is_custom or not tool.args_schema:
            return convert_to_openai_tool(tool)  # its only argument is a string
    if isinstance(tool, BaseTool):
        function = json_schemas.create_function(tool.tool_call_schema, tool.name, tool.description)
    elif isinstance(tool, type) and is_basemodel_subclass(tool):
        function = json_schemas.create_function(tool)
    elif is_typeddict(tool):
        function = json_schemas.create_typed_dict_function(tool)
    elif callable(tool):
        cls = create_schema_from_function(
            tool.__name__, tool, filter_args=(), parse_docstring=True, include_injected=False
        )
        function = json_schemas.create_function(cls, tool.__name__)
    else:
        return convert_to_openai_tool(tool)  # raises an error that lists what is supported
    return {"type": "function", "function": function}


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
    function = choice.get("function", choice) if isinstance(choice, Mapping) else choice
    name = function.get("name") if isinstance(function, Mapping) else function
    names = [tool["function"]["name"] for tool in tools if tool["type"] == "function"]
    if name not in names:
        raise ValueError(
            f"Invalid tool_choice {choice!r:.80}. Use 'auto', 'none', 'any' or the name of a "
            f"function. Functions: {', '.join(names) or 'none'}."
        )
    return {"type": "function", "function": {"name": name}}


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
    if not json_schemas.is_object_schema(root):
        root = json_schemas.inline_refs(root)
    if json_schemas.is_object_schema(root):
        return json_schema, False
    definitions = {"$defs": root.pop("$defs")} if "$defs" in root else {}
    properties = {WRAPPER_KEY: root}
    wrapper = {"type": "object", "properties": properties, "required": [WRAPPER_KEY]}
    return {**json_schema, "schema": {**wrapper, **definitions}}, True


def _create_json_schema(schema: OutputSchema) -> dict[str, Any]:
    """Create a dict with ``name`` and ``schema``, and maybe ``description`` and ``strict``."""
    fields: Any = schema
    if isinstance(schema, Mapping) and schema.get("type") == "json_schema":
        fields = schema.get("json_schema", schema)
    if isinstance(fields, Mapping) and isinstance(fields.get("schema"), Mapping):
        json_schema = dict(fields)
    else:
        function = as_dict(_create_tool(fields, "schema").get("function"))
        json_schema = {key: value for key, value in function.items() if value not in ("", {}, None)}
        json_schema["schema"] = json_schema.pop("parameters", {"type": "object"})
    json.dumps(json_schema, "schema")  # raises if it is not valid JSON
    name = json_schema.get("name")
    if not isinstance(name, str) or not name:
        raise ValueError("The schema has no name. Add 'name', or 'title' to a JSON schema.")
    # Generic classes have names such as ``Page[int]``, which providers reject.
    json_schema["name"] = _INVALID_NAME_CHARS.sub("_", name).strip("_")[:64] or "schema"
    return json_schema
