"""Moderation: reading both formats of results."""

import json
from typing import Any

import pytest

from orq_router_integrations.wire.call import MalformedResponseError, Response
from orq_router_integrations.wire.moderation import parse_moderation

OPENAI = {
    "flagged": True,
    "categories": {"violence": True, "hate": False},
    "category_scores": {"violence": 0.98, "hate": 0.01},
    "category_applied_input_types": {"violence": ["text"], "hate": []},
}
MISTRAL = {
    "categories": {"pii": True, "law": False},
    "category_scores": {"pii": 0.8, "law": 0.1},
}


def parse(*results: Any, count: int | None = None) -> Any:
    body = {"id": "modr-1", "model": "omni-moderation-latest", "results": list(results)}
    response = Response(200, {"x-orq-trace-id": "t1"}, json.dumps(body).encode())
    return parse_moderation(response, count=len(results) if count is None else count)


def test_openai_format_is_parsed() -> None:
    (result,) = parse(OPENAI)
    assert result.flagged
    assert result.flagged_categories == ("violence",)
    assert result.scores["violence"] == 0.98
    assert (result.model, result.trace_id) == ("omni-moderation-latest", "t1")


@pytest.mark.parametrize(("is_member", "flagged"), [(True, True), (False, False)])
def test_format_without_flagged_uses_the_categories(is_member: bool, flagged: bool) -> None:
    (result,) = parse(MISTRAL | {"categories": {"pii": is_member, "law": False}})
    assert result.flagged is flagged


def test_categories_may_be_null() -> None:
    (result,) = parse(MISTRAL | {"categories": {"pii": False, "law": None}})
    assert (result.flagged, result.categories) == (False, {"pii": False})


def test_results_keep_their_order() -> None:
    assert [result.flagged for result in parse(OPENAI, MISTRAL | {"flagged": False})] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    "result",
    [
        {},
        None,
        {"categories": {}},
        {"flagged": "no"},
        {"categories": {"hate": "no"}},
        {"categories": {"hate": False, "violence": 1}},
        {"categories": {"hate": None}},
        {"flagged": False, "error": {"message": "unavailable"}},
    ],
)
def test_result_without_a_verdict_is_malformed(result: Any) -> None:
    """An unreadable result must never count as harmless."""
    with pytest.raises(MalformedResponseError, match="does not say"):
        parse(result)


@pytest.mark.parametrize("count", [0, 2])
def test_wrong_number_of_results_is_malformed(count: int) -> None:
    with pytest.raises(MalformedResponseError, match=f"expected {count} moderation results"):
        parse(OPENAI, count=count)


def test_missing_results_are_malformed() -> None:
    with pytest.raises(MalformedResponseError, match="got none"):
        parse_moderation(Response(200, {}, b'{"model": "m"}'), count=1)
