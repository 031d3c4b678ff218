"""Decisions: reading responses."""

import json
from typing import Any

import pytest

from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    Response,
)
from orq_router_integrations.wire.decisions import parse_decisions

NOUL = {"type": "noul", "instructions": "Urgent?"}
CHOICE = {"type": "choice", "instructions": "Team?", "criteria": {"sales": None, "tech": None}}
SCORE = {"type": "score", "instructions": "How bad?", "criteria": ["fine", "bad"]}


def parse(question: dict[str, Any], answer: Any) -> Any:
    body = {"answers": {"q": answer}, "model": "openai/gpt-6-luna"}
    response = Response(200, {}, json.dumps(body).encode())
    return parse_decisions(response, {"q": question})["answers"]["q"]


def test_legend_is_taken_from_the_question() -> None:
    answer = parse(SCORE, {"type": "score", "score": 0.4, "probabilities": {"0": 0.6, "1": 0.4}})
    assert answer["legend"] == {0: "fine", 1: "bad"}


def test_confidence_is_the_largest_probability() -> None:
    answer = {"type": "choice", "choice": "tech", "probabilities": {"sales": 0.3, "tech": 0.7}}
    assert parse(CHOICE, answer)["confidence"] == 0.7
    assert parse(CHOICE, answer | {"confidence": 0.5})["confidence"] == 0.5


def test_probabilities_may_be_strings() -> None:
    answer = {"type": "choice", "choice": "tech", "probabilities": {"sales": "0.3", "tech": "0.7"}}
    assert parse(CHOICE, answer)["confidence"] == 0.7


def test_refusal_has_only_a_type() -> None:
    assert parse(NOUL, {"type": "refusal"}) == {"type": "refusal"}


@pytest.mark.parametrize(
    ("question", "answer", "problem"),
    [
        (NOUL, None, "the answer to 'q' is missing"),
        (NOUL, {"type": "choice", "choice": "a"}, "has the type 'choice' instead of 'noul'"),
        (CHOICE, {"type": "choice", "choice": "tech"}, "has no probabilities"),
        (CHOICE, {"type": "choice", "choice": "hr"}, "'hr', which is not one of the labels"),
        (SCORE, {"type": "score", "score": 1, "probabilities": {}}, "has no probabilities"),
        (SCORE, {"type": "score", "score": 1, "probabilities": {"0": "x"}}, "has no probabilities"),
        (SCORE, {"type": "score", "score": 1, "probabilities": {"0": None}}, "no probabilities"),
    ],
)
def test_incomplete_answer_is_malformed(question: Any, answer: Any, problem: str) -> None:
    with pytest.raises(MalformedResponseError, match=problem):
        parse(question, answer)


@pytest.mark.parametrize("body", [{}, {"answers": []}, {"answers": {"other": {"type": "noul"}}}])
def test_missing_answers_are_malformed(body: Any) -> None:
    with pytest.raises(MalformedResponseError, match="missing"):
        parse_decisions(Response(200, {}, json.dumps(body).encode()), {"q": NOUL})


def test_error_with_status_200_is_an_error() -> None:
    with pytest.raises(EmbeddedError):
        parse_decisions(Response(200, {}, b'{"error": {"message": "no"}}'), {"q": NOUL})
