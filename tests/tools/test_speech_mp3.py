"""Joining of MP3 files from a real encoder."""

import io

import av
import pytest
from support.speech_tools import TTS, create_tool, sync_and_async, synthesize

from orq_router_integrations import OfflineRouter
from orq_router_integrations.testing import Answer
from orq_router_integrations.testing.media.tone_codec import decode_speech, encode_speech

RATE = 24_000
SENTENCES = ["The first sentence is short.", "The second one is not.", "And here is the end."]


def encoded(text: str) -> bytes:
    """The sound of a text as an MP3: tag, table of the whole, frames that share a reservoir."""
    samples, file = encode_speech(text, rate=RATE), io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE)
        stream.layout = "mono"
        stream.bit_rate = 160_000  # at less, the codec of the words suffers
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
        frame.sample_rate = RATE
        frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
        resampler = av.AudioResampler(stream.format, "mono", RATE, frame_size=576)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return file.getvalue()


def decoded(data: bytes) -> bytes:
    """Its samples."""
    out = bytearray()
    with av.open(io.BytesIO(data)) as container:
        resampler = av.AudioResampler("s16", "mono", RATE)
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                out += bytes(part.planes[0])[: 2 * part.samples]
    return bytes(out)


def words(samples: bytes) -> list[str]:
    return [word.text for word in decode_speech(samples, rate=RATE)]


@sync_and_async
async def test_joined_mp3_contains_every_word(is_async):
    answers = {TTS: [Answer(audio=encoded(sentence)) for sentence in SENTENCES]}
    tool = create_tool(OfflineRouter(answers=answers), audio_format="mp3", max_chars=30)
    speech = await synthesize(tool, is_async, " ".join(SENTENCES))
    assert (speech.format, speech.chunks) == ("mp3", 3)
    samples = decoded(speech.data)
    assert words(samples) == " ".join(SENTENCES).split()
    assert speech.seconds == pytest.approx(len(samples) / 2 / RATE, abs=0.001)
    assert speech.data.count(b"ID3") == speech.data.count(b"Info") == 0


def test_single_mp3_keeps_length_table():
    whole = encoded(SENTENCES[0])
    speech = create_tool(
        OfflineRouter(answers={TTS: Answer(audio=whole)}), audio_format="mp3"
    ).synthesize("Hi.")
    assert speech.data == whole
    assert b"Info" in whole
    assert speech.seconds == pytest.approx(len(decoded(whole)) / 2 / RATE, abs=0.1)
