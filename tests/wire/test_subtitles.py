"""Subtitles as files have them in the wild, and as we write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.wire.subtitles import format_srt, format_vtt, parse_subtitles
from orq_router_integrations.wire.transcripts import Span

SRT = (
    "1\n00:00:00,000 --> 00:00:02,500\nGood day.\n\n2\n01:00:02,500 --> 01:00:04,000\nTwo\nlines.\n"
)
VTT = "WEBVTT\n\nNOTE made by hand\n\nintro\n00:00.000 --> 00:02.500 align:start\nGood &amp; day.\n"

spans = st.builds(
    lambda text, start, length, speaker: Span(text, start, start + length, speaker),
    st.text(st.characters(blacklist_categories=["Cs", "Cc", "Z"]), min_size=1).filter(
        lambda text: "-->" not in text
    ),
    st.integers(0, 10**8).map(lambda ms: ms / 1000),
    st.integers(0, 10**6).map(lambda ms: ms / 1000),
    st.none() | st.just("Zo\u00eb"),
)


def test_srt_is_read() -> None:
    assert parse_subtitles(SRT) == [Span("Good day.", 0, 2.5), Span("Two lines.", 3602.5, 3604)]


def test_vtt_is_read_without_notes_settings_and_escapes() -> None:
    assert parse_subtitles(VTT) == [Span("Good & day.", 0, 2.5)]


def test_voices_are_speakers_and_tags_are_taken_out() -> None:
    [cue] = parse_subtitles(
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v.loud Ann &amp; Bo><i>Hi</i> <c>you</c>"
    )
    assert (cue.text, cue.speaker) == ("Hi you", "Ann & Bo")


@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_any_line_ends_and_a_mark_of_byte_order_will_do(end: str) -> None:
    assert parse_subtitles("\ufeff" + SRT.replace("\n", end)) == parse_subtitles(SRT)


def test_nothing_said_is_no_cue() -> None:
    assert parse_subtitles("") == parse_subtitles(" \n") == parse_subtitles("WEBVTT\n\n") == []


def test_text_without_a_cue_is_no_file_of_subtitles() -> None:
    with pytest.raises(ValueError, match="not one cue"):
        parse_subtitles("Good day.")


def test_srt_is_written_as_it_is_read() -> None:
    assert format_srt(parse_subtitles(SRT)) == SRT.replace("Two\nlines.", "Two lines.")


@given(st.lists(spans, max_size=4))
def test_what_is_written_is_read_again(said: list[Span]) -> None:
    assert [(cue.text, cue.speaker) for cue in parse_subtitles(format_vtt(said))] == [
        (span.text, span.speaker) for span in said
    ]
    for cue, span in zip(parse_subtitles(format_vtt(said)), said, strict=True):
        assert cue.start == pytest.approx(span.start, abs=0.001)
        assert cue.end == pytest.approx(span.end, abs=0.001)


def test_a_text_cannot_break_out_of_its_cue() -> None:
    tricky = [Span("a\n\n9\n00:00:09,000 --> 00:00:10,000\nb", 0, 1)]
    assert [cue.end for cue in parse_subtitles(format_srt(tricky))] == [1]
    assert [cue.end for cue in parse_subtitles(format_vtt(tricky))] == [1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "1\n00:00:00,000 --> 00:00:01,000\nGood\n\nold\n\n2\n00:01 --> 00:02\nday",
            "Good old|day",
        ),
        ("1\n00:00:00 --> 00:00:01\nGood\n2\n00:00:01 --> 00:00:02\nday", "Good|day"),
        ("-00:00:01,000 --> 00:00:01,000\nGood\n\n00:00:01,000 --> 00:00:02,000\nday", "Good|day"),
        ("WEBVTT\n00:00.000 --> 00:01.000\nGood\n00:01.000 --> 00:02.000\nday", "Good|day"),
        (
            "WEBVTT\n\n00:00.000 --> 00:01.000\nGood\n\nNOTE x\n\n2\n00:01.000 --> 00:02.000\nday",
            "Good|day",
        ),
        (
            "1\n99:00:00,5 --> 100:00:00\n{\\an8}<b>Good</b>\n\n2\n100:00:02 --> 100:00:03\n\n",
            "Good",
        ),
    ],
)
def test_no_text_is_lost_of_files_that_are_not_quite_in_order(text: str, said: str) -> None:
    cues = parse_subtitles(text)
    assert "|".join(cue.text for cue in cues) == said
    assert all(0 <= cue.start <= cue.end for cue in cues)


@pytest.mark.parametrize("digits", [400, 5000])
def test_hours_that_are_no_number_of_hours_are_no_cue(digits: int) -> None:
    with pytest.raises(ValueError, match="not one cue"):
        parse_subtitles(f"{'9' * digits}:00:00,000 --> 00:00:01,000\nGood\n")


def test_a_cue_does_not_end_before_it_begins() -> None:
    assert "00:00:05,000 --> 00:00:05,000" in format_srt([Span("Good", 5, 3)])
