"""Shared behavior of tool results: warnings about file suffixes."""

import warnings
from pathlib import Path

import pytest

from orq_router_integrations.tools.artifact import warn_if_wrong_suffix
from orq_router_integrations.tools.audio_format import AUDIO_SUFFIXES
from orq_router_integrations.tools.image_result import IMAGE_SUFFIXES


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
