"""Knowledge bases: POST /v2/knowledge/{id}/search.

The chunks of a knowledge base are scripted. Every search type ranks them by the words that they
share with the query.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from pydantic import Field

from orq_router_integrations.testing.retrieval.similarity import compute_similarity
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.model_registry import ModelRegistry
from orq_router_integrations.testing.routing.schema_validation import RequestModel, validate_body

if TYPE_CHECKING:
    from langchain_core.documents import Document

DEFAULT_RESULTS = 5

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
    """The body of a search."""

    query: Annotated[str, Field(min_length=1)]
    top_k: Count | None = None
    threshold: Share = 0.0
    search_type: Literal["vector_search", "keyword_search", "hybrid_search"] = "hybrid_search"
    filter_by: dict[str, Any] | None = None
    search_options: _SearchOptions = _SearchOptions()
    rerank_config: _RerankConfig | None = None
    agentic_rag_config: _AgenticConfig | None = None


class _Chunk(NamedTuple):
    id: str
    text: str
    metadata: dict[str, Any]


class KnowledgeBaseIndex:
    """The scripted knowledge bases.

    Args:
        bases: Chunks by id of the knowledge base.
        models: Enabled models. A rerank model that is not enabled is silently ignored, as was
            observed.
    """

    def __init__(self, bases: KnowledgeBases | None, models: ModelRegistry) -> None:
        self._bases = {
            id_: [_create_chunk(chunk, f"{id_}-{n}") for n, chunk in enumerate(chunks)]
            for id_, chunks in (bases or {}).items()
        }
        self._models = models

    def search(self, id_: str, body: Mapping[str, Any], *, lenient: bool) -> dict[str, Any]:
        """Return the body of a response.

        Raises:
            HTTPError: 404, the knowledge base does not exist; 400, the body is invalid.
        """
        if id_ not in self._bases:
            raise HTTPError(404, f"knowledge base {id_!r} was not found", "not_found")
        request = validate_body(KnowledgeSearchRequest, body, lenient=lenient)
        chunks = [
            chunk
            for chunk in self._bases[id_]
            if request.filter_by is None or matches_filter(chunk.metadata, request.filter_by)
        ]
        scored = [(compute_similarity(request.query, chunk.text), chunk) for chunk in chunks]
        found = sorted(
            (item for item in scored if item[0] > 0 and item[0] >= request.threshold),
            key=lambda item: -item[0],
        )[: request.top_k or DEFAULT_RESULTS]
        rerank = request.rerank_config if self._is_enabled(request.rerank_config) else None
        if rerank:
            found = [item for item in found if item[0] >= rerank.threshold][: rerank.top_k]
        return {
            "matches": [
                _create_match(chunk, score, request.search_options, is_reranked=rerank is not None)
                for score, chunk in found
            ]
        }

    def _is_enabled(self, config: _RerankConfig | None) -> bool:
        if config is None:
            return False
        try:
            self._models.check_enabled(config.model)
        except HTTPError:
            return False
        return True


def _create_chunk(chunk: "str | Document", id_: str) -> _Chunk:
    if isinstance(chunk, str):
        return _Chunk(id_, chunk, {})
    if not hasattr(chunk, "page_content"):
        raise ValueError(f"knowledge_bases: expected a str or a Document, got {chunk!r:.80}")
    return _Chunk(chunk.id or id_, chunk.page_content, chunk.metadata)


def _create_match(
    chunk: _Chunk, score: float, options: _SearchOptions, *, is_reranked: bool
) -> dict[str, Any]:
    match: dict[str, Any] = {"id": chunk.id, "text": chunk.text}
    if options.include_metadata:
        match["metadata"] = chunk.metadata
    if options.include_scores:
        rerank = {"rerank_score": round(score, 6)} if is_reranked else {}
        match["scores"] = {"search_score": round(score, 6), **rerank}
    return match


_COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": lambda value, operand: value == operand,
    "ne": lambda value, operand: value != operand,
    "gt": lambda value, operand: value is not None and value > operand,
    "gte": lambda value, operand: value is not None and value >= operand,
    "lt": lambda value, operand: value is not None and value < operand,
    "lte": lambda value, operand: value is not None and value <= operand,
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
        message = f"filter_by.{name}: must be an object with one operator"
        raise HTTPError(400, message, param=f"filter_by.{name}")
    try:
        return all(
            _COMPARISONS[operator](metadata.get(name), operand)
            for operator, operand in condition.items()
        )
    except (KeyError, TypeError):
        message = f"filter_by.{name}: has an unknown operator or an operand of the wrong type"
        raise HTTPError(400, message, param=f"filter_by.{name}") from None
