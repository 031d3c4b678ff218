"""The two chat APIs behind one model: what differs between them, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.chat_models.constants import CHAT, ENDPOINTS, RESPONSES
from orq_router_integrations.wire.call import Reply
from orq_router_integrations.wire.chat_completions import ChunkDecoder, read_completion
from orq_router_integrations.wire.endpoints import Endpoint
from orq_router_integrations.wire.event_stream import EventReader
from orq_router_integrations.wire.responses_output import Unfinished, read_response
from orq_router_integrations.wire.responses_request import body_of
from orq_router_integrations.wire.responses_stream import ResponseDecoder


@dataclass(frozen=True, slots=True)
class ChatApi:
    """One chat API.

    Attributes:
        endpoint: where it is.
        body: the body for a chat body and the parameters that only the Responses API has.
        read: a whole reply as a completion, unless it is not finished.
        decoder: the reader of one stream, which yields chunks of a completion.
    """

    endpoint: Endpoint
    body: Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]]
    read: Callable[[Reply], dict[str, Any] | Unfinished]
    decoder: Callable[[], EventReader]


def _chat_body(chat: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    for name in own:
        raise ValueError(f"{name}: only the Responses API has it; use api='responses'")
    return chat


APIS = {
    CHAT: ChatApi(ENDPOINTS[CHAT], _chat_body, read_completion, ChunkDecoder),
    RESPONSES: ChatApi(ENDPOINTS[RESPONSES], body_of, read_response, ResponseDecoder),
}
