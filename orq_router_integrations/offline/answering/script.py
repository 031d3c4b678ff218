"""The answers that a test or a demo scripted."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from orq_router_integrations.offline.answering.answer import Answer

Scripted = str | Answer
Answers = Mapping[str, Scripted | Iterable[Scripted]] | Callable[[dict[str, Any]], Scripted | None]


class AnswerScript:
    """Finds the scripted answer to a request: by its last user text first, then by model."""

    def __init__(self, answers: Answers | None) -> None:
        self._function = answers if callable(answers) else None
        self._turns: dict[str, list[Answer]] = {}
        for key, value in ({} if answers is None or callable(answers) else answers).items():
            turns = [value] if isinstance(value, str | Answer) else list(value)
            if not turns:
                raise ValueError(f"answers[{key!r}]: an empty list answers nothing")
            self._turns[key] = [_answer(turn) for turn in turns]

    def take(self, body: dict[str, Any], model: str, text: str) -> Answer | None:
        """The next answer, or ``None`` where nothing is scripted.

        Args:
            body: the provider's body, for a function; its ``model`` is replaced by the full id.
            model: model id, ``provider/model``.
            text: the last user text.
        """
        if self._function is not None:
            answer = self._function({**body, "model": model})
            return None if answer is None else _answer(answer)
        turns = self._turns.get(text) or self._turns.get(model)
        if turns is None:
            return None
        return turns.pop(0) if len(turns) > 1 else turns[0]


def _answer(value: Scripted) -> Answer:
    return Answer(value) if isinstance(value, str) else value
