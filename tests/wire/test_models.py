"""Lists of models, and cost estimates from the catalog."""

from typing import Any

import orjson
import pytest

from orq_router_integrations.wire.call import MalformedResponseError, Response
from orq_router_integrations.wire.models import (
    CatalogModel,
    EnabledModel,
    build_catalog_call,
    parse_catalog,
    parse_models,
)

ENTRY: dict[str, Any] = {
    "id": "openai/gpt-4o",
    "created": "2025-01-01T00:00:00Z",
    "name": "GPT-4o",
    "description": "A model.",
    "provider": {"id": "openai", "logo": ""},
    "endpoints": ["chat"],
    "modalities": {"input": ["text", "image"], "output": ["text"]},
    "offering_of": "openai/gpt-4o",
    "supported_parameters": ["temperature"],
    "features": ["tool_calling", "vision"],
    "deprecated": False,
    "zdr": True,
    "context_window": "128000",
}


def create_response(data: Any, **fields: Any) -> Response:
    return Response(200, {}, orjson.dumps({"object": "list", "data": data, **fields}))


def test_enabled_models_are_parsed():
    data = [{"id": "a/b", "object": "model", "created": 5, "owned_by": "a"}, {"id": "c/d"}, "x", {}]
    assert parse_models(create_response(data)) == [EnabledModel("a/b", "a", 5), EnabledModel("c/d")]


def test_null_is_the_empty_list():
    assert parse_models(create_response(None)) == []


@pytest.mark.parametrize("body", [b"{}", b'{"data": 5}', b"[]"])
def test_missing_list_raises(body):
    with pytest.raises(MalformedResponseError):
        parse_models(Response(200, {}, body))


def test_catalog_entry_is_parsed():
    (model,) = parse_catalog(create_response([ENTRY], has_more=False))
    assert (model.id, model.context_window) == ("openai/gpt-4o", 128000)
    assert (model.input_modalities, model.output_modalities) == ({"text", "image"}, {"text"})
    assert model.supports("vision")
    assert not model.supports("web_search")
    assert model.fields == ENTRY


def test_entry_may_have_only_an_id():
    (model,) = parse_catalog(create_response([{"id": "a/b", "features": None}]))
    assert (model.context_window, model.features) == (None, frozenset())


def test_incomplete_catalog_raises():
    with pytest.raises(MalformedResponseError, match="incomplete"):
        parse_catalog(create_response([ENTRY], has_more=True))


def test_unknown_filter_raises():
    with pytest.raises(ValueError, match="Did you mean 'provider'"):
        build_catalog_call({"providers": "openai"})


def build_price(cost: Any, **fields: Any) -> dict[str, Any]:
    return {"cost": cost, "currency": "USD", "per": 1_000_000, "unit": "token"} | fields


BASE = {"input": build_price(2), "output": build_price(8.0)}
LONG = {"when": "input_tokens > 200000", "input": build_price(4)}
ESTIMATES = {
    "base": (BASE, 1000, 500, 0.006),
    "no output": (BASE, 1000, 0, 0.002),
    "nothing": (BASE, 0, 0, 0.0),
    "plural unit": ({"input": build_price(2, unit="tokens")}, 1000, 0, 0.002),
    "variant applies": (BASE | {"variants": [LONG]}, 300_000, 0, 1.2),
    "variant does not apply": (BASE | {"variants": [LONG]}, 1000, 0, 0.002),
    "variant of a tier": (
        BASE | {"variants": [{"when": "tier == 'priority' && input_tokens > 0", **LONG}]},
        1000,
        0,
        0.002,
    ),
    "unknown condition": (BASE | {"variants": [{"when": "size(tier) > 2"}]}, 1000, 0, None),
    "condition of another type": (BASE | {"variants": [{"when": "tier > 2"}]}, 1000, 0, None),
    "no prices": ({}, 1000, 0, None),
    "no output price": ({"input": build_price(2)}, 1000, 5, None),
    "other currency": ({"input": build_price(2, currency="EUR")}, 1000, 0, None),
    "other unit": ({"input": build_price(2, unit="second")}, 1000, 0, None),
    "invalid cost": ({"input": build_price("free")}, 1000, 0, None),
}


@pytest.mark.parametrize(
    ("pricing", "input_tokens", "output_tokens", "expected"), ESTIMATES.values(), ids=ESTIMATES
)
def test_cost_is_estimated_from_prices(pricing, input_tokens, output_tokens, expected):
    cost = CatalogModel(id="a/b", pricing=pricing).estimate_cost(input_tokens, output_tokens)
    assert cost == (expected if expected is None else pytest.approx(expected))
