"""The two chat APIs behind one model: what differs between them, and nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.chat_models.constants import CHAT_COMPLETIONS, ENDPOINTS, RESPONSES
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.chat_completions import ChatStreamDecoder, parse_completion
from orq_router_integrations.wire.endpoints import Endpoint
from orq_router_integrations.wire.event_stream import EventStreamDecoder
from orq_router_integrations.wire.responses_output import PendingResponse, parse_response
from orq_router_integrations.wire.responses_request import build_responses_body
from orq_router_integrations.wire.responses_stream import ResponsesStreamDecoder


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
    build_body: Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any]]
    parse_response: Callable[[Response], dict[str, Any] | PendingResponse]
    create_decoder: Callable[[], EventStreamDecoder]


def _chat_body(chat: dict[str, Any], own: Mapping[str, Any]) -> dict[str, Any]:
    for name in own:
        raise ValueError(f"{name}: only the Responses API has it; use api='responses'")
    return chat


CHAT_APIS = {
    CHAT_COMPLETIONS: ChatApi(
        ENDPOINTS[CHAT_COMPLETIONS], _chat_body, parse_completion, ChatStreamDecoder
    ),
    RESPONSES: ChatApi(
        ENDPOINTS[RESPONSES], build_responses_body, parse_response, ResponsesStreamDecoder
    ),
}
