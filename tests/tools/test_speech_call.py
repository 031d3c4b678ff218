"""Formats of generated speech, and joining of chunks: samples and frames are kept exactly."""

from itertools import chain, repeat
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audio_samples import ID3, create_mp3, create_mp3_table, create_samples, create_wav
from support.speech_tools import TTS, read_wav

from orq_router_integrations.media.wav import build_pcm_format, build_wav_header
from orq_router_integrations.tools.speech_call import (
    SNIFF_BYTES,
    SpeechCall,
    SpeechDecoder,
    detect_format,
)
from orq_router_integrations.tools.speech_result import Speech, infer_format
from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    Response,
    StreamCall,
    WireError,
)
from orq_router_integrations.wire.endpoints import SPEECH
from orq_router_integrations.wire.model_names import ModelCandidates

ONE, TWO, THREE = (
    create_samples(1000, seed=1),
    create_samples(777, seed=2),
    create_samples(3, seed=3),
)


def join(*chunks: bytes, audio_format: Any = "wav", step: int = 97) -> Speech:
    """Process the audio of one response per chunk, which arrives in steps of some bytes."""
    call = SpeechCall(
        candidates=ModelCandidates(TTS, (TTS,)),
        requested_format=audio_format,
        voice="alloy",
        characters=2,
        pcm_rate=8000,
        target=None,
    )
    call.requests += [
        StreamCall(endpoint=SPEECH, body={}, create_decoder=call.create_decoder) for _ in chunks
    ]
    with call.open_output() as output:
        for request, chunk in zip(call.iter_requests(), chunks, strict=False):
            decoder = request.create_decoder(Response(200, {}))
            for offset in range(0, len(chunk), step):
                output.file.writelines(decoder.feed(chunk[offset : offset + step]))
            output.file.writelines(decoder.finish())
        return call.build_speech(output)


@pytest.mark.parametrize("step", [1, 2, 3, 44, 4096])
@pytest.mark.parametrize("size", ["right", "open", "zero", "placeholder"])
class TestWav:
    def test_chunks_are_joined_behind_one_header(self, step, size):
        speech = join(*(create_wav(part, size=size) for part in (ONE, TWO, THREE)), step=step)
        assert speech.data == create_wav(ONE + TWO + THREE)
        assert read_wav(speech.data) == (16000, ONE + TWO + THREE)
        assert speech.seconds == round((1000 + 777 + 3) / 16000, 3)

    def test_single_chunk_keeps_samples_and_gets_sizes(self, step, size):
        speech = join(create_wav(ONE, size=size), step=step)
        assert read_wav(speech.data) == (16000, ONE)
        assert speech.seconds == round(1000 / 16000, 3)


class TestUnusualWav:
    def test_other_riff_chunks_are_dropped_between_chunks(self):
        note = b"LIST\x05\0\0\0INFOx\0"
        unusual = create_wav(ONE, before=note, after=note)
        assert join(unusual, unusual).data == create_wav(ONE + ONE)
        assert join(unusual).data == unusual

    def test_incomplete_sample_does_not_shift_next_chunk(self):
        cut = create_wav(ONE, size="open")[:-1]
        assert join(cut, create_wav(TWO)).data == create_wav(ONE[:-2] + TWO)

    @pytest.mark.parametrize(
        "pcm_format",
        [build_pcm_format(8000), build_pcm_format(16000, 2), build_pcm_format(16000, 1, 8)],
        ids=["rate", "channels", "bits"],
    )
    def test_different_format_raises(self, pcm_format):
        second_file = build_wav_header(pcm_format, len(TWO)) + TWO
        with pytest.raises(MalformedResponseError, match="changed from 16000 Hz, 1 channel"):
            join(create_wav(ONE), second_file)

    @pytest.mark.parametrize(
        "broken",
        [create_wav(ONE)[:40], create_wav(b""), b"RIFF\0\0\0\0WAVEdata\0\0\0\0"],
        ids=["no data", "no samples", "no format"],
    )
    def test_chunk_without_samples_raises(self, broken):
        with pytest.raises(MalformedResponseError, match=r"contains no audio|without a readable"):
            join(broken, create_wav(ONE))

    @pytest.mark.parametrize(
        "broken",
        [create_wav(ONE)[:30], create_wav(b""), b"RIFF\0\0\0\0WAVEdata\0\0\0\0" + ONE],
        ids=["half a header", "no samples", "no format"],
    )
    def test_single_file_without_samples_raises(self, broken):
        with pytest.raises(MalformedResponseError, match="the wav file contains no audio"):
            join(broken)

    def test_long_header_is_accepted(self):
        unusual = create_wav(ONE, before=b"LIST" + (70_000).to_bytes(4, "little") + bytes(70_000))
        assert join(unusual).data == unusual


