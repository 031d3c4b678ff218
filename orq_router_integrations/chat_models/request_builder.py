"""Build the router calls of ``ChatOrq`` from its fields and the arguments of one call."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from langchain_core.messages import BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult

from orq_router_integrations._http.retry import INITIAL_BACKOFF_SECONDS
from orq_router_integrations._integration import merge_extra_body
from orq_router_integrations.chat_models.constants import CHAT_COMPLETIONS, ENDPOINTS, RESPONSES
from orq_router_integrations.chat_models.fields import REQUEST_PARAMS, CallParams, ChatOrqFields
from orq_router_integrations.chat_models.message_conversion import convert_messages
from orq_router_integrations.chat_models.response_conversion import (
    StreamConverter,
    convert_completion,
)
from orq_router_integrations.chat_models.tool_schemas import (
    build_response_format,
    convert_tool_choice,
    convert_tools,
)
from orq_router_integrations.errors import RouterInputError, RouterTimeoutError, to_input_error
from orq_router_integrations.wire import chat_completions, responses_output
from orq_router_integrations.wire.arguments import reject_unknown_arguments
from orq_router_integrations.wire.call import Call, Response, StreamCall
from orq_router_integrations.wire.chat_params import RESPONSES_PARAMS, WIRE_NAMES, check_params
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import STORED_RESPONSE
from orq_router_integrations.wire.event_stream import EventStreamDecoder
from orq_router_integrations.wire.model_names import ModelCandidates
from orq_router_integrations.wire.responses_output import PendingResponse
from orq_router_integrations.wire.responses_request import build_responses_body
from orq_router_integrations.wire.responses_stream import ResponsesStreamDecoder

CALL_KWARGS = REQUEST_PARAMS | {"model", "controls", "tools", "extra_body"}
"""Arguments that a call accepts in addition to LangChain's own."""

_CONSTRUCTOR_HINTS = {
    name: f"It cannot be set for a single call. Use ChatOrq(..., {name}=...)."
    for name in ChatOrqFields.model_fields.keys() - CALL_KWARGS
}

_READERS: dict[str, tuple[Callable[[Response], Any], Callable[[], EventStreamDecoder]]] = {
    CHAT_COMPLETIONS: (chat_completions.parse_completion, chat_completions.ChatStreamDecoder),
    RESPONSES: (responses_output.parse_response, ResponsesStreamDecoder),
}
"""For each API, the parser of complete responses and the decoder of streams."""

MAX_POLL_SECONDS = 5.0  # longest delay between two polls of a background response
MAX_WAIT_SECONDS = 3600.0  # longest wait for a background response
_DELAY_PER_ELAPSED_SECOND = 0.5  # so that each delay is 1.5 times the previous one


def build_call(
    model: ChatOrqFields, messages: Sequence[BaseMessage], overrides: dict[str, Any]
) -> Call[ChatResult | PendingResponse]:
    """Build the call for a complete answer; ``overrides`` are the arguments of the call."""
    body, controls, candidates = build_request(model, messages, overrides)
    parse_completion, _ = _READERS[model.api]

    def parse(response: Response) -> ChatResult | PendingResponse:
        completion = parse_completion(response)
        if isinstance(completion, PendingResponse):
            return completion
        return convert_completion(completion, response, candidates)

    return Call(endpoint=ENDPOINTS[model.api], body=body, controls=controls, parse=parse)


def build_poll(
    call: Call[ChatResult | PendingResponse], pending: PendingResponse
) -> tuple[Call[ChatResult | PendingResponse], float]:
    """Build the call that polls a background response; also return the seconds to wait first."""
    last_response = pending.response
    elapsed = last_response.elapsed_seconds
    if elapsed > MAX_WAIT_SECONDS:
        raise RouterTimeoutError(
            f"Background response {pending.id} is not done after {MAX_WAIT_SECONDS:g} seconds."
        )

    def parse(response: Response) -> ChatResult | PendingResponse:
        # The answer reports the total attempts and latency of all requests.
        attempts = last_response.attempts + response.attempts
        started_at = last_response.started_at
        return call.parse(replace(response, attempts=attempts, started_at=started_at))

    poll = replace(
        call, endpoint=STORED_RESPONSE, resource_id=pending.id, body={}, controls=None, parse=parse
    )
    delay = INITIAL_BACKOFF_SECONDS + _DELAY_PER_ELAPSED_SECOND * elapsed
    return poll, min(delay, MAX_POLL_SECONDS)


