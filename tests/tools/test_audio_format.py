"""Detection of audio formats from data, headers and file names."""

import pytest
from support.audio_samples import ID3, create_mp3, create_samples, create_wav

from orq_router_integrations.tools.audio_concat import AudioFormatError
from orq_router_integrations.tools.audio_format import (
    detect_format,
    format_from_path,
    has_audio_suffix,
    parse_sample_rate,
)
from orq_router_integrations.wire.call import Response

OPUS = b"OggS\0\2" + bytes(22) + b"OpusHead\1"


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
    assert detect_format(data[:64], requested, create_response()) == detected
    assert detect_format(data[:64], requested, create_response("audio/mpeg")) == detected


@pytest.mark.parametrize(
    "data",
    [bytes(64), create_samples(32, seed=7), b"\xff\xfb" * 32, b"BM" * 32],
    ids=["silence", "noise", "like MP3", "like BMP"],
)
def test_pcm_is_detected_if_requested_or_declared(data):
    assert detect_format(data, "pcm", create_response()) == ("pcm", "audio/pcm")
    response = create_response("audio/L16;rate=24000;channels=1")
    assert detect_format(data, "mp3", response).format == "pcm"


def test_short_magic_needs_agreement_of_content_type():
    """Samples may start with the two magic bytes of MP3 and AAC."""
    data = create_mp3(1)[:64]
    assert detect_format(data, "mp3", create_response()).format == "mp3"
    assert detect_format(data, "pcm", create_response("audio/mpeg")).format == "mp3"
    assert detect_format(data, "pcm", create_response()).format == "pcm"
    aac = b"\xff\xf1" + bytes(62)
    assert detect_format(aac, "aac", create_response()) == ("aac", "audio/aac")


def test_unknown_bytes_have_no_format():
    data = b"????" * 16
    assert detect_format(data, "mp3", create_response()) == (None, "application/octet-stream")
    assert detect_format(data, "wav", create_response("audio/amr")) == (None, "audio/amr")


@pytest.mark.parametrize(
    "data", [b"\x89PNG\r\n\x1a\n", b"%PDF-1.7", b"PK\x03\x04"], ids=["png", "pdf", "zip"]
)
def test_other_file_types_raise(data):
    with pytest.raises(AudioFormatError, match="expected audio, got"):
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
def test_parse_sample_rate(content_type, sample_rate):
    assert parse_sample_rate(create_response(content_type)) == sample_rate


@pytest.mark.parametrize(
    ("path", "audio_format"),
    [("a.mp3", "mp3"), ("A.WAV", "wav"), ("b.ogg", "opus"), ("c.raw", "pcm"), ("d.txt", None)],
)
def test_format_from_path(path, audio_format):
    assert format_from_path(path) == audio_format


@pytest.mark.parametrize(
    ("path", "expected"), [("a.MP4", True), ("b.oga", True), ("c.txt", False), ("mp3", False)]
)
def test_has_audio_suffix(path, expected):
    assert has_audio_suffix(path) is expected
