"""Transcriptions and translations: parameters, and every form of response."""

from typing import Any

import orjson
import pytest
from pydantic import ValidationError

from orq_router_integrations.wire.call import EmbeddedError, MalformedResponseError, Response
from orq_router_integrations.wire.subtitles import Span
from orq_router_integrations.wire.transcriptions import (
    Transcript,
    TranscriptionParams,
    TranslationParams,
    check_translation_model,
    parse_transcript,
)

SRT = "1\n00:00:00,000 --> 00:00:01,000\nGood\n\n2\n00:00:01,000 --> 00:00:02,000\nday.\n"
VTT = "WEBVTT\n\n00:00.000 --> 00:01.000\nGood\n\n00:01.000 --> 00:02.000\nday.\n"
CUES = (Span("Good", 0, 1), Span("day.", 1, 2))

each_subtitle_format = pytest.mark.parametrize(
    ("subtitles", "response_format"), [(SRT, "srt"), (VTT, "vtt")], ids=["srt", "vtt"]
)


def build_response(body: Any, content_type: str = "application/json", **headers: str) -> Response:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    return Response(200, {"content-type": content_type, **headers}, content)


def parse(body: Any, response_format: Any = None) -> Transcript:
    return parse_transcript(build_response(body), response_format)


class TestParams:
    def test_timestamp_fields_are_distinct(self) -> None:
        fields = TranscriptionParams.model_fields
        assert {"timestamp_granularities", "timestamps_granularity"} <= fields.keys()
        assert "timestamp_granularities" not in TranslationParams.model_fields
        assert "language" not in TranslationParams.model_fields

    @pytest.mark.parametrize("language", ["en", "yue", "haw", "zh-tw", "ZH-CN", "Yue"])
    def test_language_codes_are_sent_in_lower_case(self, language: str) -> None:
        params = TranscriptionParams(language=language)
        assert params.build_audio_params() == {"language": language.lower()}

    def test_only_set_params_are_sent(self) -> None:
        params = TranscriptionParams(language="EN", temperature=0)
        assert params.build_audio_params() == {"language": "en", "temperature": 0}
        assert TranslationParams(prompt="Ann").build_audio_params() == {"prompt": "Ann"}

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"temperature": 1.5}, "less than or equal to 1"),
            ({"temperature": float("nan")}, "finite"),
            ({"language": "english"}, "two or three letters"),
            ({"language": "en-US"}, "without a region, such as 'en' or 'yue', got 'en-US'"),
            ({"language": "zh_tw"}, "without a region"),
            ({"language": "e"}, "two or three letters"),
            ({"language": "yue\n"}, "two or three letters"),
            ({"num_speakers": 33}, "less than or equal to 32"),
            ({"num_speakers": 0}, "greater than or equal to 1"),
            ({"response_format": "docx"}, "'json', 'text', 'srt'"),
            ({"timestamps_granularity": "segment"}, "'none', 'word' or 'character'"),
            ({"timestamp_granularities": ["word"]}, "Requires response_format='verbose_json'"),
            ({"timestamp_granularities": []}, "at least 1"),
            ({"diarize": 1}, "valid boolean"),
        ],
    )
    def test_invalid_value_is_rejected(self, params: dict[str, Any], message: str) -> None:
        with pytest.raises(ValidationError, match=message):
            TranscriptionParams(**params)

    @pytest.mark.parametrize(
        "model", ["openai/gpt-4o-transcribe", "azure/gpt-4o-mini-transcribe-x"]
    )
    def test_model_without_translation_is_rejected(self, model: str) -> None:
        with pytest.raises(ValueError, match="does not support translation"):
            check_translation_model(model)
        check_translation_model("openai/whisper-1")


