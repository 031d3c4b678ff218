"""Transcripts: serialization and shifting."""

import pytest

from orq_router_integrations.wire.transcripts import Span, Transcript

TRANSCRIPT = Transcript(
    "a b", (Span("a", 0, 1, "x"),), (Span("a b", 0, 2, error="e"),), "en", 2.0, "m", True
)


def test_json_round_trip() -> None:
    assert Transcript.from_json(TRANSCRIPT.to_json()) == TRANSCRIPT


@pytest.mark.parametrize(
    "data",
    [b"{", b"[]", b"{}", b'{"text":"a","words":[1],"segments":[]}'],
    ids=["truncated", "array", "empty", "wrong span"],
)
def test_from_json_rejects_other_data(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Transcript.from_json(data)


def test_shift_moves_a_span() -> None:
    shifted = TRANSCRIPT.words[0].shift(10)
    assert (shifted.start, shifted.end) == (10, 11)


def test_errors_are_those_of_the_segments() -> None:
    assert TRANSCRIPT.errors == ["e"]
