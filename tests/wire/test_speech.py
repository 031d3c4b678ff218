"""Speech requests, and telling audio from errors in the response."""

from itertools import chain, repeat

import pytest
from pydantic import ValidationError

from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
)
from orq_router_integrations.wire.speech import (
    SNIFF_BYTES,
    SPEECH_FORMATS,
    SpeechDecoder,
    SpeechRequest,
)

PARAMS = {"model": "elevenlabs/eleven_v3", "text": "Hello.", "voice": "rachel"}
BODY = {"model": "elevenlabs/eleven_v3", "input": "Hello.", "voice": "rachel"}
AUDIO = b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(range(256))


def create_decoder() -> SpeechDecoder:
    return SpeechDecoder(process=bytes, end=lambda: None)


def decode(*chunks: bytes) -> bytes:
    decoder = create_decoder()
    audio = b"".join(item for chunk in chunks for item in decoder.feed(chunk))
    return audio + b"".join(decoder.finish())


class TestSpeechRequest:
    def test_to_wire_contains_set_params_only(self):
        assert SpeechRequest(**PARAMS).to_wire() == BODY
        body = SpeechRequest(**PARAMS, audio_format="wav", speed=1.5).to_wire()
        assert body == {**BODY, "response_format": "wav", "speed": 1.5}

    @pytest.mark.parametrize("name", SPEECH_FORMATS)
    def test_formats(self, name):
        assert SpeechRequest(**PARAMS, audio_format=name).to_wire()["response_format"] == name

    @pytest.mark.parametrize(
        ("params", "message"),
        [
            ({"text": ""}, "The text is empty"),
            ({"text": " \n"}, "The text is empty"),
            ({"text": "ab\ud83d"}, "lone surrogate at position 2"),
            ({"voice": ""}, "voice"),
            ({"voice": " "}, "voice"),
            ({"audio_format": "ogg"}, "audio_format"),
            ({"audio_format": "MP3"}, "audio_format"),
            ({"speed": 0.24}, "speed"),
            ({"speed": 4.1}, "speed"),
            ({"speed": float("nan")}, "speed"),
            ({"speed": "1"}, "speed"),
            ({"speed": True}, "speed"),
            ({"model": "tts-1"}, "provider/model"),
            ({"instructions": "Whisper."}, "instructions"),
        ],
    )
    def test_invalid_value_is_rejected(self, params, message):
        with pytest.raises(ValidationError, match=message):
            SpeechRequest(**{**PARAMS, **params})


class TestSpeechDecoder:
    @pytest.mark.parametrize("cut", range(0, len(AUDIO), 7))
    def test_audio_is_passed_on_unchanged(self, cut):
        assert decode(AUDIO[:cut], b"", AUDIO[cut:]) == AUDIO

    def test_audio_is_passed_on_immediately(self):
        decoder = create_decoder()
        assert list(decoder.feed(AUDIO[:SNIFF_BYTES])) == [AUDIO[:SNIFF_BYTES]]
        assert list(decoder.feed(b"x")) == [b"x"]

    @pytest.mark.parametrize("audio", [bytes(10), b"\xff\xfb", b"{\x00}\x00", b"\xff\xff" * 40])
    def test_samples_are_not_text(self, audio):
        assert decode(audio) == audio

    def test_error_with_status_200_raises(self):
        body = b'{"error": {"message": "no voice", "code": "bad_voice"}}'
        with pytest.raises(EmbeddedError) as caught:
            decode(body[:5], body[5:])
        assert caught.value.body == body

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b'{"ok": true}', "got JSON"),
            (b'{"text": "' + b"a" * 100 + b'"}', "got JSON"),
            (b"<html><body>Bad gateway</body></html>", "got text"),
            (b"<!DOCTYPE html>" + "\u00e4\u20ac".encode() * 40, "got text"),
            (b"data: {}\n\n", "got text"),
            ("\ufeff \u00fcbel".encode(), "got text"),
            (b"null", "got JSON"),
            (b"", "its body is empty"),
        ],
    )
    def test_text_raises(self, body, message):
        with pytest.raises(MalformedResponseError, match=message):
            decode(*(body[start : start + 9] for start in range(0, len(body), 9)))

    def test_endless_text_raises_before_its_end(self):
        decoder = create_decoder()
        endless = chain.from_iterable(decoder.feed(b"a" * 100) for _ in repeat(None))
        with pytest.raises(MalformedResponseError, match="got text"):
            next(endless)
