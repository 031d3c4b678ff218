"""``OrqSpeechTool``: complete speech, streams, files and long texts."""

import hashlib
import inspect
import io
import json
import pickle
import threading
from itertools import zip_longest
from typing import Any

import pytest
from support.audio_samples import create_mp3, create_samples, create_wav
from support.marks import sync_and_async
from support.speech_tools import (
    ELEVEN,
    TTS,
    collect_stream,
    create_scripted_tool,
    create_tool,
    read_wav,
    recognize,
    synthesize,
    synthesize_to_file,
)

from orq_router_integrations import OfflineRouter, OrqSpeechTool, RouterControls
from orq_router_integrations.errors import InvalidResponseError, RouterInputError
from orq_router_integrations.media import atomic_write
from orq_router_integrations.testing import Answer

TEXT = "Good morning, Ünïcode. It is 7 o'clock!"
LONG = "The first sentence is short. The second one, which is longer, has a clause. And the end."


@sync_and_async
class TestSynthesize:
    async def test_returns_audio_and_metadata(self, is_async):
        router = OfflineRouter()
        speech = await synthesize(create_tool(router), is_async, TEXT)
        assert recognize(speech.data) == TEXT
        rate, data = read_wav(speech.data)
        assert speech.seconds == pytest.approx(len(data) / 2 / rate, abs=0.001)
        assert (speech.format, speech.requested_format, speech.mime_type) == (
            "wav",
            "wav",
            "audio/wav",
        )
        assert (speech.model, speech.answering_model, speech.voice) == (TTS, TTS, "alloy")
        assert (speech.chunks, speech.attempts, speech.characters) == (1, 1, len(TEXT))
        assert speech.size == len(speech.data)
        assert speech.sha256 == hashlib.sha256(speech.data).hexdigest()
        assert speech.trace_ids == ("0" * 31 + "1",)
        assert router.log[0].body == {
            "model": "tts-1",
            "input": TEXT,
            "voice": "alloy",
            "response_format": "wav",
        }

    async def test_arguments_of_a_call_override_those_of_the_tool(self, is_async):
        router = OfflineRouter()
        tool = create_tool(router, speed=1.0)
        slow = await synthesize(tool, is_async, TEXT)
        fast = await synthesize(
            tool, is_async, TEXT, model=ELEVEN, voice="rachel", audio_format="pcm", speed=2.0
        )
        assert (fast.format, fast.model, fast.voice) == ("pcm", ELEVEN, "rachel")
        assert fast.seconds == pytest.approx(slow.seconds / 2, rel=0.01)
        assert fast.sample_rate == 16000  # from the content type

    async def test_replaced_format_is_reported(self, is_async):
        speech = await synthesize(create_tool(model=ELEVEN, audio_format=None), is_async, TEXT)
        assert (speech.requested_format, speech.format) == ("mp3", "wav")
        assert "WAV audio (not MP3)" in speech.summary

    async def test_fallback_is_the_answering_model(self, is_async):
        router = OfflineRouter(faults={TTS: 503})
        controls = RouterControls(fallbacks=[ELEVEN], retry={"count": 1})
        speech = await synthesize(create_tool(router), is_async, TEXT, controls=controls)
        assert (speech.model, speech.answering_model) == (TTS, ELEVEN)
        assert [call.status for call in router.log] == [503, 503, 200]
        assert recognize(speech.data) == TEXT

    async def test_pcm_without_sample_rate_uses_that_of_the_tool(self, is_async):
        tool, _ = create_scripted_tool([create_samples(12000)], audio_format="pcm")
        speech = await synthesize(tool, is_async, TEXT)
        assert (speech.seconds, speech.sample_rate) == (0.5, 24000)
        tool, _ = create_scripted_tool([create_samples(12000)], audio_format="pcm", pcm_rate=8000)
        assert (await synthesize(tool, is_async, TEXT)).seconds == 1.5

    async def test_identity_and_thread_are_sent_by_dialect(self, is_async):
        router = OfflineRouter()
        client = router.client(base_url="https://offline.invalid/v2/router")
        controls = {"identity": {"id": "u", "email": "u@example.com"}, "thread": "t"}
        await synthesize(create_tool(router, client=client), is_async, TEXT, controls=controls)
        assert router.requests[0].body["orq"] == {
            "identity": {"id": "u", "email": "u@example.com"},
            "thread": {"id": "t"},
        }
        await synthesize(create_tool(router), is_async, TEXT, controls={"identity": "u"})
        assert router.requests[1].headers["x-orq-identity-id"] == "u"

    @pytest.mark.slow
    async def test_retries_after_status(self, is_async):
        router = OfflineRouter(faults={TTS: [503]})
        tool = create_tool(router, client=router.client(max_retries=1))
        assert (await synthesize(tool, is_async, TEXT)).attempts == 2

    async def test_extra_body_is_sent_unchanged(self, is_async):
        router = OfflineRouter(lenient=True)
        await synthesize(
            create_tool(router, extra_body={"instructions": "Whisper."}), is_async, TEXT
        )
        assert router.requests[0].body["instructions"] == "Whisper."


