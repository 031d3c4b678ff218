"""The offline router speaks: real sound whose words can be heard, routed as everything else."""

import io
import wave

import httpx
import openai
import pytest

from orq_router_integrations.testing import Answer, Fault, OfflineRouter
from orq_router_integrations.testing.media.tone_codec import decode_speech

TEXT = "The quick brown fox, at 7 o'clock. Ünï 日本!"
TTS = "openai/tts-1"
ELEVEN = "elevenlabs/eleven_v3"


class Desk:
    """One router, asked for speech by plain httpx."""

    def __init__(self, **settings):
        self.router = OfflineRouter(**settings)

    def post(self, *, prefix="v3/router", headers=None, **members):
        whole = {"model": TTS, "input": TEXT, "voice": "alloy"} | members
        given = {"Authorization": "Bearer any", **(headers or {})}
        with httpx.Client(transport=self.router.transport) as http:
            url = f"https://any.host/{prefix}/audio/speech"
            return http.post(url, headers=given, json=whole)

    def refused(self, **members):
        reply = self.post(**members)
        assert reply.status_code == 400, reply.content[:200]
        return reply.json()["error"]


def heard(reply: httpx.Response) -> str:
    """The words in a reply's sound, as its header describes it."""
    with wave.open(io.BytesIO(reply.content)) as sound:
        assert (sound.getnchannels(), sound.getsampwidth()) == (1, 2)
        return words(sound.readframes(10**9), sound.getframerate())


def words(samples: bytes, rate: int) -> str:
    return " ".join(word.text for word in decode_speech(samples, rate=rate))


class TestSound:
    @pytest.mark.parametrize(("model", "rate"), [(TTS, 24000), (ELEVEN, 16000)])
    def test_wav_says_the_text(self, model, rate):
        reply = Desk().post(model=model, response_format="wav")
        assert reply.headers["content-type"] == "audio/wav"
        assert heard(reply) == TEXT
        assert int.from_bytes(reply.content[24:28], "little") == rate

    def test_pcm_says_the_text(self):
        reply = Desk().post(response_format="pcm")
        assert reply.headers["content-type"] == "audio/pcm;rate=24000;channels=1"
        assert words(reply.content, 24000) == TEXT

    @pytest.mark.parametrize("wanted", ["mp3", "opus", "aac", "flac"])
    @pytest.mark.parametrize(
        ("model", "got"), [(TTS, "audio/wav"), ("google-ai/gemini-2.5-flash-tts", "audio/pcm")]
    )
    def test_other_formats_are_replaced_without_a_word(self, wanted, model, got):
        reply = Desk().post(model=model, response_format=wanted)
        assert (reply.status_code, reply.headers["content-type"].partition(";")[0]) == (200, got)
        assert "content-length" not in reply.headers

    def test_the_default_is_mp3_and_so_replaced(self):
        desk = Desk()
        assert desk.post().content == desk.post(response_format="mp3").content

    def test_the_size_in_the_header(self):
        open_ended, closed = Desk().post(response_format="wav"), Desk().post(model=ELEVEN)
        assert open_ended.content[40:44] == b"\xff" * 4
        assert int.from_bytes(closed.content[40:44], "little") == len(closed.content) - 44

    def test_speed_changes_the_length(self):
        length = {
            speed: len(Desk().post(response_format="pcm", speed=speed).content)
            for speed in (0.5, 1, 2)
        }
        assert length[0.5] / length[1] == pytest.approx(2, rel=0.01)
        assert length[1] / length[2] == pytest.approx(2, rel=0.01)

    def test_it_is_deterministic(self):
        assert Desk().post().content == Desk().post(voice="nova").content

    def test_scripted_audio_is_sent_as_it_is(self):
        mp3 = b"\xff\xfb\x90\x64" + bytes(9000)
        reply = Desk(answers={"Hi": Answer(audio=mp3)}).post(input="Hi")
        assert (reply.content, reply.headers["content-type"]) == (mp3, "audio/mpeg")