class TestPcm:
    @pytest.mark.parametrize("step", [1, 2, 3, 1000])
    def test_samples_are_concatenated(self, step):
        speech = join(ONE, TWO, audio_format="pcm", step=step)
        assert speech.data == ONE + TWO
        assert speech.seconds == round(1777 / 8000, 3)

    def test_incomplete_sample_is_only_dropped_between_chunks(self):
        assert join(ONE + b"x", TWO, audio_format="pcm").data == ONE + TWO
        assert join(ONE + b"x", audio_format="pcm").data == ONE + b"x"


class TestMp3:
    @pytest.mark.parametrize("step", [1, 10, 333, 5000])
    @pytest.mark.parametrize("rate", [44100, 24000])
    def test_frames_are_joined_without_tags_and_tables(self, step, rate):
        first_frames = create_mp3(5, rate=rate, seed=1)
        second_frames = create_mp3(3, rate=rate, seed=2)
        tagged = [
            ID3 + create_mp3_table(rate) + first_frames,
            ID3 + create_mp3_table(rate) + second_frames,
        ]
        speech = join(*tagged, audio_format="mp3", step=step)
        assert speech.data == first_frames + second_frames
        samples_in_frame = 1152 if rate == 44100 else 576
        assert speech.seconds == pytest.approx(8 * samples_in_frame / rate, abs=0.001)

    def test_single_chunk_is_passed_through(self):
        chunk = ID3 + create_mp3_table(44100) + create_mp3(4)
        speech = join(chunk)
        assert (speech.format, speech.data) == ("mp3", chunk)
        frames_in_table = 7
        assert speech.seconds == pytest.approx(frames_in_table * 1152 / 44100, abs=0.001)
        assert join(create_mp3(4)).seconds == pytest.approx(4 * 1152 / 44100, abs=0.001)

    @pytest.mark.parametrize(
        "second_options", [{"rate": 24000}, {"mono": True}], ids=["rate", "channels"]
    )
    def test_different_format_raises(self, second_options):
        with pytest.raises(MalformedResponseError, match="changed from 44100 Hz, 2"):
            join(create_mp3(2), create_mp3(2, **second_options))

    def test_chunk_without_frames_raises(self):
        with pytest.raises(MalformedResponseError, match="the mp3 file contains no audio"):
            join(create_mp3(2), ID3)

    def test_data_without_frames_raises_before_its_end(self):
        endless = ID3 + bytes(200_000)
        with pytest.raises(MalformedResponseError, match="the mp3 file contains no audio"):
            join(endless, endless, step=10_000)


STARTS = [
    b"",
    b"RIFF\0\0\0\0WAVE",
    create_wav(b"")[:40],
    ID3,
    create_mp3(1),
    b"ID3\4\0\0\x7f\x7f\x7f\x7f",
]


@pytest.mark.parametrize("audio_format", ["mp3", "wav", "pcm"])
@given(
    st.lists(st.tuples(st.sampled_from(STARTS), st.binary(max_size=300)), min_size=1, max_size=4)
)
def test_any_bytes_are_joined_or_raise(audio_format, parts):
    chunks = [start + end for start, end in parts]
    try:
        speech = join(*chunks, audio_format=audio_format, step=31)
    except WireError:
        return
    assert speech.seconds is None or speech.seconds >= 0
    assert len(chunks) > 1 or len(speech.data) == len(chunks[0])


AUDIO = create_wav(create_samples(140))


def decode(*chunks: bytes) -> bytes:
    decoder = SpeechDecoder(Response(200, {}), "mp3")
    audio = b"".join(item for chunk in chunks for item in decoder.feed(chunk))
    return audio + b"".join(decoder.finish())


class TestDecoder:
    @pytest.mark.parametrize("cut", range(0, len(AUDIO), 7))
    def test_audio_is_passed_on_unchanged(self, cut):
        assert decode(AUDIO[:cut], b"", AUDIO[cut:]) == AUDIO

    def test_audio_is_passed_on_immediately(self):
        decoder = SpeechDecoder(Response(200, {}), "mp3")
        assert list(decoder.feed(AUDIO[:SNIFF_BYTES])) == [AUDIO[:SNIFF_BYTES]]
        assert list(decoder.feed(b"x")) == [b"x"]

    @pytest.mark.parametrize("audio", [bytes(10), b"\xff\xfb", b"{\x00}\x00", b"\xff\xff" * 40])
    def test_samples_are_not_text(self, audio):
        assert decode(audio) == audio

    def test_error_with_status_200_raises(self):
        body = b'{"error": {"message": "no voice", "code": "bad_voice"}}'
        with pytest.raises(EmbeddedError) as caught:
            decode(body[:5], body[5:])
        assert caught.value.body == body

    @pytest.mark.parametrize(
        ("body", "message"),
        [
            (b'{"ok": true}', "got JSON"),
            (b'{"text": "' + b"a" * 100 + b'"}', "got JSON"),
            (b"<html><body>Bad gateway</body></html>", "got text"),
            (b"<!DOCTYPE html>" + "\u00e4\u20ac".encode() * 40, "got text"),
            (b"data: {}\n\n", "got text"),
            ("\ufeff \u00fcbel".encode(), "got text"),
            (b"null", "got JSON"),
            (b"", "its body is empty"),
        ],
    )
    def test_text_raises(self, body, message):
        with pytest.raises(MalformedResponseError, match=message):
            decode(*(body[start : start + 9] for start in range(0, len(body), 9)))

    def test_endless_text_raises_before_its_end(self):
        decoder = SpeechDecoder(Response(200, {}), "mp3")
        endless = chain.from_iterable(decoder.feed(b"a" * 100) for _ in repeat(None))
        with pytest.raises(MalformedResponseError, match="got text"):
            next(endless)


