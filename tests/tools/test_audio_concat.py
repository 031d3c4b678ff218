"""Pieces of audio become one file: sample by sample, frame by frame, nothing added or lost."""

import io
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audio_samples import ID3, mp3, mp3_table, samples, wav

from orq_router_integrations.media.wav import build_pcm_format, build_wav_header
from orq_router_integrations.tools.audio_concat import (
    AudioFormatError,
    AudioJoiner,
    Mp3Joiner,
    PassthroughJoiner,
    PcmJoiner,
    WavJoiner,
)

ONE, TWO, THREE = samples(1000, seed=1), samples(777, seed=2), samples(3, seed=3)


def made(track: AudioJoiner, *pieces: bytes, step: int = 97) -> bytes:
    """The file that a track makes of pieces that arrive cut anywhere."""
    out = bytearray()
    for piece in pieces:
        track.begin_chunk()
        for at in range(0, len(piece), step):
            out += track.feed(piece[at : at + step])
        track.end_chunk()
    for place, data in track.get_patches():
        out[place : place + len(data)] = data
    return bytes(out)


def read(data: bytes) -> tuple[int, bytes]:
    with wave.open(io.BytesIO(data)) as sound:
        return sound.getframerate(), sound.readframes(sound.getnframes())


@pytest.mark.parametrize("step", [1, 2, 3, 44, 4096])
@pytest.mark.parametrize("size", ["right", "open", "zero", "placeholder"])
class TestWav:
    def test_the_samples_of_all_pieces_behind_one_head(self, step, size):
        track = WavJoiner(joined=True)
        pieces = [wav(part, size=size) for part in (ONE, TWO, THREE)]
        joined = made(track, *pieces, step=step)
        assert joined == wav(ONE + TWO + THREE)
        assert read(joined) == (16000, ONE + TWO + THREE)
        assert track.seconds == (1000 + 777 + 3) / 16000

    def test_one_piece_is_passed_on_and_its_sizes_put_right(self, step, size):
        track = WavJoiner()
        assert read(made(track, wav(ONE, size=size), step=step)) == (16000, ONE)
        assert track.seconds == 1000 / 16000


class TestWavOdds:
    def test_what_stands_around_the_samples_has_no_place_between_pieces(self):
        note = b"LIST\x05\0\0\0INFOx\0"
        odd = wav(ONE, before=note, after=note)
        assert made(WavJoiner(joined=True), odd, odd) == wav(ONE + ONE)
        assert made(WavJoiner(), odd) == odd

    def test_half_a_sample_at_the_end_of_a_piece_does_not_shift_the_next(self):
        cut = wav(ONE, size="open")[:-1]
        assert made(WavJoiner(joined=True), cut, wav(TWO)) == wav(ONE[:-2] + TWO)

    @pytest.mark.parametrize(
        "shape", [build_pcm_format(8000), build_pcm_format(16000, 2), build_pcm_format(16000, 1, 8)]
    )
    def test_pieces_of_another_kind(self, shape):
        other = build_wav_header(shape, len(TWO)) + TWO
        with pytest.raises(AudioFormatError, match="those before it 16000 Hz, 1 channel"):
            made(WavJoiner(joined=True), wav(ONE), other)

    @pytest.mark.parametrize("broken", [b"RIFF", wav(ONE)[:40], b"RIFF\0\0\0\0WAVEdata\0\0\0\0"])
    def test_a_piece_without_samples(self, broken):
        with pytest.raises(AudioFormatError, match="a piece is a WAV file without"):
            made(WavJoiner(joined=True), broken, wav(ONE))

    def test_a_single_file_that_cannot_be_read_is_passed_on_unmeasured(self):
        odd = b"RIFF\0\0\0\0WAVEdata\0\0\0\0" + ONE
        track = WavJoiner()
        assert (made(track, odd), track.seconds) == (odd, None)