def build_stream_call(
    model: ChatOrqFields, messages: Sequence[BaseMessage], overrides: dict[str, Any]
) -> StreamCall[ChatGenerationChunk]:
    body, controls, candidates = build_request(model, messages, overrides)
    if body.get("n") not in (None, 1):
        raise RouterInputError("Cannot stream several answers (n > 1). Use invoke() instead.")
    if body.get("background"):
        raise RouterInputError("Cannot stream a background response. Use invoke() instead.")
    body["stream"] = True
    if model.stream_usage and model.api == CHAT_COMPLETIONS:
        body["stream_options"] = {"include_usage": True}
    _, create_decoder = _READERS[model.api]
    convert = partial(StreamConverter, candidates=candidates, create_decoder=create_decoder)
    endpoint = ENDPOINTS[model.api]
    return StreamCall(endpoint=endpoint, body=body, controls=controls, create_decoder=convert)


def build_request(
    model: ChatOrqFields, messages: Sequence[BaseMessage], overrides: dict[str, Any]
) -> tuple[dict[str, Any], RouterControls, ModelCandidates]:
    """Build the body of a call, its controls, and the models that may answer it."""
    if tracking := sys.modules.get(f"{__package__}.usage_callback"):  # loaded by track_usage
        tracking.warn_if_uncounted()
    # ``_should_stream`` has handled "stream". ``None`` resets a parameter, but not these three.
    overrides = {
        name: value
        for name, value in overrides.items()
        if name != "stream" and (value is not None or name not in {"model", "stop", "extra_body"})
    }
    try:
        if not CALL_KWARGS.issuperset(overrides):
            hints = {**model.argument_hints, **_CONSTRUCTOR_HINTS}
            reject_unknown_arguments(overrides, CALL_KWARGS, hints)
        controls = model.merge_controls(overrides.get("controls"))
        params = _merge_params(model, overrides)
        candidates = model.collect_candidates(params.model, controls)
        provider = candidates.primary_provider
        payloads = convert_messages(messages, model.tool_media, provider, model.api)
        return _build_body(model, params, payloads, overrides), controls, candidates
    except ValueError as error:
        raise to_input_error(error, endpoint=ENDPOINTS[model.api].path) from None


def _merge_params(model: ChatOrqFields, overrides: Mapping[str, Any]) -> CallParams:
    """Return the parameters of a model, overridden by the validated parameters of a call."""
    names = CallParams.model_fields.keys()
    if names.isdisjoint(overrides):
        return model
    return CallParams(**{name: overrides.get(name, getattr(model, name)) for name in names})


def _build_body(
    model: ChatOrqFields,
    params: CallParams,
    messages: list[dict[str, Any]],
    overrides: Mapping[str, Any],
) -> dict[str, Any]:
    tool_args = {**overrides, "parallel_tool_calls": params.parallel_tool_calls}
    fields = {**params.build_params(), **build_tool_params(tool_args, api=model.api)}
    if overrides.get("reasoning_effort") is not None and "reasoning" not in overrides:
        # The call's reasoning_effort takes precedence over the model's reasoning.effort.
        fields.get("reasoning", {}).pop("effort", None)
    for name, values in model.disabled_params.items():
        wire_name = WIRE_NAMES.get(name, name)
        if values is None or fields.get(wire_name) in values:
            fields.pop(wire_name, None)
    body = {"model": params.model, "messages": messages, **fields}
    if model.api == RESPONSES:
        body = build_responses_body(body)
    elif unsupported := body.keys() & RESPONSES_PARAMS:
        raise ValueError(
            f"{min(unsupported)!r} is only supported by the Responses API. Use api='responses'."
        )
    extra_body = {**model.extra_body, **params.extra_body}
    check_params(fields, extra_body, for_responses=model.api == RESPONSES)
    return merge_extra_body(body, extra_body, reserved=("stream", "stream_options"))


def build_tool_params(
    overrides: Mapping[str, Any], *, api: str, strict: bool | None = None
) -> dict[str, Any]:
    """Build the body fields for tools, tool choice and response format of a call."""
    tools = convert_tools(
        overrides.get("tools") or (), strict=strict, for_responses=api == RESPONSES
    )
    schema = overrides.get("response_format")
    params = {
        "tools": tools or None,
        "tool_choice": convert_tool_choice(overrides.get("tool_choice"), tools),
        "parallel_tool_calls": overrides.get("parallel_tool_calls") if tools else None,
        "response_format": None if schema is None else build_response_format(schema, strict),
    }
    return {name: value for name, value in params.items() if value is not None}
