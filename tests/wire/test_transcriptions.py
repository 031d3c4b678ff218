"""Transcriptions and translations on the wire: what goes out, and every shape of what comes."""

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from orq_router_integrations.wire.call import EmbeddedError, MalformedResponseError, Response
from orq_router_integrations.wire.transcriptions import (
    TranscriptionParams,
    TranslationParams,
    check_translation_model,
    parse_transcript,
)
from orq_router_integrations.wire.transcripts import Span, Transcript

SRT = "1\n00:00:00,000 --> 00:00:01,000\nGood\n\n2\n00:00:01,000 --> 00:00:02,000\nday.\n"
VTT = "WEBVTT\n\n00:00.000 --> 00:01.000\nGood\n\n00:01.000 --> 00:02.000\nday.\n"
CUES = (Span("Good", 0, 1), Span("day.", 1, 2))


def reply(body: Any, kind: str = "application/json", **headers: str) -> Response:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return Response(200, {"content-type": kind, **headers}, content)


def test_the_two_timestamp_fields_are_two() -> None:
    fields = TranscriptionParams.model_fields
    assert {"timestamp_granularities", "timestamps_granularity"} <= fields.keys()
    assert "timestamp_granularities" not in TranslationParams.model_fields
    assert "language" not in TranslationParams.model_fields


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"temperature": 1.5}, "less than or equal to 1"),
        ({"temperature": float("nan")}, "finite"),
        ({"language": "english"}, "two letters"),
        ({"num_speakers": 33}, "less than or equal to 32"),
        ({"num_speakers": 0}, "greater than or equal to 1"),
        ({"response_format": "docx"}, "'json', 'text', 'srt'"),
        ({"timestamps_granularity": "segment"}, "'none', 'word' or 'character'"),
        ({"timestamp_granularities": ["word"]}, "needs response_format='verbose_json'"),
        ({"timestamp_granularities": []}, "at least 1"),
        ({"diarize": 1}, "valid boolean"),
    ],
)
def test_values_that_the_contract_has_not_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        TranscriptionParams(**given)


@pytest.mark.parametrize("model", ["openai/gpt-4o-transcribe", "azure/gpt-4o-mini-transcribe-x"])
def test_models_that_do_not_translate_are_known(model: str) -> None:
    with pytest.raises(ValueError, match="does not translate; use openai/whisper-1"):
        check_translation_model(model)
    check_translation_model("openai/whisper-1")


def test_json_is_its_text() -> None:
    assert parse_transcript(reply({"text": " Good day. "})) == Transcript("Good day.")


def test_verbose_json_has_times_and_keeps_what_has_no_place() -> None:
    body = {
        "text": "Good day.",
        "language": "english",
        "duration": "2.5",
        "words": [{"word": "Good", "start": 0, "end": 1}, {"word": "day", "start": 1, "end": 2}],
        "segments": [{"id": 0, "text": " Good day.", "start": 0, "end": 2, "tokens": [1]}],
        "task": "transcribe",
    }
    found = parse_transcript(reply(body), "verbose_json")
    assert found.words == (Span("Good", 0, 1), Span("day", 1, 2))
    assert found.segments == (Span("Good day.", 0, 2),)
    assert (found.language, found.duration, found.raw) == ("english", 2.5, {"task": "transcribe"})


def test_speakers_are_read_from_where_they_are() -> None:
    body = {
        "text": "Hi you",
        "words": [
            {"text": "Hi", "start": 0, "end": 1, "type": "word", "speaker_id": "speaker_0"},
            {"text": " ", "start": 1, "end": 1, "type": "spacing", "speaker_id": "speaker_0"},
            {"text": "you", "start": 1, "end": 2, "type": "word", "speaker_id": "speaker_1"},
        ],
        "segments": [{"text": "Hi you", "start": 0, "end": 2, "speaker": 0}],
    }
    found = parse_transcript(reply(body))
    assert [word.speaker for word in found.words] == ["speaker_0", "speaker_1"]
    assert [segment.speaker for segment in found.segments] == ["0"]


@pytest.mark.parametrize("kind", ["text/plain", "application/json", ""])
@pytest.mark.parametrize("quoted", [False, True], ids=["raw", "quoted"])
def test_texts_come_raw_or_as_json_strings(kind: str, quoted: bool) -> None:
    def sent(text: str) -> Response:
        return reply(text if quoted else text.encode(), kind)

    assert parse_transcript(sent("Good day.\n"), "text").text == "Good day."
    for text, wanted in ((SRT, "srt"), (VTT, "vtt")):
        found = parse_transcript(sent(text), wanted)
        assert (found.text, found.segments) == ("Good day.", CUES)


