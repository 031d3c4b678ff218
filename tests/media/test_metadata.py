"""Sizes, page counts and durations, read from bytes and from base64 text."""

import base64
import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.media.metadata import (
    count_pdf_pages,
    read_audio_seconds,
    read_image_size,
)
from orq_router_integrations.media.mime import Base64View

ASSETS = Path(__file__).parents[1] / "assets"


def to_view(data: bytes) -> Base64View:
    return Base64View(base64.b64encode(data).decode())


def png(width: int, height: int) -> bytes:
    return b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">II", width, height) + bytes(5)


def jpeg(width: int, height: int, before: bytes = b"") -> bytes:
    frame = b"\xff\xc2\0\x11\x08" + struct.pack(">HH", height, width) + bytes(10)
    return b"\xff\xd8" + before + frame


def webp(kind: bytes, content: bytes) -> bytes:
    return b"RIFF\0\0\0\0WEBP" + kind + bytes(4) + content


def wav(seconds: float, *, before: bytes = b"", size: int | None = None) -> bytes:
    audio = bytes(int(16000 * seconds))
    format_chunk = b"fmt \x10\0\0\0" + struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16)
    length = struct.pack("<I", len(audio) if size is None else size)
    return b"RIFF\0\0\0\0WAVE" + format_chunk + before + b"data" + length + audio


def xing(frames: int) -> bytes:
    return b"\xff\xfb\x90\x64" + bytes(32) + b"Xing" + struct.pack(">II", 1, frames) + bytes(1000)


EXIF = b"\xff\xe1\x10\x02" + bytes(0x1000)  # as long as with a thumbnail
IMAGES = {
    "png": png(640, 480),
    "gif": b"GIF89a" + struct.pack("<HH", 640, 480),
    "jpeg": jpeg(640, 480),
    "jpeg after its thumbnail": jpeg(640, 480, EXIF + b"\xff\xff"),
    "jpeg after its tables": jpeg(640, 480, b"\xff\xc4\0\x09" + bytes(7)),
    "webp, lossy": webp(b"VP8 ", bytes(6) + struct.pack("<HH", 640, 480)),
    "webp, lossless": webp(b"VP8L", b"\x2f" + struct.pack("<I", 639 | 479 << 14)),
    "webp, extended": webp(b"VP8X", bytes(4) + b"\x7f\x02\0\xdf\x01\0"),
}


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_image_size_is_read(image):
    assert read_image_size(image) == read_image_size(to_view(image)) == (640, 480)


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES)
def test_truncated_image_has_no_size(image):
    assert read_image_size(image[: max(image.rfind(b"\xff\xc2"), 0) + 6]) is None


@pytest.mark.parametrize("data", [b"", b"BM", png(0, 9), b"\xff\xd8\xff" + b"\xff" * 5000])
def test_other_data_has_no_image_size(data):
    assert read_image_size(data) is None


PDF_HEADER = b"%PDF-1.7\n"
PAGES = b"/Type /Pages /Count 3" + b" /Type /Page " * 3
COMPRESSED_PAGES = b"<< /Type /ObjStm >>\nstream\r\n" + zlib.compress(PAGES) + b"\nendstream"


@pytest.mark.parametrize(
    "document",
    [
        PDF_HEADER + PAGES,
        PDF_HEADER + COMPRESSED_PAGES,
    ],
    ids=["page objects", "object stream"],
)
def test_pdf_pages_are_counted(document):
    assert count_pdf_pages(document) == count_pdf_pages(to_view(document)) == 3


@pytest.mark.parametrize(
    "data", [b"", b"PK", PDF_HEADER, PDF_HEADER + b"/Type /ObjStm stream\nnot compressed"]
)
def test_unreadable_pdf_has_no_page_count(data):
    assert count_pdf_pages(data) is None


def test_decompression_of_a_pdf_is_limited():
    bomb = b"/Type /ObjStm stream\n" + zlib.compress(bytes(2**22)) + b"endstream"
    tracemalloc.start()
    assert count_pdf_pages(PDF_HEADER + bomb * 40) is None
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 * 2**20


AUDIO = {
    "wav": wav(1.5),
    "wav with a chunk before its samples": wav(1.5, before=b"LIST\x03\0\0\0abc\0"),
    "wav with a placeholder as its size": wav(1.5, size=0xFFFFFFFF),
    "wav with a size of 0": wav(1.5, size=0),
    "mp3": b"\xff\xfb\x90\x64" + bytes(24000 - 4),
    "mp3 with tags": b"ID3\x04\0\0\0\0\x02\x00" + bytes(256) + b"\xff\xfb\x90\x64" + bytes(23996),
}


@pytest.mark.parametrize("audio", AUDIO.values(), ids=AUDIO)
def test_audio_duration_is_read(audio):
    assert read_audio_seconds(audio) == read_audio_seconds(to_view(audio)) == 1.5


def test_mp3_with_variable_bitrate_uses_its_frame_count():
    assert read_audio_seconds(xing(4900)) == 4900 * 1152 / 44100


@pytest.mark.parametrize("data", [b"", b"OggS", b"RIFF\0\0\0\0WAVE", b"\xff" * 3, b"ID3"])
def test_other_data_has_no_audio_seconds(data):
    assert read_audio_seconds(data) is None


def test_metadata_of_real_files_is_read():
    assert read_image_size((ASSETS / "diagram.png").read_bytes()) == (600, 200)
    assert count_pdf_pages((ASSETS / "dummy.pdf").read_bytes()) == 1
    assert read_audio_seconds((ASSETS / "bird.wav").read_bytes()) == 1.0


@pytest.mark.slow
@given(st.binary(max_size=40), st.integers(0, 45), st.integers(0, 45))
def test_base64_view_slices_like_bytes(data, start, stop):
    assert to_view(data)[start:stop] == data[start:stop]
    assert len(to_view(data)) == len(data)


PREFIXES = [
    *(image[:20] for image in IMAGES.values()),
    PDF_HEADER,
    wav(0)[:40],
    b"ID3",
    b"\xff\xfb",
]


@given(st.sampled_from(PREFIXES), st.binary(max_size=200), st.text(max_size=40))
def test_arbitrary_data_never_raises(prefix, content, text):
    for measure in (read_image_size, count_pdf_pages, read_audio_seconds):
        measure(prefix + content)
        measure(Base64View(text))


MORE_PAGES = PDF_HEADER + b" /Type /Page " + COMPRESSED_PAGES


def test_pages_outside_and_inside_of_object_streams_are_counted():
    assert count_pdf_pages(MORE_PAGES) == 4
