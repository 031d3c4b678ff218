"""Compact conversations with the Responses API."""

from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Any

from langchain_core.messages import BaseMessage, ToolMessage, convert_to_messages

from orq_router_integrations.chat_models.constants import RESPONSES
from orq_router_integrations.chat_models.fields import ChatOrqFields
from orq_router_integrations.chat_models.request_builder import build_request
from orq_router_integrations.chat_models.response_conversion import convert_completion
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.call import Call, Response
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import RESPONSE_COMPACTION
from orq_router_integrations.wire.json import as_dicts
from orq_router_integrations.wire.model_names import ModelCandidates
from orq_router_integrations.wire.request_encoding import PROTECTIVE_CONTROLS
from orq_router_integrations.wire.responses_output import build_completion, parse_compaction

Item = dict[str, Any]

_BODY_FIELDS = ("model", "input", "instructions", "previous_response_id", "prompt_cache_key")
_CONTROLS = PROTECTIVE_CONTROLS | {"identity", "metadata"}
"""Controls that are not ignored: identity and metadata become headers, the others raise errors."""

_INPUT_ROLES = {"user", "system", "developer"}
_TOOL_OUTPUTS = {"function_call_output", "custom_tool_call_output"}


def build_compaction_call(
    model: ChatOrqFields, messages: Sequence[BaseMessage], kwargs: dict[str, Any]
) -> Call[list[BaseMessage]]:
    """Build the call that compacts a conversation; ``kwargs`` override fields of the model."""
    if model.api != RESPONSES:
        raise RouterInputError("compact() requires the Responses API. Use api='responses'.")
    if unknown := kwargs.keys() - set(_BODY_FIELDS):
        raise RouterInputError(f"compact() does not accept {min(unknown)!r}. Remove it.")
    body, controls, candidates = build_request(model, messages, kwargs)
    values = {name: getattr(controls, name) for name in _CONTROLS}
    return Call(
        endpoint=RESPONSE_COMPACTION,
        body={name: body[name] for name in _BODY_FIELDS if name in body},
        controls=RouterControls().model_copy(
            update={name: value for name, value in values.items() if value is not None}
        ),
        parse=partial(_parse_messages, candidates=candidates),
    )


def _parse_messages(response: Response, *, candidates: ModelCandidates) -> list[BaseMessage]:
    """Create messages from output items; consecutive items of the model become one message."""
    body = parse_compaction(response)
    messages: list[BaseMessage] = []
    for kind, group in groupby(as_dicts(body["output"]), key=_get_kind):
        if kind == "input":
            messages += map(_convert_input_item, group)
            continue
        completion = build_completion(list(group), body)
        messages.append(convert_completion(completion, response, candidates).generations[0].message)
        body = {**body, "usage": None}  # the first message has it
    return messages


def _get_kind(item: Item) -> str:
    if item.get("type") == "compaction":
        return "compaction"
    is_input = item.get("role") in _INPUT_ROLES or item.get("type") in _TOOL_OUTPUTS
    return "input" if is_input else "answer"


def _convert_input_item(item: Item) -> BaseMessage:
    if item.get("type") in _TOOL_OUTPUTS:
        return ToolMessage(_convert_content(item.get("output")), tool_call_id=item["call_id"])
    fields = {"role": item["role"], "content": _convert_content(item.get("content"))}
    return convert_to_messages([fields])[0]


def _convert_content(content: Any) -> Any:
    if isinstance(content, str):
        return content
    parts = as_dicts(content)
    if all(part.get("type") == "input_text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts
