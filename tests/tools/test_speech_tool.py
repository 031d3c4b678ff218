"""``OrqSpeechTool`` for programs: whole speech, streams, files; long texts; what came back."""

import hashlib
import inspect
import json
import pickle
from itertools import zip_longest

import pytest
from support.audio_samples import mp3, samples, wav
from support.speaking import (
    ELEVEN,
    TTS,
    every_way,
    frames,
    heard,
    scripted,
    speaker,
    spoken,
    spoken_to,
    streamed,
)

from orq_router_integrations import OfflineRouter, OrqSpeechTool, RouterControls
from orq_router_integrations.errors import InvalidResponseError, RouterInputError
from orq_router_integrations.testing import Answer

TEXT = "Good morning, Ünïcode. It is 7 o'clock!"
LONG = "The first sentence is short. The second one, which is longer, has a clause. And the end."


@every_way
class TestWhole:
    async def test_speech_and_all_that_is_known_of_it(self, awaited):
        router = OfflineRouter()
        speech = await spoken(speaker(router), awaited, TEXT)
        assert heard(speech.data) == TEXT
        rate, data = frames(speech.data)
        assert speech.seconds == pytest.approx(len(data) / 2 / rate, abs=0.001)
        assert (speech.format, speech.requested_format, speech.mime_type) == (
            "wav",
            "wav",
            "audio/wav",
        )
        assert (speech.model, speech.answering_model, speech.voice) == (TTS, TTS, "alloy")
        assert (speech.pieces, speech.attempts, speech.characters) == (1, 1, len(TEXT))
        assert speech.size == len(speech.data)
        assert speech.sha256 == hashlib.sha256(speech.data).hexdigest()
        assert speech.trace_ids == ("0" * 31 + "1",)
        assert router.log[0].body == {
            "model": "tts-1",
            "input": TEXT,
            "voice": "alloy",
            "response_format": "wav",
        }

    async def test_choices_of_one_call(self, awaited):
        router = OfflineRouter()
        tool = speaker(router, speed=1.0)
        slow = await spoken(tool, awaited, TEXT)
        fast = await spoken(
            tool, awaited, TEXT, model=ELEVEN, voice="rachel", format="pcm", speed=2.0
        )
        assert (fast.format, fast.model, fast.voice) == ("pcm", ELEVEN, "rachel")
        assert fast.seconds == pytest.approx(slow.seconds / 2, rel=0.01)
        assert (fast.rate, fast.assumed) == (16000, None)  # the content type tells it

    async def test_a_format_that_was_replaced_is_told(self, awaited):
        speech = await spoken(speaker(format=None), awaited, TEXT)
        assert (speech.requested_format, speech.format) == ("mp3", "wav")
        assert "WAV audio (not MP3)" in speech.summary

    async def test_a_fallback_speaks(self, awaited):
        router = OfflineRouter(faults={TTS: 503})
        controls = RouterControls(fallbacks=[ELEVEN], retry={"count": 1})
        speech = await spoken(speaker(router), awaited, TEXT, controls=controls)
        assert (speech.model, speech.answering_model) == (TTS, ELEVEN)
        assert [call.status for call in router.log] == [503, 503, 200]
        assert heard(speech.data) == TEXT

    async def test_raw_samples_without_a_rate_rest_on_an_assumption(self, awaited):
        tool, _ = scripted([samples(12000)], format="pcm")
        speech = await spoken(tool, awaited, TEXT)
        assert (speech.seconds, speech.assumed) == (0.5, "24000 Hz, 16 bit, mono")
        tool, _ = scripted([samples(12000)], format="pcm", pcm_rate=8000)
        assert (await spoken(tool, awaited, TEXT)).seconds == 1.5

    async def test_identity_and_thread_go_where_the_base_url_wants_them(self, awaited):
        router = OfflineRouter()
        client = router.client(base_url="https://offline.invalid/v2/router")
        controls = {"identity": {"id": "u", "email": "u@example.com"}, "thread": "t"}
        await spoken(speaker(router, client=client), awaited, TEXT, controls=controls)
        assert router.requests[0].body["orq"] == {
            "identity": {"id": "u", "email": "u@example.com"},
            "thread": {"id": "t"},
        }
        await spoken(speaker(router), awaited, TEXT, controls={"identity": "u"})
        assert router.requests[1].headers["x-orq-identity-id"] == "u"

    async def test_it_is_sent_again_after_a_status(self, awaited):
        router = OfflineRouter(faults={TTS: [503]})
        tool = speaker(router, client=router.client(max_retries=1))
        assert (await spoken(tool, awaited, TEXT)).attempts == 2

    async def test_extra_members_travel_as_they_are(self, awaited):
        router = OfflineRouter(lenient=True)
        await spoken(speaker(router, extra_body={"instructions": "Whisper."}), awaited, TEXT)
        assert router.requests[0].body["instructions"] == "Whisper."


@every_way
class TestStream:
    async def test_bytes_as_they_arrive(self, awaited):
        router = OfflineRouter()
        data = await streamed(speaker(router), awaited, TEXT)
        assert len(data) > 5
        assert b"".join(data)[44:] == speaker().synthesize(TEXT).data[44:]

    async def test_a_dict_of_arguments(self, awaited):
        router = OfflineRouter()
        given = {"text": TEXT, "voice": "nova", "speed": 2.0}
        assert b"".join(await streamed(speaker(router), awaited, given, format="pcm"))
        assert router.requests[0].body["voice"] == "nova"
        assert router.requests[0].body["response_format"] == "pcm"

    async def test_a_tool_call_is_run_as_every_tool_runs_one(self, awaited):
        call = {"type": "tool_call", "id": "c", "name": "speak", "args": {"text": TEXT}}
        (message,) = await streamed(speaker(), awaited, call)
        assert (message.tool_call_id, message.status) == ("c", "success")

    async def test_a_long_text_is_one_file(self, awaited):
        whole = b"".join(await streamed(speaker(max_chars=40), awaited, LONG))
        assert whole[:4] == b"RIFF"
        assert whole[4:8] == whole[40:44] == b"\xff" * 4
        assert whole.count(b"RIFF") == 1

    async def test_nothing_but_a_text_or_a_dict_with_one(self, awaited):
        for wrong in (None, 7, {"voice": "nova"}, {"text": None}):
            with pytest.raises(RouterInputError, match="text: "):
                await streamed(speaker(), awaited, wrong)


@every_way
class TestFile:
    async def test_the_suffix_asks_for_the_format(self, awaited, tmp_path):
        router = OfflineRouter()
        speech = await spoken_to(speaker(router, format="pcm"), awaited, tmp_path / "a.wav", TEXT)
        assert router.requests[0].body["response_format"] == "wav"
        assert (speech.path, speech.data) == (str(tmp_path / "a.wav"), None)
        assert heard((tmp_path / "a.wav").read_bytes()) == TEXT
        assert speech.sha256 == hashlib.sha256((tmp_path / "a.wav").read_bytes()).hexdigest()

    async def test_choices_go_along_and_a_format_among_them_wins(self, awaited, tmp_path):
        router, chosen = OfflineRouter(), {"format": "pcm", "voice": "nova"}
        with pytest.warns(UserWarning, match=r"a.wav holds pcm"):
            await spoken_to(speaker(router), awaited, tmp_path / "a.wav", TEXT, **chosen)
        sent = router.requests[0].body
        assert (sent["response_format"], sent["voice"]) == ("pcm", "nova")

    async def test_a_name_that_says_another_format_than_came(self, awaited, tmp_path):
        with pytest.warns(UserWarning, match=r"a.mp3 holds wav"):
            speech = await spoken_to(speaker(), awaited, tmp_path / "a.mp3", TEXT)
        assert (speech.requested_format, speech.format) == ("mp3", "wav")
        assert heard(speech.read()) == TEXT

    async def test_the_sizes_of_a_streamed_wav_are_put_right(self, awaited, tmp_path):
        data = samples(5000)
        tool, _ = scripted([wav(data, size="open")])
        await spoken_to(tool, awaited, tmp_path / "a.wav", TEXT)
        assert (tmp_path / "a.wav").read_bytes() == wav(data)

    async def test_old_files_stay_if_told_so(self, awaited, tmp_path):
        (tmp_path / "a.wav").write_bytes(b"old")
        tool, script = scripted([wav(samples(9))])
        with pytest.raises(RouterInputError, match="pass overwrite=True"):
            await spoken_to(tool, awaited, tmp_path / "a.wav", TEXT, overwrite=False)
        assert script.sent == 0
        await spoken_to(tool, awaited, tmp_path / "a.wav", TEXT)
        assert (tmp_path / "a.wav").read_bytes() == wav(samples(9))


@every_way
class TestLongTexts:
    async def test_pieces_are_joined_without_a_gap(self, awaited):
        router = OfflineRouter()
        speech = await spoken(speaker(router, max_chars=40), awaited, LONG)
        asked = [request.body["input"] for request in router.requests]
        assert asked == [
            "The first sentence is short.",
            "The second one, which is longer,",
            "has a clause. And the end.",
        ]
        assert heard(speech.data) == LONG
        alone = [frames(speaker().synthesize(part).data)[1] for part in asked]
        assert frames(speech.data)[1] == b"".join(alone)
        assert (speech.pieces, speech.attempts, len(speech.trace_ids)) == (3, 3, 3)

    async def test_a_file_of_pieces_is_the_same(self, awaited, tmp_path):
        tool = speaker(max_chars=40)
        speech = await spoken_to(tool, awaited, tmp_path / "a.wav", LONG)
        assert (tmp_path / "a.wav").read_bytes() == tool.synthesize(LONG).data
        assert speech.pieces == 3

    async def test_mp3_frames(self, awaited):
        one, two = mp3(4, seed=1), mp3(3, seed=2)
        router = OfflineRouter(answers={TTS: [Answer(audio=one), Answer(audio=two)]})
        speech = await spoken(speaker(router, max_chars=50, format="mp3"), awaited, LONG[:80])
        assert speech.data == one + two
        assert speech.seconds == pytest.approx(7 * 1152 / 44100, abs=0.001)

    async def test_pcm(self, awaited):
        tool = speaker(max_chars=40, format="pcm")
        assert (await spoken(tool, awaited, LONG)).data == frames(
            speaker(max_chars=40).synthesize(LONG).data
        )[1]

    async def test_pieces_of_different_kinds_are_no_file(self, awaited):
        tool, script = scripted([wav(samples(50))], [wav(samples(9), rate=8000)], max_chars=60)
        with pytest.raises(
            InvalidResponseError, match=r"8000 Hz.*16000 Hz.*piece 2 of 2"
        ) as caught:
            await spoken(tool, awaited, LONG)
        assert caught.value.partial_bytes == wav(samples(50))
        assert (caught.value.received, script.sent) == (144, 2)

    async def test_pieces_of_different_formats_are_no_file(self, awaited):
        tool, _ = scripted([mp3(2)], [wav(samples(9))], max_chars=60)
        with pytest.raises(InvalidResponseError, match="a piece is wav, those before it mp3"):
            await spoken(tool, awaited, LONG)

    async def test_raw_samples_at_different_rates_are_no_file(self, awaited):
        router = OfflineRouter(faults={TTS: [200, 503]})
        tool = speaker(router, format="pcm", max_chars=60)
        said = "pcm at 16000 Hz, those before it pcm at 24000 Hz; another model may have answered"
        with pytest.raises(InvalidResponseError, match=said) as caught:
            await spoken(tool, awaited, LONG, controls={"fallbacks": [ELEVEN]})
        first = "The first sentence is short."
        assert caught.value.partial_bytes == speaker(format="pcm").synthesize(first).data

    async def test_a_format_that_cannot_be_joined_ends_with_the_first_piece(self, awaited):
        tool, script = scripted([b"OggS" + bytes(24) + b"OpusHead" + bytes(99)], max_chars=60)
        with pytest.raises(InvalidResponseError, match="pieces of opus cannot be joined") as caught:
            await spoken(tool, awaited, LONG)
        assert (len(caught.value.partial_bytes), script.sent) == (135, 1)

    async def test_models_that_share_the_work_are_none_of_them_alone(self, awaited):
        router = OfflineRouter(faults={"groq/tts": [200, 503]})
        tool = speaker(router, model="groq/tts", max_chars=60)
        speech = await spoken(tool, awaited, LONG, controls={"fallbacks": [ELEVEN]})
        assert (speech.pieces, speech.answering_model) == (2, None)
        assert heard(speech.data) == LONG


@pytest.mark.parametrize("verb", ["speak", "speak_to", "stream"])
def test_every_verb_has_a_twin_with_the_same_signature(verb):
    sync, twin = getattr(OrqSpeechTool, verb), getattr(OrqSpeechTool, f"a{verb}")
    assert inspect.signature(sync).parameters == inspect.signature(twin).parameters


def test_interleaved_streams_stay_apart():
    tool = speaker(format="pcm")
    pairs = zip_longest(tool.stream("one " * 30), tool.stream("two " * 40), fillvalue=b"")
    one, two = (b"".join(parts) for parts in zip(*pairs, strict=True))
    assert one == tool.synthesize("one " * 30).data
    assert two == tool.synthesize("two " * 40).data


def test_a_tool_survives_pickling(monkeypatch):
    monkeypatch.setenv("ORQ_API_KEY", "sk-orq-env")
    tool = OrqSpeechTool(model=TTS, voice="alloy", model_args=("voice",))
    copy = pickle.loads(pickle.dumps(tool))
    assert b"sk-orq" not in pickle.dumps(tool)
    assert copy.args == tool.args
    assert copy.voice == "alloy"
    assert json.dumps(copy.tool_call_schema.model_json_schema())
