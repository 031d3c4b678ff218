"""The endpoint /chat/completions: its body, and how one provider call is answered."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from orq_router_integrations.offline.answer import Answer
from orq_router_integrations.offline.chat_replies import Completion
from orq_router_integrations.offline.chat_schema import ChatRequest, check_sense
from orq_router_integrations.offline.checking import checked
from orq_router_integrations.offline.conversation import Conversation
from orq_router_integrations.offline.default_answer import default_answer
from orq_router_integrations.offline.script import AnswerScript
from orq_router_integrations.offline.service import Produced
from orq_router_integrations.offline.sound import tone, wav
from orq_router_integrations.offline.usage import CHARACTERS, PromptCache, overridden, usage_of
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import CHAT_COMPLETIONS, Endpoint

SPEECH_SECONDS = 0.5
"""How long a spoken answer lasts: a tone, whatever its transcript says."""

_VARIABLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")


class ChatService:
    """Chat completions, with the state that lasts between requests."""

    endpoint: Endpoint = CHAT_COMPLETIONS

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
            filled = {**body, "messages": _filled(body["messages"], controls.variables)}
            request = checked(ChatRequest, filled, lenient=lenient)
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
    def last_words(self) -> str:
        """The user's last text."""
        return Conversation(self.request.messages).last_user_text

    def provider_body(self, model: str) -> dict[str, Any]:
        """The body as the provider sees it.

        ``temperature`` and ``top_p`` are dropped where ``reasoning_effort`` is set (contract
        section 2.1, known behaviour).
        """
        body = self.request.model_dump(exclude_unset=True, by_alias=True)
        body["model"] = _bare(model)
        if self.request.reasoning_effort is not None:
            body.pop("temperature", None)
            body.pop("top_p", None)
        return body

    def answer(self, model: str) -> Produced:
        """The scripted answer, or the default one, within the request's limits."""
        answer = self._limited(self._spoken(self._chosen(model)))
        self.service.replies += 1
        completion = Completion(
            number=self.service.replies,
            model=_bare(model),
            answers=[answer] * (self.request.n or 1),
            usage=self._usage(model, answer),
            top_logprobs=(self.request.top_logprobs or 0) if self.request.logprobs else None,
            turn=len(self.request.messages),
        )
        if not self.streams:
            return Produced(completion.whole())
        with_usage = self.request.usage_streamed
        return Produced(None, tuple(completion.chunks(with_usage=with_usage)))

    def _chosen(self, model: str) -> Answer:
        body = self.provider_body(model)
        scripted = self.service.script.take(body, model, self.last_words)
        return scripted or default_answer(self.request, model)

    def _spoken(self, answer: Answer) -> Answer:
        """With sound, where sound was asked for: samples for pcm16, else always a WAV."""
        audio = self.request.audio
        if not self.request.speaks or answer.audio or answer.tool_calls or audio is None:
            return answer
        samples = tone(SPEECH_SECONDS)
        return replace(answer, audio=samples if audio.format == "pcm16" else wav(samples))

    def _limited(self, answer: Answer) -> Answer:
        """Cut at the first stop sequence and at the token limit."""
        stops = self.request.stop or ()
        text = answer.text
        for stop in [stops] if isinstance(stops, str) else stops:
            text = text.partition(stop)[0] if stop else text
        most = (self.request.token_limit or len(text) or 1) * CHARACTERS
        if len(text) > most:
            return replace(answer, text=text[:most], finish_reason=answer.finish_reason or "length")
        return replace(answer, text=text)

    def _usage(self, model: str, answer: Answer) -> dict[str, Any]:
        cached = self.service.prompt_cache.count(model, self.request)
        usage = usage_of(self.request, [answer] * (self.request.n or 1), cached)
        return overridden(usage, answer.usage)


def _bare(model: str) -> str:
    """The provider's own name of a model (contract section 1.5)."""
    return model.partition("/")[2]


def _filled(messages: list[Any], variables: Mapping[str, Any]) -> list[Any]:
    """Messages with ``{{name}}`` replaced; names without a value stay as they are."""

    def value(found: re.Match[str]) -> str:
        return str(variables.get(found[1], found[0]))

    def fill(text: Any) -> Any:
        return _VARIABLE.sub(value, text) if isinstance(text, str) else text

    def part(item: Any) -> Any:
        return {**item, "text": fill(item["text"])} if "text" in item else item

    def content(whole: Any) -> Any:
        return [part(item) for item in whole] if isinstance(whole, list) else fill(whole)

    return [
        {**message, "content": content(message["content"])} if "content" in message else message
        for message in messages
    ]
