"""Responses of the endpoint ``/moderations``."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orq_router_integrations.wire.call import MalformedResponseError, Response
from orq_router_integrations.wire.html_table import format_table
from orq_router_integrations.wire.json import as_dict, as_float, as_str


@dataclass(frozen=True, slots=True, kw_only=True)
class ModerationResult:
    """The result of a moderation model for one text.

    Attributes:
        flagged: Whether the text is harmful: as reported by the provider, or otherwise whether it
            belongs to any category.
        categories: Whether the text belongs to each category. The names depend on the provider.
        scores: The confidence for each category, 0 to 1.
        model: The model that answered.
        trace_id: The router's trace of the request.
    """

    flagged: bool
    categories: Mapping[str, bool] = field(default_factory=dict)
    scores: Mapping[str, float] = field(default_factory=dict)
    model: str | None = None
    trace_id: str | None = None

    @property
    def flagged_categories(self) -> tuple[str, ...]:
        return tuple(name for name, is_member in self.categories.items() if is_member)

    def _repr_html_(self) -> str:
        """Return a table of the categories for notebooks."""
        verdict = "flagged" if self.flagged else "not flagged"
        rows = [
            (name, "yes" if is_member else "no", self.scores.get(name))
            for name, is_member in self.categories.items()
        ]
        return format_table((verdict, "category applies", "score"), rows)


def parse_moderation(response: Response, *, count: int) -> list[ModerationResult]:
    """Parse the results for ``count`` texts, in their order."""
    body = response.json_object()
    results = body.get("results")
    if not isinstance(results, list) or len(results) != count:
        received = len(results) if isinstance(results, list) else "none"
        raise MalformedResponseError(f"expected {count} moderation results, got {received}")
    model = as_str(body.get("model")) or None
    return [_parse_result(result, model, response.trace_id) for result in results]


def _parse_result(result: Any, model: str | None, trace_id: str | None) -> ModerationResult:
    fields = as_dict(result)
    values = as_dict(fields.get("categories"))
    categories = {name: value for name, value in values.items() if isinstance(value, bool)}
    flagged = fields.get("flagged")
    if flagged is None and all(isinstance(value, bool | None) for value in values.values()):
        flagged = any(categories.values()) if categories else None  # Mistral has only categories
    if not isinstance(flagged, bool) or fields.get("error"):
        raise MalformedResponseError("a moderation result does not say whether text is flagged")
    scores = as_dict(fields.get("category_scores"))
    return ModerationResult(
        flagged=flagged,
        categories=categories,
        scores={
            name: score for name, value in scores.items() if (score := as_float(value)) is not None
        },
        model=model,
        trace_id=trace_id,
    )