class TestRules:
    @pytest.mark.parametrize(
        ("wrong", "param"),
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
    def test_what_the_contract_does_not_allow(self, wrong, param):
        desk = Desk()
        assert desk.refused(**wrong)["param"] == param
        assert desk.router.log == []

    def test_lenient_lets_unknown_members_pass(self):
        assert Desk(lenient=True).post(instructions="Whisper.").status_code == 200

    def test_identity_and_thread_of_the_nested_dialect(self):
        nested = {"identity": {"id": "u"}, "thread": {"id": "t"}}
        assert Desk().post(prefix="v2/router", orq=nested).status_code == 200

    def test_an_identity_in_a_header(self):
        assert Desk().post(headers={"X-ORQ-IDENTITY-ID": "u"}).status_code == 200

    def test_a_model_that_is_not_enabled(self):
        assert Desk(models=["openai/gpt-4o"]).post().status_code == 404


class TestRouting:
    def test_a_fallback_speaks(self):
        desk = Desk(faults={TTS: 503})
        reply = desk.post(fallbacks=[{"model": ELEVEN}], retry={"count": 1, "on_codes": [503]})
        assert heard(reply) == TEXT
        asked = [(call.model, call.status, call.path) for call in desk.router.log]
        path = "/audio/speech"
        assert asked == [(TTS, 503, path), (TTS, 503, path), (ELEVEN, 200, path)]
        assert desk.router.log[-1].body == {
            "model": "eleven_v3",
            "input": TEXT,
            "voice": "alloy",
        }

    def test_the_load_balancer_picks(self):
        desk = Desk()
        models = [{"model": TTS, "weight": 0.5}, {"model": ELEVEN, "weight": 0.5}]
        for _ in range(20):
            desk.post(load_balancer={"type": "weight_based", "models": models})
        assert {call.model for call in desk.router.log} == {TTS, ELEVEN}

    def test_a_slow_provider_is_cut_by_the_timeout(self):
        desk = Desk(faults={TTS: Fault(status=200, seconds=9)})
        reply = desk.post(timeout={"call_timeout": 900}, fallbacks=[{"model": ELEVEN}])
        assert reply.status_code == 200
        assert [call.status for call in desk.router.log] == [408, 200]

    @pytest.mark.parametrize("fault", [Fault(cut_after=2), Fault(error_after=2)])
    def test_a_body_that_is_cut_off(self, fault):
        desk = Desk(faults={TTS: fault})
        pieces = []
        with (
            httpx.Client(transport=desk.router.transport) as http,
            http.stream(
                "POST",
                "https://any.host/v3/router/audio/speech",
                json={"model": TTS, "input": TEXT, "voice": "alloy"},
                headers={"Authorization": "Bearer any"},
            ) as reply,
            pytest.raises(httpx.RemoteProtocolError, match="incomplete"),
        ):
            pieces.extend(reply.iter_raw())
        assert b"".join(pieces) == Desk().post().content[: 2 * 4096]

    def test_a_cut_before_the_first_byte_is_a_failure(self):
        assert Desk(faults={TTS: Fault(cut_after=0)}).post().status_code == 502


class TestOpenAIClient:
    """The stock client, against the router in process."""

    @pytest.fixture
    def client(self):
        http = httpx.Client(transport=OfflineRouter().transport)
        with openai.OpenAI(
            api_key="any", base_url="https://any.host/v3/router", http_client=http
        ) as client:
            yield client

    def test_whole(self, client, tmp_path):
        reply = client.audio.speech.create(
            model=TTS, input=TEXT, voice="alloy", response_format="wav", speed=2
        )
        reply.write_to_file(tmp_path / "speech.wav")
        with wave.open(str(tmp_path / "speech.wav")) as sound:
            assert words(sound.readframes(10**9), 24000) == TEXT

    def test_streaming(self, client):
        with client.audio.speech.with_streaming_response.create(
            model=TTS, input=TEXT, voice="alloy", response_format="pcm"
        ) as reply:
            pieces = list(reply.iter_bytes())
        assert len(pieces) > 3
        assert words(b"".join(pieces), 24000) == TEXT

    def test_controls_in_the_extra_body(self, client):
        reply = client.audio.speech.create(
            model=ELEVEN,
            input=TEXT,
            voice="rachel",
            response_format="pcm",
            extra_body={"fallbacks": [{"model": TTS}], "retry": {"count": 1}},
        )
        assert words(reply.content, 16000) == TEXT

    def test_errors(self, client):
        with pytest.raises(openai.BadRequestError, match="voice"):
            client.audio.speech.create(model=TTS, input=TEXT, voice="")
