"""Shared behavior of tool results: restoring them, and warnings about file suffixes."""

import warnings
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, ToolMessage

from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.tools.image_result import GeneratedImage, ImageResult
from orq_router_integrations.tools.speech_result import Speech


def create_message(**fields: Any) -> ToolMessage:
    return ToolMessage(**{"content": "text", "tool_call_id": "1"} | fields)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            AIMessage("Hi"),
            "Expected the ToolMessage of a tool call, or its artifact, got AIMessage",
        ),
        ([create_message()], "Expected the ToolMessage of a tool call, or its artifact, got list"),
        ("boat.png", "Expected the ToolMessage of a tool call, or its artifact, got str"),
        (None, "got NoneType"),
        (create_message(), "or its artifact, got NoneType"),
        (create_message(status="error", content="No voice."), "The tool failed: No voice."),
        (create_message(artifact=[1]), "or its artifact, got list"),
        ({}, "model: Field required"),
        (create_message(artifact={"model": 1}), "model: Input should be a valid string, not 1"),
    ],
    ids=[
        *("answer", "list", "text", "nothing", "without artifact", "failed", "artifact of another"),
        *("empty dict", "wrong dict"),
    ],
)
@pytest.mark.parametrize("result", [ImageResult, Speech])
def test_of_raises_for_objects_without_a_result(result: Any, source: Any, message: str) -> None:
    with pytest.raises(RouterInputError, match=message) as caught:
        result.of(source)
    assert str(caught.value).startswith(f"Cannot restore the {result.__name__}: ")


def create_speech(audio_format: str | None) -> Speech:
    return Speech(
        format=audio_format,
        requested_format="mp3",
        mime_type="audio/x",
        size=1,
        sha256="0",
        model="openai/tts-1",
        voice="alloy",
        characters=1,
    )


def create_image(mime_type: str) -> GeneratedImage:
    return GeneratedImage(id="img_x", mime_type=mime_type)


@pytest.mark.parametrize(
    ("path", "media", "name"),
    [
        ("a.mp3", create_speech("wav"), "wav"),
        ("a.mp3", create_speech(None), "an unknown format"),
        ("a.pcm", create_speech("wav"), "wav"),
        ("a.JPEG", create_image("image/png"), "image/png"),
    ],
)
def test_warns_if_suffix_belongs_to_another_format(path, media, name):
    with pytest.warns(UserWarning, match=f"{path} contains {name}"):
        media.warn_if_wrong_suffix(Path(path))


@pytest.mark.parametrize(
    ("path", "media"),
    [
        ("a.ogg", create_speech("opus")),
        ("a.ogg", create_speech("ogg")),
        ("a.bin", create_speech("wav")),
        ("a.jpeg", create_image("image/jpeg")),
        ("a", create_image("image/png")),
    ],
)
def test_accepts_matching_and_unrelated_suffixes(path, media):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        media.warn_if_wrong_suffix(Path(path))
