"""Shared behavior of tool results: restoring them, and warnings about file suffixes."""

import warnings
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.tools.artifact import warn_if_wrong_suffix
from orq_router_integrations.tools.image_result import IMAGE_SUFFIXES, ImageResult
from orq_router_integrations.tools.speech_audio import AUDIO_SUFFIXES
from orq_router_integrations.tools.speech_result import Speech


def create_message(**fields: Any) -> ToolMessage:
    return ToolMessage(**{"content": "text", "tool_call_id": "1"} | fields)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (AIMessage("Hi"), "Expected a ToolMessage or its artifact, got AIMessage"),
        ([create_message()], "Expected a ToolMessage or its artifact, got list"),
        ("boat.png", "Expected a ToolMessage or its artifact, got str"),
        (None, "got NoneType"),
        (create_message(), "It has no artifact. Pass the ToolMessage that the tool returned"),
        (create_message(status="error", content="No voice."), "The tool failed: No voice."),
        (create_message(artifact=[1]), "Its artifact is list, not a dict: another tool created it"),
        ({}, "model: Field required"),
        (create_message(artifact={"model": 1}), "model: Input should be a valid string, not 1"),
    ],
    ids=[
        *("answer", "list", "text", "nothing", "without artifact", "failed", "artifact of another"),
        *("empty dict", "wrong dict"),
    ],
)
@pytest.mark.parametrize("result", [ImageResult, Speech])
def test_of_explains_what_it_needs(result: Any, source: Any, message: str) -> None:
    with pytest.raises(RouterInputError, match=message) as caught:
        result.of(source)
    assert str(caught.value).startswith(result.missing_message)


@pytest.mark.parametrize(
    ("path", "content_type", "suffixes"),
    [
        ("a.mp3", "wav", AUDIO_SUFFIXES),
        ("a.mp3", None, AUDIO_SUFFIXES),
        ("a.JPEG", "image/png", IMAGE_SUFFIXES),
    ],
)
def test_warns_if_suffix_belongs_to_another_format(path, content_type, suffixes):
    with pytest.warns(UserWarning, match=f"{path} contains {content_type or 'an unknown format'}"):
        warn_if_wrong_suffix(Path(path), content_type, suffixes)


@pytest.mark.parametrize(
    ("path", "content_type", "suffixes"),
    [
        ("a.ogg", "opus", AUDIO_SUFFIXES),
        ("a.ogg", "ogg", AUDIO_SUFFIXES),
        ("a.bin", "wav", AUDIO_SUFFIXES),
        ("a.jpeg", "image/jpeg", IMAGE_SUFFIXES),
        ("a", "image/png", IMAGE_SUFFIXES),
    ],
)
def test_accepts_matching_and_unrelated_suffixes(path, content_type, suffixes):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_if_wrong_suffix(Path(path), content_type, suffixes)
