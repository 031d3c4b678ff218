"""Models that are built late: their signatures are whole before."""

import subprocess
import sys
from inspect import signature

import pytest

from orq_router_integrations import ChatOrq

NAMES = {
    "ChatOrq": {"model", "controls", "temperature", "api_key"},
    "OrqImageTool": {"model", "size", "controls", "timeout"},
    "OrqSpeechTool": {"model", "voice", "controls"},
    "OrqTranscriptionLoader": {"source", "model", "granularity"},
    "OrqAudioParser": {"model", "granularity"},
    "RouterClient": {"api_key", "controls", "http_client"},
    "RouterControls": {"fallbacks", "retry", "cache"},
}


@pytest.mark.parametrize("name", NAMES)
def test_help_knows_every_argument_before_anything_is_built(name):
    code = (
        "import inspect, orq_router_integrations as o\n"
        f"assert {NAMES[name]} <= inspect.signature(o.{name}).parameters.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_a_class_of_ones_own_has_its_own_signature():
    ChatOrq(model="openai/gpt-4o", api_key="any")  # builds it

    class Mine(ChatOrq):
        tone: str = "kind"

    assert "tone" in signature(Mine).parameters
    assert "tone" not in signature(ChatOrq).parameters
    assert Mine(model="openai/gpt-4o", api_key="any").tone == "kind"


def test_a_class_that_is_built_at_once_has_its_own_too():
    class AtOnce(ChatOrq):
        model_config = {"defer_build": False}
        tone: str = "kind"

    assert "tone" in signature(AtOnce).parameters


def test_a_type_that_is_not_known_yet_breaks_nothing():
    class Early(ChatOrq):
        later: "Later | None" = None  # noqa: F821

    assert hasattr(Early, "__signature__")
    assert "later" in signature(Early).parameters
