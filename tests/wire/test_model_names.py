"""Names of models: which one answered, and its provider."""

import pytest

from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.model_names import (
    ANSWERED_MODEL_HEADER,
    ModelCandidates,
    get_provider,
)

SINGLE = ModelCandidates("openai/gpt-image-1", ("openai/gpt-image-1",))
PAIR = ModelCandidates("openai/gpt-image-1", ("openai/gpt-image-1", "azure/dall-e-3"))
NESTED = ModelCandidates("groq/openai/x", ("groq/openai/x",))


@pytest.mark.parametrize(
    ("candidates", "body_model", "headers", "expected"),
    [
        (PAIR, "dall-e-3", {}, "azure/dall-e-3"),
        (PAIR, "dall-e-3", {ANSWERED_MODEL_HEADER: "x/y"}, "azure/dall-e-3"),
        (PAIR, None, {ANSWERED_MODEL_HEADER: "azure/dall-e-3"}, "azure/dall-e-3"),
        (PAIR, "", {}, None),
        (PAIR, 7, {}, None),
        (PAIR, None, {}, None),
        (PAIR, "azure/dall-e-3", {}, "azure/dall-e-3"),
        (SINGLE, None, {}, "openai/gpt-image-1"),
        (SINGLE, "gpt-image-1-2026-01-01", {}, "openai/gpt-image-1-2026-01-01"),
        (SINGLE, "openai/gpt-image-1", {}, "openai/gpt-image-1"),
        (SINGLE, "openai/gpt-image-1-2026-01-01", {}, "openai/gpt-image-1-2026-01-01"),
        (NESTED, "openai/x", {}, "groq/openai/x"),
    ],
)
def test_response_determines_the_answering_model(candidates, body_model, headers, expected):
    assert candidates.resolve_model(body_model, headers) == expected


@pytest.mark.parametrize(
    ("controls", "primaries", "fallbacks"),
    [
        ({}, ("a/x",), ()),
        ({"fallbacks": ["b/y"]}, ("a/x",), ("b/y",)),
        ({"load_balancer": {"models": ["c/v", "c/w"]}}, ("c/v", "c/w"), ()),
        ({"load_balancer": {"models": ["c/v"]}, "fallbacks": ["b/y"]}, ("c/v",), ("b/y",)),
    ],
)
def test_controls_determine_the_candidates(controls, primaries, fallbacks):
    candidates = ModelCandidates.from_controls("a/x", RouterControls(**controls))
    assert (candidates.primaries, candidates.fallbacks) == (primaries, fallbacks)
    assert candidates.candidates == primaries + fallbacks


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("openai/gpt-4o", "openai"),
        ("groq/openai/x", "groq"),
        ("gpt-4o", ""),
        ("acme@orq/router", ""),
        ("agent/support", ""),
    ],
)
def test_provider_is_the_prefix_of_the_name(model, provider):
    assert get_provider(model) == provider
