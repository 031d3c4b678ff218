"""Signatures, docstrings and positional arguments of models whose validators are built late."""

import inspect
import pydoc
import subprocess
import sys
from typing import ClassVar

import pytest
from pydantic import Field

import orq_router_integrations
from orq_router_integrations import (
    ChatOrq,
    OrqAudioParser,
    OrqImageTool,
    OrqSpeechTool,
    OrqTranscriptionLoader,
    OrqTranslationLoader,
    RouterClient,
    RouterControls,
)
from orq_router_integrations.wire.deferred_model import DeferredModel

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

    assert "tone" in inspect.signature(CustomModel).parameters
    assert "tone" not in inspect.signature(ChatOrq).parameters
    assert CustomModel(model="openai/gpt-4o", api_key="any").tone == "kind"


def test_subclass_may_be_built_immediately():
    class CustomModel(ChatOrq):
        model_config = {"defer_build": False}
        tone: str = "kind"

    assert "tone" in inspect.signature(CustomModel).parameters


def test_subclass_may_have_an_undefined_type():
    class CustomModel(ChatOrq):
        later: "Later | None" = None  # noqa: F821

    assert "later" in inspect.signature(CustomModel).parameters


PUBLIC_MODELS = [
    ChatOrq,
    OrqAudioParser,
    OrqImageTool,
    OrqSpeechTool,
    OrqTranscriptionLoader,
    OrqTranslationLoader,
    RouterClient,
    RouterControls,
]


class Tea(DeferredModel):
    """A cup of tea.

    Raises:
        ValueError: Never.

    >>> 1 + 1
    2
    """

    positional_field: ClassVar[str | None] = "kind"

    sugar: int = Field(default=2, description="Spoons of sugar")
    notes: dict[str, str] = Field(default_factory=dict, description="Anything else.")
    secret: str = Field(default_factory=lambda: "hidden", description="A secret")
    label: str = Field(default="none", description="Any text")
    kind: str = Field(description="Kind of tea")
    inherited: int | None = None


class Plain(DeferredModel):
    """Nothing described."""

    size: int = 1


def test_signature_has_defaults_and_no_annotations():
    assert str(inspect.signature(Tea)) == (
        "(kind, *, sugar=2, notes={}, secret=<computed>, label='none', inherited=None)"
    )


def test_signature_survives_building_the_model():
    Tea(kind="green")
    assert str(inspect.signature(Tea)).startswith("(kind, *, sugar=2")


def test_docstring_lists_the_descriptions_before_other_sections():
    assert Tea.__doc__ == (
        "A cup of tea.\n\n"
        "Args:\n"
        "    kind: Kind of tea.\n"
        "    sugar: Spoons of sugar.\n"
        "    notes: Anything else.\n"
        "    secret: A secret.\n"
        "    label: Any text.\n\n"
        "Raises:\n    ValueError: Never.\n\n"
        ">>> 1 + 1\n2"
    )


def test_docstring_without_descriptions_is_unchanged():
    assert Plain.__doc__ == "Nothing described."


def test_docstring_is_inherited_without_changes():
    class GreenTea(Tea):
        pass

    assert GreenTea.__doc__ is None


@pytest.mark.parametrize("model", PUBLIC_MODELS, ids=lambda model: model.__name__)
def test_help_describes_every_argument(model):
    text = pydoc.plain(pydoc.render_doc(model))
    inherited = {
        name
        for base in model.__mro__
        if base.__module__.startswith("langchain_core.")
        for name in getattr(base, "model_fields", ())
    }
    for name in model.model_fields.keys() - inherited:
        assert f"\n |      {name}: " in text


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((), {"kind": "green", "sugar": 1}),
        (("green",), {"sugar": 1}),
    ],
)
def test_positional_argument_is_bound(args, kwargs):
    assert Tea(*args, **kwargs).model_dump(exclude_unset=True) == {"kind": "green", "sugar": 1}


@pytest.mark.parametrize(
    ("model", "args", "kwargs", "message"),
    [
        (
            Tea,
            ("green", 3),
            {},
            "one positional argument, 'kind'. Use keyword arguments, such as sugar=..., notes=...",
        ),
        (Tea, ("green",), {"kind": "black"}, "Tea got 'kind' twice: by position and by keyword."),
    ],
)
def test_wrong_positional_arguments_raise(model, args, kwargs, message):
    with pytest.raises(TypeError) as raised:
        model(*args, **kwargs)
    assert str(raised.value).endswith(message)
