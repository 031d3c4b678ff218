"""Lists of models: those enabled in the workspace, and the catalog of the platform."""

import operator
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orq_router_integrations.wire.arguments import reject_unknown_arguments, validate_list
from orq_router_integrations.wire.call import Call, MalformedResponseError, Response, get_array
from orq_router_integrations.wire.endpoints import MODEL_CATALOG, MODELS
from orq_router_integrations.wire.json import as_dict, as_dicts, as_float, as_int, as_str

CATALOG_FILTERS = frozenset({
    "provider", "endpoint", "input_modality", "output_modality", "feature",
    "supported_parameter", "location", "tier", "offering_of", "search",
})  # fmt: skip

_CONDITION = re.compile(r"""\s*(\w+)\s*(<=|>=|==|!=|<|>)\s*(\d+|"[^"]*"|'[^']*')\s*""")
_OPERATORS = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


@dataclass(frozen=True, slots=True)
class EnabledModel:
    """A model that is enabled in the workspace.

    Attributes:
        id: Provider and model, such as ``openai/gpt-4o``.
        owned_by: Owner of the model, as sent by the router.
        created: Unix time in seconds, if known.
    """

    id: str
    owned_by: str = ""
    created: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogModel:
    """An entry of the catalog: a model as one provider offers it.

    Attributes:
        id: Provider and model, such as ``openai/gpt-4o``.
        input_modalities: Kinds of input, such as ``text`` and ``image``.
        output_modalities: Kinds of output.
        features: Capabilities, such as ``tool_calling`` and ``json_mode``.
        supported_parameters: Parameters that the model accepts, such as ``temperature``.
        context_window: Maximum number of input tokens, if known.
        pricing: Prices as sent by the platform. Empty if there are none.
        fields: The complete entry, such as its ``endpoints`` and whether it is ``deprecated``.
    """

    id: str
    input_modalities: frozenset[str] = frozenset()
    output_modalities: frozenset[str] = frozenset()
    features: frozenset[str] = frozenset()
    supported_parameters: frozenset[str] = frozenset()
    context_window: int | None = None
    pricing: Mapping[str, Any] = field(default_factory=dict, repr=False)
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def supports(self, feature: str) -> bool:
        """Return whether the model has a feature, such as ``vision``."""
        return feature in self.features

    def estimate_cost(self, input_tokens: int, output_tokens: int) -> float | None:
        """Estimate the price of a call in US dollars from the prices in the catalog.

        The estimate applies to the standard service tier, without discounts such as those for
        cached tokens. It is ``None`` if the catalog has no suitable price.

        >>> price = {"cost": 2.0, "currency": "USD", "per": 1_000_000, "unit": "token"}
        >>> CatalogModel(id="a/b", pricing={"input": price}).estimate_cost(1000, 0)
        0.002
        """
        facts = {
            "input_tokens": input_tokens,
            "output_tokens": output_tokens,
            "total_tokens": input_tokens + output_tokens,
            "tier": "",
        }
        prices = dict(self.pricing)
        try:
            for variant in as_dicts(prices.pop("variants", None)):
                if _evaluate_condition(as_str(variant.get("when")), facts):
                    prices |= variant
            tokens = {"input": input_tokens, "output": output_tokens}
            costs = (_get_token_price(prices.get(kind)) * n for kind, n in tokens.items() if n)
            return sum(costs, start=0.0)
        except (KeyError, TypeError, ValueError):  # an unknown condition, or another kind of price
            return None


def _get_token_price(price: Any) -> float:
    """Return the price of one token in US dollars."""
    fields = as_dict(price)
    if as_str(fields.get("currency")).upper() != "USD":
        raise ValueError("the price is not in US dollars")
    if fields.get("unit") not in {"token", "tokens"}:
        raise ValueError("the price is not per token")
    return float(fields["cost"]) / (as_float(fields.get("per")) or 1)


def _evaluate_condition(condition: str, facts: Mapping[str, Any]) -> bool:
    """Evaluate comparisons that are joined by ``&&``, the part of CEL that prices use."""
    results = []
    for comparison in condition.split("&&"):
        match = _CONDITION.fullmatch(comparison)
        if not match:
            raise ValueError(f"unknown condition {comparison!r}")
        name, operator_name, literal = match.groups()
        value = int(literal) if literal.isdecimal() else literal[1:-1]
        results.append(_OPERATORS[operator_name](facts[name], value))
    return all(results)


def build_list_call() -> Call[list[EnabledModel]]:
    return Call(endpoint=MODELS, body={}, parse=parse_models)


def parse_models(response: Response) -> list[EnabledModel]:
    return [
        EnabledModel(item["id"], as_str(item.get("owned_by")), as_int(item.get("created")))
        for item in _get_entries(response.json_object())
    ]


def build_catalog_call(filters: Mapping[str, Any]) -> Call[list[CatalogModel]]:
    """Create the call that lists the catalog. A list of values matches any of them."""
    reject_unknown_arguments(filters, CATALOG_FILTERS)
    query: dict[str, str | tuple[str, ...]] = {}
    for name, value in filters.items():
        query[name] = value if isinstance(value, str) else tuple(validate_list(value, str, name))
    return Call(endpoint=MODEL_CATALOG, body={}, query=query, parse=parse_catalog)


def parse_catalog(response: Response) -> list[CatalogModel]:
    body = response.json_object()
    if body.get("has_more"):
        raise MalformedResponseError("the catalog is incomplete")
    return [_parse_entry(item) for item in _get_entries(body)]


def _get_entries(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    if body.get("data", ()) is None:
        return []  # documented as the empty list
    return [item for item in as_dicts(get_array(body, "data")) if as_str(item.get("id"))]


def _parse_entry(item: dict[str, Any]) -> CatalogModel:
    modalities = as_dict(item.get("modalities"))
    return CatalogModel(
        id=item["id"],
        input_modalities=_parse_names(modalities.get("input")),
        output_modalities=_parse_names(modalities.get("output")),
        features=_parse_names(item.get("features")),
        supported_parameters=_parse_names(item.get("supported_parameters")),
        context_window=as_int(item.get("context_window")),
        pricing=as_dict(item.get("pricing")),
        fields=item,
    )


def _parse_names(value: Any) -> frozenset[str]:
    return frozenset(filter(None, map(as_str, value if isinstance(value, list) else ())))