@sync_and_async
class TestStream:
    async def test_yields_several_chunks(self, is_async):
        router = OfflineRouter()
        data = await collect_stream(create_tool(router), is_async, TEXT)
        assert len(data) > 5
        assert b"".join(data)[44:] == create_tool().synthesize(TEXT).data[44:]

    async def test_accepts_dict_of_arguments(self, is_async):
        router = OfflineRouter()
        args = {"text": TEXT, "voice": "nova", "speed": 2.0}
        assert b"".join(
            await collect_stream(create_tool(router), is_async, args, audio_format="pcm")
        )
        assert router.requests[0].body["voice"] == "nova"
        assert router.requests[0].body["response_format"] == "pcm"

    async def test_tool_call_yields_tool_message(self, is_async):
        call = {"type": "tool_call", "id": "c", "name": "speak", "args": {"text": TEXT}}
        (message,) = await collect_stream(create_tool(), is_async, call)
        assert (message.tool_call_id, message.status) == ("c", "success")

    async def test_long_text_is_one_file(self, is_async):
        audio = b"".join(await collect_stream(create_tool(max_chars=40), is_async, LONG))
        assert audio[:4] == b"RIFF"
        assert audio[4:8] == audio[40:44] == b"\xff" * 4
        assert audio.count(b"RIFF") == 1

    async def test_other_input_raises(self, is_async):
        for input_ in (None, 7, {"voice": "nova"}, {"text": None}):
            with pytest.raises(RouterInputError, match="text: "):
                await collect_stream(create_tool(), is_async, input_)


@sync_and_async
class TestSynthesizeToFile:
    async def test_suffix_selects_format(self, is_async, tmp_path):
        router = OfflineRouter()
        speech = await synthesize_to_file(
            create_tool(router, audio_format="pcm"), is_async, TEXT, tmp_path / "a.wav"
        )
        assert router.requests[0].body["response_format"] == "wav"
        assert (speech.path, speech.data) == (str(tmp_path / "a.wav"), None)
        assert recognize((tmp_path / "a.wav").read_bytes()) == TEXT
        assert speech.sha256 == hashlib.sha256((tmp_path / "a.wav").read_bytes()).hexdigest()

    async def test_audio_format_overrides_suffix(self, is_async, tmp_path):
        router, options = OfflineRouter(), {"audio_format": "pcm", "voice": "nova"}
        with pytest.warns(UserWarning, match="a.wav contains pcm"):
            await synthesize_to_file(
                create_tool(router), is_async, TEXT, tmp_path / "a.wav", **options
            )
        body = router.requests[0].body
        assert (body["response_format"], body["voice"]) == ("pcm", "nova")

    async def test_warns_about_wrong_suffix(self, is_async, tmp_path):
        tool = create_tool(model=ELEVEN)
        with pytest.warns(UserWarning, match="a.mp3 contains wav"):
            speech = await synthesize_to_file(tool, is_async, TEXT, tmp_path / "a.mp3")
        assert (speech.requested_format, speech.format) == ("mp3", "wav")
        assert recognize(speech.read()) == TEXT

    async def test_sizes_of_streamed_wav_are_corrected(self, is_async, tmp_path):
        data = create_samples(5000)
        tool, _ = create_scripted_tool([create_wav(data, size="open")])
        await synthesize_to_file(tool, is_async, TEXT, tmp_path / "a.wav")
        assert (tmp_path / "a.wav").read_bytes() == create_wav(data)

    async def test_existing_file_is_overwritten_by_default(self, is_async, tmp_path):
        (tmp_path / "a.wav").write_bytes(b"old")
        tool, script = create_scripted_tool([create_wav(create_samples(9))])
        with pytest.raises(RouterInputError, match="Pass overwrite=True"):
            await synthesize_to_file(tool, is_async, TEXT, tmp_path / "a.wav", overwrite=False)
        assert script.sent == 0
        await synthesize_to_file(tool, is_async, TEXT, tmp_path / "a.wav")
        assert (tmp_path / "a.wav").read_bytes() == create_wav(create_samples(9))


async def test_slow_disk_does_not_block_the_event_loop(tmp_path, monkeypatch):
    threads = set()

    class Disk(io.BufferedRandom):
        def write(self, data: Any) -> int:
            threads.add(threading.get_ident())
            return super().write(data)

    monkeypatch.setattr(atomic_write, "BufferedRandom", Disk)
    await create_tool().asynthesize_to_file(TEXT, tmp_path / "a.wav")
    assert threads
    assert threading.get_ident() not in threads


