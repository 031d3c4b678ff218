"""SubRip and WebVTT: tolerant parsing, and formatting that can be parsed again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.wire.subtitles import Span, format_srt, format_vtt, parse_subtitles

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


def test_srt_is_parsed() -> None:
    assert parse_subtitles(SRT) == [Span("Good day.", 0, 2.5), Span("Two lines.", 3602.5, 3604)]


def test_vtt_notes_and_settings_are_skipped() -> None:
    assert parse_subtitles(VTT) == [Span("Good & day.", 0, 2.5)]


def test_vtt_voice_becomes_speaker_and_tags_are_removed() -> None:
    [cue] = parse_subtitles(
        "WEBVTT\n\n00:01.000 --> 00:02.000\n<v.loud Ann &amp; Bo><i>Hi</i> <c>you</c>"
    )
    assert (cue.text, cue.speaker) == ("Hi you", "Ann & Bo")


@pytest.mark.parametrize("line_end", ["\r\n", "\r"], ids=["CRLF", "CR"])
def test_line_ends_and_byte_order_mark(line_end: str) -> None:
    assert parse_subtitles("\ufeff" + SRT.replace("\n", line_end)) == parse_subtitles(SRT)


@pytest.mark.parametrize("text", ["", " \n", "WEBVTT\n\n"], ids=["empty", "blank", "header"])
def test_file_without_cues_is_empty(text: str) -> None:
    assert parse_subtitles(text) == []


def test_plain_text_raises() -> None:
    with pytest.raises(ValueError, match="no subtitle cues"):
        parse_subtitles("Good day.")


def test_srt_round_trip() -> None:
    assert format_srt(parse_subtitles(SRT)) == SRT.replace("Two\nlines.", "Two lines.")


@pytest.mark.slow
@given(st.lists(spans, max_size=4))
def test_vtt_round_trip(expected: list[Span]) -> None:
    cues = parse_subtitles(format_vtt(expected))
    for cue, span in zip(cues, expected, strict=True):
        assert (cue.text, cue.speaker) == (span.text, span.speaker)
        assert cue.start == pytest.approx(span.start, abs=0.001)
        assert cue.end == pytest.approx(span.end, abs=0.001)


def test_text_cannot_start_another_cue() -> None:
    spans = [Span("a\n\n9\n00:00:09,000 --> 00:00:10,000\nb", 0, 1)]
    assert [cue.end for cue in parse_subtitles(format_srt(spans))] == [1]
    assert [cue.end for cue in parse_subtitles(format_vtt(spans))] == [1]


MALFORMED = {
    "blank line in a cue": (
        "1\n00:00:00,000 --> 00:00:01,000\nGood\n\nold\n\n2\n00:01 --> 00:02\nday",
        "Good old|day",
    ),
    "no blank line": (
        "1\n00:00:00 --> 00:00:01\nGood\n2\n00:00:01 --> 00:00:02\nday",
        "Good|day",
    ),
    "negative time": (
        "-00:00:01,000 --> 00:00:01,000\nGood\n\n00:00:01,000 --> 00:00:02,000\nday",
        "Good|day",
    ),
    "no blank line in WebVTT": (
        "WEBVTT\n00:00.000 --> 00:01.000\nGood\n00:01.000 --> 00:02.000\nday",
        "Good|day",
    ),
    "note": (
        "WEBVTT\n\n00:00.000 --> 00:01.000\nGood\n\nNOTE x\n\n2\n00:01.000 --> 00:02.000\nday",
        "Good|day",
    ),
    "only a timing line": ("00:01.000 --> 00:02.000", ""),
    "cue without text in WebVTT": (
        "WEBVTT\n\n00:01.000 --> 00:02.000\n00:02.000 --> 00:03.000\nGood\n12:00 --> 13:00\nday",
        "Good|day",
    ),
    "hundred hours": (
        "1\n99:00:00,5 --> 100:00:00\n{\\an8}<b>Good</b>\n\n2\n100:00:02 --> 100:00:03\n\n",
        "Good",
    ),
}


@pytest.mark.parametrize(("text", "expected"), MALFORMED.values(), ids=MALFORMED)
def test_malformed_file_loses_no_text(text: str, expected: str) -> None:
    cues = parse_subtitles(text)
    assert "|".join(cue.text for cue in cues) == expected
    assert all(0 <= cue.start <= cue.end for cue in cues)


@pytest.mark.parametrize("digits", [400, 5000])
def test_huge_number_of_hours_is_not_a_cue(digits: int) -> None:
    with pytest.raises(ValueError, match="no subtitle cues"):
        parse_subtitles(f"{'9' * digits}:00:00,000 --> 00:00:01,000\nGood\n")


def test_cue_does_not_end_before_it_starts() -> None:
    assert "00:00:05,000 --> 00:00:05,000" in format_srt([Span("Good", 5, 3)])
