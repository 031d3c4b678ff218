"""Reading the headers of images, PDFs and audio, and descriptions of unreadable files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.audio_samples import create_wav
from support.scans import create_pdf

from orq_router_integrations.testing.media.audio import measure_audio
from orq_router_integrations.testing.retrieval import read_pdf_pages

ROOT = Path(__file__).parents[2]
ASSETS = ROOT / "orq_router_integrations" / "assets"
TEST_ASSETS = ROOT / "tests" / "assets"


def test_read_pdf_pages():
    (text,) = read_pdf_pages((ASSETS / "report.pdf").read_bytes())
    assert text.startswith("Quarterly report Gateway requests, April to June The gateway")
    assert "(12 in January, 15 in February, 19 in March)." in text
    assert read_pdf_pages((TEST_ASSETS / "dummy.pdf").read_bytes()) == ["Dummy PDF file"]
    assert read_pdf_pages(create_pdf("One", "Two")) == ["One", "Two"]


@pytest.mark.parametrize(
    ("content", "texts"),
    [
        (rb"BT (one) Tj (\(two\)) Tj ET", ["one (two)", ""]),
        (rb"BT <0041> Tj ET", ["", ""]),
    ],
)
def test_text_of_pdf_pages_is_read(content, texts):
    pages = b"%PDF-1.4\n1 0 obj << /Type /Page >> endobj 2 0 obj << /Type /Page >> endobj\n"
    stream = b"3 0 obj << /Length %d >>\nstream\n" % len(content) + content + b"\nendstream endobj"
    assert read_pdf_pages(pages + stream) == texts


def test_unreadable_pdf_is_described_by_name_and_size(create_chat):
    uri = "data:application/pdf;base64,JVBERi0="
    part = {"type": "file", "file": {"file_data": uri, "filename": "x.pdf"}}
    content = create_chat().get_message(messages=[{"role": "user", "content": [part]}])["content"]
    assert "file x.pdf (5 bytes)" in content


MP3 = b"\xff\xfb\x90\xc0" + bytes(15_996)  # MPEG-1 layer III, 128 kbit/s, 44.1 kHz, mono


@pytest.mark.parametrize(
    ("data", "seconds"),
    [
        (create_wav(bytes(8000), rate=8000), 0.5),
        (MP3, 1.0),
        (b"ID3\4\0\0\0\0\0\2xx" + MP3, 1.0),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"hello", None),
    ],
)
def test_measure_audio(data, seconds):
    assert measure_audio(data) == seconds


def test_measure_audio_of_assets():
    assert measure_audio((TEST_ASSETS / "bird.wav").read_bytes()) == pytest.approx(1.0, abs=0.1)


@pytest.mark.slow
@given(
    st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF\0\0\0\0WAVEfmt "]),
    st.binary(max_size=200),
)
def test_arbitrary_bytes_do_not_raise(magic, data):
    measure_audio(magic + data)
    read_pdf_pages(b"%PDF- 1 0 obj /FlateDecode stream\n" + magic + data)
