"""The base class of the endpoints that return text: chat completions and responses."""

from collections.abc import Sequence
from typing import TypeVar

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.default_answer import create_default_answer
from orq_router_integrations.testing.answering.prompt import Prompt
from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.answering.usage import PromptCache, Usage, count_usage
from orq_router_integrations.testing.routing.endpoint import EndpointHandler, EndpointRequest

R = TypeVar("R", bound=EndpointRequest)


class TextEndpoint(EndpointHandler[R]):
    """Creates answers and counts tokens, with the state that is kept between requests."""

    def __init__(self, script: AnswerScript) -> None:
        self._script = script
        self._prompt_cache = PromptCache()
        self._response_count = 0

    def _count_response(self) -> int:
        """Return the number of the next response, which determines its id and creation time."""
        self._response_count += 1
        return self._response_count

    def _choose_answer(self, request: R, prompt: Prompt, model: str) -> Answer:
        """Return the scripted or the default answer, before the limits of the request apply."""
        body = request.build_provider_body(model)
        scripted = self._script.take_answer(body, model, prompt.last_user_text, prompt)
        return scripted or create_default_answer(prompt, model)

    def _count_usage(self, prompt: Prompt, answers: Sequence[Answer], model: str) -> Usage:
        return count_usage(prompt, answers, self._prompt_cache.count_cached(model, prompt))
