"""Rows 20 and 21: embeddings and rerank; time and peak memory."""

import os
from collections.abc import Iterator
from typing import Any

from langchain_core.documents import Document
from langchain_openai import OpenAIEmbeddings

from orq_router_integrations import OrqEmbeddings, OrqRerank
from tests.benchmarks.contenders import KEY, build_base_url
from tests.benchmarks.measuring import OURS, Case, Row, Sample, measure_memory

THEIRS, NO_COUNT = "OpenAIEmbeddings", "OpenAIEmbeddings without token count"
MODEL = "openai/text-embedding-3-small"
TEXTS = [
    f"Text {number}: a router sends each packet on towards its network." for number in range(2000)
]
CHUNK, LARGE_CHUNK = 100, 1000
DOCUMENTS, DOCUMENT_BYTES = 1000, 10_000


def iter_cases(server: str) -> Iterator[Case]:
    """Yield all cases, each of them created when it is needed."""
    yield create_embeddings_case(server)
    yield create_rerank_case(server)


def create_embeddings_case(server: str) -> Case:
    """Compare with OpenAIEmbeddings and its default of 1,000 texts per request.

    By default it counts tokens before sending, with tables that tiktoken downloads unless
    ``TIKTOKEN_CACHE_DIR`` contains them. The second contender has this turned off.
    """

    def create_theirs(**options: Any) -> Any:
        url = build_base_url(server, f"vectors.{LARGE_CHUNK}")
        return OpenAIEmbeddings(model=MODEL, base_url=url, api_key=KEY, **options)

    url = build_base_url(server, f"vectors.{CHUNK}")
    contenders = {
        OURS: OrqEmbeddings(MODEL, base_url=url, api_key=KEY, chunk_size=CHUNK),
        NO_COUNT: create_theirs(check_embedding_ctx_length=False),
    }
    if "TIKTOKEN_CACHE_DIR" in os.environ:
        contenders[THEIRS] = create_theirs()
    runs = {name: lambda model=model: run_embeddings(model) for name, model in contenders.items()}
    goals = {name: goal for name, goal in {THEIRS: 0.5, NO_COUNT: 1.0}.items() if name in runs}
    rows = [
        Row("20", "2,000 texts to vectors", goals),
        Row("20", "... memory", {NO_COUNT: 1.1}, "peak"),
    ]
    return Case(rows, runs, rounds=3)


def run_embeddings(model: Any) -> Sample:
    """Embed all texts, and keep the vectors: releasing them is not a part of the work."""
    vectors: list[Any] = []
    return measure_memory(lambda: vectors.append(model.embed_documents(TEXTS)))


def create_rerank_case(server: str) -> Case:
    url = build_base_url(server, f"scores.{DOCUMENTS}")
    rerank = OrqRerank("cohere/rerank-v3.5", base_url=url, api_key=KEY)
    documents = [Document(f"{number} " + "x" * DOCUMENT_BYTES) for number in range(DOCUMENTS)]
    megabytes = DOCUMENTS * DOCUMENT_BYTES / 1e6
    runs = {OURS: lambda: measure_memory(lambda: rerank.compress_documents(documents, "Which?"))}
    # The only copy of the documents is the JSON body, whose buffer doubles when it grows.
    row = Row("21", "rerank of 10 MB, memory", {}, "peak", maximum=1.8 * megabytes)
    return Case([row], runs, rounds=3)
