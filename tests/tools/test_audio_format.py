"""What audio is, by its bytes; and what files of it are called."""

import pytest
from support.audio_samples import ID3, mp3, samples, wav

from orq_router_integrations.tools.audio_concat import AudioFormatError
from orq_router_integrations.tools.audio_format import (
    detect_format,
    format_from_path,
    get_sample_rate,
    has_wrong_suffix,
)
from orq_router_integrations.wire.call import Response

OPUS = b"OggS\0\2" + bytes(22) + b"OpusHead\1"


def head(content_type: str = "") -> Response:
    return Response(200, {"content-type": content_type} if content_type else {})


@pytest.mark.parametrize("asked", ["mp3", "wav", "pcm", "opus"])
@pytest.mark.parametrize(
    ("start", "found"),
    [
        (wav(samples(40)), ("wav", "audio/wav")),
        (ID3, ("mp3", "audio/mpeg")),
        (OPUS, ("opus", "audio/ogg")),
        (b"OggS\0\2" + bytes(60), ("ogg", "audio/ogg")),
        (b"fLaC" + bytes(60), ("flac", "audio/flac")),
        (b"\0\0\0\x20ftypM4A " + bytes(60), ("m4a", "audio/mp4")),
        (b"\x1aE\xdf\xa3" + bytes(60), ("webm", "audio/webm")),
    ],
)
def test_files_are_known_by_their_bytes_whatever_was_asked_for(asked, start, found):
    assert detect_format(start[:64], asked, head()) == found
    assert detect_format(start[:64], asked, head("audio/mpeg")) == found


@pytest.mark.parametrize("start", [bytes(64), samples(32, seed=7), b"\xff\xfb" * 32, b"BM" * 32])
def test_raw_samples_are_what_was_asked_for_or_declared(start):
    assert detect_format(start, "pcm", head()) == ("pcm", "audio/pcm")
    assert detect_format(start, "mp3", head("audio/L16;rate=24000;channels=1"))[0] == "pcm"


def test_two_bytes_are_believed_where_samples_were_not_asked_for_or_the_type_agrees():
    start = mp3(1)[:64]
    assert detect_format(start, "mp3", head()).format == "mp3"
    assert detect_format(start, "pcm", head("audio/mpeg")).format == "mp3"
    assert detect_format(start, "pcm", head()).format == "pcm"
    assert detect_format(b"\xff\xf1" + bytes(62), "aac", head()) == ("aac", "audio/aac")


def test_unknown_bytes_are_unknown():
    assert detect_format(b"????" * 16, "mp3", head()) == (None, "application/octet-stream")
    assert detect_format(b"????" * 16, "wav", head("audio/amr")) == (None, "audio/amr")


@pytest.mark.parametrize("start", [b"\x89PNG\r\n\x1a\n", b"%PDF-1.7", b"PK\x03\x04"])
def test_other_files_are_no_audio(start):
    with pytest.raises(AudioFormatError, match="no audio"):
        detect_format(start + bytes(60), "mp3", head())


@pytest.mark.parametrize(
    ("declared", "rate"),
    [
        ("audio/L16;codec=pcm;rate=24000", 24000),
        ("audio/pcm; rate=8000; channels=1", 8000),
        ("audio/pcm;bitrate=64000", None),
        ("audio/pcm", None),
        ("", None),
    ],
)
def test_the_rate_that_a_content_type_tells(declared, rate):
    assert get_sample_rate(head(declared)) == rate


@pytest.mark.parametrize(
    ("path", "wanted"),
    [("a.mp3", "mp3"), ("A.WAV", "wav"), ("b.ogg", "opus"), ("c.raw", "pcm"), ("d.txt", None)],
)
def test_the_format_that_a_name_asks_for(path, wanted):
    assert format_from_path(path) == wanted


def test_names_that_say_another_format():
    assert has_wrong_suffix("a.mp3", "wav")
    assert has_wrong_suffix("a.mp3", None)
    assert not has_wrong_suffix("a.ogg", "opus")
    assert not has_wrong_suffix("a.ogg", "ogg")
    assert not has_wrong_suffix("a.bin", "wav")
