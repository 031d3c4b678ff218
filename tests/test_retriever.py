"""``OrqKnowledgeRetriever``: requests, Documents, warnings and errors."""

import asyncio
import json
import logging
from typing import Any

import httpx
import pytest
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_tests.integration_tests import RetrieversIntegrationTests
from pydantic import ValidationError
from support.scripted_router import Script, create_client, respond

from orq_router_integrations import OfflineRouter, OrqKnowledgeRetriever
from orq_router_integrations.errors import InvalidResponseError, NotFoundError, RouterInputError

CHUNKS = [
    Document("Press the red button to stop.", metadata={"page": 1}),
    Document("The red lamp shows an error.", metadata={"page": 2}),
    Document("Red paint protects the hull.", metadata={"page": 3}),
    Document("Red and green lights are required.", metadata={"page": 4}),
]
MATCH = {"id": "c1", "text": "Hi", "metadata": {"page": 1}, "scores": {"search_score": 0.5}}


def create_offline_retriever(**arguments: Any) -> OrqKnowledgeRetriever:
    router = OfflineRouter(knowledge_bases={"manual": CHUNKS})
    return OrqKnowledgeRetriever(
        **{"knowledge_base": "manual", "client": router.client()} | arguments
    )


def create_retriever(script: Script, **arguments: Any) -> OrqKnowledgeRetriever:
    arguments = {"knowledge_base": "manual", "client": create_client(script)} | arguments
    return OrqKnowledgeRetriever(**arguments)


def retrieve_sync(retriever: OrqKnowledgeRetriever, query: Any, **kwargs: Any) -> list[Document]:
    return retriever.invoke(query, **kwargs)


def retrieve_async(retriever: OrqKnowledgeRetriever, query: Any, **kwargs: Any) -> list[Document]:
    return asyncio.run(retriever.ainvoke(query, **kwargs))


both_modes = pytest.mark.parametrize(
    "retrieve", [retrieve_sync, retrieve_async], ids=["sync", "async"]
)


class TestIntegration(RetrieversIntegrationTests):
    @property
    def retriever_constructor(self) -> type[BaseRetriever]:
        return OrqKnowledgeRetriever

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        router = OfflineRouter(knowledge_bases={"manual": CHUNKS})
        return {"knowledge_base": "manual", "client": router.client()}

    @property
    def retriever_query_example(self) -> str:
        return "What is red?"


@both_modes
def test_matches_become_documents(retrieve):
    (document,) = retrieve(create_offline_retriever(k=1), "Which button stops it?")
    assert document.page_content == "Press the red button to stop."
    assert document.id == "manual-0"
    assert document.metadata["page"] == 1
    assert 0 < document.metadata["search_score"] <= 1
    assert "rerank_score" not in document.metadata


@both_modes
def test_request_url_and_body(retrieve):
    script = Script(respond(json={"matches": [MATCH]}))
    retriever = create_retriever(script, knowledge_base="a b/ü")
    retrieve(retriever, "Hi")
    request = script.requests[0]
    assert str(request.url) == "https://api.orq.ai/v2/knowledge/a%20b%2F%C3%BC/search"
    options = {"include_metadata": True, "include_scores": True}
    assert json.loads(request.content) == {"query": "Hi", "search_options": options}


@pytest.mark.parametrize("base_url", ["https://my.orq.ai/v2/gateway", "https://x.y/eu/v3/router"])
def test_url_under_other_base_urls(base_url):
    script = Script(respond(json={"matches": []}))
    create_retriever(script, client=create_client(script, base_url=base_url)).invoke("Hi")
    root = base_url.rpartition("/v")[0]
    assert str(script.requests[0].url) == f"{root}/v2/knowledge/manual/search"


@both_modes
def test_arguments_of_a_call_take_precedence(retrieve):
    script = Script(respond(json={"matches": []}))
    retriever = create_retriever(
        script,
        k=5,
        search_type="keyword_search",
        threshold=0.2,
        filter={"year": {"gte": 2025}},
        rerank={"model": "cohere/rerank-v3.5"},
    )
    retrieve(retriever, "Hi")
    retrieve(retriever, "Hi", k=3, filter={"or": [{"a": {"eq": 1}}]}, rerank=None)
    first, second = (json.loads(request.content) for request in script.requests)
    assert first["top_k"] == 5
    assert first["rerank_config"] == {"model": "cohere/rerank-v3.5"}
    assert first["filter_by"] == {"year": {"gte": 2025}}
    assert (first["search_type"], first["threshold"]) == ("keyword_search", 0.2)
    assert (second["top_k"], second["filter_by"]) == (3, {"or": [{"a": {"eq": 1}}]})
    assert "rerank_config" not in second


