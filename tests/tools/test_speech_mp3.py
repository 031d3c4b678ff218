"""Joining of MP3 files from a real encoder."""

import io

import av
import pytest
from support.marks import sync_and_async
from support.speech_tools import TTS, create_tool, synthesize

from orq_router_integrations import OfflineRouter
from orq_router_integrations.testing import Answer
from orq_router_integrations.testing.media.tone_codec import decode_speech, encode_speech

RATE = 24_000
SENTENCES = ["The first sentence is short.", "The second one is not.", "And here is the end."]


def encode_mp3(text: str) -> bytes:
    """Encode a text as MP3 with a tag, a length table, and frames that share a bit reservoir."""
    samples, file = encode_speech(text, rate=RATE), io.BytesIO()
    with av.open(file, "w", format="mp3") as container:
        stream = container.add_stream("libmp3lame", rate=RATE)
        stream.layout = "mono"
        stream.bit_rate = 160_000  # words are not recognized at lower rates
        frame = av.AudioFrame(format="s16", layout="mono", samples=len(samples) // 2)
        frame.sample_rate = RATE
        frame.planes[0].update(samples.ljust(frame.planes[0].buffer_size, b"\0"))
        resampler = av.AudioResampler(stream.format, "mono", RATE, frame_size=576)
        for part in (*resampler.resample(frame), *resampler.resample(None)):
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))
    return file.getvalue()


def decode_mp3(data: bytes) -> bytes:
    """Decode an MP3 to samples."""
    out = bytearray()
    with av.open(io.BytesIO(data)) as container:
        resampler = av.AudioResampler("s16", "mono", RATE)
        for frame in container.decode(audio=0):
            for part in resampler.resample(frame):
                out += bytes(part.planes[0])[: 2 * part.samples]
    return bytes(out)


def list_words(samples: bytes) -> list[str]:
    return [word.text for word in decode_speech(samples, rate=RATE)]


@pytest.mark.slow
@sync_and_async
async def test_joined_mp3_contains_every_word(is_async):
    answers = {TTS: [Answer(audio=encode_mp3(sentence)) for sentence in SENTENCES]}
    tool = create_tool(OfflineRouter(answers=answers), audio_format="mp3", max_chars=30)
    speech = await synthesize(tool, is_async, " ".join(SENTENCES))
    assert (speech.format, speech.chunks) == ("mp3", 3)
    samples = decode_mp3(speech.data)
    assert list_words(samples) == " ".join(SENTENCES).split()
    assert speech.seconds == pytest.approx(len(samples) / 2 / RATE, abs=0.001)
    assert speech.data.count(b"ID3") == speech.data.count(b"Info") == 0


def test_single_mp3_keeps_length_table():
    audio = encode_mp3(SENTENCES[0])
    speech = create_tool(
        OfflineRouter(answers={TTS: Answer(audio=audio)}), audio_format="mp3"
    ).synthesize("Hi.")
    assert speech.data == audio
    assert b"Info" in audio
    assert speech.seconds == pytest.approx(len(decode_mp3(audio)) / 2 / RATE, abs=0.1)
