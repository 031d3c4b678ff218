"""Convert the function calls of old OpenAI histories to tool calls."""

from collections.abc import Sequence
from typing import Any

from langchain_core.messages import AIMessage, BaseMessage, FunctionMessage, ToolMessage

from orq_router_integrations.chat_models.tool_calls import parse_tool_calls


def replace_function_calls(messages: Sequence[BaseMessage]) -> list[BaseMessage]:
    """Replace ``function_call`` and function messages, which preceded tool calls in OpenAI's API.

    The ids of the calls only depend on their position, so that a conversation is always sent the
    same way, which prompt caches require.
    """
    replaced: list[BaseMessage] = []
    open_calls: dict[str, str] = {}  # ids by function name
    for index, message in enumerate(messages):
        if isinstance(message, AIMessage) and (call := _get_function_call(message)):
            call_id = open_calls[str(call.get("name"))] = f"call_{index}"
            calls = parse_tool_calls([{"id": call_id, "function": call}])
            update = {"tool_calls": calls.valid, "invalid_tool_calls": calls.invalid}
            replaced.append(message.model_copy(update=update))
        elif isinstance(message, FunctionMessage):
            call_id = open_calls.pop(message.name, "")
            if not call_id:
                raise ValueError(
                    f"messages[{index}]: A FunctionMessage cannot be sent without a call of "
                    f"{message.name!r} before it. Use a ToolMessage with a tool_call_id."
                )
            replaced.append(ToolMessage(content=message.content, tool_call_id=call_id))
        else:
            replaced.append(message)
    return replaced


def _get_function_call(message: AIMessage) -> dict[str, Any] | None:
    call = message.additional_kwargs.get("function_call")
    if message.tool_calls or message.invalid_tool_calls or not isinstance(call, dict):
        return None
    return call
