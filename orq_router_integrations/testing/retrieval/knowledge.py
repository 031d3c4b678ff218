"""Knowledge bases: POST /v2/knowledge/{id}/search.

The chunks of a knowledge base are scripted. Every search type ranks them by the words that they
share with the query. A rerank model that is not enabled is silently ignored, as was observed.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

from langchain_core.documents import Document
from pydantic import Field

from orq_router_integrations.testing.retrieval.embeddings import compute_similarity
from orq_router_integrations.testing.routing.endpoint import RequestModel, validate_body
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.json_shapes import Fields, Shape
from orq_router_integrations.testing.routing.platform import ModelRegistry
from orq_router_integrations.wire.controls import Share
from orq_router_integrations.wire.knowledge import Filter, ResultCount, SearchType

KnowledgeBases = Mapping[str, Iterable[str | Document]]

OPTIONS: Fields = {f"include_{name}?": bool for name in ("vectors", "metadata", "scores")}
RERANK: Fields = {"model": str, "threshold?": Share, "top_k?": ResultCount}
Rerank = Annotated[Any, Shape(RERANK)]
SETTINGS: Fields = {
    "type?": SearchType,
    "top_k?": ResultCount,
    "threshold?": Share,
    "rerank_config?": Rerank | None,
}


class SearchRequest(RequestModel):
    query: Annotated[str, Field(min_length=1)]
    top_k: ResultCount = 5
    threshold: Share = 0.0
    search_type: SearchType = "hybrid_search"
    filter_by: Filter = Field(default_factory=dict)
    search_options: Annotated[Any, Shape(OPTIONS)] = Field(default_factory=dict)
    rerank_config: Rerank | None = None
    agentic_rag_config: dict[str, str] | None = None
    retrieval_config: Annotated[Any, Shape(SETTINGS)] = Field(default_factory=dict)


class KnowledgeBaseIndex:
    def __init__(self, bases: KnowledgeBases | None, models: ModelRegistry) -> None:
        self._models = models
        self._bases = {
            id_: [_create_chunk(chunk, f"{id_}-{number}") for number, chunk in enumerate(chunks)]
            for id_, chunks in (bases or {}).items()
        }

    def search(self, body: Mapping[str, Any], id_: str, *, lenient: bool) -> dict[str, Any]:
        """Return the body of a response, or raise an error."""
        if id_ not in self._bases:
            raise HTTPError(404, f"knowledge base {id_!r} was not found", "not_found")
        request = validate_body(SearchRequest, body, lenient=lenient)
        settings = request.retrieval_config | request.model_dump(exclude_unset=True)
        limit = settings.get("top_k", 5)
        threshold = max(settings.get("threshold", 0), 1e-6)
        score_names = ["search_score"]
        rerank = settings.get("rerank_config")
        if rerank and self._models.is_enabled(rerank["model"]):
            limit = min(limit, rerank.get("top_k", 10))
            threshold = max(threshold, rerank.get("threshold", 0))
            score_names.append("rerank_score")
        matches = []
        for chunk in self._bases[id_]:
            score = compute_similarity(request.query, chunk["text"])
            if score >= threshold and matches_filter(chunk["metadata"], request.filter_by):
                matches.append({**chunk, "scores": dict.fromkeys(score_names, score)})
        matches.sort(key=lambda match: -match["scores"]["search_score"])
        for match in matches:
            for name in ("metadata", "scores"):
                if not request.search_options.get(f"include_{name}"):
                    del match[name]
        return {"matches": matches[:limit]}


def _create_chunk(chunk: str | Document, id_: str) -> dict[str, Any]:
    document = Document(chunk) if isinstance(chunk, str) else chunk
    if not isinstance(document, Document):
        raise ValueError(f"knowledge_bases: expected a str or a Document, got {chunk!r:.80}")
    return {"id": document.id or id_, "text": document.page_content, "metadata": document.metadata}


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
