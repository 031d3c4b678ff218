"""Speech requests."""

import pytest
from pydantic import ValidationError

from orq_router_integrations.wire.speech import SPEECH_FORMATS, SpeechRequest

PARAMS = {"model": "elevenlabs/eleven_v3", "text": "Hello.", "voice": "rachel"}
BODY = {"model": "elevenlabs/eleven_v3", "input": "Hello.", "voice": "rachel"}


class TestSpeechRequest:
    def test_to_wire_contains_set_params_only(self):
        assert SpeechRequest(**PARAMS).to_wire() == BODY
        body = SpeechRequest(**PARAMS, audio_format="wav", speed=1.5).to_wire()
        assert body == {**BODY, "response_format": "wav", "speed": 1.5}

    @pytest.mark.parametrize("name", SPEECH_FORMATS)
    def test_every_format_can_be_requested(self, name):
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
