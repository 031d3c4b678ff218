"""``OrqRerank`` with a scripted router: scores, documents, errors."""

import asyncio
import json
from typing import Any

import httpx
import pytest
from langchain_core.documents import Document
from pydantic import ValidationError
from support.scripted_router import Script, create_client, respond

from orq_router_integrations import OrqRerank
from orq_router_integrations.errors import InvalidResponseError, RouterInputError

MODEL = "cohere/rerank-v3.5"


def score_by_length(request: httpx.Request) -> httpx.Response:
    """Longer documents are more relevant."""
    body = json.loads(request.content)
    scores = sorted(
        ((len(text) / 10_000, index) for index, text in enumerate(body["documents"])), reverse=True
    )
    results = [
        {"object": "rerank", "index": float(index), "relevance_score": score}
        for score, index in scores[: body.get("top_n")]
    ]
    return httpx.Response(200, json={"object": "list", "results": results})


def create_rerank(script: Script, **arguments: Any) -> OrqRerank:
    return OrqRerank(**{"model": MODEL, "client": create_client(script)} | arguments)


def rerank_sync(rerank: OrqRerank, query: Any, documents: Any, **kwargs: Any) -> Any:
    return rerank.rerank(query, documents, **kwargs)


def rerank_async(rerank: OrqRerank, query: Any, documents: Any, **kwargs: Any) -> Any:
    return asyncio.run(rerank.arerank(query, documents, **kwargs))


both_modes = pytest.mark.parametrize("call", [rerank_sync, rerank_async], ids=["sync", "async"])


@both_modes
def test_scores_are_sorted(call):
    script = Script(score_by_length)
    scores = call(create_rerank(script), "q", ["a", "ccc", "bb"])
    assert [item.index for item in scores] == [1, 2, 0]
    assert scores[0].score == pytest.approx(0.0003)
    assert json.loads(script.requests[0].content) == {
        "model": MODEL,
        "query": "q",
        "documents": ["a", "ccc", "bb"],
        "return_documents": False,
    }


@both_modes
def test_top_n_of_a_call_takes_precedence(call):
    script = Script(score_by_length)
    rerank = create_rerank(script, top_n=2)
    assert len(call(rerank, "q", ["a", "bb", "ccc"])) == 2
    assert len(call(rerank, "q", ["a", "bb", "ccc"], top_n=1)) == 1
    assert len(call(rerank, "q", ["a"])) == 1
    assert [json.loads(request.content)["top_n"] for request in script.requests] == [2, 1, 1]


@both_modes
def test_empty_list_makes_no_request(call):
    script = Script(score_by_length)
    assert call(create_rerank(script), "q", []) == []
    assert script.sent == 0


@both_modes
def test_scores_of_several_requests_are_merged(call):
    script = Script(score_by_length)
    texts = ["x" * (number % 977 + 1) for number in range(2500)]
    scores = call(create_rerank(script, top_n=5), "q", texts)
    assert script.sent == 3
    assert [texts[item.index] for item in scores] == sorted(texts, key=len, reverse=True)[:5]


@both_modes
def test_many_documents_with_fallbacks_raise(call):
    script = Script(score_by_length)
    rerank = create_rerank(script, controls={"fallbacks": ["jina/jina-reranker-v2"]})
    with pytest.raises(RouterInputError, match="1001 documents need several requests"):
        call(rerank, "q", ["a"] * 1001)
    assert script.sent == 0


INVALID_CALLS = {
    "empty query": ("", ["a"], {}, "query: The text is empty"),
    "query None": (None, ["a"], {}, "query: Expected a str"),
    "documents str": ("q", "abc", {}, "documents: Expected a list of str"),
    "document None": ("q", ["a", None], {}, r"documents\[1\]: Expected a str"),
    "top_n 0": ("q", ["a"], {"top_n": 0}, "top_n: Expected an int of at least 1"),
    "top_n True": ("q", ["a"], {"top_n": True}, "top_n"),
    "controls": ("q", ["a"], {"controls": {"thread": "t"}}, "thread"),
}


@both_modes
@pytest.mark.parametrize(
    ("query", "documents", "kwargs", "message"), INVALID_CALLS.values(), ids=INVALID_CALLS
)
def test_invalid_arguments_raise_before_sending(call, query, documents, kwargs, message):
    script = Script(score_by_length)
    with pytest.raises(RouterInputError, match=message):
        call(create_rerank(script), query, documents, **kwargs)
    assert script.sent == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"top_n": 0}, "top_n"), ({"model": "openai/gpt-4o"}, "is for chat"), ({"k": 3}, "'top_n'")],
    ids=["top_n", "chat model", "k"],
)
def test_invalid_settings_raise(arguments, message):
    with pytest.raises(ValidationError, match=message):
        create_rerank(Script(score_by_length), **arguments)


@both_modes
def test_invalid_index_raises(call):
    script = Script(respond(json={"results": [{"index": 5, "relevance_score": 1}]}))
    with pytest.raises(InvalidResponseError, match="index 5"):
        call(create_rerank(script), "q", ["a"])


DOCUMENTS = [
    Document("a", metadata={"page": 1, "tags": ["x"]}, id="1"),
    Document("bbb", metadata={"page": 2}, id="2"),
]


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_documents_are_copied(is_async):
    rerank = create_rerank(Script(score_by_length))
    if is_async:
        ranked = asyncio.run(rerank.acompress_documents(DOCUMENTS, "q"))
    else:
        ranked = rerank.compress_documents(DOCUMENTS, "q")
    assert [document.id for document in ranked] == ["2", "1"]
    assert ranked[1].metadata == {"page": 1, "tags": ["x"], "relevance_score": 0.0001}
    ranked[1].metadata["tags"].append("y")
    assert DOCUMENTS[0].metadata == {"page": 1, "tags": ["x"]}
    assert ranked[0].page_content is DOCUMENTS[1].page_content


@pytest.mark.parametrize(
    ("documents", "message"),
    [("abc", "a list of Documents, got str"), (["a"], r"documents\[0\]: Expected a Document")],
)
def test_invalid_documents_raise(documents, message):
    rerank = create_rerank(Script(score_by_length))
    with pytest.raises(RouterInputError, match=message):
        rerank.compress_documents(documents, "q")
    with pytest.raises(RouterInputError, match=message):
        asyncio.run(rerank.acompress_documents(documents, "q"))


def test_missing_scores_are_logged(caplog):
    results = [{"index": 1, "relevance_score": 0.5}]
    client = create_client(Script(respond(json={"results": results})))
    rerank = OrqRerank("cohere/rerank-v3.5", client=client)
    assert [item.index for item in rerank.rerank("boat", ["", "A boat"])] == [1]
    assert "returned 1 instead of 2 documents" in caplog.text
    caplog.clear()
    assert len(rerank.rerank("boat", ["", "A boat"], top_n=1)) == 1
    assert caplog.text == ""
