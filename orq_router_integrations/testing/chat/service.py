"""The endpoint /chat/completions: its body, and how one provider call is answered."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.conversation import Conversation
from orq_router_integrations.testing.answering.default import default_answer
from orq_router_integrations.testing.answering.prompt import JsonOutput, Offer, Prompt
from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.answering.usage import PromptCache, Usage, overridden, usage_of
from orq_router_integrations.testing.answering.variables import filled
from orq_router_integrations.testing.chat.replies import Completion
from orq_router_integrations.testing.chat.schema import (
    ChatRequest,
    ChosenTool,
    JsonObjectFormat,
    JsonSchemaFormat,
    check_sense,
)
from orq_router_integrations.testing.media.sound import tone, wav
from orq_router_integrations.testing.routing.checking import checked
from orq_router_integrations.testing.routing.models import provider_name
from orq_router_integrations.testing.routing.service import Chunks, Outcome, Produced
from orq_router_integrations.wire.controls import RouterControls, RouterRetry
from orq_router_integrations.wire.endpoints import CHAT_COMPLETIONS, Endpoint

SPEECH_SECONDS = 0.5
"""How long a spoken answer lasts: a tone, whatever its transcript says."""

USAGE_NAMES = {"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"} | {
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
}
"""This endpoint's names of what /responses calls otherwise."""


class ChatService:
    """Chat completions, with the state that lasts between requests."""

    endpoint: Endpoint = CHAT_COMPLETIONS
    default_retry: RouterRetry | None = None

    def __init__(self, *, script: AnswerScript) -> None:
        self.script = script
        self.prompt_cache = PromptCache()
        self.replies = 0

    def read(
        self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool
    ) -> "ChatJob":
        """Check a body without its controls, and fill in its variables.

        Raises:
            Refusal: 400, naming the member at fault.
        """
        request = checked(ChatRequest, body, lenient=lenient)
        if controls.variables:
            messages = _filled(body["messages"], controls.variables)
            request = checked(ChatRequest, {**body, "messages": messages}, lenient=lenient)
        check_sense(request)
        return ChatJob(self, request)


@dataclass(frozen=True, slots=True)
class ChatJob:
    """One valid chat request."""

    service: ChatService
    request: ChatRequest

    @property
    def model(self) -> str:
        """The model id of the request."""
        return self.request.model

    @property
    def streams(self) -> bool:
        """Whether the answer is wanted as a stream."""
        return bool(self.request.stream)

    @property
    def cacheable(self) -> bool:
        """Whether the router's cache may hold the answer."""
        return not self.streams

    @property
    def guarded(self) -> str:
        """The user's last text."""
        return Conversation(self.request.messages).last_user_text

    def provider_body(self, model: str) -> dict[str, Any]:
        """The body as the provider sees it.

        ``temperature`` and ``top_p`` are dropped where ``reasoning_effort`` is set (contract
        section 2.1, known behaviour).
        """
        body = self.request.model_dump(exclude_unset=True, by_alias=True)
        body["model"] = provider_name(model)
        if self.request.reasoning_effort is not None:
            body.pop("temperature", None)
            body.pop("top_p", None)
        return body

    def answer(self, model: str) -> Produced:
        """The scripted answer, or the default one, within the request's limits."""
        prompt = prompt_of(self.request)
        answer = prompt.limited(self._spoken(self._chosen(model, prompt)))
        self.service.replies += 1
        completion = Completion(
            number=self.service.replies,
            model=provider_name(model),
            answers=[answer] * (self.request.n or 1),
            usage=self._usage(model, prompt, answer),
            top_logprobs=(self.request.top_logprobs or 0) if self.request.logprobs else None,
            turn=len(self.request.messages),
        )
        if not self.streams:
            return Produced(completion.whole())
        with_usage = self.request.usage_streamed
        return Produced(None, tuple(completion.chunks(with_usage=with_usage)))

    def broken(self, chunks: Chunks, after: int, error: Any) -> Chunks:
        """The chunks before the first that carries a finish reason; a break never shows one."""
        end = next(i for i, chunk in enumerate(chunks) if _finish_reason(chunk))
        return chunks[: min(after, end)] + (() if error is None else (error,))

    def finished(self, outcome: Outcome) -> Outcome:
        """The outcome as it is."""
        return outcome

    def _chosen(self, model: str, prompt: Prompt) -> Answer:
        body = self.provider_body(model)
        scripted = self.service.script.take(body, model, prompt.conversation.last_user_text)
        return scripted or default_answer(prompt, model)

    def _spoken(self, answer: Answer) -> Answer:
        """With sound, where sound was asked for: samples for pcm16, else always a WAV."""
        audio = self.request.audio
        if not self.request.speaks or answer.audio or answer.tool_calls or audio is None:
            return answer
        samples = tone(SPEECH_SECONDS)
        return replace(answer, audio=samples if audio.format == "pcm16" else wav(samples))

    def _usage(self, model: str, prompt: Prompt, answer: Answer) -> dict[str, Any]:
        cached = self.service.prompt_cache.count(model, prompt)
        counted = usage_of(prompt, [answer] * (self.request.n or 1), cached)
        return overridden(_written(counted), answer.usage, USAGE_NAMES)


def prompt_of(request: ChatRequest) -> Prompt:
    """The request, as the one who answers it sees it."""
    functions = [tool.function for tool in request.tools or ()]
    choice, stops = request.tool_choice, request.stop or ()
    return Prompt(
        messages=request.messages,
        offers=[
            Offer(
                name=function.name,
                description=function.description or "",
                schema=function.parameters or {"type": "object"},
            )
            for function in functions
        ],
        tools=request.tools or (),
        choice="required" if isinstance(choice, ChosenTool) else choice or "auto",
        forced=choice.function.name if isinstance(choice, ChosenTool) else None,
        output=_output(request),
        reasoning=_reasoning(request) if request.reasons else None,
        stops=[stops] if isinstance(stops, str) else stops,
        token_limit=request.token_limit,
        cache_key=request.prompt_cache_key,
        cached_whole=request.cache_control is not None,
    )


def _output(request: ChatRequest) -> JsonOutput | None:
    match request.response_format:
        case JsonSchemaFormat(json_schema=wanted):
            return JsonOutput("response_format", wanted.schema_)
        case JsonObjectFormat():
            return JsonOutput("response_format")
    return None


def _reasoning(request: ChatRequest) -> str:
    return request.reasoning_effort or (request.thinking.type if request.thinking else "")


def _written(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt,
        "completion_tokens": usage.completion,
        "total_tokens": usage.prompt + usage.completion,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached,
            "cache_creation_tokens": usage.cache_written,
            "audio_tokens": usage.heard,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
            "audio_tokens": usage.spoken,
        },
    }


def _finish_reason(chunk: Mapping[str, Any]) -> bool:
    return any(choice["finish_reason"] for choice in chunk["choices"])


def _filled(messages: list[Any], variables: Mapping[str, Any]) -> list[Any]:
    """Messages with their variables filled in."""

    def fill(text: Any) -> Any:
        return filled(text, variables) if isinstance(text, str) else text

    def part(item: Any) -> Any:
        return {**item, "text": fill(item["text"])} if "text" in item else item

    def content(whole: Any) -> Any:
        return [part(item) for item in whole] if isinstance(whole, list) else fill(whole)

    return [
        {**message, "content": content(message["content"])} if "content" in message else message
        for message in messages
    ]
