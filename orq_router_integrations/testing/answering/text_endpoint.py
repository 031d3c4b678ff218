"""Base of the endpoints that return text: chat completions and responses."""

import math
import re
from abc import abstractmethod
from hashlib import blake2b
from itertools import count
from typing import TypeVar

from orq_router_integrations.testing.answering.answer import Answer, FunctionCall
from orq_router_integrations.testing.answering.default_answer import create_default_answer
from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.chat.schema import TextRequest
from orq_router_integrations.testing.routing.endpoint import EndpointHandler, RouterResponse

EPOCH = 1_767_225_600
"""Creation time of the first response: the start of 2026, in seconds since 1970."""

_WORD = re.compile(r"\S+\s*|\s+")

R = TypeVar("R", bound=TextRequest)


class TextEndpoint(EndpointHandler[R]):
    """Creates answers and counts tokens, with the state that is kept between requests."""

    def __init__(self, script: AnswerScript) -> None:
        super().__init__(script)
        self._numbers = count(1)  # determine the ids and creation times of responses

    def respond(self, request: R, model: str) -> RouterResponse:
        """Return the scripted or the default answer, truncated to the request's limits."""
        body = request.build_provider_body(model)
        prompt = request.prompt
        scripted = self._script.take_answer(body, model, prompt.last_user_text, prompt)
        answer = prompt.truncate(scripted or create_default_answer(prompt, model))
        return self.build_response(request, model, answer)

    @abstractmethod
    def build_response(self, request: R, model: str, answer: Answer) -> RouterResponse:
        """Return the response with an answer."""


def split_after_words(text: str | None) -> list[str]:
    """Split a string into words, each with the white space after it."""
    return _WORD.findall(text or "")


def split_fragments(text: str) -> list[str]:
    """Split tool arguments into at least three fragments, regardless of word boundaries."""
    size = max(1, min(8, math.ceil(len(text) / 3)))
    fragments = [text[start : start + size] for start in range(0, len(text), size)]
    return fragments + [""] * (3 - len(fragments))


def create_call_id(call: FunctionCall, *, turn: int, index: int) -> str:
    """Return the scripted id, or a digest that differs between turns and calls of an answer."""
    if call.id is not None:
        return call.id
    seed = f"{turn} {index} {call.name} {call.arguments}".encode("utf-8", "replace")
    return f"call_{blake2b(seed, digest_size=12).hexdigest()}"