class TestJson:
    def test_text_is_stripped(self) -> None:
        assert parse({"text": " Good day. "}) == Transcript("Good day.")

    def test_unknown_fields_of_verbose_json_are_ignored(self) -> None:
        body = {
            "text": "Good day.",
            "language": "english",
            "duration": "2.5",
            "words": [
                {"word": "Good", "start": 0, "end": 1},
                {"word": "day", "start": 1, "end": 2},
            ],
            "segments": [{"id": 0, "text": " Good day.", "start": 0, "end": 2, "tokens": [1]}],
            "task": "transcribe",
        }
        transcript = parse(body, "verbose_json")
        assert transcript.words == (Span("Good", 0, 1), Span("day", 1, 2))
        assert transcript.segments == (Span("Good day.", 0, 2),)
        assert (transcript.language, transcript.duration) == ("english", 2.5)

    def test_speakers_are_read(self) -> None:
        body = {
            "text": "Hi you",
            "words": [
                {"text": "Hi", "start": 0, "end": 1, "type": "word", "speaker_id": "speaker_0"},
                {"text": " ", "start": 1, "end": 1, "type": "spacing", "speaker_id": "speaker_0"},
                {"text": "you", "start": 1, "end": 2, "type": "word", "speaker_id": "speaker_1"},
            ],
            "segments": [{"text": "Hi you", "start": 0, "end": 2, "speaker": 0}],
        }
        transcript = parse(body)
        assert [word.speaker for word in transcript.words] == ["speaker_0", "speaker_1"]
        assert [segment.speaker for segment in transcript.segments] == ["0"]

    def test_segments_are_sorted(self) -> None:
        texts = ["Good day.", "We meet.", "At noon."]
        segments = [{"text": text, "start": i, "end": i + 1} for i, text in enumerate(texts)]
        unsorted_segments = [segments[2], segments[0], segments[1]]
        transcript = parse({"text": " ".join(texts), "segments": unsorted_segments}, "verbose_json")
        assert [segment.text for segment in transcript.segments] == texts
        words = [
            {"word": str(i), "start": start, "end": start} for i, start in enumerate([5, 1, 3])
        ]
        parsed = parse({"text": "0 1 2", "words": words})
        assert [word.text for word in parsed.words] == ["1", "2", "0"]

    def test_jitter_does_not_change_the_order_of_words(self) -> None:
        words = [{"word": text, "start": start} for text, start in [("a", 1.02), ("b", 1.0)]]
        assert [word.text for word in parse({"text": "a b", "words": words}).words] == ["a", "b"]

    def test_null_word_falls_back_to_text(self) -> None:
        words = [{"word": None, "text": "Hi", "start": 0, "end": 1}]
        assert parse({"text": "Hi", "words": words}).words == (Span("Hi", 0, 1),)

    @pytest.mark.parametrize(
        "seconds",
        ["soon", "inf", True, None, [1]],
        ids=["word", "infinite", "bool", "null", "list"],
    )
    def test_invalid_times_are_dropped(self, seconds: Any) -> None:
        body = {"text": "Hi", "duration": seconds, "words": [{"word": "Hi", "start": seconds}]}
        assert parse(body) == Transcript("Hi")

    def test_too_large_duration_is_dropped(self) -> None:
        assert parse(b'{"text": "\\ud800", "duration": 1' + b"0" * 400 + b"}").duration is None

    def test_missing_and_reversed_times_are_repaired(self) -> None:
        """Text is kept: a missing start is the end of the previous item, times are at least 0."""
        times = [(-3, -4), (0, 1), (None, None), (2, 1), (None, 4)]
        segments = [
            {"text": f"{number}", "start": start, "end": end}
            for number, (start, end) in enumerate(times)
        ]
        transcript = parse({"text": "0 1 2 3 4", "segments": segments})
        assert [(span.start, span.end) for span in transcript.segments] == [
            (0, 0),
            (0, 1),
            (1, 1),
            (2, 2),
            (2, 4),
        ]

    def test_offline_header_is_reported(self) -> None:
        response = build_response({"text": "Hi"}, **{"x-orq-offline": "1"})
        assert parse_transcript(response).offline