RERANK = {"model": "cohere/rerank-v3.5"}


@both_modes
def test_missing_rerank_score_is_logged(retrieve, caplog):
    caplog.set_level(logging.WARNING)
    documents = retrieve(create_offline_retriever(), "red", rerank=RERANK)
    assert documents[0].metadata["rerank_score"] > 0
    assert not caplog.records
    router = OfflineRouter(knowledge_bases={"manual": CHUNKS}, models=["openai/gpt-4o"])
    retrieve(create_offline_retriever(client=router.client()), "red", rerank=RERANK)
    assert "did not rerank the results of knowledge base 'manual'" in caplog.text


INVALID_CALLS = {
    "empty query": ("", {}, "query: The text is empty"),
    "query None": (None, {}, "query: Expected a str"),
    "k 0": ("Hi", {"k": 0}, "k: "),
    "k 101": ("Hi", {"k": 101}, "k: "),
    "k text": ("Hi", {"k": "3"}, "k: "),
    "threshold": ("Hi", {"threshold": 2}, "threshold: "),
    "search type": ("Hi", {"search_type": "semantic"}, "search_type: "),
    "rerank": ("Hi", {"rerank": {"modle": "a/b"}}, "rerank: .*modle"),
    "top_k": ("Hi", {"top_k": 3}, "Use 'k'"),
    "unknown": ("Hi", {"fliter": {}}, "Did you mean 'filter'"),
}


@both_modes
@pytest.mark.parametrize(("query", "kwargs", "message"), INVALID_CALLS.values(), ids=INVALID_CALLS)
def test_invalid_arguments_raise_before_sending(retrieve, query, kwargs, message):
    script = Script()
    with pytest.raises(RouterInputError, match=message):
        retrieve(create_retriever(script), query, **kwargs)
    assert script.sent == 0


INVALID_FILTERS = {
    "bare value": ({"year": 2025}, r"year: Expected a condition such as \{'eq': 2025\}"),
    "operator": ({"year": {"equals": 1}}, r"year.equals: Unknown operator"),
    "similar operator": ({"year": {"gth": 1}}, "Did you mean 'gt"),
    "number": ({"year": {"gt": "2025"}}, "year.gt: Expected a number"),
    "bool as number": ({"year": {"gt": True}}, "year.gt: Expected a number"),
    "list": ({"year": {"in": 2025}}, "year.in: Expected a list"),
    "exists": ({"year": {"exists": 1}}, "year.exists: Expected a bool"),
    "two operators": ({"year": {"gt": 1, "lt": 2}}, "one operator per condition"),
    "and": ({"and": {"year": {"eq": 1}}}, "and: Expected a list of filters"),
    "item": ({"or": ["x"]}, "or: Expected a dict"),
    "nested": ({"or": [{"year": {"like": 1}}]}, "year.like: Unknown operator"),
}


@pytest.mark.parametrize(("conditions", "message"), INVALID_FILTERS.values(), ids=INVALID_FILTERS)
def test_invalid_filter_raises(conditions, message):
    script = Script()
    with pytest.raises(ValidationError, match=message):
        create_retriever(script, filter=conditions)
    with pytest.raises(RouterInputError, match=message):
        create_retriever(script).invoke("Hi", filter=conditions)
    assert script.sent == 0


@pytest.mark.parametrize("knowledge_base", ["", " ", None, 5])
def test_invalid_knowledge_base_raises(knowledge_base):
    with pytest.raises(ValidationError, match="knowledge_base"):
        create_retriever(Script(), knowledge_base=knowledge_base)


@both_modes
def test_unknown_knowledge_base_raises(retrieve):
    with pytest.raises(NotFoundError, match="'other' was not found"):
        retrieve(create_offline_retriever(knowledge_base="other"), "Hi")


@both_modes
@pytest.mark.parametrize(
    "body", [{}, {"matches": None}, {"matches": [{"id": "c1"}]}], ids=["empty", "null", "no text"]
)
def test_malformed_response_raises(retrieve, body):
    with pytest.raises(InvalidResponseError):
        retrieve(create_retriever(Script(respond(json=body))), "Hi")


def test_platform_error_has_its_message():
    def fail(_: httpx.Request) -> httpx.Response:
        return httpx.Response(404, json={"code": 5, "message": "no such base", "details": []})

    with pytest.raises(NotFoundError, match="no such base"):
        create_retriever(Script(fail)).invoke("Hi")
