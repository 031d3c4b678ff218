"""Parameters and responses of ``POST /rerank``."""

from typing import Any

import orjson
import pytest

from orq_router_integrations.wire.call import EmbeddedError, MalformedResponseError, Response
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.rerank import RerankScore, parse_scores, split_documents

MODEL = "cohere/rerank-v3.5"


def create_response(*results: Any) -> Response:
    return Response(200, {}, orjson.dumps({"object": "list", "results": [*results]}))


def create_result(index: Any, score: Any) -> dict[str, Any]:
    return {"object": "rerank", "index": index, "relevance_score": score}


def test_scores_are_sorted():
    response = create_response(create_result(0, 0.2), create_result(1, 0.9), create_result(2, 0.2))
    assert parse_scores(response, 3) == [
        RerankScore(1, 0.9),
        RerankScore(0, 0.2),
        RerankScore(2, 0.2),
    ]


@pytest.mark.parametrize("index", [1, 1.0, "1"])
def test_index_may_be_a_float_or_a_string(index):
    assert parse_scores(create_response(create_result(index, 1)), 2) == [RerankScore(1, 1.0)]


def test_offset_is_added_to_the_index():
    assert parse_scores(create_response(create_result(0, 0.5)), 1, offset=1000)[0].index == 1000


INVALID = {
    "index out of range": [create_result(2, 0.5)],
    "negative index": [create_result(-1, 0.5)],
    "index null": [create_result(None, 0.5)],
    "fractional index": [create_result(0.5, 0.5)],
    "twice": [create_result(0, 0.5), create_result(0, 0.4)],
    "too many": [create_result(0, 0.5), create_result(1, 0.4), create_result(1, 0.4)],
    "none": [],
    "score missing": [{"index": 0}],
    "score text": [create_result(0, "high")],
    "not an object": ["x"],
}


@pytest.mark.parametrize("results", INVALID.values(), ids=INVALID)
def test_invalid_results_raise(results):
    with pytest.raises(MalformedResponseError):
        parse_scores(create_response(*results), 2)


def test_more_results_than_requested_raise():
    response = create_response(create_result(0, 0.5), create_result(1, 0.4))
    with pytest.raises(MalformedResponseError, match="up to 1 results, got 2"):
        parse_scores(response, 2, top_n=1)


def test_missing_results_raise():
    with pytest.raises(MalformedResponseError, match="'results' must be an array"):
        parse_scores(Response(200, {}, b'{"results": null}'), 1)


def test_error_with_status_200_raises():
    with pytest.raises(EmbeddedError):
        parse_scores(Response(200, {}, b'{"error": "No."}'), 1)


def test_more_than_1000_documents_are_split():
    groups = split_documents(["a"] * 2001, MODEL, RouterControls())
    assert [len(group) for group in groups] == [1000, 1000, 1]


@pytest.mark.parametrize(
    "controls",
    [
        {"fallbacks": ["jina/jina-reranker-v2"]},
        {"load_balancer": {"models": [MODEL, "jina/jina-reranker-v2"]}},
    ],
    ids=["fallbacks", "load balancer"],
)
def test_more_than_1000_documents_need_one_model(controls):
    controls = RouterControls(**controls)
    assert len(split_documents(["a"] * 1000, MODEL, controls)) == 1
    with pytest.raises(ValueError, match=r"^documents: 1001 documents"):
        split_documents(["a"] * 1001, MODEL, controls)
