"""Model profiles: the table, and the model ids it covers."""

import json
import runpy
from datetime import date
from pathlib import Path
from typing import get_type_hints

import pytest
from langchain_core.language_models import ModelProfile

from orq_router_integrations import OfflineRouter
from orq_router_integrations.chat_models import profiles
from orq_router_integrations.chat_models.profiles import get_profile

DIRECTORY = Path(__file__).parents[1] / "profiles"
GENERATOR = runpy.run_path(str(DIRECTORY / "generate.py"))
FACTS = json.loads((DIRECTORY / "facts.json").read_text("utf-8"))
TABLE = json.loads(GENERATOR["TABLE"].read_text("utf-8"))


class TestTable:
    def test_is_up_to_date(self):
        assert GENERATOR["build_table"](FACTS).encode() == GENERATOR["TABLE"].read_bytes()

    def test_is_small(self):
        assert GENERATOR["TABLE"].stat().st_size <= 60_000

    def test_has_only_the_keys_of_langchain(self):
        types = get_type_hints(ModelProfile)
        for profile in TABLE["profiles"]:
            for key, value in profile.items():
                assert type(value) is types[key], key

    def test_catalog_is_converted_to_facts(self):
        client = OfflineRouter(models=["openai/gpt-4o", "acme/new-chat"]).client()
        family = GENERATOR["build_family"](client.list_catalog_models(endpoint="chat"), FACTS)
        assert list(family["models"]) == ["acme/new-chat"]
        table = json.loads(GENERATOR["build_table"]({"families": [*FACTS["families"], family]}))
        profile = table["profiles"][table["models"]["acme/new-chat"]]
        assert (profile["max_input_tokens"], profile["tool_calling"]) == (128_000, True)
        assert (profile["image_inputs"], profile["audio_inputs"]) == (True, False)

    def test_is_read_once(self):
        profiles._load_table.cache_clear()
        assert get_profile("openai/gpt-4o")
        assert get_profile("openai/gpt-4.1")
        assert profiles._load_table.cache_info().misses == 1

    @pytest.mark.parametrize("family", FACTS["families"], ids=lambda family: family["name"])
    def test_family_has_a_source_and_a_date(self, family):
        assert family["source"]
        assert date.fromisoformat(family["checked"]) > date(2026, 1, 1)

    def test_duplicate_model_raises(self):
        family = FACTS["families"][0]
        with pytest.raises(ValueError, match="openai/gpt-4o is in two families"):
            GENERATOR["build_table"]({"families": [family, family]})


@pytest.mark.parametrize(
    ("snapshot", "model"),
    [
        ("openai/gpt-4o-2024-08-06", "openai/gpt-4o"),
        ("openai/gpt-4o-mini-2024-07-18", "openai/gpt-4o-mini"),
        ("azure/gpt-4.1-2025-04-14", "azure/gpt-4.1"),
        ("anthropic/claude-sonnet-4-5-20250929", "anthropic/claude-sonnet-4-5"),
        ("anthropic/claude-3-5-sonnet-latest", "anthropic/claude-3-5-sonnet"),
        ("anthropic/claude-haiku-4-5@20251001", "anthropic/claude-haiku-4-5"),
        (
            "aws/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
            "aws/eu.anthropic.claude-sonnet-4-5",
        ),
        ("aws/anthropic.claude-opus-4-6-v1", "aws/anthropic.claude-opus-4-6"),
    ],
)
def test_snapshot_has_the_profile_of_its_model(snapshot, model):
    assert get_profile(snapshot) == get_profile(model) is not None


def test_snapshot_can_have_its_own_profile():
    first, later = get_profile("openai/gpt-4o-2024-05-13"), get_profile("openai/gpt-4o")
    assert (first["structured_output"], later["structured_output"]) == (False, True)
    assert first["max_output_tokens"] < later["max_output_tokens"]


@pytest.mark.parametrize(
    "model",
    [
        "acme@orq/gpt-4o",
        "acme@orq/openai/gpt-4o",
        "gpt-4o",
        "openai/gpt-4o-realtime-preview",
        "openai/gpt-4o-minimal",
        "openai/gpt-4",
        "openai/o1-preview-2024-09-12",
        "openai/gpt-5-chat-latest",
        "openai/gpt-4o-v1:0",
        "OpenAI/gpt-4o",
        "acme/gpt-4o",
        "",
    ],
)
def test_unknown_model_id_has_no_profile(model):
    assert get_profile(model) is None


@pytest.mark.parametrize(
    "model",
    [
        "openai/gpt-4o",
        "azure/gpt-4o",
        "anthropic/claude-sonnet-4-5",
        "aws/eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        "google/gemini-2.5-pro",
        "google-ai/gemini-2.5-pro",
    ],
)
def test_structured_output_is_supported(model):
    assert get_profile(model)["structured_output"]


@pytest.mark.parametrize("model", ["groq/llama-3.3-70b-versatile", "mistral/mistral-large-2411"])
def test_unconfirmed_properties_are_left_out(model):
    assert "structured_output" not in get_profile(model)


def test_video_input_is_not_supported():
    assert not get_profile("google/gemini-2.5-pro")["video_inputs"]


def test_profiles_are_copies():
    get_profile("openai/gpt-4o")["max_input_tokens"] = 1
    assert get_profile("openai/gpt-4o")["max_input_tokens"] == 128000
