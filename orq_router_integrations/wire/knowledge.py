"""Parameters and responses of ``POST /v2/knowledge/{id}/search``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from orq_router_integrations.wire.arguments import suggest_name
from orq_router_integrations.wire.call import MalformedResponseError, Response, get_array
from orq_router_integrations.wire.controls import Control, JsonObject, ModelId, Share
from orq_router_integrations.wire.deferred_model import optional
from orq_router_integrations.wire.json import as_dict, as_float, as_str

SearchType = Literal["vector_search", "keyword_search", "hybrid_search"]
ResultCount = Annotated[int, Field(strict=True, ge=1, le=100)]

_COMBINATIONS = frozenset({"and", "or"})
_NUMBER_OPERATORS = frozenset({"gt", "gte", "lt", "lte"})
_LIST_OPERATORS = frozenset({"in", "nin"})
_OPERATORS = _NUMBER_OPERATORS | _LIST_OPERATORS | {"eq", "ne", "exists"}


def check_filter(value: JsonObject) -> JsonObject:
    """Reject a filter that the documentation does not allow."""
    for name, condition in value.items():
        if name in _COMBINATIONS:
            if not isinstance(condition, list) or not condition:
                raise ValueError(f"{name}: Expected a list of filters, got {condition!r:.60}.")
            for item in condition:
                if not isinstance(item, dict):
                    raise ValueError(f"{name}: Expected a dict, got {item!r:.60}.")
                check_filter(item)
        elif not isinstance(condition, dict) or not condition:
            raise ValueError(
                f"{name}: Expected a condition such as {{'eq': {condition!r:.40}}}, got "
                f"{condition!r:.40}."
            )
        else:
            _check_condition(name, condition)
    return value


def _check_condition(name: str, condition: dict[str, Any]) -> None:
    operator, *others = condition
    if others:
        raise ValueError(
            f"{name}: Use one operator per condition, and combine conditions with 'and'."
        )
    path, operand = f"{name}.{operator}", condition[operator]
    if operator not in _OPERATORS:
        hint = suggest_name(operator, _OPERATORS) or f" Use {', '.join(sorted(_OPERATORS))}."
        raise ValueError(f"{path}: Unknown operator.{hint}")
    is_number = isinstance(operand, int | float) and not isinstance(operand, bool)
    if operator in _NUMBER_OPERATORS and not is_number:
        raise ValueError(f"{path}: Expected a number, got {operand!r:.40}.")
    if operator in _LIST_OPERATORS and not isinstance(operand, list):
        raise ValueError(f"{path}: Expected a list, got {operand!r:.40}.")
    if operator == "exists" and not isinstance(operand, bool):
        raise ValueError(f"{path}: Expected a bool, got {operand!r:.40}.")


Filter = Annotated[JsonObject, AfterValidator(check_filter)]


class KnowledgeRerank(Control):
    """Rerank the results of a search with another model."""

    model: ModelId = Field(description="The rerank model, as `provider/model`")
    threshold: Share | None = optional("Minimum score from 0 to 1. By default 0")
    top_k: ResultCount | None = optional("How many results to keep, 1 to 100. By default 10")


@dataclass(frozen=True, slots=True, kw_only=True)
class KnowledgeMatch:
    """One result of a search.

    Attributes:
        id: Id of the chunk.
        text: Text of the chunk.
        metadata: Metadata of the chunk, including custom keys.
        search_score: Score of the search.
        rerank_score: Score of the rerank model. ``None`` if the results were not reranked.
    """

    id: str | None
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)
    search_score: float | None = None
    rerank_score: float | None = None


def parse_matches(response: Response) -> list[KnowledgeMatch]:
    matches = get_array(response.json_object(), "matches")
    return [_parse_match(as_dict(item)) for item in matches]


def _parse_match(item: dict[str, Any]) -> KnowledgeMatch:
    if not isinstance(item.get("text"), str):
        raise MalformedResponseError(f"the match {item.get('id')!r:.60} has no text")
    scores = as_dict(item.get("scores"))
    return KnowledgeMatch(
        id=as_str(item.get("id")) or None,
        text=item["text"],
        metadata=as_dict(item.get("metadata")),
        search_score=as_float(scores.get("search_score")),
        rerank_score=as_float(scores.get("rerank_score")),
    )
