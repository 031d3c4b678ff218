"""Speech as tones: what is spoken is heard again, however it was cut or stored."""

import struct
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orq_router_integrations.testing.media.tone_codec import (
    GAP_SECONDS,
    SAMPLE_RATE,
    SENTENCE_PAUSE_SECONDS,
    TONE_SECONDS,
    decode_speech,
    encode_speech,
    ends_sentence,
    iter_speech,
)

TEXT = "The meeting begins. Who is here? Zo\u00eb, \u674e\u96f7 and \U0001f600 are! Good."


def texts(pcm: bytes, **shape: int) -> list[str]:
    return [word.text for word in decode_speech(pcm, **shape)]


@given(st.text())
def test_any_text_comes_back_with_its_white_space_made_one(text: str) -> None:
    sendable = text.encode("utf-8", "replace").decode()
    assert texts(encode_speech(text)) == sendable.split()


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("speed", [0.25, 0.8, 1.0, 2.5, 4.0])
def test_any_rate_and_speed_is_heard(rate: int, speed: float) -> None:
    assert texts(encode_speech(TEXT, rate=rate, speed=speed), rate=rate) == TEXT.split()


def test_words_come_with_their_seconds() -> None:
    first, second = decode_speech(encode_speech("ab cd"))
    tone = TONE_SECONDS + GAP_SECONDS
    assert first.start == pytest.approx(0, abs=0.005)
    assert first.end == pytest.approx(6 * tone - GAP_SECONDS, abs=0.005)
    assert second.start == pytest.approx(6 * tone + 0.06, abs=0.005)


def test_speed_shortens_all_of_it() -> None:
    assert len(encode_speech(TEXT, speed=2)) == pytest.approx(
        len(encode_speech(TEXT)) / 2, rel=0.01
    )


@settings(max_examples=40)
@given(st.integers(0, 200_000), st.integers(0, 200_000))
def test_a_cut_loses_the_words_it_touches_and_no_others(start: int, length: int) -> None:
    whole = encode_speech(TEXT)
    piece = whole[2 * start : 2 * (start + length)]
    end = start + length
    heard = [(word.text, word.start + start / SAMPLE_RATE) for word in decode_speech(piece)]
    inside = [
        word.text
        for word in decode_speech(whole)
        if word.start * SAMPLE_RATE >= start + 1 and word.end * SAMPLE_RATE <= end - 160
    ]
    known = {word.text: word.start for word in decode_speech(whole)}
    assert all(abs(at - known[text]) < 0.02 for text, at in heard)
    assert set(inside) <= {text for text, _ in heard}
    assert [text for text, _ in heard] == [text for text in known if text in dict(heard)]


def test_the_first_channel_of_any_width_is_heard() -> None:
    samples = struct.iter_unpack("<h", encode_speech(TEXT))
    high = [sample for (sample,) in samples]
    stereo = b"".join(struct.pack("<hh", sample, 0) for sample in high)
    unsigned = bytes((sample >> 8) + 128 for sample in high)
    wide = b"".join(struct.pack("<i", sample << 8)[:3] for sample in high)
    assert texts(stereo, channels=2) == TEXT.split()
    assert texts(unsigned, width=1) == TEXT.split()
    assert texts(wide, width=3) == TEXT.split()


def test_a_slower_recording_of_half_the_samples_is_heard() -> None:
    samples = memoryview(encode_speech(TEXT)).cast("h")
    assert texts(samples[::2].tobytes(), rate=SAMPLE_RATE // 2) == TEXT.split()


@pytest.mark.parametrize("pcm", [b"", b"\0", bytes(32_000), bytes(range(256)) * 200, b"\x7f" * 999])
def test_other_sound_holds_no_words(pcm: bytes) -> None:
    assert decode_speech(pcm) == []


def test_sentences_end_in_a_long_silence() -> None:
    pieces = list(iter_speech("One. Two"))
    assert pieces[1] == bytes(2 * round(SENTENCE_PAUSE_SECONDS * SAMPLE_RATE))
    assert len(pieces[3]) < len(pieces[1]) / 4
    assert ends_sentence('"Stop!"')
    assert not ends_sentence("e.g")


def test_an_hour_is_heard_in_seconds() -> None:
    hour = 3600 * SAMPLE_RATE * 2
    some = encode_speech(TEXT * 20)
    pcm = (some * (hour // len(some) + 1))[:hour]
    began = time.perf_counter()
    assert len(decode_speech(pcm)) > 5_000
    assert time.perf_counter() - began < 10


@pytest.mark.parametrize(("rate", "speed"), [(4_000, 1.0), (16_000, 0.1), (16_000, 5.0)])
def test_what_could_not_be_heard_is_not_spoken(rate: int, speed: float) -> None:
    with pytest.raises(ValueError, match="rate must be at least 8000"):
        encode_speech("Hi", rate=rate, speed=speed)
