"""The answers that a test or a demo scripted."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from orq_router_integrations.testing.answering.answer import Answer

AnswerValue = str | Answer
Answers = (
    Mapping[str, AnswerValue | Iterable[AnswerValue]]
    | Callable[[dict[str, Any]], AnswerValue | None]
)


class AnswerScript:
    """Finds the scripted answer to a request: by its last user text first, then by model."""

    def __init__(self, answers: Answers | None) -> None:
        if answers is not None and not callable(answers) and not isinstance(answers, Mapping):
            raise ValueError(f"answers: a mapping or a function, not {answers!r}")
        self._function = answers if callable(answers) else None
        self._turns: dict[str, list[Answer]] = {}
        for key, value in ({} if answers is None or callable(answers) else answers).items():
            turns = [_to_answer(turn) for turn in _to_deque(value)]
            if not turns:
                raise ValueError(f"answers[{key!r}]: an empty list answers nothing")
            self._turns[key] = turns
        self._unmet = set(self._turns)

    @property
    def unused(self) -> list[str]:
        """The keys that no request has met, or not all of whose answers were given."""
        return [key for key in self._turns if key in self._unmet]

    def take_answer(self, body: dict[str, Any], model: str, text: str) -> Answer | None:
        """The next answer, or ``None`` where nothing is scripted.

        Args:
            body: the provider's body, for a function; its ``model`` is replaced by the full id.
            model: model id, ``provider/model``.
            text: the last user text.
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
        self._unmet.discard(key)
        return turns[0]


def _to_deque(value: Any) -> list[Any]:
    alone = isinstance(value, str) or not isinstance(value, Iterable)
    return [value] if alone else list(value)


def _to_answer(value: AnswerValue) -> Answer:
    if not isinstance(value, str | Answer):
        raise ValueError(f"answers: a text or an Answer, not {value!r}")
    return Answer(value) if isinstance(value, str) else value
