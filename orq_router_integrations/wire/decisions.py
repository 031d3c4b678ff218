"""Responses of the endpoint ``/decisions``."""

from collections.abc import Mapping
from typing import Any

from orq_router_integrations.wire.call import MalformedResponseError, Response
from orq_router_integrations.wire.json import as_dict, as_float

REFUSAL = "refusal"


def parse_decisions(
    response: Response, questions: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any]:
    """Return a response body whose answers have every field that can be derived.

    The router may leave out the legend and the confidence of an answer. The legend is part of the
    question, and the confidence is the largest probability.
    """
    body = response.json_object()
    answers = as_dict(body.get("answers"))
    return {
        **body,
        "answers": {
            name: _complete_answer(name, question, answers.get(name))
            for name, question in questions.items()
        },
    }


def _complete_answer(name: str, question: Mapping[str, Any], answer: Any) -> dict[str, Any]:
    if not isinstance(answer, dict):
        raise MalformedResponseError(f"the answer to {name!r} is missing")
    answer_type = answer.get("type")
    if answer_type == REFUSAL:
        return {"type": REFUSAL}
    if answer_type != question["type"]:
        raise MalformedResponseError(
            f"the answer to {name!r} has the type {answer_type!r} instead of {question['type']!r}"
        )
    if answer_type == "choice" and answer.get("choice") not in question["criteria"]:
        raise MalformedResponseError(
            f"the answer to {name!r} is {answer.get('choice')!r}, which is not one of the labels"
        )
    return _add_derived_fields(name, question, answer)


def _add_derived_fields(
    name: str, question: Mapping[str, Any], answer: dict[str, Any]
) -> dict[str, Any]:
    if answer["type"] not in {"choice", "score"}:
        return answer
    probabilities = as_dict(answer.get("probabilities"))
    values = [as_float(value) for value in probabilities.values()]
    if not values or None in values:
        raise MalformedResponseError(f"the answer to {name!r} has no probabilities")
    derived: dict[str, Any] = {}
    if answer.get("confidence") is None:
        derived["confidence"] = max(value for value in values if value is not None)
    if answer["type"] == "score" and not answer.get("legend"):
        derived["legend"] = dict(enumerate(question["criteria"]))
    return answer | derived
