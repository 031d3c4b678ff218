"""Documents of a transcript, their metadata, and subtitles made of them."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from orq_router_integrations import to_srt, to_vtt
from orq_router_integrations.document_loaders.documents import DocumentSplitter, flatten_metadata
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.call import MalformedResponseError
from orq_router_integrations.wire.subtitles import Span, parse_subtitles
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
