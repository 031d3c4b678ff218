"""From a model's arguments to a call of the router; loaded by the first call."""

from functools import partial
from typing import TYPE_CHECKING, Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk

from orq_router_integrations._integration import check_keywords
from orq_router_integrations.chat_models import message_conversion as conversation
from orq_router_integrations.chat_models import requests
from orq_router_integrations.chat_models import response_conversion as replies
from orq_router_integrations.chat_models.background_polling import Answer, afinished, finished
from orq_router_integrations.chat_models.chat_apis import APIS
from orq_router_integrations.chat_models.constants import CHAT
from orq_router_integrations.chat_models.message_conversion import examined
from orq_router_integrations.chat_models.stream_events import EventTeller
from orq_router_integrations.validation import input_error
from orq_router_integrations.wire.call import Call, StreamCall
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.model_candidates import Asked

if TYPE_CHECKING:
    from orq_router_integrations.chat_models.chat_orq import ChatOrq

__all__ = ["EventTeller", "afinished", "call_of", "examined", "finished", "stream_call_of"]

Arguments = dict[str, Any]


def call_of(
    model: "ChatOrq", messages: list[BaseMessage], stop: list[str] | None, given: Arguments
) -> Call[Answer]:
    """The call for a whole answer.

    Raises:
        RouterInputError: something cannot be sent.
    """
    body, controls, asked = _request(model, messages, stop, given)
    api = APIS[model.api]
    parse = partial(replies.result, asked=asked, read=api.read)
    return Call(endpoint=api.endpoint, body=body, controls=controls, parse=parse)


def stream_call_of(
    model: "ChatOrq", messages: list[BaseMessage], stop: list[str] | None, given: Arguments
) -> StreamCall[ChatGenerationChunk]:
    """The call for an answer in pieces; see ``call_of``."""
    body, controls, asked = _request(model, messages, stop, given)
    if reason := requests.unstreamable(body):
        raise input_error(ValueError(reason))
    body["stream"] = True
    if model.stream_usage and model.api == CHAT:
        body["stream_options"] = {"include_usage": True}
    api = APIS[model.api]
    decoder = partial(replies.ChunkReader, asked=asked, decoder=api.decoder)
    return StreamCall(endpoint=api.endpoint, body=body, controls=controls, decoder=decoder)


def _request(
    model: "ChatOrq", messages: list[BaseMessage], stop: list[str] | None, given: Arguments
) -> tuple[dict[str, Any], RouterControls, Asked]:
    given = {name: value for name, value in given.items() if name != "stream"}
    if stop is not None:
        given["stop"] = stop
    api = APIS[model.api]
    try:
        check_keywords(given, requests.PER_CALL, model.hints)
        controls = model.merged_controls(given.get("controls"))
        name = requests.model_id(given.get("model"), model.model)
        asked = Asked.by(name, model.router.controls.merged(controls))
        told = conversation.to_wire(messages, model.tool_media, asked.upstream, model.api)
        chat = {
            "model": name,
            "messages": told,
            **requests.params(given, model),
            **requests.tool_members(given, api=model.api),
        }
        own = requests.responses_params(given, model)
        parts = [requests.enabled(members, model.disabled_params) for members in (chat, own)]
        body = requests.enabled(api.body(*parts), model.disabled_params)
        return requests.with_extra(body, model.extra_body), controls, asked
    except ValueError as error:
        raise input_error(error, endpoint=api.endpoint.path, known=requests.KNOWN) from None
