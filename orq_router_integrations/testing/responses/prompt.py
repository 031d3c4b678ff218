"""Convert requests to /responses to the form shared by both text endpoints."""

from collections.abc import Sequence

from orq_router_integrations.testing.answering.prompt import JsonOutput, Prompt, ToolSpec
from orq_router_integrations.testing.chat.messages import Message, SystemMessage
from orq_router_integrations.testing.responses.schema import (
    ChosenFunction,
    ResponsesRequest,
    SchemaFormat,
)


def build_prompt(request: ResponsesRequest, messages: Sequence[Message]) -> Prompt:
    """Create the prompt of a request with these messages, without tools that the router runs."""
    choice = request.tool_choice
    instructions = request.instructions
    system = [] if instructions is None else [SystemMessage(role="system", content=instructions)]
    return Prompt(
        messages=[*system, *messages],
        tool_specs=_list_tool_specs(request),
        tools=request.tools or (),
        choice="required" if isinstance(choice, ChosenFunction) else choice or "auto",
        forced_tool=choice.name if isinstance(choice, ChosenFunction) else None,
        json_output=_get_json_output(request),
        reasoning=request.reasoning_label,
        stop_sequences=request.stop_sequences or (),
        token_limit=request.max_output_tokens,
        cache_key=request.prompt_cache_key,
        caches_everything=request.cache_control is not None,
    )


def _list_tool_specs(request: ResponsesRequest) -> list[ToolSpec]:
    function_specs = [
        ToolSpec(
            name=tool.name,
            description=tool.description or "",
            schema=tool.parameters or {"type": "object"},
        )
        for tool in request.functions
    ]
    custom_specs = [
        ToolSpec(name=tool.name, description=tool.description or "")
        for tool in request.custom_tools
    ]
    return function_specs + custom_specs


def _get_json_output(request: ResponsesRequest) -> JsonOutput | None:
    format_ = request.text.format if request.text else None
    return JsonOutput("text.format", format_.schema_) if isinstance(format_, SchemaFormat) else None
