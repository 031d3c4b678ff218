"""``OrqEmbeddings`` with a scripted router: batches, order, models, errors."""

import asyncio
import json
import pickle
import random
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_tests.integration_tests import EmbeddingsIntegrationTests
from langchain_tests.unit_tests import EmbeddingsUnitTests
from pydantic import ValidationError
from support.scripted_router import Script, create_client, respond

from orq_router_integrations import OfflineRouter, OrqEmbeddings, RouterClient
from orq_router_integrations.errors import (
    InvalidResponseError,
    RateLimitError,
    RouterInputError,
)

MODEL = "openai/text-embedding-3-small"
SAME_MODEL = "azure/text-embedding-3-small"
OTHER_MODEL = "cohere/embed-multilingual-v3.0"

Embed = Callable[..., Any]


def call_sync(embeddings: OrqEmbeddings, texts: Any, **kwargs: Any) -> Any:
    return embeddings.embed(texts, **kwargs)


def call_async(embeddings: OrqEmbeddings, texts: Any, **kwargs: Any) -> Any:
    return asyncio.run(embeddings.aembed(texts, **kwargs))


both_modes = pytest.mark.parametrize("embed", [call_sync, call_async], ids=["sync", "async"])


def embed_lengths(request: httpx.Request) -> httpx.Response:
    """Respond in random order; the vector of a text is its length and its first character."""
    texts = json.loads(request.content)["input"]
    data = [
        {"object": "embedding", "index": i, "embedding": [len(text), float(ord(text[0]))]}
        for i, text in enumerate(texts)
    ]
    random.Random(len(texts)).shuffle(data)
    body = {
        "object": "list",
        "data": data,
        "model": "text-embedding-3-small",
        "usage": {"prompt_tokens": len(texts), "total_tokens": len(texts)},
    }
    return httpx.Response(200, json=body, headers={"x-orq-trace-id": f"trace-{texts[0]}"})


def create_embeddings(script: Script, **arguments: Any) -> OrqEmbeddings:
    return OrqEmbeddings(**{"model": MODEL, "client": create_client(script)} | arguments)


def get_bodies(script: Script) -> list[dict[str, Any]]:
    return [json.loads(request.content) for request in script.requests]


TEXTS = [f"{'x' * number}{number}" for number in range(50)]


@both_modes
def test_batches_are_joined_in_order(embed):
    script = Script(embed_lengths)
    result = embed(create_embeddings(script, chunk_size=7, max_concurrency=4), TEXTS)
    assert [vector[0] for vector in result.vectors] == [len(text) for text in TEXTS]
    assert script.sent == result.requests == result.attempts == 8
    assert (result.tokens, result.model, result.answering_models) == (50, MODEL, (MODEL,))
    assert len(result.trace_ids) == 8
    assert result.trace_ids[0] == f"trace-{TEXTS[0]}"


def test_sync_and_async_methods_agree():
    embeddings = create_embeddings(Script(embed_lengths))
    assert embeddings.embed_documents(["ab"]) == [embeddings.embed_query("ab")] == [[2.0, 97.0]]
    assert asyncio.run(embeddings.aembed_documents(["ab"])) == [[2.0, 97.0]]
    assert asyncio.run(embeddings.aembed_query("ab")) == [2.0, 97.0]


def test_request_body():
    script = Script(embed_lengths)
    create_embeddings(script).embed(["a"])
    create_embeddings(script, dimensions=2, encoding_format="float").embed(["a"])
    body = {"model": MODEL, "input": ["a"]}
    assert get_bodies(script) == [
        body | {"encoding_format": "base64"},
        body | {"encoding_format": "float", "dimensions": 2},
    ]


def test_batches_are_limited_by_estimated_tokens():
    script = Script(embed_lengths)
    create_embeddings(script, max_batch_tokens=10, max_concurrency=1).embed(["x" * 15] * 5)
    assert [len(body["input"]) for body in get_bodies(script)] == [2, 2, 1]


