"""POST /audio/speech: audio, validation, routing and the openai client."""

import io
import wave

import httpx
import openai
import pytest

from orq_router_integrations.testing import Answer, Fault, OfflineRouter
from orq_router_integrations.testing.media import audio
from orq_router_integrations.testing.media.tone_codec import decode_speech

TEXT = "The quick brown fox, at 7 o'clock. Ünï 日本!"
TTS = "openai/tts-1"
ELEVEN = "elevenlabs/eleven_v3"


class SpeechClient:
    """Send speech requests to one offline router with httpx."""

    def __init__(self, **settings):
        self.router = OfflineRouter(**settings)

    def post(self, *, prefix="v3/router", headers=None, **fields):
        body = {"model": TTS, "input": TEXT, "voice": "alloy"} | fields
        all_headers = {"Authorization": "Bearer any", **(headers or {})}
        with httpx.Client(transport=self.router.transport) as http:
            url = f"https://any.host/{prefix}/audio/speech"
            return http.post(url, headers=all_headers, json=body)

    def get_error(self, **fields):
        response = self.post(**fields)
        assert response.status_code == 400, response.content[:200]
        return response.json()["error"]


def decode_wav(response: httpx.Response) -> str:
    """Decode the text of a WAV response with the sample rate in its header."""
    with wave.open(io.BytesIO(response.content)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return decode_pcm(file.readframes(10**9), file.getframerate())


def decode_pcm(samples: bytes, rate: int) -> str:
    return " ".join(word.text for word in decode_speech(samples, rate=rate))


class TestSound:
    @pytest.mark.parametrize(("model", "rate"), [(TTS, 24000), (ELEVEN, 16000)])
    def test_wav_encodes_the_text(self, model, rate):
        response = SpeechClient().post(model=model, response_format="wav")
        assert response.headers["content-type"] == "audio/wav"
        assert decode_wav(response) == TEXT
        assert int.from_bytes(response.content[24:28], "little") == rate

    def test_pcm_encodes_the_text(self):
        response = SpeechClient().post(response_format="pcm")
        assert response.headers["content-type"] == "audio/pcm;rate=24000;channels=1"
        assert decode_pcm(response.content, 24000) == TEXT

    @pytest.mark.parametrize("response_format", ["mp3", "opus", "aac", "flac"])
    def test_other_formats_are_replaced(self, response_format):
        response = SpeechClient().post(model=ELEVEN, response_format=response_format)
        assert (response.status_code, response.headers["content-type"]) == (200, "audio/wav")
        assert "content-length" not in response.headers

    @pytest.mark.parametrize(
        ("response_format", "content_type"),
        [
            ("mp3", "audio/mpeg"),
            ("opus", "audio/ogg"),
            ("aac", "audio/aac"),
            ("flac", "audio/flac"),
        ],
    )
    def test_compressed_speech_encodes_the_text(self, response_format, content_type):
        response = SpeechClient().post(response_format=response_format)
        assert response.headers["content-type"] == content_type
        assert decode_pcm(*audio.decode_audio(response.content)) == TEXT

    def test_compressed_formats_are_replaced_without_pyav(self, monkeypatch):
        monkeypatch.setattr(audio, "has_pyav", lambda: False)
        response = SpeechClient().post(response_format="mp3")
        assert decode_wav(response) == TEXT

    @pytest.mark.slow
    def test_default_format_is_mp3(self):
        client = SpeechClient()
        assert client.post().content == client.post(response_format="mp3").content

    def test_wav_header_has_the_size_or_leaves_it_open(self):
        open_header, sized = (
            SpeechClient().post(response_format="wav"),
            SpeechClient().post(model=ELEVEN),
        )
        assert open_header.content[40:44] == b"\xff" * 4
        assert int.from_bytes(sized.content[40:44], "little") == len(sized.content) - 44

    def test_speed_scales_the_duration(self):
        lengths = {
            speed: len(SpeechClient().post(response_format="pcm", speed=speed).content)
            for speed in (0.5, 1, 2)
        }
        assert lengths[0.5] / lengths[1] == pytest.approx(2, rel=0.01)
        assert lengths[1] / lengths[2] == pytest.approx(2, rel=0.01)

    @pytest.mark.slow
    def test_output_is_deterministic(self):
        """The voice has no effect either."""
        assert SpeechClient().post().content == SpeechClient().post(voice="nova").content

    def test_scripted_audio_is_unchanged(self):
        mp3 = b"\xff\xfb\x90\x64" + bytes(9000)
        response = SpeechClient(answers={"Hi": Answer(audio=mp3)}).post(input="Hi")
        assert (response.content, response.headers["content-type"]) == (mp3, "audio/mpeg")


class TestRules:
    @pytest.mark.parametrize(
        ("fields", "param"),
        [
            ({"input": ""}, "input"),
            ({"input": " \n "}, "input"),
            ({"input": "a" * 4097}, "input"),
            ({"input": 7}, "input"),
            ({"voice": ""}, "voice"),
            ({"voice": None}, "voice"),
            ({"response_format": "ogg"}, "response_format"),
            ({"response_format": None}, "response_format"),
            ({"speed": 0.2}, "speed"),
            ({"speed": 4.5}, "speed"),
            ({"speed": "1"}, "speed"),
            ({"instructions": "Whisper."}, "instructions"),
            ({"stream": True}, "stream"),
            ({"cache": {"type": "exact_match"}}, "cache"),
            ({"identity": {"id": "u"}}, "identity"),
            ({"thread": {"id": "t"}}, "thread"),
            ({"metadata": {"a": "b"}}, "metadata"),
            ({"orq": {"identity": {"id": "u"}}}, "orq.identity"),
            ({"model": "tts-1"}, "model"),
        ],
    )
    def test_invalid_request_names_the_field(self, fields, param):
        client = SpeechClient()
        assert client.get_error(**fields)["param"] == param
        assert client.router.log == []

    def test_lenient_router_ignores_unknown_fields(self):
        assert SpeechClient(lenient=True).post(instructions="Whisper.").status_code == 200

    def test_identity_and_thread_may_be_nested_in_orq(self):
        nested = {"identity": {"id": "u"}, "thread": {"id": "t"}}
        assert SpeechClient().post(prefix="v2/router", orq=nested).status_code == 200

    def test_identity_may_be_a_header(self):
        assert SpeechClient().post(headers={"X-ORQ-IDENTITY-ID": "u"}).status_code == 200

    def test_disabled_model_is_not_found(self):
        assert SpeechClient(models=["openai/gpt-4o"]).post().status_code == 404


class TestRouting:
    def test_fallback_speaks_after_the_retries(self):
        client = SpeechClient(faults={TTS: 503})
        response = client.post(fallbacks=[{"model": ELEVEN}], retry={"count": 1, "on_codes": [503]})
        assert decode_wav(response) == TEXT
        calls = [(call.model, call.status, call.path) for call in client.router.log]
        path = "/audio/speech"
        assert calls == [(TTS, 503, path), (TTS, 503, path), (ELEVEN, 200, path)]
        assert client.router.log[-1].body == {
            "model": "eleven_v3",
            "input": TEXT,
            "voice": "alloy",
        }

    @pytest.mark.slow
    def test_load_balancer_picks_every_model(self):
        client = SpeechClient()
        models = [{"model": TTS, "weight": 0.5}, {"model": ELEVEN, "weight": 0.5}]
        for _ in range(20):
            client.post(load_balancer={"type": "weight_based", "models": models})
        assert {call.model for call in client.router.log} == {TTS, ELEVEN}

    def test_timeout_falls_back(self):
        client = SpeechClient(faults={TTS: Fault(status=200, seconds=9)})
        response = client.post(timeout={"call_timeout": 900}, fallbacks=[{"model": ELEVEN}])
        assert response.status_code == 200
        assert [call.status for call in client.router.log] == [408, 200]

    @pytest.mark.parametrize(
        "fault", [Fault(cut_after=2), Fault(error_after=2)], ids=["cut", "error"]
    )
    def test_truncated_body(self, fault):
        client = SpeechClient(faults={TTS: fault})
        chunks = []
        with (
            httpx.Client(transport=client.router.transport) as http,
            http.stream(
                "POST",
                "https://any.host/v3/router/audio/speech",
                json={"model": TTS, "input": TEXT, "voice": "alloy"},
                headers={"Authorization": "Bearer any"},
            ) as response,
            pytest.raises(httpx.RemoteProtocolError, match="incomplete"),
        ):
            chunks.extend(response.iter_raw())
        assert b"".join(chunks) == SpeechClient().post().content[: 2 * 4096]

    def test_short_scripted_audio_is_truncated(self):
        client = SpeechClient(
            answers={TEXT: Answer(audio=b"RIFF")}, faults={TTS: [Fault(cut_after=1)]}
        )
        with pytest.raises(httpx.RemoteProtocolError, match="incomplete"):
            client.post()

    def test_failure_before_the_first_byte_returns_502(self):
        assert SpeechClient(faults={TTS: Fault(cut_after=0)}).post().status_code == 502


class TestOpenAIClient:
    """The openai client with an in-process router."""

    @pytest.fixture
    def client(self):
        http = httpx.Client(transport=OfflineRouter().transport)
        with openai.OpenAI(
            api_key="any", base_url="https://any.host/v3/router", http_client=http
        ) as client:
            yield client

    def test_speech_can_be_written_to_a_file(self, client, tmp_path):
        response = client.audio.speech.create(
            model=TTS, input=TEXT, voice="alloy", response_format="wav", speed=2
        )
        response.write_to_file(tmp_path / "speech.wav")
        with wave.open(str(tmp_path / "speech.wav")) as file:
            assert decode_pcm(file.readframes(10**9), 24000) == TEXT

    def test_speech_can_be_streamed(self, client):
        with client.audio.speech.with_streaming_response.create(
            model=TTS, input=TEXT, voice="alloy", response_format="pcm"
        ) as response:
            chunks = list(response.iter_bytes())
        assert len(chunks) > 3
        assert decode_pcm(b"".join(chunks), 24000) == TEXT

    def test_extra_body_may_contain_controls(self, client):
        response = client.audio.speech.create(
            model=ELEVEN,
            input=TEXT,
            voice="rachel",
            response_format="pcm",
            extra_body={"fallbacks": [{"model": TTS}], "retry": {"count": 1}},
        )
        assert decode_pcm(response.content, 16000) == TEXT

    def test_invalid_request_raises(self, client):
        with pytest.raises(openai.BadRequestError, match="voice"):
            client.audio.speech.create(model=TTS, input=TEXT, voice="")
