"""A request to /responses, as the one who answers it sees it."""

from collections.abc import Sequence

from orq_router_integrations.testing.answering.prompt import JsonOutput, Prompt, ToolSpec
from orq_router_integrations.testing.chat.messages import Message, SystemMessage
from orq_router_integrations.testing.responses.schema import (
    ChosenFunction,
    ResponsesRequest,
    SchemaFormat,
)


def build_prompt(request: ResponsesRequest, messages: Sequence[Message]) -> Prompt:
    """The request with these messages; tools that the router runs are not the model's to call."""
    choice = request.tool_choice
    told = request.instructions
    system = [] if told is None else [SystemMessage(role="system", content=told)]
    return Prompt(
        messages=[*system, *messages],
        tool_specs=_list_tool_specs(request),
        tools=request.tools or (),
        choice="required" if isinstance(choice, ChosenFunction) else choice or "auto",
        forced_tool=choice.name if isinstance(choice, ChosenFunction) else None,
        json_output=_get_json_output(request),
        reasoning=request.wants_reasoning,
        stop_sequences=request.stop_sequences or (),
        token_limit=request.max_output_tokens,
        cache_key=request.prompt_cache_key,
        caches_everything=request.cache_control is not None,
    )


def _list_tool_specs(request: ResponsesRequest) -> list[ToolSpec]:
    functions = [
        ToolSpec(
            name=tool.name,
            description=tool.description or "",
            schema=tool.parameters or {"type": "object"},
        )
        for tool in request.functions
    ]
    customs = [
        ToolSpec(name=tool.name, description=tool.description or "")
        for tool in request.custom_tools
    ]
    return functions + customs


def _get_json_output(request: ResponsesRequest) -> JsonOutput | None:
    wanted = request.text.format if request.text else None
    return JsonOutput("text.format", wanted.schema_) if isinstance(wanted, SchemaFormat) else None
