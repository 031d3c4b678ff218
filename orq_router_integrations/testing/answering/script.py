"""Find the scripted answer to a request."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer, AnswerValue, to_answer
from orq_router_integrations.testing.answering.prompt import Prompt
from orq_router_integrations.testing.routing.error_responses import HTTPError

Answers = (
    Mapping[Any, AnswerValue | Sequence[AnswerValue]]
    | Callable[[dict[str, Any]], AnswerValue | None]
)

_EXAMPLE = "Write answers={'What is 2 + 2?': '4'} or answers={re.compile('weather'): ['Sunny.']}."


class AnswerScript:
    """Scripted answers, found by text, then by pattern or function, then by model."""

    def __init__(self, answers: Answers | None) -> None:
        self.load(answers)

    def load(self, answers: Answers | None) -> None:
        """Replace all answers."""
        entries = {} if answers is None or callable(answers) else answers
        if not isinstance(entries, Mapping):
            raise ValueError(
                f"answers: expected a dict or a function, got {answers!r:.80}. {_EXAMPLE}"
            )
        self._answers = {key: _list_values(key, value) for key, value in entries.items()}
        self._function = answers if callable(answers) else None
        self._used_keys: set[Any] = set()

    @property
    def unused(self) -> list[Any]:
        """Keys with answers that no request has used."""
        return [key for key in self._answers if key not in self._used_keys]

    def take_answer(
        self,
        body: dict[str, Any],
        model: str,
        text: str,
        prompt: Prompt | None = None,
        *,
        accepts: Callable[[Answer], bool] = lambda _: True,
    ) -> Answer | None:
        """Return the next answer, raise its exception, or return ``None`` if none is scripted.

        Args:
            body: The provider's request body, passed to functions with the full model id.
            model: Model id, ``provider/model``.
            text: Last user text.
            prompt: The prompt, if the model may call tools.
            accepts: Whether an answer is meant for the endpoint. Others are left for a later call:
                a text that is moderated or spoken may also be the key of a chat answer.
        """
        body = {**body, "model": model}
        key = self._find_key(body, text)
        value = self._function(body) if self._function else self._answers.get(key, [None])[0]
        if value is None:
            return None
        answer = to_answer(value, forced_tool=prompt.forced_tool if prompt else None)
        if isinstance(answer, Answer) and not accepts(answer):
            return None
        if self._function is None:
            self._mark_used(key)
        if isinstance(answer, HTTPError):
            raise answer
        if prompt is not None and self._function is None:
            _check_tools(answer, prompt)
        return answer

    def _find_key(self, body: dict[str, Any], text: str) -> Any:
        if text in self._answers:
            return text
        for key in self._answers:
            if key.search(text) if isinstance(key, re.Pattern) else callable(key) and key(body):
                return key
        return body["model"]

    def _mark_used(self, key: Any) -> None:
        """Advance to the next answer. The last one repeats."""
        if len(self._answers[key]) > 1:
            del self._answers[key][0]
        else:
            self._used_keys.add(key)


def _list_values(key: Any, value: Any) -> list[Any]:
    """Return the answers of a key after checking them."""
    if not isinstance(key, str | re.Pattern) and not callable(key):
        raise ValueError(
            f"answers: expected a str, a re.Pattern or a function as key, got {key!r:.80}. "
            f"{_EXAMPLE}"
        )
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values:
        raise ValueError(f"answers[{key!r}]: the list is empty. Add at least one answer.")
    for item in values:
        try:
            to_answer(item)
        except ValueError as error:
            raise ValueError(f"answers[{key!r}]: {error}. {_EXAMPLE}") from None
    return values


def _check_tools(answer: Answer, prompt: Prompt) -> None:
    """Check that the request offers the called tools. Tools named ``orq:`` run in the router."""
    offered = [function["name"] for function in prompt.functions]
    for call in answer.calls:
        if call.name not in offered and not call.name.startswith("orq:"):
            names = ", ".join(map(repr, offered)) or "no tools"
            raise HTTPError(
                400,
                f"answers: the scripted answer calls the tool {call.name!r}, but the request "
                f"offers {names}. Bind the tool. To simulate a model that invents tools, pass a "
                "function as answers.",
            )
