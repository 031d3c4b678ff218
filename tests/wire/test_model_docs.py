"""Signatures and docstrings generated from field descriptions."""

import inspect
import pydoc
from typing import ClassVar

import pytest
from pydantic import Field

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
from orq_router_integrations.wire.model_docs import bind_positional_args

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
    label: str = Field(default="x" * 50, description="A long text")
    kind: str = Field(description="Kind of tea", examples=["green"])
    inherited: int | None = None


class Plain(DeferredModel):
    """Nothing described."""

    size: int = 1


def test_signature_has_short_defaults_and_no_annotations():
    assert str(inspect.signature(Tea)) == (
        "(kind, *, sugar=2, notes={}, label=..., inherited=None)"
    )


def test_signature_survives_building_the_model():
    Tea(kind="green")
    assert str(inspect.signature(Tea)).startswith("(kind, *, sugar=2")


def test_docstring_lists_the_descriptions_before_other_sections():
    assert Tea.__doc__ == (
        "A cup of tea.\n\n"
        "Args:\n"
        "    kind: Kind of tea.\n"
        "    sugar: Spoons of sugar. Defaults to 2.\n"
        "    notes: Anything else.\n"
        "    label: A long text.\n"
        "    inherited: See the base class.\n\n"
        "Raises:\n    ValueError: Never.\n\n"
        ">>> 1 + 1\n2\n"
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
    ("args", "kwargs", "bound"),
    [
        ((), {"sugar": 1}, {"sugar": 1}),
        (("green",), {"sugar": 1}, {"kind": "green", "sugar": 1}),
    ],
)
def test_positional_argument_is_bound(args, kwargs, bound):
    assert bind_positional_args(Tea, args, kwargs) == bound


@pytest.mark.parametrize(
    ("model", "args", "kwargs", "message"),
    [
        (
            Tea,
            ("green", 3),
            {},
            "Pass the others by keyword: Tea(kind, sugar=...).",
        ),
        (Tea, ("green",), {"kind": "black"}, "Tea got 'kind' twice: by position and by keyword."),
        (Plain, (1,), {}, "Plain takes keyword arguments only: Plain(size=...)."),
    ],
)
def test_wrong_positional_arguments_raise(model, args, kwargs, message):
    with pytest.raises(TypeError) as raised:
        bind_positional_args(model, args, kwargs)
    assert str(raised.value).endswith(message)
