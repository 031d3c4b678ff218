"""The endpoint POST /chat/completions: parse requests and answer provider calls."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.conversation import Conversation
from orq_router_integrations.testing.answering.default_answer import create_default_answer
from orq_router_integrations.testing.answering.prompt import JsonOutput, Prompt, ToolSpec
from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.answering.usage import (
    PromptCache,
    Usage,
    count_usage,
    override_usage,
)
from orq_router_integrations.testing.answering.variables import substitute_variables
from orq_router_integrations.testing.chat.completion import Completion
from orq_router_integrations.testing.chat.schema import (
    ChatRequest,
    ChosenTool,
    JsonObjectFormat,
    JsonSchemaFormat,
    check_combinations,
)
from orq_router_integrations.testing.media.audio_info import create_tone, create_wav
from orq_router_integrations.testing.routing.endpoint import (
    Chunks,
    ProviderResponse,
    RouterResponse,
)
from orq_router_integrations.testing.routing.model_registry import get_provider_model_name
from orq_router_integrations.testing.routing.schema_validation import validate_body
from orq_router_integrations.wire.controls import RouterControls, RouterRetry
from orq_router_integrations.wire.endpoints import CHAT_COMPLETIONS, Endpoint

SPEECH_SECONDS = 0.5
"""Length of a spoken answer in seconds. It is a tone, whatever its transcript."""

USAGE_NAMES = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"} | {
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
}
"""Names of usage fields on this endpoint by their names on /responses."""


class ChatEndpoint:
    """Handler of chat completions, with the state that is kept between requests."""

    endpoint: Endpoint = CHAT_COMPLETIONS
    default_retry: RouterRetry | None = None

    def __init__(self, *, script: AnswerScript) -> None:
        self.script = script
        self.prompt_cache = PromptCache()
        self.response_count = 0

    def parse(
        self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool
    ) -> "ChatCall":
        """Validate a body without its controls and substitute its variables.

        Raises:
            HTTPError: 400, naming the invalid field.
        """
        request = validate_body(ChatRequest, body, lenient=lenient)
        if controls.variables:
            messages = _substitute_in_messages(body["messages"], controls.variables)
            request = validate_body(ChatRequest, {**body, "messages": messages}, lenient=lenient)
        check_combinations(request)
        return ChatCall(self, request)


@dataclass(frozen=True, slots=True)
class ChatCall:
    """A valid chat request."""

    endpoint: ChatEndpoint
    request: ChatRequest

    @property
    def model(self) -> str:
        """Model id of the request."""
        return self.request.model

    @property
    def is_streamed(self) -> bool:
        """Whether the client asked for a stream."""
        return bool(self.request.stream)

    @property
    def is_cacheable(self) -> bool:
        """Whether the router may cache the answer."""
        return not self.is_streamed

    @property
    def guarded_text(self) -> str:
        """Last user text, which input guardrails check."""
        return Conversation(self.request.messages).last_user_text

    def provider_body(self, model: str) -> dict[str, Any]:
        """Return the body as the provider of ``model`` receives it.

        Like the real router, drop ``temperature`` and ``top_p`` if ``reasoning_effort`` is set.
        """
        body = self.request.model_dump(exclude_unset=True, by_alias=True)
        body["model"] = get_provider_model_name(model)
        if self.request.reasoning_effort is not None:
            body.pop("temperature", None)
            body.pop("top_p", None)
        return body

    def answer(self, model: str) -> ProviderResponse:
        """Return the scripted or the default answer, truncated to the request's limits."""
        prompt = build_prompt(self.request)
        answer = prompt.truncate(self._add_audio(self._choose_answer(model, prompt)))
        self.endpoint.response_count += 1
        completion = Completion(
            number=self.endpoint.response_count,
            model=get_provider_model_name(model),
            answers=[answer] * (self.request.n or 1),
            usage=self._build_usage(model, prompt, answer),
            top_logprobs=(self.request.top_logprobs or 0) if self.request.logprobs else None,
            turn=len(self.request.messages),
        )
        if not self.is_streamed:
            return ProviderResponse(completion.build_response())
        with_usage = self.request.includes_usage
        return ProviderResponse(None, tuple(completion.iter_chunks(with_usage=with_usage)))

    def cut_stream(self, chunks: Chunks, after: int, error: Any) -> Chunks:
        """Return the chunks that arrive before a stream breaks, never one with a finish reason."""
        end = next(index for index, chunk in enumerate(chunks) if _has_finish_reason(chunk))
        return chunks[: min(after, end)] + (() if error is None else (error,))

    def finalize(self, outcome: RouterResponse) -> RouterResponse:
        """Return the outcome unchanged."""
        return outcome

    def _choose_answer(self, model: str, prompt: Prompt) -> Answer:
        body = self.provider_body(model)
        scripted = self.endpoint.script.take_answer(body, model, prompt.conversation.last_user_text)
        return scripted or create_default_answer(prompt, model)

    def _add_audio(self, answer: Answer) -> Answer:
        """Add a tone if the request asks for audio: raw samples for pcm16, otherwise a WAV file."""
        audio = self.request.audio
        if not self.request.wants_audio or answer.audio or answer.calls or audio is None:
            return answer
        samples = create_tone(SPEECH_SECONDS)
        return replace(answer, audio=samples if audio.format == "pcm16" else create_wav(samples))

    def _build_usage(self, model: str, prompt: Prompt, answer: Answer) -> dict[str, Any]:
        cached = self.endpoint.prompt_cache.count_cached(model, prompt)
        usage = count_usage(prompt, [answer] * (self.request.n or 1), cached)
        return override_usage(_format_usage(usage), answer.usage, USAGE_NAMES)


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


def _has_finish_reason(chunk: Mapping[str, Any]) -> bool:
    return any(choice["finish_reason"] for choice in chunk["choices"])


def _substitute_in_messages(messages: list[Any], variables: Mapping[str, Any]) -> list[Any]:
    """Substitute the variables in the text of valid messages."""

    def substitute_in_content(content: Any) -> Any:
        if isinstance(content, str):
            return substitute_variables(content, variables)
        return [substitute_in_part(part) for part in content] if content else content

    def substitute_in_part(part: Any) -> Any:
        if "text" not in part:
            return part
        return {**part, "text": substitute_variables(part["text"], variables)}

    return [
        {**message, "content": substitute_in_content(message["content"])}
        if "content" in message
        else message
        for message in messages
    ]