def test_a_text_may_begin_like_json() -> None:
    assert parse_transcript(reply(b'"Stop," she said.', "text/plain"), "text").text == (
        '"Stop," she said.'
    )
    assert parse_transcript(reply(b"[laughs] {sic}", "text/plain"), "text").text == "[laughs] {sic}"


def test_an_object_is_read_also_where_text_was_asked_for() -> None:
    assert parse_transcript(reply({"text": "Hi"}), "text").text == "Hi"
    assert parse_transcript(reply({"text": "Hi"}), "srt").segments == ()


@pytest.mark.parametrize(("text", "wanted"), [(SRT, "srt"), (VTT, "vtt")])
def test_subtitles_may_come_as_the_text_of_an_object(text: str, wanted: Any) -> None:
    """As a LiteLLM proxy wraps them."""
    found = parse_transcript(reply({"text": text}), wanted)
    assert (found.text, found.segments) == ("Good day.", CUES)


def test_silence_is_a_transcript_without_text() -> None:
    assert parse_transcript(reply({"text": ""})).text == ""
    assert parse_transcript(reply(b"\n", "text/plain"), "text").text == ""
    assert parse_transcript(reply(b"WEBVTT\n\n", "text/vtt"), "vtt").segments == ()


@pytest.mark.parametrize("seconds", ["soon", "inf", True, None, [1]])
def test_times_that_are_none_are_left_out(seconds: Any) -> None:
    body = {"text": "Hi", "duration": seconds, "words": [{"word": "Hi", "start": seconds}]}
    assert parse_transcript(reply(body)) == Transcript("Hi")


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"", None),
        (b"", "text"),
        (b"null", None),
        (b"[]", "json"),
        (b"Good day.", "json"),
        ({"language": "english"}, "verbose_json"),
        ({"text": None}, None),
        (b"<!DOCTYPE html><p>Bad gateway", "text"),
        (b"\xff\xfe\0", "text"),
        (b"Good day.", "srt"),
        ("Good day.", "vtt"),
    ],
)
def test_what_is_no_transcript_is_a_bad_reply(body: Any, wanted: Any) -> None:
    with pytest.raises(MalformedResponseError):
        parse_transcript(reply(body), wanted)


@pytest.mark.parametrize("wanted", [None, "text", "srt"])
def test_an_error_in_a_200_is_an_error(wanted: Any) -> None:
    with pytest.raises(EmbeddedError):
        parse_transcript(reply({"error": {"message": "no"}}), wanted)


def test_offline_replies_are_told() -> None:
    assert parse_transcript(reply({"text": "Hi"}, **{"x-orq-offline": "1"})).offline


def test_a_transcript_can_be_kept() -> None:
    found = Transcript("a b", (Span("a", 0, 1, "x"),), (Span("a b", 0, 2),), "en", 2.0, "m", True)
    assert Transcript.from_json(found.to_json()) == found
    assert found.shift(10).words[0].end == 11


@pytest.mark.parametrize("data", [b"{", b"[]", b"{}", b'{"text":"a","words":[1],"segments":[]}'])
def test_what_was_not_kept_is_not_read(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Transcript.from_json(data)


def test_what_was_said_at_no_told_time_is_kept_in_its_place() -> None:
    told = [(0, 1), (None, None), (2, 1), (None, 4), (-3, -4)]
    items = [{"text": f"{at}", "start": start, "end": end} for at, (start, end) in enumerate(told)]
    found = parse_transcript(reply({"text": "0 1 2 3 4", "segments": items}))
    times = [(span.start, span.end) for span in found.segments]
    assert times == [(0, 1), (1, 1), (2, 2), (2, 4), (0, 0)]


def test_a_word_that_is_null_gives_way_to_its_text() -> None:
    items = [{"word": None, "text": "Hi", "start": 0, "end": 1}]
    assert parse_transcript(reply({"text": "Hi", "words": items})).words == (Span("Hi", 0, 1),)


def test_a_duration_too_large_for_a_number_is_none() -> None:
    body = b'{"text": "\\ud800", "duration": 1' + b"0" * 400 + b"}"
    assert parse_transcript(reply(body)).duration is None


def test_subrip_of_silence_is_empty_and_says_that_it_is_text() -> None:
    assert parse_transcript(reply(b"", "text/plain; charset=utf-8"), "srt") == Transcript("")
    with pytest.raises(MalformedResponseError, match="empty"):
        parse_transcript(reply(b"", "text/html"), "srt")


@pytest.mark.parametrize("body", [b"null", b'{"error": {"mess'])
def test_json_that_is_no_transcript_is_not_taken_for_its_text(body: bytes) -> None:
    with pytest.raises(MalformedResponseError):
        parse_transcript(reply(body, "application/json"), "text")
