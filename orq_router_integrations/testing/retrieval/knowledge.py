"""Knowledge bases: POST /v2/knowledge/{id}/search.

The chunks of a knowledge base are scripted. Every search type ranks them by the words that they
share with the query.
"""

import operator
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from orq_router_integrations.testing.retrieval.similarity import compute_similarity
from orq_router_integrations.testing.routing.error_responses import HTTPError, reject_field
from orq_router_integrations.testing.routing.model_registry import ModelRegistry
from orq_router_integrations.testing.routing.schema_validation import RequestModel, validate_body

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
    """The scripted knowledge bases.

    A rerank model that is not enabled is silently ignored, as was observed.
    """

    def __init__(self, bases: KnowledgeBases | None, models: ModelRegistry) -> None:
        self._models = models
        self._bases = {
            id_: [_create_chunk(chunk, f"{id_}-{number}") for number, chunk in enumerate(chunks)]
            for id_, chunks in (bases or {}).items()
        }

    def search(self, id_: str, body: Mapping[str, Any], *, lenient: bool) -> dict[str, Any]:
        """Return the body of a response.

        Raises:
            HTTPError: 404, the knowledge base does not exist; 400, the body is invalid.
        """
        if id_ not in self._bases:
            raise HTTPError(404, f"knowledge base {id_!r} was not found", "not_found")
        request = validate_body(KnowledgeSearchRequest, body, lenient=lenient)
        chunks = [
            {**chunk, "score": round(compute_similarity(request.query, chunk["text"]), 6)}
            for chunk in self._bases[id_]
            if matches_filter(chunk["metadata"], request.filter_by)
        ]
        chunks = [chunk for chunk in chunks if chunk["score"] >= max(request.threshold, 1e-6)]
        chunks = sorted(chunks, key=lambda chunk: -chunk["score"])[: request.top_k]
        rerank = request.rerank_config
        if rerank and not self._models.is_enabled(rerank.model):
            rerank = None
        if rerank:
            chunks = [chunk for chunk in chunks if chunk["score"] >= rerank.threshold]
            chunks = chunks[: rerank.top_k]
        matches = []
        for chunk in chunks:
            match = {"id": chunk["id"], "text": chunk["text"]}
            if request.search_options.include_metadata:
                match["metadata"] = chunk["metadata"]
            if request.search_options.include_scores:
                names = ["search_score", "rerank_score"] if rerank else ["search_score"]
                match["scores"] = dict.fromkeys(names, chunk["score"])
            matches.append(match)
        return {"matches": matches}


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
    """Return whether metadata match all conditions.

    Raises:
        HTTPError: 400, an operator is unknown or does not fit the value.
    """
    return all(_matches(metadata, name, condition) for name, condition in conditions.items())


def _matches(metadata: Mapping[str, Any], name: str, condition: Any) -> bool:
    if name in {"and", "or"} and isinstance(condition, list):
        results = [matches_filter(metadata, item) for item in condition]
        return all(results) if name == "and" else any(results)
    if not isinstance(condition, Mapping) or len(condition) != 1:
        reject_field(f"filter_by.{name}", "must be an object with one operator")
    ((name_of_operator, operand),) = condition.items()
    value = metadata.get(name)
    if value is None and name_of_operator in {"gt", "gte", "lt", "lte"}:
        return False
    try:
        return _COMPARISONS[name_of_operator](value, operand)
    except (KeyError, TypeError):
        message = "has an unknown operator or an operand of the wrong type"
        reject_field(f"filter_by.{name}", message)