@sync_and_async
class TestLongText:
    async def test_chunks_are_joined_without_gap(self, is_async):
        router = OfflineRouter()
        speech = await synthesize(create_tool(router, max_chars=40), is_async, LONG)
        texts = [request.body["input"] for request in router.requests]
        assert texts == [
            "The first sentence is short.",
            "The second one, which is longer,",
            "has a clause. And the end.",
        ]
        assert recognize(speech.data) == LONG
        expected = [read_wav(create_tool().synthesize(part).data)[1] for part in texts]
        assert read_wav(speech.data)[1] == b"".join(expected)
        assert (speech.chunks, speech.attempts, len(speech.trace_ids)) == (3, 3, 3)

    async def test_file_equals_audio_in_memory(self, is_async, tmp_path):
        tool = create_tool(max_chars=40)
        speech = await synthesize_to_file(tool, is_async, LONG, tmp_path / "a.wav")
        assert (tmp_path / "a.wav").read_bytes() == tool.synthesize(LONG).data
        assert speech.chunks == 3

    async def test_mp3_chunks_are_joined(self, is_async):
        first_audio, second_audio = create_mp3(4, seed=1), create_mp3(3, seed=2)
        router = OfflineRouter(
            answers={TTS: [Answer(audio=first_audio), Answer(audio=second_audio)]}
        )
        speech = await synthesize(
            create_tool(router, max_chars=50, audio_format="mp3"), is_async, LONG[:80]
        )
        assert speech.data == first_audio + second_audio
        assert speech.seconds == pytest.approx(7 * 1152 / 44100, abs=0.001)

    async def test_pcm_has_the_samples_of_the_wav(self, is_async):
        tool = create_tool(max_chars=40, audio_format="pcm")
        assert (await synthesize(tool, is_async, LONG)).data == read_wav(
            create_tool(max_chars=40).synthesize(LONG).data
        )[1]

    async def test_different_sample_rates_raise(self, is_async):
        tool, script = create_scripted_tool(
            [create_wav(create_samples(50))],
            [create_wav(create_samples(9), rate=8000)],
            max_chars=60,
        )
        with pytest.raises(
            InvalidResponseError, match=r"16000 Hz.* to 8000 Hz.*chunk 2 of 2"
        ) as caught:
            await synthesize(tool, is_async, LONG)
        assert caught.value.partial_bytes == create_wav(create_samples(50))
        assert (caught.value.received, script.sent) == (144, 2)

    async def test_different_formats_raise(self, is_async):
        tool, _ = create_scripted_tool(
            [create_mp3(2)], [create_wav(create_samples(9))], max_chars=60
        )
        with pytest.raises(InvalidResponseError, match="the audio format changed from mp3 to wav"):
            await synthesize(tool, is_async, LONG)

    async def test_different_pcm_rates_raise(self, is_async):
        router = OfflineRouter(faults={TTS: [200, 503]})
        tool = create_tool(router, audio_format="pcm", max_chars=60)
        message = "changed from pcm at 24000 Hz to pcm at 16000 Hz; another model may have answered"
        with pytest.raises(InvalidResponseError, match=message) as caught:
            await synthesize(tool, is_async, LONG, controls={"fallbacks": [ELEVEN]})
        first = "The first sentence is short."
        assert caught.value.partial_bytes == create_tool(audio_format="pcm").synthesize(first).data

    async def test_unjoinable_format_raises_after_first_chunk(self, is_async):
        tool, script = create_scripted_tool(
            [b"OggS" + bytes(24) + b"OpusHead" + bytes(99)], max_chars=60
        )
        with pytest.raises(InvalidResponseError, match="opus audio cannot be joined") as caught:
            await synthesize(tool, is_async, LONG)
        assert (len(caught.value.partial_bytes), script.sent) == (135, 1)

    async def test_answering_model_is_none_if_models_differ(self, is_async):
        router = OfflineRouter(faults={"groq/tts": [200, 503]})
        tool = create_tool(router, model="groq/tts", max_chars=60)
        speech = await synthesize(tool, is_async, LONG, controls={"fallbacks": [ELEVEN]})
        assert (speech.chunks, speech.answering_model) == (2, None)
        assert recognize(speech.data) == LONG


@pytest.mark.parametrize("name", ["synthesize", "synthesize_to_file", "stream"])
def test_sync_and_async_signatures_match(name):
    sync_method, async_method = getattr(OrqSpeechTool, name), getattr(OrqSpeechTool, f"a{name}")
    assert inspect.signature(sync_method).parameters == inspect.signature(async_method).parameters


def test_interleaved_streams_are_independent():
    tool = create_tool(audio_format="pcm")
    pairs = zip_longest(tool.stream("one " * 30), tool.stream("two " * 40), fillvalue=b"")
    first_audio, second_audio = (b"".join(parts) for parts in zip(*pairs, strict=True))
    assert first_audio == tool.synthesize("one " * 30).data
    assert second_audio == tool.synthesize("two " * 40).data


def test_pickle_keeps_settings_without_the_key(monkeypatch):
    monkeypatch.setenv("ORQ_API_KEY", "sk-orq-env")
    tool = OrqSpeechTool(model=TTS, voice="alloy", model_args=("voice",))
    copy = pickle.loads(pickle.dumps(tool))
    assert b"sk-orq" not in pickle.dumps(tool)
    assert copy.args == tool.args
    assert copy.voice == "alloy"
    assert json.dumps(copy.tool_call_schema.model_json_schema())
