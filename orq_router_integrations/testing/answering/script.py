"""Look up scripted answers."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer

AnswerValue = str | Answer
Answers = (
    Mapping[str, AnswerValue | Iterable[AnswerValue]]
    | Callable[[dict[str, Any]], AnswerValue | None]
)


class AnswerScript:
    """Finds the scripted answer of a request by its last user text, then by model."""

    def __init__(self, answers: Answers | None) -> None:
        if answers is not None and not callable(answers) and not isinstance(answers, Mapping):
            raise ValueError(f"answers: expected a dict or a function, got {answers!r:.80}")
        self._function = answers if callable(answers) else None
        self._turns: dict[str, list[Answer]] = {}
        for key, value in ({} if answers is None or callable(answers) else answers).items():
            turns = [_to_answer(turn) for turn in _to_list(value)]
            if not turns:
                raise ValueError(f"answers[{key!r}]: the list is empty. Add at least one answer.")
            self._turns[key] = turns
        self._unused = set(self._turns)

    @property
    def unused(self) -> list[str]:
        """Keys with unused answers."""
        return [key for key in self._turns if key in self._unused]

    def take_answer(self, body: dict[str, Any], model: str, text: str) -> Answer | None:
        """Return the next scripted answer, or ``None``.

        Args:
            body: the provider's request body, passed to an answer function with the full model id.
            model: model id, ``provider/model``.
            text: last user text.
        """
        if self._function is not None:
            answer = self._function({**body, "model": model})
            return None if answer is None else _to_answer(answer)
        key = text if text in self._turns else model
        turns = self._turns.get(key)
        if turns is None:
            return None
        if len(turns) > 1:
            return turns.pop(0)
        self._unused.discard(key)
        return turns[0]


def _to_list(value: Any) -> list[Any]:
    is_single = isinstance(value, str) or not isinstance(value, Iterable)
    return [value] if is_single else list(value)


def _to_answer(value: AnswerValue) -> Answer:
    if not isinstance(value, str | Answer):
        raise ValueError(f"answers: expected a str or an Answer, got {value!r:.80}")
    return Answer(value) if isinstance(value, str) else value