OPUS = b"OggS\0\2" + bytes(22) + b"OpusHead\1"


def test_other_formats_cannot_be_joined():
    speech = join(OPUS)
    assert (speech.data, speech.seconds) == (OPUS, None)
    with pytest.raises(MalformedResponseError, match="opus audio cannot be joined"):
        join(OPUS, OPUS)


def create_response(content_type: str = "") -> Response:
    return Response(200, {"content-type": content_type} if content_type else {})


@pytest.mark.parametrize("requested", ["mp3", "wav", "pcm", "opus"])
@pytest.mark.parametrize(
    ("data", "detected"),
    [
        (create_wav(create_samples(40)), ("wav", "audio/wav")),
        (ID3, ("mp3", "audio/mpeg")),
        (OPUS, ("opus", "audio/ogg")),
        (b"OggS\0\2" + bytes(60), ("ogg", "audio/ogg")),
        (b"fLaC" + bytes(60), ("flac", "audio/flac")),
        (b"\0\0\0\x20ftypM4A " + bytes(60), ("m4a", "audio/mp4")),
        (b"\x1aE\xdf\xa3" + bytes(60), ("webm", "audio/webm")),
    ],
    ids=["wav", "mp3", "opus", "ogg", "flac", "m4a", "webm"],
)
def test_detects_format_from_bytes(requested, data, detected):
    assert detect_format(data[:64], requested, create_response())[:2] == detected
    assert detect_format(data[:64], requested, create_response("audio/mpeg"))[:2] == detected


@pytest.mark.parametrize(
    "data",
    [bytes(64), create_samples(32, seed=7), b"\xff\xfb" * 32, b"BM" * 32],
    ids=["silence", "noise", "like MP3", "like BMP"],
)
def test_pcm_is_detected_if_requested_or_declared(data):
    assert detect_format(data, "pcm", create_response())[:2] == ("pcm", "audio/pcm")
    response = create_response("audio/L16;rate=24000;channels=1")
    assert detect_format(data, "mp3", response).format == "pcm"


def test_short_magic_needs_agreement_of_content_type():
    """Samples may start with the two magic bytes of MP3 and AAC."""
    data = create_mp3(1)[:64]
    assert detect_format(data, "mp3", create_response()).format == "mp3"
    assert detect_format(data, "pcm", create_response("audio/mpeg")).format == "mp3"
    assert detect_format(data, "pcm", create_response()).format == "pcm"
    aac = b"\xff\xf1" + bytes(62)
    assert detect_format(aac, "aac", create_response())[:2] == ("aac", "audio/aac")


def test_unknown_bytes_have_no_format():
    data = b"????" * 16
    assert detect_format(data, "mp3", create_response())[:2] == (None, "application/octet-stream")
    assert detect_format(data, "wav", create_response("audio/amr"))[:2] == (None, "audio/amr")


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n", b"%PDF-1.7", b"PK\x03\x04"], ids=["png", "pdf", "zip"]
)
def test_other_file_types_raise(data):
    with pytest.raises(MalformedResponseError, match="expected audio, got"):
        detect_format(data + bytes(60), "mp3", create_response())


@pytest.mark.parametrize(
    ("content_type", "sample_rate"),
    [
        ("audio/L16;codec=pcm;rate=24000", 24000),
        ("audio/pcm; rate=8000; channels=1", 8000),
        ("audio/pcm;bitrate=64000", None),
        ("audio/pcm", None),
        ("", None),
    ],
)
def test_sample_rate_of_pcm_is_in_the_content_type(content_type, sample_rate):
    detected = detect_format(bytes(64), "pcm", create_response(content_type))
    assert detected == ("pcm", "audio/pcm", sample_rate)


@pytest.mark.parametrize(
    ("path", "audio_format"),
    [("a.mp3", "mp3"), ("A.WAV", "wav"), ("b.ogg", "opus"), ("c.raw", "pcm"), ("d.txt", None)],
)
def test_suffix_determines_the_format(path, audio_format):
    assert infer_format(Path(path)) == audio_format