@both_modes
def test_empty_list_makes_no_request(embed):
    script = Script(embed_lengths)
    result = embed(create_embeddings(script), [])
    assert (result.vectors, result.requests, script.sent) == ([], 0, 0)


@both_modes
@pytest.mark.parametrize(
    ("texts", "message"),
    [("a", "texts: Expected a list"), (["a", ""], r"texts\[1\]: The text is empty")],
)
def test_invalid_texts_raise_before_sending(embed, texts, message):
    script = Script(embed_lengths)
    with pytest.raises(RouterInputError, match=message):
        embed(create_embeddings(script), texts)
    assert script.sent == 0


@pytest.mark.parametrize("text", ["", None, ["a"]], ids=["empty", "None", "list"])
def test_invalid_query_raises_before_sending(text):
    script = Script(embed_lengths)
    with pytest.raises(RouterInputError, match="text: "):
        create_embeddings(script).embed_query(text)
    with pytest.raises(RouterInputError, match="text: "):
        asyncio.run(create_embeddings(script).aembed_query(text))
    assert script.sent == 0


@both_modes
def test_first_error_ends_the_call(embed):
    script = Script(respond(429, {"error": {"message": "Slow down."}}))
    embeddings = OrqEmbeddings(MODEL, client=create_client(script, max_retries=0), chunk_size=1)
    with pytest.raises(RateLimitError):
        embed(embeddings, ["a"] * 100)
    assert script.sent < 100


def respond_with_vector(*numbers: float) -> Any:
    return respond(json={"data": [{"index": 0, "embedding": [*numbers]}], "model": "m"})


@both_modes
def test_batches_of_different_lengths_raise(embed):
    script = Script(respond_with_vector(1.0), respond_with_vector(1.0, 2.0))
    embeddings = create_embeddings(script, chunk_size=1, max_concurrency=1)
    with pytest.raises(InvalidResponseError, match=r"different lengths: \[1, 2\]"):
        embed(embeddings, ["a", "b"])


@both_modes
def test_incomplete_response_raises(embed):
    embeddings = create_embeddings(Script(respond_with_vector(1.0)))
    with pytest.raises(InvalidResponseError, match="one embedding for each of 2 texts"):
        embed(embeddings, ["a", "b"])


MIXES = {
    "fallback": {"fallbacks": [OTHER_MODEL]},
    "load balancer": {"load_balancer": {"models": [MODEL, OTHER_MODEL]}},
    "load balancer without the model": {"load_balancer": {"models": [OTHER_MODEL]}},
}


@pytest.mark.parametrize("controls", MIXES.values(), ids=MIXES)
def test_other_models_are_rejected(controls):
    script = Script(embed_lengths)
    with pytest.raises(ValidationError, match="allow_model_mix=True"):
        create_embeddings(script, controls=controls)
    with pytest.raises(ValidationError, match="vectors are not comparable"):
        create_embeddings(script, client=create_client(script, controls=controls))
    with pytest.raises(RouterInputError, match=f"{OTHER_MODEL} is not the same model"):
        create_embeddings(script).embed(["a"], controls=controls)
    assert script.sent == 0


@pytest.mark.parametrize("controls", MIXES.values(), ids=MIXES)
def test_other_models_are_allowed_on_request(controls):
    script = Script(embed_lengths)
    embeddings = create_embeddings(script, controls=controls, allow_model_mix=True)
    assert embeddings.embed_query("a")
    assert get_bodies(script)[0].keys() >= controls.keys()


def test_same_model_of_another_provider_is_allowed():
    script = Script(embed_lengths)
    create_embeddings(script, controls={"fallbacks": [SAME_MODEL]}).embed_query("a")
    assert get_bodies(script)[0]["fallbacks"] == [{"model": SAME_MODEL}]


