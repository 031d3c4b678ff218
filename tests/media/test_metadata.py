"""Sizes of media, read from headers, of bytes and of base64 text alike."""

import base64
import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.media.metadata import (
    Base64View,
    count_pdf_pages,
    read_audio_seconds,
    read_image_size,
)

ASSETS = Path(__file__).parents[1] / "assets"


def wrapped(data: bytes) -> Base64View:
    return Base64View(base64.b64encode(data).decode())


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + bytes(5)


def jpeg(width: int, height: int, before: bytes = b"") -> bytes:
    frame = b"\xff\xc2\0\x11\x08" + struct.pack(">HH", height, width) + bytes(10)
    return b"\xff\xd8" + before + frame


def webp(kind: bytes, rest: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + kind + bytes(4) + rest


def wav(seconds: float, *, before: bytes = b"", size: int | None = None) -> bytes:
    sound = bytes(int(16000 * seconds))
    shape = b"fmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
    length = struct.pack("<I", len(sound) if size is None else size)
    return b"RIFF\0\0\0\0WAVE" + shape + before + b"data" + length + sound


def xing(frames: int) -> bytes:
    return b"\xff\xfb\x90\x64" + bytes(32) + b"Xing" + struct.pack(">II", 1, frames) + bytes(1000)


EXIF = b"\xff\xe1\x10\x02" + bytes(0x1000)  # as long as a thumbnail makes it
PICTURES = {
    "png": png(640, 480),
    "gif": b"GIF89a" + struct.pack("<HH", 640, 480),
    "jpeg": jpeg(640, 480),
    "jpeg behind its preview": jpeg(640, 480, EXIF + b"\xff\xff"),
    "jpeg behind its tables": jpeg(640, 480, b"\xff\xc4\0\x09" + bytes(7)),
    "webp, lossy": webp(b"VP8 ", bytes(6) + struct.pack("<HH", 640, 480)),
    "webp, lossless": webp(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 479 << 14)),
    "webp, extended": webp(b"VP8X", bytes(4) + b"\x7f\x02\0\xdf\x01\0"),
}


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
def test_an_image_tells_its_size(picture):
    assert read_image_size(picture) == read_image_size(wrapped(picture)) == (640, 480)


@pytest.mark.parametrize("picture", PICTURES.values(), ids=PICTURES)
def test_an_image_that_is_cut_short_has_no_size(picture):
    assert read_image_size(picture[: max(picture.rfind(b"\xff\xc2"), 0) + 6]) is None


@pytest.mark.parametrize("data", [b"", b"BM", png(0, 9), b"\xff\xd8\xff" + b"\xff" * 5000])
def test_what_is_no_image_has_no_size(data):
    assert read_image_size(data) is None


HEAD = b"%PDF-1.7\n"
PAGES = b"/Type /Pages /Count 3" + b" /Type /Page " * 3
PACKED = b"<< /Type /ObjStm >>\nstream\r\n" + zlib.compress(PAGES) + b"\nendstream"


@pytest.mark.parametrize(
    "document",
    [
        HEAD + PAGES,
        HEAD + PACKED,
        HEAD + b"<< /Linearized 1 /L 9 /N 3 >>",
        HEAD + b"/Type/Pages/Count 3",
    ],
    ids=["counted", "packed", "promised", "only the sum"],
)
def test_a_pdf_tells_its_pages(document):
    assert count_pdf_pages(document) == count_pdf_pages(wrapped(document)) == 3


@pytest.mark.parametrize("data", [b"", b"PK", HEAD, HEAD + b"/Type /ObjStm stream\nnot packed"])
def test_what_tells_no_pages_has_none(data):
    assert count_pdf_pages(data) is None


def test_a_small_file_that_unpacks_to_a_large_one_is_not_unpacked_whole():
    bomb = b"/Type /ObjStm stream\n" + zlib.compress(bytes(2**22)) + b"endstream"
    tracemalloc.start()
    assert count_pdf_pages(HEAD + bomb * 40) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20


SOUNDS = {
    "wav": wav(1.5),
    "wav with notes before its sound": wav(1.5, before=b"LIST\x03\0\0\0abc\0"),
    "wav that was streamed": wav(1.5, size=0xFFFFFFFF),
    "wav whose size was never written": wav(1.5, size=0),
    "mp3": b"\xff\xfb\x90\x64" + bytes(24000 - 4),
    "mp3 with tags": b"ID3\x04\0\0\0\0\x02\x00" + bytes(256) + b"\xff\xfb\x90\x64" + bytes(23996),
}


@pytest.mark.parametrize("sound", SOUNDS.values(), ids=SOUNDS)
def test_a_sound_tells_its_length(sound):
    assert read_audio_seconds(sound) == read_audio_seconds(wrapped(sound)) == 1.5


def test_an_mp3_of_varying_bitrate_is_as_long_as_its_frames():
    assert read_audio_seconds(xing(4900)) == 4900 * 1152 / 44100


@pytest.mark.parametrize("data", [b"", b"OggS", b"RIFF\0\0\0\0WAVE", b"\xff" * 3, b"ID3"])
def test_what_is_no_sound_has_no_length(data):
    assert read_audio_seconds(data) is None


def test_real_files_are_read():
    assert read_image_size((ASSETS / "diagram.png").read_bytes()) == (600, 200)
    assert count_pdf_pages((ASSETS / "dummy.pdf").read_bytes()) == 1
    assert read_audio_seconds((ASSETS / "bird.wav").read_bytes()) == 1.0


@given(st.binary(max_size=40), st.integers(0, 45), st.integers(0, 45))
def test_base64_is_sliced_like_the_bytes_in_it(data, start, stop):
    assert wrapped(data)[start:stop] == data[start:stop]
    assert len(wrapped(data)) == len(data)


MAGIC = [*(picture[:20] for picture in PICTURES.values()), HEAD, wav(0)[:40], b"ID3", b"\xff\xfb"]


@given(st.sampled_from(MAGIC), st.binary(max_size=200), st.text(max_size=40))
def test_nothing_raises_on_any_content(head, rest, text):
    for measure in (read_image_size, count_pdf_pages, read_audio_seconds):
        measure(head + rest)
        measure(Base64View(text))
