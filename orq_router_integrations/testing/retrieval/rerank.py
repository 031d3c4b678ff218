"""The endpoint POST /rerank."""

from typing import Annotated, Any

from pydantic import Field

from orq_router_integrations.testing.answering.prompt import estimate_text_tokens
from orq_router_integrations.testing.retrieval.similarity import compute_similarity
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RouterResponse,
)
from orq_router_integrations.testing.routing.error_responses import reject_field
from orq_router_integrations.wire.endpoints import RERANK
from orq_router_integrations.wire.model_kinds import get_model_kind


class RerankRequest(EndpointRequest):
    query: str
    documents: Annotated[list[str], Field(max_length=1000)]
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool = False
    filename: str | None = None


class RerankEndpoint(EndpointHandler[RerankRequest]):
    """Scores documents by the words that they share with the query."""

    endpoint = RERANK
    schema = RerankRequest

    def respond(self, request: RerankRequest, model: str) -> RouterResponse:
        if get_model_kind(model) not in {"rerank", None}:
            reject_field("model", f"{model} does not support rerank")
        results: list[dict[str, Any]] = []
        for index, text in enumerate(request.documents):
            score = round(compute_similarity(request.query, text), 6)
            document = {"document": {"text": text}} if request.return_documents else {}
            results.append(
                {"object": "rerank", "index": index, "relevance_score": score, **document}
            )
        results.sort(key=lambda result: -result["relevance_score"])
        tokens = sum(map(estimate_text_tokens, [request.query, *request.documents]))
        return RouterResponse(
            {
                "object": "list",
                "results": results[: request.top_n],
                "usage": {"total_tokens": tokens},
            }
        )
