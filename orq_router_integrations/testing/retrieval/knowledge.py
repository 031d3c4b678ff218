"""Knowledge bases: POST /v2/knowledge/{id}/search.

The chunks of a knowledge base are scripted. Every search type ranks them by the words that they
share with the query. A rerank model that is not enabled is silently ignored, as was observed.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from orq_router_integrations.testing.retrieval.similarity import compute_similarity
from orq_router_integrations.testing.routing.endpoint import RequestModel, validate_body
from orq_router_integrations.testing.routing.error_responses import HTTPError, reject_field
from orq_router_integrations.testing.routing.platform import ModelRegistry

if TYPE_CHECKING:
    from langchain_core.documents import Document

KnowledgeBases = Mapping[str, "Iterable[str | Document]"]

Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=100)]


class _SearchOptions(RequestModel):
    include_vectors: bool = False
    include_metadata: bool = False
    include_scores: bool = False


class _RerankConfig(RequestModel):
    model: str
    threshold: Share = 0.0
    top_k: Count = 10


class _AgenticConfig(RequestModel):
    model: str


class KnowledgeSearchRequest(RequestModel):
    query: Annotated[str, Field(min_length=1)]
    top_k: Count = 5
    threshold: Share = 0.0
    search_type: Literal["vector_search", "keyword_search", "hybrid_search"] = "hybrid_search"
    filter_by: dict[str, Any] = Field(default_factory=dict)
    search_options: _SearchOptions = _SearchOptions()
    rerank_config: _RerankConfig | None = None
    agentic_rag_config: _AgenticConfig | None = None


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
        request = validate_body(KnowledgeSearchRequest, body, lenient=lenient)
        options, rerank = request.search_options, request.rerank_config
        if rerank and not self._models.is_enabled(rerank.model):
            rerank = None
        score_names = ["search_score", "rerank_score"] if rerank else ["search_score"]
        threshold = max(request.threshold, rerank.threshold if rerank else 0, 1e-6)
        matches = []
        for chunk in self._bases[id_]:
            score = round(compute_similarity(request.query, chunk["text"]), 6)
            if not matches_filter(chunk["metadata"], request.filter_by) or score < threshold:
                continue
            match = {"id": chunk["id"], "text": chunk["text"]}
            if options.include_metadata:
                match["metadata"] = chunk["metadata"]
            if options.include_scores:
                match["scores"] = dict.fromkeys(score_names, score)
            matches.append((score, match))
        matches.sort(key=lambda item: -item[0])
        limit = min(request.top_k, rerank.top_k if rerank else request.top_k)
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
    """Return whether metadata match all conditions, or raise a 400."""
    if not isinstance(conditions, Mapping):
        reject_field("filter_by", "each condition must be an object")
    return all(_matches(metadata, name, condition) for name, condition in conditions.items())


def _matches(metadata: Mapping[str, Any], name: str, condition: Any) -> bool:
    if name in {"and", "or"} and isinstance(condition, list):
        results = [matches_filter(metadata, item) for item in condition]
        return all(results) if name == "and" else any(results)
    if not isinstance(condition, Mapping) or len(condition) != 1:
        reject_field(f"filter_by.{name}", "must be an object with one operator")
    ((comparison, operand),) = condition.items()
    value = metadata.get(name)
    if value is None and comparison in {"gt", "gte", "lt", "lte"}:
        return False
    try:
        return _COMPARISONS[comparison](value, operand)
    except (KeyError, TypeError):
        message = "has an unknown operator or an operand of the wrong type"
        reject_field(f"filter_by.{name}", message)
