"""Base of the endpoints that return text: chat completions and responses."""

import math
import re
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from hashlib import blake2b
from itertools import count
from typing import Any, TypeVar

from orq_router_integrations.testing.answering.default_answer import create_default_answer
from orq_router_integrations.testing.answering.prompt import (
    AUDIO_TOKENS,
    CHARS_PER_TOKEN,
    FunctionCall,
    Prompt,
    estimate_text_tokens,
)
from orq_router_integrations.testing.answering.script import Answer, AnswerScript
from orq_router_integrations.testing.chat.schema import TextRequest
from orq_router_integrations.testing.media.tone_codec import SAMPLE_RATE
from orq_router_integrations.testing.routing.endpoint import EndpointHandler, RouterResponse
from orq_router_integrations.testing.serialization import encode_json
from orq_router_integrations.wire.json import map_strings

EPOCH = 1_767_225_600  # time of the first response: the start of 2026, in seconds since 1970

CHAT_NAMES = {
    "input_tokens": "prompt_tokens",
    "output_tokens": "completion_tokens",
    "input_tokens_details": "prompt_tokens_details",
    "output_tokens_details": "completion_tokens_details",
}
"""Names of usage fields on /chat/completions by their names on /responses."""

_NAMES = {chat_name: name for name, chat_name in CHAT_NAMES.items()}
_LIMIT_FIELDS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_VARIABLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")
_WORD = re.compile(r"\S+\s*|\s+")

R = TypeVar("R", bound=TextRequest)


class TextEndpoint(EndpointHandler[R]):
    """Creates answers, with the numbers that determine the ids and times of responses."""

    def __init__(self, script: AnswerScript) -> None:
        super().__init__(script)
        self._numbers = count(1)

    def respond(self, request: R, model: str) -> RouterResponse:
        """Return the scripted or the default answer, truncated to the request's limits."""
        body = request.build_provider_body(model)
        prompt = request.prompt
        scripted = self._script.take_answer(body, model, prompt.last_user_text, prompt)
        answer = _truncate(scripted or create_default_answer(prompt, model), body)
        return self.build_response(request, model, answer)

    @abstractmethod
    def build_response(self, request: R, model: str, answer: Answer) -> RouterResponse:
        """Return the response with an answer."""


def _truncate(answer: Answer, body: Mapping[str, Any]) -> Answer:
    """Truncate an answer at the first stop sequence and at the token limit."""
    text = answer.text
    stop = body.get("stop") or body.get("stop_sequences") or ()
    for sequence in filter(None, [stop] if isinstance(stop, str) else stop):
        text = text.partition(sequence)[0]
    limit = next(filter(None, map(body.get, _LIMIT_FIELDS)), None)
    if limit is None:
        return replace(answer, text=text)
    max_chars = limit * CHARS_PER_TOKEN
    remaining = max_chars - len(text)
    calls = []
    for call in answer.calls:
        if remaining > 0:
            args = call.arguments[:remaining]
            calls.append({"name": call.name, "args": args, "id": call.id})
        remaining -= len(call.arguments)
    reason = answer.finish_reason or ("length" if remaining < 0 else None)
    return replace(answer, text=text[:max_chars], tool_calls=calls, finish_reason=reason)


def count_usage(prompt: Prompt, answer: Answer, choices: int = 1) -> dict[str, Any]:
    """Estimate the usage of a request, in the format of /responses.

    Text is counted by characters, audio by seconds, and other files by a fixed number. Scripted
    usage replaces or extends the estimate, in the format of either endpoint.
    """
    attachments = [item for message in prompt.messages for item in message.attachments]
    audio_input = math.ceil(AUDIO_TOKENS * sum(item.audio_seconds for item in attachments))
    tools = estimate_text_tokens(*(encode_json(tool).decode() for tool in prompt.tools))
    input_tokens = tools + audio_input + sum(message.tokens for message in prompt.messages)
    calls = (call.name + call.arguments for call in answer.calls)
    text = max(1, estimate_text_tokens(answer.text, answer.refusal or "", *calls))
    reasoning = choices * estimate_text_tokens(answer.reasoning or "")
    audio_seconds = choices * len(answer.audio or b"") / (2 * SAMPLE_RATE)
    audio_output = math.ceil(AUDIO_TOKENS * audio_seconds)
    output_tokens = choices * text + reasoning + audio_output
    input_details = {"cached_tokens": 0, "cache_creation_tokens": 0, "audio_tokens": audio_input}
    usage: dict[str, Any] = {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "input_tokens_details": input_details,
        "output_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": audio_output},
    }
    for key, value in (answer.usage or {}).items():
        name = _NAMES.get(key, key)
        has_details = isinstance(value, Mapping) and isinstance(usage.get(name), Mapping)
        usage[name] = {**usage[name], **value} if has_details else value
    return usage


def create_call_id(call: FunctionCall, *, turn: int, index: int) -> str:
    """Return the scripted id, or a digest that differs between turns and calls of an answer."""
    seed = f"{turn} {index} {call.name} {call.arguments}".encode("utf-8", "replace")
    return call.id or f"call_{blake2b(seed, digest_size=12).hexdigest()}"


def split_after_words(text: str | None) -> list[str]:
    """Split a string into words, each with the white space after it."""
    return _WORD.findall(text or "")


def split_fragments(text: str) -> list[str]:
    """Split tool arguments into at least three fragments, regardless of word boundaries."""
    size = max(1, min(8, math.ceil(len(text) / 3)))
    fragments = [text[start : start + size] for start in range(0, len(text), size)]
    return fragments + [""] * (3 - len(fragments))


def substitute_variables(value: Any, variables: Mapping[str, Any]) -> Any:
    """Replace ``{{name}}`` in the strings of a JSON value. Unknown names are left unchanged."""

    def get_value(match: re.Match[str]) -> str:
        return str(variables.get(match[1], match[0]))

    return map_strings(value, lambda text: _VARIABLE.sub(get_value, text))
