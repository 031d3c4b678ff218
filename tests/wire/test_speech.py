"""Speech on the wire: what a request may hold, and which bytes are audio."""

from itertools import chain, repeat

import pytest
from pydantic import ValidationError

from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    Response,
    TruncatedStreamError,
)
from orq_router_integrations.wire.speech import (
    BODY_FIELDS,
    SNIFF_BYTES,
    SPEECH_FORMATS,
    SpeechDecoder,
    SpeechRequest,
)

GIVEN = {"model": "elevenlabs/eleven_v3", "text": "Hello.", "voice": "rachel"}
SENT = {"model": "elevenlabs/eleven_v3", "input": "Hello.", "voice": "rachel"}
AUDIO = b"RIFF\xff\xff\xff\xffWAVEfmt " + bytes(range(256))


def decoded(*pieces: bytes, **headers: str) -> bytes:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    decoder = SpeechDecoder(Response(200, named))
    out = b"".join(item for piece in pieces for item in decoder.feed(piece))
    return out + b"".join(decoder.finish())


class TestParams:
    def test_only_what_is_set_is_sent(self):
        assert SpeechRequest(**GIVEN, max_chars=7).to_wire() == SENT
        full = SpeechRequest(**GIVEN, audio_format="wav", speed=1.5).to_wire()
        assert full == {**SENT, "response_format": "wav", "speed": 1.5}
        assert full.keys() == BODY_FIELDS

    @pytest.mark.parametrize("name", SPEECH_FORMATS)
    def test_the_contracts_formats(self, name):
        assert SpeechRequest(**GIVEN, audio_format=name).to_wire()["response_format"] == name

    def test_the_longest_text(self):
        assert SpeechRequest(**{**GIVEN, "text": "a" * 4096}).text

    @pytest.mark.parametrize(
        ("wrong", "said"),
        [
            ({"text": ""}, "text: it is empty"),
            ({"text": " \n"}, "text: it is empty"),
            ({"text": "a" * 4097}, "4097 characters, and one request takes 4096"),
            ({"text": "ab\ud83d"}, "half a character at position 2"),
            ({"voice": ""}, "voice"),
            ({"voice": " "}, "voice"),
            ({"format": "ogg"}, "format"),
            ({"format": "MP3"}, "format"),
            ({"speed": 0.24}, "speed"),
            ({"speed": 4.1}, "speed"),
            ({"speed": float("nan")}, "speed"),
            ({"speed": "1"}, "speed"),
            ({"speed": True}, "speed"),
            ({"model": "tts-1"}, "provider/model"),
            ({"instructions": "Whisper."}, "instructions"),
        ],
    )
    def test_what_it_may_not_hold(self, wrong, said):
        with pytest.raises(ValidationError, match=said):
            SpeechRequest(**{**GIVEN, **wrong})


class TestDecoder:
    @pytest.mark.parametrize("cut", range(0, len(AUDIO), 7))
    def test_bytes_come_out_as_they_went_in(self, cut):
        assert decoded(AUDIO[:cut], b"", AUDIO[cut:]) == AUDIO

    def test_audio_is_handed_on_at_once(self):
        decoder = SpeechDecoder(Response(200, {}))
        assert list(decoder.feed(AUDIO[:SNIFF_BYTES])) == [AUDIO[:SNIFF_BYTES]]
        assert list(decoder.feed(b"x")) == [b"x"]

    @pytest.mark.parametrize("audio", [bytes(10), b"\xff\xfb", b"{\x00}\x00", b"\xff\xff" * 40])
    def test_samples_are_no_text(self, audio):
        assert decoded(audio) == audio

    def test_an_error_with_status_200(self):
        body = b'{"error": {"message": "no voice", "code": "bad_voice"}}'
        with pytest.raises(EmbeddedError) as caught:
            decoded(body[:5], body[5:])
        assert caught.value.body == body

    @pytest.mark.parametrize(
        ("body", "said"),
        [
            (b'{"ok": true}', "JSON came"),
            (b'{"text": "' + b"a" * 100 + b'"}', "JSON came"),
            (b"<html><body>Bad gateway</body></html>", "text came"),
            (b"<!DOCTYPE html>" + "\u00e4\u20ac".encode() * 40, "text came"),
            (b"data: {}\n\n", "text came"),
            ("\ufeff \u00fcbel".encode(), "text came"),
            (b"null", "JSON came"),
            (b"", "its body is empty"),
        ],
    )
    def test_what_is_no_audio(self, body, said):
        with pytest.raises(MalformedResponseError, match=said):
            decoded(*(body[at : at + 9] for at in range(0, len(body), 9)))

    def test_an_endless_text_is_not_read_to_its_end(self):
        decoder = SpeechDecoder(Response(200, {}))
        endless = chain.from_iterable(decoder.feed(b"a" * 100) for _ in repeat(None))
        with pytest.raises(MalformedResponseError, match="text came"):
            next(endless)

    def test_a_body_that_is_shorter_than_it_says(self):
        size = str(len(AUDIO))
        assert decoded(AUDIO, content_length=size) == AUDIO
        with pytest.raises(TruncatedStreamError, match=f"100 of {size} bytes"):
            decoded(AUDIO[:100], content_length=size)

    def test_the_length_of_a_compressed_body_says_nothing(self):
        assert decoded(AUDIO, content_length="999", content_encoding="gzip") == AUDIO

    @pytest.mark.parametrize("length", ["", "-1", "many", "9" * 400])
    def test_a_length_that_is_none_is_ignored(self, length):
        assert decoded(AUDIO, content_length=length) == AUDIO
