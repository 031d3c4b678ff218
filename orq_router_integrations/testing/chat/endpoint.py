"""The endpoint POST /chat/completions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.message import (
    find_orphan_result,
    substitute_variables,
)
from orq_router_integrations.testing.answering.prompt import Prompt, read_prompt
from orq_router_integrations.testing.answering.text_endpoint import TextEndpoint
from orq_router_integrations.testing.answering.usage import override_usage
from orq_router_integrations.testing.chat.completion import Completion, build_usage
from orq_router_integrations.testing.chat.schema import ChatRequest, ThinkingEnabled
from orq_router_integrations.testing.media.audio import create_tone, create_wav
from orq_router_integrations.testing.routing.endpoint import RouterResponse
from orq_router_integrations.testing.routing.error_responses import reject_field
from orq_router_integrations.testing.routing.model_registry import get_provider_model_name
from orq_router_integrations.testing.routing.schema_validation import validate_body
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import CHAT_COMPLETIONS

SPEECH_SECONDS = 0.5
"""Length of a spoken answer in seconds. It is a tone, whatever its transcript."""


class ChatEndpoint(TextEndpoint[ChatRequest]):
    """Handler of chat completions."""

    endpoint = CHAT_COMPLETIONS

    def parse(
        self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool
    ) -> ChatRequest:
        request = validate_body(ChatRequest, body, lenient=lenient)
        fields = request.model_dump(exclude_unset=True, by_alias=True)
        if controls.variables:
            fields["messages"] = substitute_variables(fields["messages"], controls.variables)
            request = validate_body(ChatRequest, fields, lenient=lenient)
        read_prompt(fields).check_tool_choice()
        _check_combinations(request, fields)
        return request

    def build_response(
        self, request: ChatRequest, model: str, prompt: Prompt, answer: Answer
    ) -> RouterResponse:
        answer = _add_audio(answer, request)
        answers = [answer] * (request.n or 1)
        usage = build_usage(self._usage_counter.count(prompt, answers, model))
        completion = Completion(
            number=self._count_response(),
            model=get_provider_model_name(model),
            answers=answers,
            usage=override_usage(usage, answer.usage),
            top_logprobs=(request.top_logprobs or 0) if request.logprobs else None,
            turn=len(prompt.messages),
        )
        if not request.is_streamed:
            return RouterResponse(completion.build_response())
        options = request.stream_options
        with_usage = bool(options and options.include_usage)
        return RouterResponse(chunks=tuple(completion.iter_chunks(with_usage=with_usage)))


def _check_combinations(request: ChatRequest, fields: Mapping[str, Any]) -> None:
    """Check rules that involve several fields."""
    index = find_orphan_result(fields["messages"])
    if index is not None:
        param = f"messages[{index}].tool_call_id"
        reject_field(param, "does not match any tool call in an earlier assistant message")
    if "audio" in (request.modalities or ()) and request.audio is None:
        reject_field("audio", "is required if modalities contains 'audio'")
    limit = request.max_completion_tokens or request.max_tokens
    budget = request.thinking.budget_tokens if isinstance(request.thinking, ThinkingEnabled) else 0
    if limit is not None and budget >= limit:
        reject_field("thinking.budget_tokens", "must be less than max_tokens")


def _add_audio(answer: Answer, request: ChatRequest) -> Answer:
    """Add a tone if the request asks for audio: raw samples for pcm16, otherwise a WAV file."""
    is_requested = "audio" in (request.modalities or ())
    if not is_requested or request.audio is None or answer.audio or answer.calls:
        return answer
    samples = create_tone(SPEECH_SECONDS)
    is_raw = request.audio.format == "pcm16"
    return replace(answer, audio=samples if is_raw else create_wav(samples))
