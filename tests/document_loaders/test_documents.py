"""Transcripts as Documents, Documents as subtitles."""

from datetime import date
from pathlib import Path

import pytest
from langchain_core.documents import Document

from orq_router_integrations import to_srt, to_vtt
from orq_router_integrations.document_loaders.documents import DocumentSplitter, flatten_metadata
from orq_router_integrations.document_loaders.subtitles import from_subtitles
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.call import MalformedResponseError
from orq_router_integrations.wire.transcripts import Span, Transcript

WORDS = tuple(
    Span(word, at, at + 0.5, "ab"[at // 2]) for at, word in enumerate(["a", "b", "c", "d"])
)
WHOLE = Transcript("A, b. C, d!", WORDS, (Span("A, b.", 0, 1.5), Span("C, d!", 2, 3.5)))


def told(shape: DocumentSplitter, transcript: Transcript = WHOLE) -> list[tuple[str, float, float]]:
    documents = shape.split(transcript, {"source": "x"})
    return [(d.page_content, d.metadata["start"], d.metadata["end"]) for d in documents]


def test_each_granularity_has_its_spans() -> None:
    assert told(DocumentSplitter("segment")) == [("A, b.", 0, 1.5), ("C, d!", 2, 3.5)]
    assert [text for text, _, _ in told(DocumentSplitter("word"))] == ["a", "b", "c", "d"]
    assert told(DocumentSplitter("speaker")) == [("A, b.", 0, 1.5), ("C, d!", 2, 3.5)]
    assert told(DocumentSplitter("window", 3.0)) == [("A, b. C,", 0, 2.5), ("d!", 3, 3.5)]


def test_windows_can_be_made_of_segments() -> None:
    only_segments = Transcript(WHOLE.text, segments=WHOLE.segments)
    assert told(DocumentSplitter("window", 10.0), only_segments) == [("A, b. C, d!", 0, 3.5)]


@pytest.mark.parametrize("granularity", ["segment", "word", "speaker", "window"])
def test_text_without_what_is_needed_is_a_bad_reply_and_silence_is_none(granularity: str) -> None:
    shape = DocumentSplitter(granularity)  # type: ignore[arg-type]
    with pytest.raises(MalformedResponseError, match="has no"):
        shape.require_spans(Transcript("Text."))
    assert shape.require_spans(Transcript("")) == Transcript("")


def test_what_failed_stays_alone_in_windows_and_turns() -> None:
    lost = Span("[not transcribed: ServerError]", 1, 2, error="ServerError: no")
    mixed = Transcript("A [not transcribed: ServerError] b", (WORDS[0], lost, WORDS[3]), (lost,))
    documents = list(DocumentSplitter("window").split(mixed, {}))
    assert ["error" in document.metadata for document in documents] == [False, True, False]


def test_metadata_gets_flat() -> None:
    given = {
        "text": "x",
        "none": None,
        "nan": float("nan"),
        "list": [1, 2],
        "dict": {"a": date(2026, 1, 2)},
        "date": date(2026, 1, 2),
        "path": Path("a/b"),
        "large": 2**80,
        "yes": True,
        "odd": {1: "one"},
        7: "number",
    }
    assert flatten_metadata(given) == {
        "text": "x",
        "list": "[1,2]",
        "dict": '{"a":"2026-01-02"}',
        "date": "2026-01-02",
        "path": "a/b",
        "large": str(2**80),
        "yes": True,
        "odd": "{1: 'one'}",
        "7": "number",
    }


def test_subtitles_have_times_and_voices() -> None:
    documents = [Document("Hi & you.", metadata={"start": 1, "end": 2.5, "speaker": "Ann"})]
    assert "00:00:01,000 --> 00:00:02,500\nHi & you." in to_srt(documents)
    assert "00:00:01.000 --> 00:00:02.500\n<v Ann>Hi &amp; you." in to_vtt(documents)
    [again] = from_subtitles(to_vtt(documents), source="a.vtt")
    assert again.metadata == {"source": "a.vtt", "start": 1.0, "end": 2.5, "speaker": "Ann"}


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"start": 1},
        {"start": "x", "end": 2},
        {"start": 0, "end": float("nan")},
        {"start": 0, "end": float("inf")},
    ],
)
def test_documents_without_times_are_no_subtitles(metadata: dict) -> None:
    with pytest.raises(RouterInputError, match=r"documents\[0\]: no start and end"):
        to_srt([Document("Hi.", metadata=metadata)])


def test_text_is_no_file_of_subtitles() -> None:
    with pytest.raises(RouterInputError, match=r"a\.srt: the text contains no subtitle cues"):
        from_subtitles("Hi.", source="a.srt")


def test_speakers_are_taken_from_where_they_are_told() -> None:
    """Some providers label segments, others words; the other list may come along without them."""
    words = (Span("Hi.", 0, 1), Span("Oh.", 1, 2))
    turns = (Span("Hi.", 0, 1, "Ann"), Span("Oh.", 1, 2, "Bo"))
    for told in (Transcript("Hi. Oh.", words, turns), Transcript("Hi. Oh.", turns, words)):
        documents = DocumentSplitter("speaker").split(
            DocumentSplitter("speaker").require_spans(told), {}
        )
        assert [document.metadata["speaker"] for document in documents] == ["Ann", "Bo"]


def test_windows_put_no_blanks_into_scripts_without_them() -> None:
    signs = tuple(Span(sign, at, at + 1) for at, sign in enumerate("\u4eca\u5929\u597d"))
    [document] = DocumentSplitter("window").split(Transcript("\u4eca\u5929\u597d\u3002", signs), {})
    assert document.page_content == "\u4eca\u5929\u597d\u3002"
