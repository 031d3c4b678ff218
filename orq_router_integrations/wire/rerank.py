"""Parameters and responses of ``POST /rerank``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.wire.call import MalformedResponseError, Response, get_array
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.json import as_dict, as_float, as_int
from orq_router_integrations.wire.model_names import ModelCandidates

MAX_DOCUMENTS = 1000  # in one request


@dataclass(frozen=True, slots=True)
class RerankScore:
    index: int  # position of the document in the input
    score: float  # 0 to 1


def split_documents(
    documents: Sequence[str], model: str, controls: RouterControls
) -> list[Sequence[str]]:
    """Divide documents into groups for one request each.

    Several requests must go to the same model, because the scores of different models are not
    comparable, and the response does not name the model.
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
    """Parse the scores of ``count`` documents from position ``offset``, the best score first."""
    results = get_array(response.json_object(), "results")
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
    # Go's JSON encoder may omit zero values
    index, score = as_int(item.get("index", 0)), as_float(item.get("relevance_score"))
    if index is None or not 0 <= index < count:
        raise MalformedResponseError(
            f"the index {item.get('index')!r:.40} is not one of the {count} documents"
        )
    if score is None:
        received = item.get("relevance_score")
        raise MalformedResponseError(f"the score of document {index} is {received!r:.40}")
    return RerankScore(index, score)
