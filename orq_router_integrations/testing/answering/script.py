"""Find the scripted answer to a request."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer, AnswerValue, to_answer
from orq_router_integrations.testing.answering.prompt import Prompt
from orq_router_integrations.testing.routing.error_responses import HTTPError

Answers = (
    Mapping[Any, AnswerValue | Sequence[AnswerValue]]
    | Callable[[dict[str, Any]], AnswerValue | None]
)

_EXAMPLE = "Write answers={'What is 2 + 2?': '4'} or answers={re.compile('weather'): ['Sunny.']}."


@dataclass(slots=True)
class _Entry:
    """The answers to the requests that match one key. Only the last one is used repeatedly."""

    key: Any
    values: list[Any]
    is_used: bool = False

    def drop_first(self) -> None:
        """Remove the answer that was used, unless it is the last one."""
        if len(self.values) > 1:
            del self.values[0]
        else:
            self.is_used = True

    def matches(self, body: dict[str, Any], text: str) -> bool:
        """Return whether the key is a pattern or a function that matches a request."""
        if isinstance(self.key, re.Pattern):
            return self.key.search(text) is not None
        return callable(self.key) and bool(self.key(body))


class AnswerScript:
    """Scripted answers, found by text, then by pattern or function, then by model."""

    def __init__(self, answers: Answers | None) -> None:
        self.load(answers)

    def load(self, answers: Answers | None) -> None:
        """Replace all answers."""
        self._function = answers if callable(answers) else None
        entries = {} if answers is None or callable(answers) else answers
        if not isinstance(entries, Mapping):
            raise ValueError(
                f"answers: expected a dict or a function, got {answers!r:.80}. {_EXAMPLE}"
            )
        self._entries = {key: _create_entry(key, value) for key, value in entries.items()}

    @property
    def unused(self) -> list[Any]:
        """Keys with answers that no request has used."""
        return [entry.key for entry in self._entries.values() if not entry.is_used]

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
        entry = None if self._function else self._find_entry(body, text)
        value = self._function(body) if self._function else entry and entry.values[0]
        if value is None:
            return None
        answer = to_answer(value, forced_tool=prompt.forced_tool if prompt else None)
        if isinstance(answer, Answer) and not accepts(answer):
            return None
        if entry is not None:
            entry.drop_first()
        if isinstance(answer, HTTPError):
            raise answer
        if prompt is not None and entry is not None:
            _check_tools(answer, prompt)
        return answer

    def _find_entry(self, body: dict[str, Any], text: str) -> _Entry | None:
        matches = (entry for entry in self._entries.values() if entry.matches(body, text))
        return self._entries.get(text) or next(matches, self._entries.get(body["model"]))


def _create_entry(key: Any, value: Any) -> _Entry:
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
    return _Entry(key, values)


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
