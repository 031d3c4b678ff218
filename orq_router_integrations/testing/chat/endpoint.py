"""The endpoint POST /chat/completions."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.prompt import (
    JsonOutput,
    Prompt,
    ToolSpec,
    substitute_variables,
)
from orq_router_integrations.testing.answering.text_endpoint import TextEndpoint
from orq_router_integrations.testing.answering.usage import Usage, override_usage
from orq_router_integrations.testing.chat.completion import Completion
from orq_router_integrations.testing.chat.schema import (
    ChatRequest,
    ChosenTool,
    JsonObjectFormat,
    JsonSchemaFormat,
    check_combinations,
)
from orq_router_integrations.testing.media.audio_info import create_tone, create_wav
from orq_router_integrations.testing.routing.endpoint import RouterResponse
from orq_router_integrations.testing.routing.model_registry import get_provider_model_name
from orq_router_integrations.testing.routing.schema_validation import validate_body
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import CHAT_COMPLETIONS

SPEECH_SECONDS = 0.5
"""Length of a spoken answer in seconds. It is a tone, whatever its transcript."""

_USAGE_NAMES = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
}
"""Names of usage fields on this endpoint by their names on /responses."""


class ChatEndpoint(TextEndpoint[ChatRequest]):
    """Handler of chat completions."""

    endpoint = CHAT_COMPLETIONS
    schema = ChatRequest

    def parse(
        self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool
    ) -> ChatRequest:
        request = super().parse(body, controls, lenient=lenient)
        if controls.variables:
            messages = _substitute_in_messages(body["messages"], controls.variables)
            request = validate_body(ChatRequest, {**body, "messages": messages}, lenient=lenient)
        check_combinations(request)
        return request

    def respond(self, request: ChatRequest, model: str) -> RouterResponse:
        """Return the scripted or the default answer, truncated to the request's limits."""
        prompt = build_prompt(request)
        answer = prompt.truncate(_add_audio(self._choose_answer(request, prompt, model), request))
        answers = [answer] * (request.n or 1)
        usage = _format_usage(self._count_usage(prompt, answers, model))
        completion = Completion(
            number=self._count_response(),
            model=get_provider_model_name(model),
            answers=answers,
            usage=override_usage(usage, answer.usage, _USAGE_NAMES),
            top_logprobs=(request.top_logprobs or 0) if request.logprobs else None,
            turn=len(request.messages),
        )
        if not request.is_streamed:
            return RouterResponse(completion.build_response())
        chunks = completion.iter_chunks(with_usage=request.includes_usage)
        return RouterResponse(chunks=tuple(chunks))


def _add_audio(answer: Answer, request: ChatRequest) -> Answer:
    """Add a tone if the request asks for audio: raw samples for pcm16, otherwise a WAV file."""
    audio = request.audio
    if not request.wants_audio or answer.audio or answer.calls or audio is None:
        return answer
    samples = create_tone(SPEECH_SECONDS)
    return replace(answer, audio=samples if audio.format == "pcm16" else create_wav(samples))


def build_prompt(request: ChatRequest) -> Prompt:
    """Convert a request to the form shared by both text endpoints."""
    functions = [tool.function for tool in request.tools or ()]
    choice, stop = request.tool_choice, request.stop or ()
    return Prompt(
        messages=request.messages,
        tool_specs=[
            ToolSpec(
                name=function.name,
                description=function.description or "",
                schema=function.parameters or {"type": "object"},
            )
            for function in functions
        ],
        tools=request.tools or (),
        choice="required" if isinstance(choice, ChosenTool) else choice or "auto",
        forced_tool=choice.function.name if isinstance(choice, ChosenTool) else None,
        json_output=_get_json_output(request),
        reasoning=request.reasoning_label,
        stop_sequences=[stop] if isinstance(stop, str) else stop,
        token_limit=request.token_limit,
        cache_key=request.prompt_cache_key,
        caches_everything=request.cache_control is not None,
    )


def _get_json_output(request: ChatRequest) -> JsonOutput | None:
    match request.response_format:
        case JsonSchemaFormat(json_schema=json_schema):
            return JsonOutput("response_format", json_schema.schema_)
        case JsonObjectFormat():
            return JsonOutput("response_format")
    return None


def _format_usage(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "total_tokens": usage.prompt_tokens + usage.completion_tokens,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_tokens,
            "cache_creation_tokens": usage.cache_creation_tokens,
            "audio_tokens": usage.audio_input_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
            "audio_tokens": usage.audio_output_tokens,
        },
    }


def _substitute_in_messages(messages: list[Any], variables: Mapping[str, Any]) -> list[Any]:
    """Substitute the variables in the text of valid messages."""

    def substitute(value: Any) -> Any:
        if isinstance(value, str):
            return substitute_variables(value, variables)
        if isinstance(value, list):
            return [substitute(part) for part in value]
        if isinstance(value, dict) and "text" in value:
            return {**value, "text": substitute(value["text"])}
        return value

    return [
        {**message, "content": substitute(message["content"])} if "content" in message else message
        for message in messages
    ]