class TestPcm:
    @pytest.mark.parametrize("step", [1, 2, 3, 1000])
    def test_samples_follow_each_other(self, step):
        track = PcmJoiner(8000, joined=True)
        assert made(track, ONE, TWO, step=step) == ONE + TWO
        assert track.seconds == 1777 / 8000

    def test_half_a_sample_is_dropped_between_pieces_only(self):
        assert made(PcmJoiner(8000, joined=True), ONE + b"x", TWO) == ONE + TWO
        assert made(PcmJoiner(8000), ONE + b"x") == ONE + b"x"


class TestMp3:
    @pytest.mark.parametrize("step", [1, 10, 333, 5000])
    @pytest.mark.parametrize("rate", [44100, 24000])
    def test_the_frames_of_all_pieces_without_tags_and_tables(self, step, rate):
        one, two = mp3(5, rate=rate, seed=1), mp3(3, rate=rate, seed=2)
        tagged = [
            ID3 + mp3_table(rate) + one + b"TAG" + b"title".ljust(125, b"\0"),
            ID3 + mp3_table(rate) + two,
        ]
        track = Mp3Joiner(joined=True)
        assert made(track, *tagged, step=step) == one + two
        samples_in_frame = 1152 if rate == 44100 else 576
        assert track.seconds == pytest.approx(8 * samples_in_frame / rate)

    def test_one_piece_is_passed_on_with_all_that_is_in_it(self):
        whole = ID3 + mp3_table(44100) + mp3(4)
        track = Mp3Joiner()
        assert made(track, whole) == whole
        assert track.seconds == pytest.approx(4 * 1152 / 44100)

    def test_a_frame_that_was_cut_off_is_left_out(self):
        assert made(Mp3Joiner(joined=True), mp3(3)[:-7], mp3(1)) == mp3(2) + mp3(1)

    @pytest.mark.parametrize("other", [{"rate": 24000}, {"mono": True}])
    def test_pieces_of_another_kind(self, other):
        with pytest.raises(AudioFormatError, match=r"those before it 44100 Hz, 2 channel"):
            made(Mp3Joiner(joined=True), mp3(2), mp3(2, **other))

    def test_a_piece_without_frames(self):
        with pytest.raises(AudioFormatError, match="without frames"):
            made(Mp3Joiner(joined=True), mp3(2), ID3)

    def test_noise_that_looks_like_a_frame_of_another_kind_is_no_frame(self):
        noise = b"junk" + mp3(1, rate=24000)[:4] + b"junk"
        assert made(Mp3Joiner(joined=True), mp3(2) + noise, mp3(1)) == mp3(2) + mp3(1)


KINDS = [Mp3Joiner, WavJoiner, lambda joined: PcmJoiner(8000, joined=joined)]
STARTS = [b"", b"RIFF\0\0\0\0WAVE", wav(b"")[:40], ID3, mp3(1), b"ID3\4\0\0\x7f\x7f\x7f\x7f"]


@pytest.mark.parametrize("joined", [False, True])
@pytest.mark.parametrize("kind", KINDS)
@given(st.lists(st.tuples(st.sampled_from(STARTS), st.binary(max_size=300)), max_size=4))
def test_whatever_comes_is_passed_on_or_no_audio(kind, joined, pieces):
    track = kind(joined=joined)
    whole = [start + rest for start, rest in pieces]
    try:
        out = made(track, *whole, step=31)
    except AudioFormatError:
        assert joined or kind is WavJoiner  # one piece alone is refused when it is empty
        return
    assert track.seconds is None or track.seconds >= 0
    assert joined or len(out) == len(b"".join(whole))


def test_other_formats_are_one_piece_only():
    track = PassthroughJoiner("opus", joined=True)
    assert (made(track, b"OggS1234"), track.seconds) == (b"OggS1234", None)
    with pytest.raises(AudioFormatError, match="pieces of opus cannot be joined"):
        track.begin()
