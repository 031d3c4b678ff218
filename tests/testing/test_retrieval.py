"""Endpoints for retrieval: embeddings, rerank, knowledge bases and lists of models."""

import base64
import math
import struct
from typing import Any

import httpx
import pytest
from langchain_core.documents import Document

from orq_router_integrations.testing import Fault, OfflineRouter
from orq_router_integrations.testing.retrieval import compute_similarity, create_vector

SMALL = "openai/text-embedding-3-small"
RERANK = "cohere/rerank-v3.5"


class Caller:
    """Sends requests to a new offline router."""

    def __init__(self, *, key: str = "any-key", **settings: Any) -> None:
        self.router = OfflineRouter(**settings)
        self._headers = {"Authorization": f"Bearer {key}"}

    def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        with httpx.Client(transport=self.router.transport, headers=self._headers) as http:
            return http.request(method, f"https://any.host{path}", **options)

    def get(self, path: str, **params: Any) -> httpx.Response:
        return self.request("GET", path, params=params)

    def embed(self, **fields: Any) -> httpx.Response:
        body = {"model": SMALL, "input": "A red boat"} | fields
        return self.request("POST", "/v3/router/embeddings", json=body)

    def rerank(self, **fields: Any) -> httpx.Response:
        body = {"model": RERANK, "query": "red boat", "documents": ["blue car", "a red boat"]}
        return self.request("POST", "/v3/router/rerank", json=body | fields)

    def search(self, id_: str = "kb", **fields: Any) -> httpx.Response:
        body = {"query": "red boat"} | fields
        return self.request("POST", f"/v2/knowledge/{id_}/search", json=body)


