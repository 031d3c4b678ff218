"""Documents of a transcript, and their metadata."""

from datetime import date
from pathlib import Path

import pytest

from orq_router_integrations.document_loaders.documents import DocumentSplitter, flatten_metadata
from orq_router_integrations.wire.call import MalformedResponseError
from orq_router_integrations.wire.subtitles import Span
from orq_router_integrations.wire.transcriptions import Transcript

WORDS = tuple(Span(word, index, index + 0.5, "ab"[index // 2]) for index, word in enumerate("abcd"))
SEGMENTS = (Span("A, b.", 0, 1.5), Span("C, d!", 2, 3.5))
TRANSCRIPT = Transcript("A, b. C, d!", WORDS, SEGMENTS)


def split(
    splitter: DocumentSplitter, transcript: Transcript = TRANSCRIPT
) -> list[tuple[str, float, float]]:
    documents = splitter.split(transcript, {"source": "x"})
    return [(d.page_content, d.metadata["start"], d.metadata["end"]) for d in documents]


def test_granularity_selects_the_spans() -> None:
    assert split(DocumentSplitter("segment")) == [("A, b.", 0, 1.5), ("C, d!", 2, 3.5)]
    assert [text for text, _, _ in split(DocumentSplitter("word"))] == ["a", "b", "c", "d"]
    assert split(DocumentSplitter("speaker")) == [("A, b.", 0, 1.5), ("C, d!", 2, 3.5)]
    assert split(DocumentSplitter("window", 3.0)) == [("A, b. C,", 0, 2.5), ("d!", 3, 3.5)]


def test_windows_can_be_built_from_segments() -> None:
    transcript = Transcript(TRANSCRIPT.text, segments=SEGMENTS)
    assert split(DocumentSplitter("window", 10.0), transcript) == [("A, b. C, d!", 0, 3.5)]


@pytest.mark.parametrize("granularity", ["segment", "word", "speaker", "window"])
def test_missing_spans_raise_unless_there_is_no_speech(granularity: str) -> None:
    splitter = DocumentSplitter(granularity)  # type: ignore[arg-type]
    with pytest.raises(MalformedResponseError, match="does not contain"):
        splitter.require_spans(Transcript("Text."))
    assert splitter.require_spans(Transcript("")) == Transcript("")


def test_failed_spans_are_not_merged() -> None:
    failed = Span("", 1, 2, error="ServerError: no")
    words = (WORDS[0], failed, WORDS[3])
    transcript = Transcript("A b", words, (failed,))
    documents = list(DocumentSplitter("window").split(transcript, {}))
    assert ["error" in document.metadata for document in documents] == [False, True, False]


SPEAKER_SPANS = (Span("Hi.", 0, 1, "Ann"), Span("Oh.", 1, 2, "Bo"))
PLAIN_SPANS = (Span("Hi.", 0, 1), Span("Oh.", 1, 2))


@pytest.mark.parametrize(
    ("words", "segments"),
    [(PLAIN_SPANS, SPEAKER_SPANS), (SPEAKER_SPANS, PLAIN_SPANS)],
    ids=["segments", "words"],
)
def test_speakers_are_taken_from_segments_or_words(
    words: tuple[Span, ...], segments: tuple[Span, ...]
) -> None:
    """Depending on the provider, one of the two has labels."""
    splitter = DocumentSplitter("speaker")
    transcript = splitter.require_spans(Transcript("Hi. Oh.", words, segments))
    documents = splitter.split(transcript, {})
    assert [document.metadata["speaker"] for document in documents] == ["Ann", "Bo"]


def test_no_spaces_are_added_to_scripts_without_spaces() -> None:
    text = "\u4eca\u5929\u597d"
    words = tuple(Span(character, index, index + 1) for index, character in enumerate(text))
    [document] = DocumentSplitter("window").split(Transcript(f"{text}\u3002", words), {})
    assert document.page_content == f"{text}\u3002"


def test_metadata_is_flattened() -> None:
    metadata = {
        "text": "x",
        "none": None,
        "nan": float("nan"),
        "list": [1, 2],
        "dict": {"a": date(2026, 1, 2)},
        "date": date(2026, 1, 2),
        "path": Path("a/b"),
        "yes": True,
        "odd": {1: "one"},
        7: "number",
    }
    assert flatten_metadata(metadata) == {
        "text": "x",
        "list": "[1,2]",
        "dict": '{"a":"2026-01-02"}',
        "date": "2026-01-02",
        "path": "a/b",
        "yes": True,
        "odd": "{1: 'one'}",
        "7": "number",
    }
