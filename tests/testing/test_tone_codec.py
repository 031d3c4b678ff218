"""Encoding text as tones and decoding it, also after cutting and conversion."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orq_router_integrations.testing.media.tone_codec import (
    GAP_SECONDS,
    SAMPLE_RATE,
    TONE_SECONDS,
    decode_speech,
    encode_speech,
    ends_sentence,
)

TEXT = "The meeting begins. Who is here? Zo\u00eb, \u674e\u96f7 and \U0001f600 are! Good."


def decode_texts(pcm: bytes, rate: int = SAMPLE_RATE) -> list[str]:
    return [word.text for word in decode_speech(pcm, rate)]


@given(st.text())
def test_any_text_is_decoded(text: str) -> None:
    sendable = text.encode("utf-8", "replace").decode()
    assert decode_texts(encode_speech(text)) == sendable.split()


@pytest.mark.parametrize("rate", [8_000, 11_025, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("speed", [0.25, 0.8, 1.0, 2.5, 4.0])
def test_text_is_decoded_at_any_rate_and_speed(rate: int, speed: float) -> None:
    assert decode_texts(encode_speech(TEXT, rate=rate, speed=speed), rate=rate) == TEXT.split()


def test_words_have_start_and_end_times() -> None:
    first, second = decode_speech(encode_speech("ab cd"))
    tone = TONE_SECONDS + GAP_SECONDS
    assert first.start == pytest.approx(0, abs=0.005)
    assert first.end == pytest.approx(6 * tone - GAP_SECONDS, abs=0.005)
    assert second.start == pytest.approx(6 * tone + 0.06, abs=0.005)


def test_speed_scales_duration() -> None:
    assert len(encode_speech(TEXT, speed=2)) == pytest.approx(
        len(encode_speech(TEXT)) / 2, rel=0.01
    )


@settings(max_examples=40)
@given(st.integers(0, 200_000), st.integers(0, 200_000))
def test_cut_recording_loses_only_words_at_the_cuts(start: int, length: int) -> None:
    recording = encode_speech(TEXT)
    part = recording[2 * start : 2 * (start + length)]
    end = start + length
    decoded = [(word.text, word.start + start / SAMPLE_RATE) for word in decode_speech(part)]
    untouched = [
        word.text
        for word in decode_speech(recording)
        if word.start * SAMPLE_RATE >= start + 1 and word.end * SAMPLE_RATE <= end - 160
    ]
    starts = {word.text: word.start for word in decode_speech(recording)}
    assert all(abs(seconds - starts[text]) < 0.02 for text, seconds in decoded)
    assert set(untouched) <= {text for text, _ in decoded}
    assert [text for text, _ in decoded] == [text for text in starts if text in dict(decoded)]


def test_downsampled_recording_is_decoded() -> None:
    samples = memoryview(encode_speech(TEXT)).cast("h")
    assert decode_texts(samples[::2].tobytes(), rate=SAMPLE_RATE // 2) == TEXT.split()


@pytest.mark.parametrize("pcm", [b"", b"\0", bytes(32_000), bytes(range(256)) * 200, b"\x7f" * 999])
def test_other_sounds_contain_no_words(pcm: bytes) -> None:
    assert not decode_speech(pcm)


def test_silence_and_fragments_contain_no_words() -> None:
    assert decode_speech(bytes(32_000)) == []
    assert decode_speech(encode_speech("word")[6_000:9_000]) == []
    assert decode_speech((b"\0\x40" * 100 + bytes(200)) * 9) is None


def test_sentences_are_separated_by_pauses() -> None:
    first, second, third = decode_speech(encode_speech("One. Two three"))
    assert second.start - first.end == pytest.approx(0.4, abs=0.01)
    assert third.start - second.end < 0.1
    assert ends_sentence('"Stop!"')
    assert not ends_sentence("e.g")


@pytest.mark.slow
def test_hour_of_audio_is_decoded() -> None:
    hour = 3600 * SAMPLE_RATE * 2
    speech = encode_speech(TEXT * 20)
    pcm = (speech * (hour // len(speech) + 1))[:hour]
    assert len(decode_speech(pcm)) > 5_000
