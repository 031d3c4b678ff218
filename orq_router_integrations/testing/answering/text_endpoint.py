"""Base of the endpoints that return text: chat completions and responses."""

import math
import re
import sys
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property, partial
from hashlib import blake2b
from itertools import count
from typing import Annotated, Any, Literal, TypeVar

from pydantic import Field

from orq_router_integrations.testing.answering.default_answer import create_default_answer
from orq_router_integrations.testing.answering.prompt import CHARS_PER_TOKEN, Prompt, count_tokens
from orq_router_integrations.testing.answering.script import Answer, AnswerScript
from orq_router_integrations.testing.routing.endpoint import EndpointHandler, EndpointRequest
from orq_router_integrations.testing.routing.json_shapes import Shape
from orq_router_integrations.testing.routing.response import RouterResponse, encode_json
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.json import map_strings

EPOCH = 1_767_225_600  # time of the first response: the start of 2026, in seconds since 1970

_LIMIT_FIELDS = ("max_completion_tokens", "max_tokens", "max_output_tokens")
_VARIABLE = re.compile(r"\{\{\s*([\w.-]+)\s*\}\}")
_WORD = re.compile(r"\S+\s*|\s+")

CacheControl = Annotated[Any, Shape({"type": Literal["ephemeral"], "ttl?": Literal["5m", "1h"]})]


class TextRequest(EndpointRequest):
    """The fields that both text endpoints have, with OpenAI's defaults."""

    stream: bool | None = None
    temperature: float | None = Field(default=1.0, ge=0, le=2)
    top_p: float | None = Field(default=1.0, ge=0, le=1)
    frequency_penalty: float | None = Field(default=0.0, ge=-2, le=2)
    presence_penalty: float | None = Field(default=0.0, ge=-2, le=2)
    top_logprobs: int | None = Field(default=0, ge=0, le=20)
    parallel_tool_calls: bool | None = True
    cache_control: CacheControl | None = None
    prompt_cache_key: str | None = None

    @cached_property
    def prompt(self) -> Prompt:
        return Prompt(self.model_dump(exclude_unset=True))


R = TypeVar("R", bound=TextRequest)


class TextEndpoint(EndpointHandler[R]):
    """Creates answers, and numbers the responses to determine their ids and times."""

    def __init__(self, script: AnswerScript) -> None:
        super().__init__(script)
        self._numbers = count(1)

    def parse(self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool) -> R:
        """Replace ``{{name}}`` with the variable of that name, and validate the body."""
        variables = controls.variables or {}

        def get_value(match: re.Match[str]) -> str:
            value = variables.get(match[1], match[0])
            return match[0] if isinstance(value, Mapping) else str(value)  # a secret is an object

        if variables:
            body = map_strings(body, partial(_VARIABLE.sub, get_value))
        return super().parse(body, controls, lenient=lenient)

    def respond(self, request: R, model: str) -> RouterResponse:
        """Return the scripted or the default answer, truncated to the request's limits."""
        body = request.build_provider_body(model)
        prompt = request.prompt
        prompt.check_tool_results()
        scripted = self._script.take_answer(body, model, prompt.last_user_text, prompt)
        answer = scripted or create_default_answer(prompt, model)
        return self.build_response(request, model, _truncate(answer, body, len(prompt.messages)))

    @abstractmethod
    def build_response(self, request: R, model: str, answer: Answer) -> RouterResponse:
        """Return the response with an answer."""


def _truncate(answer: Answer, body: Mapping[str, Any], turn: int) -> Answer:
    """Truncate an answer at the first stop sequence and the token limit, and identify its calls."""
    text = answer.text
    stop = body.get("stop") or body.get("stop_sequences") or ()
    for sequence in filter(None, [stop] if isinstance(stop, str) else stop):
        text = text.partition(sequence)[0]
    max_chars = CHARS_PER_TOKEN * next(filter(None, map(body.get, _LIMIT_FIELDS)), sys.maxsize)
    remaining = max_chars - len(text)
    calls = []
    for index, (call_id, name, arguments) in enumerate(answer.calls):
        if remaining > 0:
            seed = f"{turn} {index} {name} {arguments}".encode("utf-8", "replace")
            id_ = call_id or f"call_{blake2b(seed, digest_size=12).hexdigest()}"
            calls.append({"name": name, "args": arguments[:remaining], "id": id_})
        remaining -= len(arguments)
    reason = answer.finish_reason or ("length" if remaining < 0 else None)
    return replace(answer, text=text[:max_chars], tool_calls=calls, finish_reason=reason)


def count_usage(prompt: Prompt, answer: Answer, choices: int = 1) -> dict[str, Any]:
    """Estimate the usage of a request, in the format of /responses.

    Text is counted by characters, audio by seconds, and other files by a fixed number. Scripted
    usage replaces or extends the estimate, in the format of either endpoint.
    """
    attachments = (item for message in prompt.messages for item in message.attachments)
    audio_input = sum(item.audio_tokens for item in attachments)
    tools = count_tokens(*(encode_json(tool).decode() for tool in prompt.tools))
    input_tokens = tools + sum(message.tokens for message in prompt.messages)
    calls = (call.name + call.arguments for call in answer.calls)
    text = max(1, count_tokens(answer.text, answer.refusal or "", *calls))
    reasoning = choices * count_tokens(answer.reasoning or "")
    output_tokens = choices * text + reasoning
    input_details = {"cached_tokens": 0, "cache_creation_tokens": 0, "audio_tokens": audio_input}
    usage: dict[str, Any] = {
        "input_tokens": input_tokens,
        "output_tokens": output_tokens,
        "total_tokens": input_tokens + output_tokens,
        "input_tokens_details": input_details,
        "output_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
    }
    for key, value in (answer.usage or {}).items():  # such as prompt_tokens_details
        name = key.replace("prompt_tok", "input_tok").replace("completion_tok", "output_tok")
        has_details = isinstance(value, Mapping) and isinstance(usage.get(name), Mapping)
        usage[name] = {**usage[name], **value} if has_details else value
    return usage


def split_after_words(text: str | None) -> list[str]:
    """Split a string into words, each with the white space after it."""
    return _WORD.findall(text or "")


def split_fragments(text: str) -> list[str]:
    """Split tool arguments into three fragments, regardless of word boundaries."""
    size = math.ceil(len(text) / 3)
    return [text[:size], text[size : 2 * size], text[2 * size :]]
