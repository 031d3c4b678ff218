"""Stitching of random overlaps: every word of either chunk is kept and appears once."""

import random
import string
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import pytest

from orq_router_integrations.document_loaders.chunking import AudioChunk
from orq_router_integrations.document_loaders.stitching import merge_chunks, stitch
from orq_router_integrations.wire.call import Upload
from orq_router_integrations.wire.subtitles import Span
from orq_router_integrations.wire.transcriptions import Transcript

Times = Literal["words", "segments", "none"]

SECONDS = 100.0
BOUNDARIES = [0.0, 18.2, 36.4, 54.6, 72.8, 91.0, SECONDS]
CHUNKS = [
    AudioChunk(
        index,
        Upload(f"{index}.wav", "audio/wav", 0, lambda: None),
        max(0.0, start - 1),
        min(SECONDS, end + 1),
    )
    for index, (start, end) in enumerate(pairwise(BOUNDARIES))
]


def create_speech(seed: int, *, pause: float = 0.0) -> list[Span]:
    """Create different words at the uneven pace of speech."""
    generator, words = random.Random(seed), list[Span]()
    time = 0.3
    while time < SECONDS - 1:
        letters = "".join(generator.choices(string.ascii_lowercase, k=5))
        words.append(Span(letters, round(time, 2), round(time + 0.15, 2)))
        time += generator.choice([0.18, 0.22, 0.3, 0.35, 0.4, 0.5])
        if len(words) % 7 == 0:
            time += generator.choice([0, 0, 0.6, 1.5]) + pause
    return words


def create_transcript(
    words: Sequence[Span], start: float, times: Times, segment_words: int
) -> Transcript:
    """Create what a model returns for words, with times from the start of its chunk."""
    chunk_words = [replace(word, start=word.start - start, end=word.end - start) for word in words]
    groups = [chunk_words[i : i + segment_words] for i in range(0, len(chunk_words), segment_words)]
    segments = tuple(
        Span(" ".join(w.text for w in group), round(group[0].start, 1), round(group[-1].end, 1))
        for group in groups
    )
    return Transcript(
        " ".join(word.text for word in words),
        tuple(chunk_words) if times == "words" else (),
        segments if times == "segments" else (),
    )


def merge(
    words: Sequence[Span],
    times: Times,
    *,
    segment_words: int = 8,
    lost_at_end: int = 0,
    lost_at_start: int = 0,
    invented: str = "",
    clock_error: float = 0.0,
) -> tuple[list[str], list[str]]:
    """Return the words that at least one chunk contains, and those of the merged transcript."""
    received_words: set[str] = set()
    transcripts = []
    for chunk in CHUNKS:
        end = chunk.end_seconds or 0.0
        chunk_words = [word for word in words if chunk.start_seconds <= word.start < end - 0.1]
        if end < SECONDS:
            chunk_words = chunk_words[: len(chunk_words) - lost_at_end]
        if chunk.index:
            chunk_words = chunk_words[lost_at_start:]
        received_words.update(word.text for word in chunk_words)
        if invented and end < SECONDS:
            chunk_words += [
                Span(word, chunk_words[-1].end, chunk_words[-1].end + 0.1)
                for word in invented.split()
            ]
        start = chunk.start_seconds + clock_error * (-1) ** chunk.index
        transcripts.append(create_transcript(chunk_words, start, times, segment_words))
    merged = merge_chunks(CHUNKS, transcripts)
    if times != "none":
        spans = merged.segments or merged.words
        assert " ".join(span.text for span in spans) == merged.text
    return [word.text for word in words if word.text in received_words], merged.text.split()


@pytest.mark.parametrize(
    "lost_at_end", [0, 3, *(pytest.param(words, marks=pytest.mark.slow) for words in (1, 5, 8))]
)
@pytest.mark.parametrize(
    ("times", "segment_words"),
    [("words", 8), ("segments", 3), ("segments", 8), ("segments", 25), ("none", 8)],
)
def test_each_received_word_appears_once(
    times: Times, segment_words: int, lost_at_end: int
) -> None:
    for seed in range(8):
        expected, merged = merge(
            create_speech(seed), times, segment_words=segment_words, lost_at_end=lost_at_end
        )
        assert merged == expected


@pytest.mark.parametrize("clock_error", [0.05, 0.1, 0.14])
def test_clocks_of_two_chunks_may_differ(clock_error: float) -> None:
    for seed in range(8):
        expected, merged = merge(create_speech(seed), "words", clock_error=clock_error)
        assert merged == expected


@pytest.mark.parametrize("times", ["words", "segments", "none"])
def test_words_missing_in_the_next_chunk_are_kept(times: Times) -> None:
    for seed in range(8):
        expected, merged = merge(create_speech(seed), times, lost_at_start=3)
        assert merged == expected


@pytest.mark.parametrize("times", ["words", "segments", "none"])
def test_pauses_do_not_hide_an_overlap(times: Times) -> None:
    """The average pace of a recording with pauses is slower than that of its sentences."""
    for seed in range(8):
        expected, merged = merge(create_speech(seed, pause=2.0), times)
        assert merged == expected


