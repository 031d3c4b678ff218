"""From a model's arguments to a call of the router; loaded by the first call."""

from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from orq_router_integrations._integration import reject_unknown_kwargs
from orq_router_integrations.chat_models import message_conversion as conversation
from orq_router_integrations.chat_models import requests
from orq_router_integrations.chat_models import response_conversion as replies
from orq_router_integrations.chat_models.background_polling import (
    ResultOrPending,
    await_until_done,
    wait_until_done,
)
from orq_router_integrations.chat_models.chat_apis import CHAT_APIS
from orq_router_integrations.chat_models.constants import CHAT_COMPLETIONS
from orq_router_integrations.chat_models.message_conversion import normalize_for_tracing
from orq_router_integrations.chat_models.stream_events import StreamEventBuilder
from orq_router_integrations.validation import to_input_error
from orq_router_integrations.wire.call import Call, StreamCall
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.model_candidates import ModelCandidates

if TYPE_CHECKING:
    from orq_router_integrations.chat_models.chat_orq import ChatOrq

__all__ = [
    "StreamEventBuilder",
    "await_until_done",
    "build_call",
    "build_stream_call",
    "normalize_for_tracing",
    "wait_until_done",
]

Arguments = dict[str, Any]


def build_call(
    model: "ChatOrq", messages: list[BaseMessage], stop: list[str] | None, given: Arguments
) -> Call[ResultOrPending]:
    """The call for a whole answer.

    Raises:
        RouterInputError: something cannot be sent.
    """
    body, controls, asked = _request(model, messages, stop, given)
    api = CHAT_APIS[model.api]
    parse = partial(replies.create_chat_result, candidates=asked, parse=api.parse_response)
    return Call(endpoint=api.endpoint, body=body, controls=controls, parse=parse)


def build_stream_call(
    model: "ChatOrq", messages: list[BaseMessage], stop: list[str] | None, given: Arguments
) -> StreamCall[ChatGenerationChunk]:
    """The call for an answer in pieces; see ``call_of``."""
    body, controls, asked = _request(model, messages, stop, given)
    if reason := requests.get_streaming_obstacle(body):
        raise to_input_error(ValueError(reason))
    body["stream"] = True
    if model.stream_usage and model.api == CHAT_COMPLETIONS:
        body["stream_options"] = {"include_usage": True}
    api = CHAT_APIS[model.api]
    decoder = partial(replies.StreamConverter, candidates=asked, create_decoder=api.create_decoder)
    return StreamCall(endpoint=api.endpoint, body=body, controls=controls, create_decoder=decoder)


def _request(
    model: "ChatOrq", messages: list[BaseMessage], stop: list[str] | None, given: Arguments
) -> tuple[dict[str, Any], RouterControls, ModelCandidates]:
    given = {name: value for name, value in given.items() if name != "stream"}
    if stop is not None:
        given["stop"] = stop
    api = CHAT_APIS[model.api]
    try:
        reject_unknown_kwargs(given, requests.CALL_KWARGS, model.hints)
        controls = model.merge_controls(given.get("controls"))
        name = requests.validate_model_id(given.get("model"), model.model)
        asked = ModelCandidates.from_controls(name, model.resolved_client.controls.merge(controls))
        told = conversation.convert_messages(
            messages, model.tool_media, asked.primary_provider, model.api
        )
        chat = {
            "model": name,
            "messages": told,
            **requests.merge_chat_params(given, model),
            **requests.build_tool_params(given, api=model.api),
        }
        own = requests.merge_responses_params(given, model)
        parts = [
            requests.drop_disabled_params(members, model.disabled_params) for members in (chat, own)
        ]
        body = requests.drop_disabled_params(api.build_body(*parts), model.disabled_params)
        return requests.merge_extra_body(body, model.extra_body), controls, asked
    except ValueError as error:
        raise to_input_error(
            error, endpoint=api.endpoint.path, candidates=requests.SUGGESTIBLE_NAMES
        ) from None