class TestText:
    @pytest.mark.parametrize("content_type", ["text/plain", "application/json", ""])
    @pytest.mark.parametrize("quoted", [False, True], ids=["plain", "quoted"])
    def test_text_may_be_plain_or_a_json_string(self, content_type: str, quoted: bool) -> None:
        def parse_text(text: str, response_format: Any) -> Transcript:
            body = text if quoted else text.encode()
            return parse_transcript(build_response(body, content_type), response_format)

        assert parse_text("Good day.\n", "text").text == "Good day."
        for text, response_format in ((SRT, "srt"), (VTT, "vtt")):
            transcript = parse_text(text, response_format)
            assert (transcript.text, transcript.segments) == ("Good day.", CUES)

    @pytest.mark.parametrize("text", ['"Stop," she said.', "[laughs] {sic}"], ids=["quote", "list"])
    def test_text_may_start_like_json(self, text: str) -> None:
        response = build_response(text.encode(), "text/plain")
        assert parse_transcript(response, "text").text == text

    @pytest.mark.parametrize(
        ("text", "charset", "codec"),
        [
            ("caf\u00e9", "ISO-8859-1", "latin-1"),
            ("\u20ac 5", '"windows-1252"', "cp1252"),
            ("\u4f60\u597d", "gbk", "gbk"),
            ("\u65e5\u672c", "Shift_JIS", "shift_jis"),
            ("caf\u00e9", "utf-16", "utf-16"),
            ("caf\u00e9", "utf-16-le", "utf-16-le"),
            ("caf\u00e9", "UTF-8", "utf-8-sig"),
            ("caf\u00e9", "unknown", "utf-8"),
            ("caf\u00e9", "us-ascii", "utf-8"),
            ("caf\u00e9", "rot13", "utf-8"),
            ('"caf\u00e9"', "iso-8859-1", "latin-1"),
        ],
    )
    def test_charset_of_the_content_type_is_used(self, text: str, charset: str, codec: str) -> None:
        response = build_response(text.encode(codec), f"text/plain; Charset = {charset}")
        assert parse_transcript(response, "text").text == text.strip('"')
        subtitles = SRT.replace("Good", text.strip('"')).encode(codec)
        response = build_response(subtitles, f"text/srt;charset={charset}; x=y")
        assert parse_transcript(response, "srt").segments[0].text == text.strip('"')

    def test_object_is_accepted_if_text_was_requested(self) -> None:
        assert parse({"text": "Hi"}, "text").text == "Hi"
        assert parse({"text": "Hi"}, "srt").segments == ()

    @each_subtitle_format
    def test_subtitles_may_be_wrapped_in_an_object(
        self, subtitles: str, response_format: Any
    ) -> None:
        """LiteLLM's proxy returns them this way."""
        transcript = parse({"text": subtitles}, response_format)
        assert (transcript.text, transcript.segments) == ("Good day.", CUES)

    def test_silence_is_an_empty_transcript(self) -> None:
        assert parse({"text": ""}).text == ""
        newline = build_response(b"\n", "text/plain")
        assert parse_transcript(newline, "text").text == ""
        header = build_response(b"WEBVTT\n\n", "text/vtt")
        assert parse_transcript(header, "vtt").segments == ()

    def test_empty_srt_is_silence_if_it_is_labeled_as_text(self) -> None:
        empty = build_response(b"", "text/plain; charset=utf-8")
        assert parse_transcript(empty, "srt") == Transcript("")
        with pytest.raises(MalformedResponseError, match="empty"):
            parse_transcript(build_response(b"", "text/html"), "srt")
        for response_format in ("text", "vtt"):
            with pytest.raises(MalformedResponseError, match="empty"):
                parse_transcript(build_response(b"", "text/plain"), response_format)


class TestErrors:
    @pytest.mark.parametrize(
        ("body", "response_format"),
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
            (b"null", "text"),
            (b'{"error": {"mess', "text"),
        ],
    )
    def test_response_without_a_transcript_raises(self, body: Any, response_format: Any) -> None:
        with pytest.raises(MalformedResponseError):
            parse(body, response_format)

    @pytest.mark.parametrize("response_format", [None, "text", "srt"])
    def test_error_with_status_200_raises(self, response_format: Any) -> None:
        with pytest.raises(EmbeddedError):
            parse({"error": {"message": "no"}}, response_format)


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


def test_errors_of_segments_are_reported() -> None:
    assert TRANSCRIPT.errors == ["e"]
