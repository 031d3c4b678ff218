"""Knowledge bases: POST /v2/knowledge/{id}/search.

The chunks of a knowledge base are scripted. Every search type ranks them by the words that they
share with the query. A rerank model that is not enabled is silently ignored, as was observed.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from orq_router_integrations.testing.retrieval.embeddings import compute_similarity
from orq_router_integrations.testing.routing.endpoint import RequestModel, validate_body
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.platform import ModelRegistry
from orq_router_integrations.wire.controls import Share
from orq_router_integrations.wire.knowledge import Filter, ResultCount, SearchType

if TYPE_CHECKING:
    from langchain_core.documents import Document

KnowledgeBases = Mapping[str, "Iterable[str | Document]"]


class SearchOptions(RequestModel):
    include_vectors: bool = False
    include_metadata: bool = False
    include_scores: bool = False


class RerankConfig(RequestModel):
    model: str
    threshold: Share = 0.0
    top_k: ResultCount = 10


class RetrievalConfig(RequestModel):
    type: SearchType | None = None
    top_k: ResultCount | None = None
    threshold: Share | None = None
    rerank_config: RerankConfig | None = None


class SearchRequest(RequestModel):
    query: str = Field(min_length=1)
    top_k: ResultCount | None = None
    threshold: Share | None = None
    search_type: SearchType | None = None
    filter_by: Filter = Field(default_factory=dict)
    search_options: SearchOptions = SearchOptions()
    rerank_config: RerankConfig | None = None
    agentic_rag_config: dict[str, str] | None = None
    retrieval_config: RetrievalConfig = RetrievalConfig()


class KnowledgeBaseIndex:
    def __init__(self, bases: KnowledgeBases | None, models: ModelRegistry) -> None:
        self._models = models
        self._bases = {
            id_: [_create_chunk(chunk, f"{id_}-{number}") for number, chunk in enumerate(chunks)]
            for id_, chunks in (bases or {}).items()
        }

    def search(self, id_: str, body: Mapping[str, Any], *, lenient: bool) -> dict[str, Any]:
        """Return the body of a response, or raise an error."""
        if id_ not in self._bases:
            raise HTTPError(404, f"knowledge base {id_!r} was not found", "not_found")
        request = validate_body(SearchRequest, body, lenient=lenient)
        options, config = request.search_options, request.retrieval_config
        limit = request.top_k or config.top_k or 5
        threshold = max(request.threshold or config.threshold or 0, 1e-6)
        score_names = ["search_score"]
        rerank = request.rerank_config or config.rerank_config
        if rerank and self._models.is_enabled(rerank.model):
            limit, threshold = min(limit, rerank.top_k), max(threshold, rerank.threshold)
            score_names.append("rerank_score")
        matches = []
        for chunk in self._bases[id_]:
            score = compute_similarity(request.query, chunk["text"])
            if score < threshold or not matches_filter(chunk["metadata"], request.filter_by):
                continue
            match = {"id": chunk["id"], "text": chunk["text"]}
            if options.include_metadata:
                match["metadata"] = chunk["metadata"]
            if options.include_scores:
                match["scores"] = dict.fromkeys(score_names, score)
            matches.append((score, match))
        matches.sort(key=lambda item: -item[0])
        return {"matches": [match for _, match in matches[:limit]]}


def _create_chunk(chunk: "str | Document", id_: str) -> dict[str, Any]:
    if isinstance(chunk, str):
        return {"id": id_, "text": chunk, "metadata": {}}
    if not hasattr(chunk, "page_content"):
        raise ValueError(f"knowledge_bases: expected a str or a Document, got {chunk!r:.80}")
    return {"id": chunk.id or id_, "text": chunk.page_content, "metadata": chunk.metadata}


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq,
    "ne": operator.ne,
    "gt": operator.gt,
    "gte": operator.ge,
    "lt": operator.lt,
    "lte": operator.le,
    "in": lambda value, operand: value in operand,
    "nin": lambda value, operand: value not in operand,
    "exists": lambda value, operand: (value is not None) is operand,
}


def matches_filter(metadata: Mapping[str, Any], conditions: Mapping[str, Any]) -> bool:
    """Return whether metadata match all conditions. Values that cannot be compared do not match."""
    for name, condition in conditions.items():
        if name in {"and", "or"}:
            results = [matches_filter(metadata, part) for part in condition]
            is_match = all(results) if name == "and" else any(results)
        else:
            ((comparison, operand),) = condition.items()
            try:
                is_match = _COMPARISONS[comparison](metadata.get(name), operand)
            except TypeError:
                is_match = False
        if not is_match:
            return False
    return True