def test_fallbacks_of_the_client_can_be_removed():
    script = Script(embed_lengths)
    client = create_client(script, controls={"fallbacks": ["openai/gpt-4o"]})
    create_embeddings(script, client=client, controls={"fallbacks": None}).embed_query("a")
    assert "fallbacks" not in get_bodies(script)[0]


def test_identity_is_sent_as_a_header():
    script = Script(embed_lengths)
    create_embeddings(script, controls={"identity": "user-17"}).embed_query("a")
    assert script.headers("x-orq-identity-id") == ["user-17"]


INVALID_SETTINGS = {
    "chat model": ({"model": "openai/gpt-4o"}, "is for chat"),
    "rerank model": ({"model": "cohere/rerank-v3.5"}, "is for rerank"),
    "too many dimensions": ({"dimensions": 1537}, "at most 1536 dimensions"),
    "no dimensions": ({"dimensions": 0}, "dimensions"),
    "dimensions as text": ({"dimensions": "256"}, "dimensions"),
    "chunk size": ({"chunk_size": 0}, "chunk_size"),
    "concurrency": ({"max_concurrency": 0}, "max_concurrency"),
    "encoding": ({"encoding_format": "int8"}, "encoding_format"),
    "input type": ({"input_type": "search_query"}, "does not distinguish queries"),
    "batch size": ({"batch_size": 5}, "Use 'chunk_size'"),
    "guardrails": ({"controls": {"guardrails": [{"id": "g", "execute_on": "input"}]}}, None),
}


@pytest.mark.parametrize(("arguments", "message"), INVALID_SETTINGS.values(), ids=INVALID_SETTINGS)
def test_invalid_settings_raise_before_sending(arguments, message):
    script = Script(embed_lengths)
    with pytest.raises((ValidationError, RouterInputError), match=message or "guardrails"):
        create_embeddings(script, **arguments).embed_query("a")
    assert script.sent == 0


def test_pickle_contains_no_key(monkeypatch):
    monkeypatch.setenv("ORQ_API_KEY", "secret-key")
    data = pickle.dumps(OrqEmbeddings(MODEL, dimensions=8))
    assert b"secret-key" not in data
    assert pickle.loads(data).dimensions == 8


def test_client_may_be_shared_with_other_integrations():
    client = RouterClient(api_key="k", controls={"guardrails": None, "retry": {"count": 0}})
    assert OrqEmbeddings(MODEL, client=client).model == MODEL


class TestUnit(EmbeddingsUnitTests):
    embeddings_class = OrqEmbeddings
    embedding_model_params = {"model": MODEL, "api_key": "sk-orq-test"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return (
            {"ORQ_API_KEY": "sk-orq-env", "ORQ_BASE_URL": "https://my.orq.ai"},
            {"model": MODEL},
            {"api_key": "sk-orq-env", "base_url": "https://my.orq.ai/v3/router"},
        )


class TestIntegration(EmbeddingsIntegrationTests):
    embeddings_class = OrqEmbeddings

    @property
    def embedding_model_params(self) -> dict[str, Any]:
        return {"model": MODEL, "client": OfflineRouter().client()}


@both_modes
def test_vector_store_finds_similar_texts(embed):
    embeddings = OrqEmbeddings(MODEL, client=OfflineRouter().client(), chunk_size=1)
    store = InMemoryVectorStore(embeddings)
    store.add_texts(["The invoice was paid.", "Maria repaired the boat.", "It rains today."])
    (document,) = store.similarity_search("Who repairs boats?", k=1)
    assert document.page_content == "Maria repaired the boat."
    assert embed(embeddings, ["a"]).offline


@both_modes
def test_answering_model_after_a_fallback(embed):
    router = OfflineRouter(faults={MODEL: 503})
    controls = {"fallbacks": [SAME_MODEL], "retry": {"count": 0}}
    embeddings = OrqEmbeddings(MODEL, controls=controls, client=router.client())
    result = embed(embeddings, ["a"])
    assert result.answering_models == ("text-embedding-3-small",)  # of one of the two providers
