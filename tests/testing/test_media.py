"""Reading the headers of images, PDFs and audio, and descriptions of unreadable files."""

import struct
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.testing.media.audio_info import (
    AudioInfo,
    create_tone,
    create_wav,
    read_audio_info,
)
from orq_router_integrations.testing.media.image_info import ImageInfo, read_image_info
from orq_router_integrations.testing.media.pdf import read_pdf

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "orq_router_integrations" / "assets"
TEST_ASSETS = ROOT / "tests" / "assets"

JPEG = (
    b"\xff\xd8\xff\xe0"
    + struct.pack(">H", 4)
    + b"xx"
    + b"\xff\xff\xc0"
    + struct.pack(">HBHHB", 11, 8, 300, 400, 1)
)
WEBP = b"RIFF\0\0\0\0WEBP"


@pytest.mark.parametrize(
    ("data", "info"),
    [
        ((ASSETS / "chart.png").read_bytes(), ImageInfo("PNG", (640, 400))),
        ((TEST_ASSETS / "diagram.png").read_bytes(), ImageInfo("PNG", (600, 200))),
        (b"GIF89a" + struct.pack("<HH", 12, 34), ImageInfo("GIF", (12, 34))),
        (JPEG, ImageInfo("JPEG", (400, 300))),
        (WEBP + b"VP8 " + bytes(10) + struct.pack("<HH", 5, 6), ImageInfo("WebP", (5, 6))),
        (WEBP + b"VP8L" + bytes(5) + struct.pack("<I", 4 | 5 << 14), ImageInfo("WebP", (5, 6))),
        (WEBP + b"VP8X" + bytes(8) + b"\4\0\0\5\0\0", ImageInfo("WebP", (5, 6))),
        (b"\x89PNG\r\n\x1a\n", ImageInfo("PNG", None)),
        (b"hello", ImageInfo("unknown format", None)),
    ],
)
def test_read_image_info(data, info):
    assert read_image_info(data) == info


def test_read_pdf():
    pdf = read_pdf((ASSETS / "report.pdf").read_bytes())
    assert pdf.pages == 1
    assert pdf.text.startswith("Quarterly report Gateway requests, April to June The gateway")
    assert "(12 in January, 15 in February, 19 in March)." in pdf.text
    assert read_pdf((TEST_ASSETS / "dummy.pdf").read_bytes()).text == "Dummy PDF file"


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (rb"BT (plain) Tj ET", "plain"),
        (rb"BT [(Ker) -20 (ned) -300 (words)] TJ ET", "Kerned words"),
        (rb"BT (line one) Tj (line two) ' ET", "line one line two"),
        (rb"BT (oct\141l \(and\) (nested)) Tj ET", "octal (and) (nested)"),
        (rb"BT <0041> Tj ET", ""),
        (b"BT (\x01\x02) Tj ET", ""),
    ],
)
def test_pdf_text_operators(content, text):
    header = b"%%PDF-1.4\n1 0 obj << /Length %d >>\nstream\n" % len(content)
    page = b"\nendstream endobj 2 0 obj << /Type /Page >> 3 0 obj << /Type /Pages /Count 1 >>"
    pdf = read_pdf(header + content + page)
    assert (pdf.pages, pdf.text) == (1, text)


def test_pdf_pages_in_object_streams():
    packed = zlib.compress(b"<< /Type /Page >> << /Type/Page/Parent 1 0 R >>")
    header = b"%PDF-1.7\n4 0 obj << /Type /ObjStm /Filter /FlateDecode >>\nstream\n"
    data = header + packed + b"\nendstream"
    assert read_pdf(data).pages == 2


def test_description_of_unreadable_pdf(create_chat):
    uri = "data:application/pdf;base64,JVBERi0="
    part = {"type": "file", "file": {"file_data": uri, "filename": "x.pdf"}}
    content = create_chat().get_message(messages=[{"role": "user", "content": [part]}])["content"]
    assert "a PDF x.pdf (0 pages; text not readable offline)" in content


MP3 = b"\xff\xfb\x90\xc0" + bytes(15_996)  # MPEG-1 layer III, 128 kbit/s, 44.1 kHz, mono


@pytest.mark.parametrize(
    ("data", "info"),
    [
        (create_wav(create_tone(0.5)), AudioInfo("WAV", 0.5, 8000, 1)),
        (MP3, AudioInfo("MP3", 1.0, 44100, 1)),
        (b"ID3\4\0\0\0\0\0\2xx" + MP3, AudioInfo("MP3", 1.0, 44100, 1)),
        (b"RIFF\0\0\0\0WAVE", AudioInfo("WAV")),
        (b"hello", AudioInfo("MP3")),
    ],
)
def test_read_audio_info(data, info):
    assert read_audio_info(data) == info


def test_read_audio_info_of_assets():
    assert read_audio_info((ASSETS / "question.wav").read_bytes()).sample_rate == 16000
    assert read_audio_info((TEST_ASSETS / "bird.wav").read_bytes()).seconds == pytest.approx(
        1.0, abs=0.1
    )


@pytest.mark.slow
@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", WEBP, b"RIFF\0\0\0\0WAVEfmt "]),
    st.binary(max_size=200),
)
def test_arbitrary_bytes_do_not_raise(magic, data):
    read_image_info(magic + data)
    read_audio_info(magic + data)
    read_pdf(b"%PDF- 1 0 obj /FlateDecode stream\n" + magic + data)
