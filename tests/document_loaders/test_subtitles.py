"""Conversion of Documents to subtitles."""

from typing import Any

import pytest
from langchain_core.documents import Document

from orq_router_integrations import to_srt, to_vtt
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.subtitles import Span, parse_subtitles


def test_subtitles_contain_times_and_speakers() -> None:
    documents = [Document("Hi & you.", metadata={"start": 1, "end": 2.5, "speaker": "Ann"})]
    assert "00:00:01,000 --> 00:00:02,500\nHi & you." in to_srt(documents)
    assert "00:00:01.000 --> 00:00:02.500\n<v Ann>Hi &amp; you." in to_vtt(documents)
    assert parse_subtitles(to_vtt(documents)) == [Span("Hi & you.", 1.0, 2.5, "Ann")]


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"start": 1},
        {"start": "x", "end": 2},
        {"start": 0, "end": float("nan")},
        {"start": 0, "end": float("inf")},
    ],
    ids=["no times", "no end", "not a number", "NaN", "infinity"],
)
def test_documents_without_times_raise(metadata: dict) -> None:
    with pytest.raises(RouterInputError, match=r"documents\[0\]: Expected .* 'start' and 'end'"):
        to_srt([Document("Hi.", metadata=metadata)])


@pytest.mark.parametrize(
    ("documents", "message"),
    [
        (Document("Hi."), "documents: Expected a list of Documents, got Document"),
        ("Hi.", "documents: Expected a list of Documents, got str"),
        (None, "documents: Expected a list of Documents, got NoneType"),
        (["Hi."], r"documents\[0\]: Expected a Document"),
        ([Document("Hi.", metadata={"start": 0, "end": 1}), {}], r"documents\[1\]: Expected"),
        ({"a": 1}, r"documents\[0\]: Expected a Document"),
    ],
    ids=["document", "text", "nothing", "list of texts", "dict in list", "dict"],
)
@pytest.mark.parametrize("convert", [to_srt, to_vtt])
def test_other_objects_raise(convert: Any, documents: Any, message: str) -> None:
    with pytest.raises(RouterInputError, match=message):
        convert(documents)


def test_documents_of_several_recordings_raise() -> None:
    """Their times would start again within the file."""
    times = {"start": 0, "end": 1}
    documents = [Document("Hi.", metadata={**times, "source": name}) for name in ("a.wav", "b.wav")]
    assert to_srt(documents[:1])
    with pytest.raises(RouterInputError, match=r"documents\[1\]: .* got 'a.wav' and 'b.wav'"):
        to_srt(documents)
