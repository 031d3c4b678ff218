"""Signatures and docstrings of models whose validators are built late."""

import pydoc
import subprocess
import sys
from inspect import signature

import pytest

import orq_router_integrations
from orq_router_integrations import ChatOrq

ARGUMENTS = {
    "ChatOrq": {"model", "controls", "temperature", "api_key"},
    "OrqImageTool": {"model", "size", "controls", "timeout"},
    "OrqSpeechTool": {"model", "voice", "controls"},
    "OrqTranscriptionLoader": {"source", "model", "granularity"},
    "OrqAudioParser": {"model", "granularity"},
    "RouterClient": {"api_key", "controls", "http_client"},
    "RouterControls": {"fallbacks", "retry", "cache"},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_help_describes_arguments(name):
    text = pydoc.plain(pydoc.render_doc(getattr(orq_router_integrations, name)))
    header, _, args = text.partition("Args:")
    args, _, _ = args.partition("Method resolution order")
    for argument in ARGUMENTS[name]:
        assert argument in header
        assert f"{argument}: " in args


@pytest.mark.slow
@pytest.mark.parametrize("name", ARGUMENTS)
def test_signature_is_complete_before_the_first_instance(name):
    code = (
        "import inspect, orq_router_integrations as o\n"
        f"assert {ARGUMENTS[name]} <= inspect.signature(o.{name}).parameters.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_subclass_has_its_own_signature():
    ChatOrq(model="openai/gpt-4o", api_key="any")  # builds the validators of the base class

    class CustomModel(ChatOrq):
        tone: str = "kind"

    assert "tone" in signature(CustomModel).parameters
    assert "tone" not in signature(ChatOrq).parameters
    assert CustomModel(model="openai/gpt-4o", api_key="any").tone == "kind"


def test_subclass_that_is_built_immediately():
    class CustomModel(ChatOrq):
        model_config = {"defer_build": False}
        tone: str = "kind"

    assert "tone" in signature(CustomModel).parameters


def test_subclass_with_undefined_type():
    class CustomModel(ChatOrq):
        later: "Later | None" = None  # noqa: F821

    assert "later" in signature(CustomModel).parameters