def get_cosine(first: list[float], second: list[float]) -> float:
    return sum(a * b for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("dimensions", [1, 2, 64, 1536])
@pytest.mark.parametrize("text", ["A red boat", "!", "船は赤い", "a a a"])
def test_vectors_have_unit_length(text, dimensions):
    vector = create_vector(text, dimensions, "m")
    assert len(vector) == dimensions
    assert math.hypot(*vector) == pytest.approx(1)
    assert vector == create_vector(text, dimensions, "m")


@pytest.mark.parametrize("dimensions", [256, 1536])
def test_texts_that_share_words_are_close(dimensions):
    query = create_vector("Who repairs the engine of the boat?", dimensions, "m")
    similar = create_vector("Maria repaired the engine of our boat.", dimensions, "m")
    unrelated = create_vector("The invoice was paid in March.", dimensions, "m")
    assert get_cosine(query, similar) > get_cosine(query, unrelated) + 0.2


def test_vectors_of_different_models_are_unrelated():
    first, second = create_vector("red boat", 1536, "a"), create_vector("red boat", 1536, "b")
    assert abs(get_cosine(first, second)) < 0.5


@pytest.mark.parametrize(
    ("text", "other_text", "expected"),
    [("red boat", "Boat, red!", 1.0), ("red boat", "blue car", 0.0), ("", "", 1.0)],
)
def test_similarity_counts_shared_words(text, other_text, expected):
    assert compute_similarity(text, other_text) == pytest.approx(expected)


def test_similarity_in_languages_without_spaces():
    assert compute_similarity("赤い船", "赤い船です") > compute_similarity("赤い船", "青い車")


def test_embeddings_response_has_the_documented_fields():
    body = Caller().embed(input=["One", "Two"]).json()
    assert (body["object"], body["model"]) == ("list", "text-embedding-3-small")
    assert [item["index"] for item in body["data"]] == [0, 1]
    assert [len(item["embedding"]) for item in body["data"]] == [1536, 1536]
    assert body["usage"]["prompt_tokens"] == body["usage"]["total_tokens"] > 0


def test_base64_contains_the_same_vector():
    caller = Caller()
    numbers = caller.embed(dimensions=8).json()["data"][0]["embedding"]
    text = caller.embed(dimensions=8, encoding_format="base64").json()["data"][0]["embedding"]
    assert struct.unpack("<8f", base64.b64decode(text)) == pytest.approx(numbers, abs=1e-6)


@pytest.mark.parametrize("value", ["Hi", ["Hi"], [[1, 2]], ["Hi", [1]]], ids=repr)
def test_every_form_of_input_is_accepted(value):
    assert Caller().embed(input=value).status_code == 200


INVALID_EMBEDDINGS = {
    "empty text": ({"input": ""}, "input"),
    "empty list": ({"input": []}, "input"),
    "empty item": ({"input": ["a", ""]}, "input[1]"),
    "no tokens": ({"input": [[]]}, "input[0]"),
    "number": ({"input": 5}, "input"),
    "dimensions": ({"dimensions": 0}, "dimensions"),
    "huge dimensions": ({"dimensions": 1e300}, "dimensions"),
    "encoding": ({"encoding_format": "int8"}, "encoding_format"),
    "unknown field": ({"input_type": "query"}, "input_type"),
    "thread": ({"thread": {"id": "t"}}, "thread"),
    "identity": ({"identity": {"id": "u"}}, "identity"),
}


@pytest.mark.parametrize(("fields", "param"), INVALID_EMBEDDINGS.values(), ids=INVALID_EMBEDDINGS)
def test_invalid_embeddings_request_is_rejected(fields, param):
    response = Caller().embed(**fields)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_fallback_answers_embeddings():
    fallback = "azure/text-embedding-3-small"
    caller = Caller(faults={SMALL: 503})
    response = caller.embed(fallbacks=[{"model": fallback}], retry={"count": 0})
    assert response.headers["x-orq-offline-model"] == fallback
    assert [call.status for call in caller.router.log] == [503, 200]


def test_embeddings_are_cached():
    caller = Caller()
    for _ in range(2):
        response = caller.embed(cache={"type": "exact_match", "ttl": 60})
    assert response.headers["x-orq-offline-cache"] == "hit"


def test_broken_response_is_a_failure():
    response = Caller(faults={SMALL: Fault(cut_after=1)}).embed()
    assert response.status_code >= 400


def test_rerank_results_are_sorted_by_score():
    results = Caller().rerank().json()["results"]
    assert [item["index"] for item in results] == [1, 0]
    assert results[0]["relevance_score"] > results[1]["relevance_score"] >= 0
    assert "document" not in results[0]


def test_rerank_results_can_be_limited_and_include_documents():
    results = Caller().rerank(top_n=1, return_documents=True).json()["results"]
    assert [item["document"] for item in results] == [{"text": "a red boat"}]


INVALID_RERANKS = {
    "top_n": ({"top_n": 0}, "top_n"),
    "too many": ({"documents": ["a"] * 1001}, "documents"),
    "object": ({"documents": [{"text": "a"}]}, "documents[0]"),
    "retry": ({"retry": {"count": 0}}, "retry.count"),
}


@pytest.mark.parametrize(("fields", "param"), INVALID_RERANKS.values(), ids=INVALID_RERANKS)
def test_invalid_rerank_request_is_rejected(fields, param):
    response = Caller().rerank(**fields)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


KNOWLEDGE = {
    "kb": [
        Document("A red boat.", id="one", metadata={"year": 2024, "color": "red"}),
        Document("A red car.", metadata={"year": 2025}),
        "A blue boat.",
    ]
}


def test_search_returns_ids_and_texts():
    (match, *_) = Caller(knowledge_bases=KNOWLEDGE).search().json()["matches"]
    assert match == {"id": "one", "text": "A red boat."}


def test_knowledge_base_may_be_an_iterator():
    caller = Caller(knowledge_bases={id_: iter(texts) for id_, texts in KNOWLEDGE.items()})
    assert caller.search().json() == Caller(knowledge_bases=KNOWLEDGE).search().json()


def test_metadata_and_scores_are_sent_on_request():
    caller = Caller(knowledge_bases=KNOWLEDGE)
    options = {"include_metadata": True, "include_scores": True}
    matches = caller.search(search_options=options).json()["matches"]
    assert matches[0]["metadata"] == {"year": 2024, "color": "red"}
    assert matches[0]["scores"].keys() == {"search_score"}
    assert [match["id"] for match in matches] == ["one", "kb-2", "kb-1"]


def test_rerank_model_that_is_not_enabled_is_ignored():
    caller = Caller(knowledge_bases=KNOWLEDGE, models=[RERANK])
    options = {"include_scores": True}
    for model, expected in ((RERANK, True), ("jina/reranker", False)):
        body = caller.search(search_options=options, rerank_config={"model": model}).json()
        assert ("rerank_score" in body["matches"][0]["scores"]) is expected


def test_top_k_and_threshold_limit_the_matches():
    caller = Caller(knowledge_bases=KNOWLEDGE)
    for fields, count in (({}, 3), ({"top_k": 1}, 1), ({"threshold": 0.9}, 1)):
        assert len(caller.search(**fields).json()["matches"]) == count


FILTERS = {
    "eq": ({"color": {"eq": "red"}}, ["one"]),
    "ne": ({"color": {"ne": "red"}}, ["kb-1", "kb-2"]),
    "gte": ({"year": {"gte": 2025}}, ["kb-1"]),
    "range": ({"and": [{"year": {"gt": 2023}}, {"year": {"lt": 2025}}]}, ["one"]),
    "in": ({"year": {"in": [2025]}}, ["kb-1"]),
    "nin": ({"year": {"nin": [2025]}}, ["one", "kb-2"]),
    "exists": ({"year": {"exists": False}}, ["kb-2"]),
    "and": ({"and": [{"year": {"lte": 2025}}, {"color": {"exists": True}}]}, ["one"]),
    "or": ({"or": [{"year": {"eq": 2025}}, {"color": {"eq": "red"}}]}, ["one", "kb-1"]),
}


@pytest.mark.parametrize(("conditions", "ids"), FILTERS.values(), ids=FILTERS)
def test_filters_select_the_matches(conditions, ids):
    caller = Caller(knowledge_bases=KNOWLEDGE)
    matches = caller.search(filter_by=conditions).json()["matches"]
    assert sorted(match["id"] for match in matches) == sorted(ids)


INVALID_SEARCHES = {
    "query": ({"query": ""}, "query"),
    "top_k": ({"top_k": 101}, "top_k"),
    "search type": ({"search_type": "semantic"}, "search_type"),
    "operator": ({"filter_by": {"year": {"like": 1}}}, "filter_by"),
    "operand": ({"filter_by": {"year": {"gt": "x"}}}, "filter_by"),
    "condition": ({"filter_by": {"year": 2024}}, "filter_by"),
    "combined condition": ({"filter_by": {"and": ["year"]}}, "filter_by"),
    "two operators": ({"filter_by": {"year": {"gt": 1, "lt": 2}}}, "filter_by"),
    "retrieval_config": ({"retrieval_config": 5}, "retrieval_config"),
    "unknown field": ({"k": 5}, "k"),
}


@pytest.mark.parametrize(("fields", "param"), INVALID_SEARCHES.values(), ids=INVALID_SEARCHES)
def test_invalid_search_is_rejected(fields, param):
    response = Caller(knowledge_bases=KNOWLEDGE).search(**fields)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == param


def test_unknown_knowledge_base_is_not_found():
    assert Caller(knowledge_bases=KNOWLEDGE).search("other").status_code == 404


def test_platform_paths_need_a_key():
    caller = Caller(key="", knowledge_bases=KNOWLEDGE)
    assert caller.search().status_code == 401
    assert caller.get("/v2/model-catalog").status_code == 401


@pytest.mark.parametrize("prefix", ["v3/router", "v2/router"])
def test_models_are_listed(prefix):
    body = Caller(models=["openai/gpt-4o"]).get(f"/{prefix}/models").json()
    assert [item["id"] for item in body["data"]] == ["openai/gpt-4o"]


def test_catalog_has_one_page():
    body = Caller().get("/v2/model-catalog").json()
    assert body["has_more"] is False
    assert SMALL in [entry["id"] for entry in body["data"]]


CATALOG_FILTERS = {
    "provider": ({"provider": "cohere"}, ["cohere/embed-multilingual-v3.0", RERANK]),
    "endpoint": ({"endpoint": "rerank"}, [RERANK]),
    "search": ({"search": "GPT-4O-mini"}, ["openai/gpt-4o-mini"]),
    "feature": ({"feature": "vision", "provider": "azure"}, ["azure/gpt-4o"]),
    "modality": ({"output_modality": "image"}, []),
    "offering": ({"offering_of": SMALL}, [SMALL]),
}


@pytest.mark.parametrize(("params", "ids"), CATALOG_FILTERS.values(), ids=CATALOG_FILTERS)
def test_filters_select_catalog_entries(params, ids):
    body = Caller().get("/v2/model-catalog", **params).json()
    assert [entry["id"] for entry in body["data"]] == ids


@pytest.mark.parametrize("params", [{"limit": 1}, {"vendor": "openai"}], ids=str)
def test_invalid_catalog_query_is_rejected(params):
    assert Caller().get("/v2/model-catalog", **params).status_code == 400
