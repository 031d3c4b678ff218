"""The kinds of well-known models."""

import pytest

from orq_router_integrations.wire.model_kinds import check_model_kind, get_model_kind

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
def test_name_determines_the_kind(model, kind):
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
def test_similar_names_may_have_different_kinds(model, kind):
    assert get_model_kind(model) == kind
