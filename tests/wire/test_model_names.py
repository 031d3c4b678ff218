"""Names of models: which one answered, its provider, and the kind of well-known models."""

import pytest

from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.model_names import (
    ANSWERED_MODEL_HEADER,
    ModelCandidates,
    check_model_kind,
    get_model_kind,
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
def test_answering_model(candidates, body_model, headers, expected):
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
def test_candidates_from_controls(controls, primaries, fallbacks):
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
def test_provider(model, provider):
    assert get_provider(model) == provider


KINDS = {
    "openai/text-embedding-3-small": "embedding",
    "cohere/embed-multilingual-v3.0": "embedding",
    "mistral/mistral-embed": "embedding",
    "aws/cohere.embed-english-v3": "embedding",
    "cohere/rerank-v3.5": "rerank",
    "jina/jina-reranker-v2-base-multilingual": "rerank",
    "openai/gpt-4o": "chat",
    "anthropic/claude-sonnet-4-5": "chat",
    "mistral/mistral-large-latest": "chat",
    "mistral/mistral-ocr-latest": "ocr",
    "openai/omni-moderation-latest": "moderation",
    "openai/whisper-1": "transcription",
    "openai/gpt-image-1": "image",
    "acme/new-model": None,
}


@pytest.mark.parametrize(("model", "kind"), KINDS.items())
def test_kind_of_a_model(model, kind):
    assert get_model_kind(model) == kind


def test_model_of_another_kind_raises():
    with pytest.raises(ValueError, match=r"is for chat\. .* such as cohere/rerank"):
        check_model_kind("openai/gpt-4o", "rerank", "cohere/rerank-v3.5")


@pytest.mark.parametrize("model", ["cohere/rerank-v3.5", "acme/new-model"])
def test_suitable_and_unknown_models_pass(model):
    check_model_kind(model, "rerank", "cohere/rerank-v3.5")


@pytest.mark.parametrize(
    ("model", "kind"),
    [
        ("openai/gpt-4o-transcribe", "transcription"),
        ("openai/gpt-4o-mini-tts", "speech"),
        ("openai/o3-mini", "chat"),
        ("google/gemini-embedding-001", "embedding"),
        ("deepseek/deepseek-ocr", "ocr"),
    ],
)
def test_similar_names_of_different_kinds(model, kind):
    assert get_model_kind(model) == kind