@pytest.mark.parametrize("times", ["segments", "none"])
@pytest.mark.parametrize(
    "invented",
    ["Thank you.", "Thank you for watching.", "Subtitles by the Amara.org community", "you " * 9],
)
def test_invented_end_does_not_hide_an_overlap(times: Times, invented: str) -> None:
    left, right = "we will meet at noon in the old house", "in the old house and bring some bread"
    words = [Span(word, 8 + 0.25 * i, 8.2 + 0.25 * i) for i, word in enumerate(left.split())]
    end = words[-1].end
    words += [Span(word, end, end) for word in invented.split()]
    later_words = [
        Span(word, 9.5 + 0.25 * i, 9.7 + 0.25 * i) for i, word in enumerate(right.split())
    ]
    merged = stitch(
        create_transcript(words, 0, times, 99), create_transcript(later_words, 0, times, 99), 10, 4
    )
    assert merged.text == "we will meet at noon in the old house and bring some bread"


def test_two_words_before_an_invented_end_appear_once() -> None:
    left, right = "in the house see you next time", "the house is old"
    assert stitch(Transcript(left), Transcript(right), 0, 2).text == "in the house is old"


def test_one_word_before_an_invented_end_is_repeated() -> None:
    """It may match by chance, and repeating a word is better than losing it."""
    left, right = "at noon thanks for watching", "noon with bread"
    assert stitch(Transcript(left), Transcript(right), 0, 1).text == f"{left} {right}"


@pytest.mark.parametrize("overlap_words", range(3, 11))
def test_similar_phrases_do_not_hide_an_exact_overlap(overlap_words: int) -> None:
    """The overlap may have more or fewer words than expected."""
    left, new_text = "line one has two seats line two has six seats", "line three has two seats"
    right = f"line two has six seats {new_text}"
    merged = stitch(Transcript(left), Transcript(right), 0, overlap_words)
    assert merged.text == f"{left} {new_text}"


def test_words_that_match_by_chance_are_lost_without_times() -> None:
    """The first chunk ends before "cat", and the second starts with another "the"."""
    left, right = Transcript("he saw the"), Transcript("the dog ran")
    assert stitch(left, right, 10, 2).text == "he saw the dog ran"
    timed_left = replace(left, segments=(Span(left.text, 7, 8),))
    timed_right = replace(right, segments=(Span(right.text, 11, 12),))
    assert stitch(timed_left, timed_right, 10, 2).text == "he saw the the dog ran"


def test_texts_may_be_empty() -> None:
    empty, text = Transcript(""), Transcript("a b", segments=(Span("a b", 0, 1),))
    assert stitch(empty, text, 0, 2).text == stitch(text, empty, 0, 2).text == "a b"
    silent = Transcript("", (Span("a", 0, 1),))
    assert stitch(silent, text, 0, 2).words == silent.words


def test_repeated_phrase_is_not_an_invented_end() -> None:
    left = Transcript("I want to go home now and then I want to")
    right = Transcript("I want to eat")
    assert stitch(left, right, 0, 3).text == "I want to go home now and then I want to eat"


def test_same_word_at_another_time_is_not_an_overlap() -> None:
    left = Transcript("out of the blue", segments=(Span("out of the blue", 0, 3),))
    right = Transcript("the sea is blue", segments=(Span("the sea is blue", 7, 9),))
    assert stitch(left, right, 5, 2).text == "out of the blue the sea is blue"


def test_words_without_a_match_are_cut_only_where_both_chunks_have_words() -> None:
    def create(text: str, *times: float) -> Transcript:
        words = zip(text.split(), times, strict=True)
        return Transcript(text, tuple(Span(word, time, time + 0.1) for word, time in words))

    without_overlap = stitch(create("a b", 1, 2), create("c d", 8, 13), 10, 2)
    assert without_overlap.text == "a b c d"
    with_later_word = stitch(create("a b c", 1, 9, 11), create("d e", 12, 13), 10, 2)
    assert with_later_word.text == "a b c d e"
    with_misheard_word = stitch(
        create("a b cat", 1, 9, 10.5), create("bee can d", 9, 10.5, 12), 10, 2
    )
    assert with_misheard_word.text == "a b can d"


def test_word_of_only_one_chunk_decides_where_to_join() -> None:
    def create(words: dict[str, float]) -> Transcript:
        spans = tuple(Span(word, time, time + 0.1) for word, time in words.items())
        return Transcript(" ".join(words), spans)

    left = create({"a": 9.0, "b": 9.5, "c": 10.2, "d": 10.7})
    assert stitch(left, create({"b": 9.5, "d": 10.7, "e": 11.2}), 9.4, 2).text == "a b c d e"
    right = create({"b": 9.5, "x": 10.0, "d": 10.7, "e": 11.2})
    assert stitch(create({"a": 9.0, "b": 9.5, "d": 10.7}), right, 10.8, 2).text == "a b x d e"
