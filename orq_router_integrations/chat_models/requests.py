"""From a call's keywords to the members of a request body. Pure; checks as it goes."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ConfigDict

from orq_router_integrations.chat_models import schemas
from orq_router_integrations.chat_models import tool_schemas as tools
from orq_router_integrations.chat_models.constants import RESPONSES
from orq_router_integrations.wire.chat_params import (
    CHAT_PARAM_NAMES,
    RESPONSES_PARAM_NAMES,
    WIRE_NAMES,
    ChatParams,
    ResponsesParams,
)
from orq_router_integrations.wire.controls import ModelId, RouterControls
from orq_router_integrations.wire.deferred_model import DeferredModel

REQUEST_PARAMS = (
    frozenset(CHAT_PARAM_NAMES)
    | frozenset(RESPONSES_PARAM_NAMES)
    | {"tool_choice", "parallel_tool_calls", "response_format"}
)
"""What a call may set, or a model may be told never to send."""

CALL_KWARGS = REQUEST_PARAMS | {"model", "controls", "tools"}
"""Keywords that a call takes beside those of LangChain."""

SUGGESTIBLE_NAMES = CALL_KWARGS | frozenset(RouterControls.model_fields)
"""Names that an unknown one is compared with in an error."""


def validate_model_id(given: Any, own: str) -> str:
    """The model of this call.

    Raises:
        ValueError: it is not ``provider/model``.
    """
    return own if given is None else _Named(model=given).model


class _Named(DeferredModel):
    model_config = ConfigDict(protected_namespaces=())

    model: ModelId


def merge_chat_params(given: Mapping[str, Any], own: ChatParams) -> dict[str, Any]:
    """The model's own parameters with those of this call on top.

    Raises:
        ValueError: a parameter is out of range, or two disagree.
    """
    new = {name: given[name] for name in CHAT_PARAM_NAMES if name in given}
    if not new:
        return own.build_chat_params()
    fields = {name: getattr(own, name) for name in CHAT_PARAM_NAMES}
    return ChatParams.model_validate({**fields, **new}).build_chat_params()


def merge_responses_params(given: Mapping[str, Any], own: ResponsesParams) -> dict[str, Any]:
    """The parameters that only the Responses API has, those of this call on top.

    Raises:
        ValueError: a parameter is out of range.
    """
    found = own
    if not given.keys().isdisjoint(RESPONSES_PARAM_NAMES):
        fields = {name: given.get(name, getattr(own, name)) for name in RESPONSES_PARAM_NAMES}
        found = ResponsesParams.model_validate(fields)
    params = found.build_responses_params()
    if given.get("reasoning_effort") is not None and "reasoning" not in given:
        params.get("reasoning", {}).pop("effort", None)  # this call's goes before the model's own
    return params


def build_tool_params(
    given: Mapping[str, Any], *, api: str, strict: bool | None = None
) -> dict[str, Any]:
    """The members of a body that say which tools there are and what is wanted of them."""
    server = api == RESPONSES
    offered = tools.convert_tools(given.get("tools") or (), strict=strict, for_responses=server)
    shape, parallel = given.get("response_format"), given.get("parallel_tool_calls")
    if not isinstance(parallel, bool | None):
        raise ValueError(f"parallel_tool_calls: True or False, not {parallel!r:.80}")
    members = {
        "tools": offered or None,
        "tool_choice": tools.convert_tool_choice(given.get("tool_choice"), offered),
        "parallel_tool_calls": parallel if offered else None,
        "response_format": None if shape is None else schemas.build_response_format(shape, strict),
    }
    return {name: value for name, value in members.items() if value is not None}


_NOT_ALONE = {"top_logprobs": "logprobs", "audio": "modalities"}
"""Parameters that are refused without another one."""


def drop_disabled_params(
    body: Mapping[str, Any], disabled: Mapping[str, Sequence[Any] | None]
) -> dict[str, Any]:
    """The body without the parameters, or values of them, that the model does not take.

    What makes no sense without one of them goes with it.
    """
    if not disabled:
        return dict(body)
    values = {WIRE_NAMES.get(name, name): values for name, values in disabled.items()}
    never = {name for name, unwanted in values.items() if unwanted is None}
    gone = {
        name for name, value in body.items() if name in never or value in (values.get(name) or ())
    }
    return {
        name: value
        for name, value in body.items()
        if name not in gone and _NOT_ALONE.get(name) not in gone
    }


def get_streaming_obstacle(asked: Mapping[str, Any]) -> str | None:
    """Why an answer comes only whole, if it does."""
    if (asked.get("n") or 1) > 1:
        return "n: a stream gives one answer; use invoke for more"
    if asked.get("background"):
        return "background: such a response does not stream; use invoke"
    return None


def merge_extra_body(body: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    """The body with the caller's extra members.

    Raises:
        ValueError: an extra member is one that the body has already, or a control.
    """
    if not extra:
        return body
    if both := (body.keys() | {"stream", "stream_options"}) & extra.keys():
        raise ValueError(f"extra_body.{min(both)}: has a keyword of its own; use that")
    if smuggled := (RouterControls.model_fields.keys() | {"orq"}) & extra.keys():
        raise ValueError(f"extra_body.{min(smuggled)}: belongs to the router; give it in controls")
    return {**body, **extra}
