"""Who answered, where a reply does not say it in so many words."""

import pytest

from orq_router_integrations.wire.model_candidates import ANSWERED_MODEL_HEADER, ModelCandidates

PAIR = ModelCandidates("openai/gpt-image-1", ("openai/gpt-image-1", "azure/dall-e-3"))
ALONE = ModelCandidates("openai/gpt-image-1", ("openai/gpt-image-1",))


@pytest.mark.parametrize(
    ("asked", "named", "headers", "model"),
    [
        (PAIR, "dall-e-3", {}, "azure/dall-e-3"),
        (PAIR, "dall-e-3", {ANSWERED_MODEL_HEADER: "x/y"}, "azure/dall-e-3"),
        (PAIR, None, {ANSWERED_MODEL_HEADER: "azure/dall-e-3"}, "azure/dall-e-3"),
        (PAIR, "", {}, None),
        (PAIR, 7, {}, None),
        (PAIR, None, {}, None),
        (ALONE, None, {}, "openai/gpt-image-1"),
        (ALONE, "gpt-image-1-2026-01-01", {}, "openai/gpt-image-1-2026-01-01"),
        (ALONE, "openai/gpt-image-1", {}, "openai/gpt-image-1"),
        (ALONE, "openai/gpt-image-1-2026-01-01", {}, "openai/gpt-image-1-2026-01-01"),
        (PAIR, "azure/dall-e-3", {}, "azure/dall-e-3"),
        (ModelCandidates("groq/openai/x", ("groq/openai/x",)), "openai/x", {}, "groq/openai/x"),
    ],
)
def test_the_model_that_answered_is_named_only_where_that_is_certain(asked, named, headers, model):
    assert asked.resolve_model(named, headers) == model
