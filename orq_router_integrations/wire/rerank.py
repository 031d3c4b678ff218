"""Parameters and responses of ``POST /rerank``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.wire.call import MalformedResponseError, Response
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.json import as_dict, as_int, get_json_type_name
from orq_router_integrations.wire.model_candidates import ModelCandidates

MAX_DOCUMENTS = 1000
"""Maximum number of documents in one request."""


@dataclass(frozen=True, slots=True)
class RerankScore:
    """The relevance of one document.

    Attributes:
        index: Position of the document in the input.
        score: Relevance to the query, 0 to 1. Scores of different models are not comparable.
    """

    index: int
    score: float


def split_documents(
    documents: Sequence[str], model: str, controls: RouterControls
) -> list[Sequence[str]]:
    """Divide documents into groups for one request each.

    Args:
        documents: Texts of the documents.
        model: The requested model.
        controls: All controls of the call.

    Raises:
        ValueError: Several requests are needed, and different models could answer them. Their
            scores would not be comparable, and the response does not name the model.
    """
    if len(documents) > MAX_DOCUMENTS:
        candidates = ModelCandidates.from_controls(model, controls).candidates
        if len(set(candidates)) > 1:
            raise ValueError(
                f"documents: {len(documents)} documents need several requests of up to "
                f"{MAX_DOCUMENTS}, which different models could answer because of fallbacks or "
                "load_balancer. Their scores are not comparable. Pass fewer documents, or "
                "controls={'fallbacks': None, 'load_balancer': None}."
            )
    return [
        documents[start : start + MAX_DOCUMENTS]
        for start in range(0, len(documents), MAX_DOCUMENTS)
    ]


def parse_scores(
    response: Response, count: int, top_n: int | None = None, offset: int = 0
) -> list[RerankScore]:
    """Parse a response, the most relevant document first.

    Args:
        response: The response.
        count: Number of documents in the request.
        top_n: Requested number of results. By default all documents.
        offset: Position in the input of the first document of the request.

    Raises:
        MalformedResponseError: There are too many results or none, or an index or score is
            invalid.
        EmbeddedError: The body is an error.
    """
    results = response.json_object().get("results")
    if not isinstance(results, list):
        raise MalformedResponseError(
            f"'results' must be an array of scores, not {get_json_type_name(results)}"
        )
    expected = min(count, top_n or count)
    if not results or len(results) > expected:
        raise MalformedResponseError(f"expected up to {expected} results, got {len(results)}")
    scores = [_parse_score(as_dict(item), count) for item in results]
    if len({item.index for item in scores}) < len(scores):
        raise MalformedResponseError("'results' contains a document twice")
    return sort_scores(RerankScore(item.index + offset, item.score) for item in scores)


def sort_scores(scores: Any) -> list[RerankScore]:
    """Sort scores, the highest first; documents with equal scores keep their order."""
    return sorted(scores, key=lambda item: (-item.score, item.index))


def _parse_score(item: dict[str, Any], count: int) -> RerankScore:
    index, score = as_int(item.get("index", 0)), item.get("relevance_score")
    if index is None or not 0 <= index < count:
        raise MalformedResponseError(
            f"the index {item.get('index')!r:.40} is not one of the {count} documents"
        )
    if not isinstance(score, (int, float)) or isinstance(score, bool):
        raise MalformedResponseError(f"the score of document {index} is {score!r:.40}")
    return RerankScore(index, float(score))
