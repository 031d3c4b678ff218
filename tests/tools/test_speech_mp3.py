"""MP3s of a real encoder, joined frame by frame: they decode to all that was said."""

import io

import av
import pytest
from support.speaking import TTS, every_way, speaker, spoken

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


@every_way
async def test_every_word_of_every_piece_is_heard_and_the_length_is_right(awaited):
    answers = {TTS: [Answer(audio=encoded(sentence)) for sentence in SENTENCES]}
    tool = speaker(OfflineRouter(answers=answers), format="mp3", max_chars=30)
    speech = await spoken(tool, awaited, " ".join(SENTENCES))
    assert (speech.format, speech.pieces) == ("mp3", 3)
    samples = decoded(speech.data)
    assert words(samples) == " ".join(SENTENCES).split()
    assert speech.seconds == pytest.approx(len(samples) / 2 / RATE, abs=0.001)
    assert speech.data.count(b"ID3") == speech.data.count(b"Info") == 0


def test_one_piece_keeps_its_table_and_is_measured_without_it():
    whole = encoded(SENTENCES[0])
    speech = speaker(OfflineRouter(answers={TTS: Answer(audio=whole)}), format="mp3").synthesize(
        "Hi."
    )
    assert speech.data == whole
    assert b"Info" in whole
    assert speech.seconds == pytest.approx(len(decoded(whole)) / 2 / RATE, abs=0.1)
