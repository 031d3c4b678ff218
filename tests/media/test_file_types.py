"""Types of files whose first bytes are not those of their format."""

import base64
import io
import struct
from pathlib import Path

import pytest
from support.audio_samples import create_mp3, create_samples, create_wav
from support.media_samples import PDF, PNG

from orq_router_integrations import content_block
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.media.mime import HEADER_BYTES, Base64View, FileView, detect_mime_type

MP3 = create_mp3(20)
WAV = create_wav(create_samples(100))
ADTS = b"\xff\xf1\x50\x80" + bytes(60)
SMALL_PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF"


def id3(size: int, *, footer: bool = False) -> bytes:
    head = bytes([0x10 if footer else 0, 0, size >> 14, size >> 7 & 127, size & 127])
    return b"ID3\x04\0" + head + bytes(size + 10 * footer)


def ape(size: int) -> bytes:
    return b"APETAGEX" + struct.pack("<IIII", 2000, size, 0, 0xA0000000) + bytes(8 + size)


def rf64(data: bytes, name: bytes = b"RF64") -> bytes:
    head = name + b"\xff" * 4 + b"WAVE" + struct.pack("<4sIQQQI", b"ds64", 28, 0, 200, 100, 0)
    return head + data[12:40] + b"\xff" * 4 + data[44:]


FILES = {
    "zeros, then MP3": (bytes(512) + MP3, "audio/mpeg"),
    "many zeros, then MP3": (bytes(20_000) + MP3, "audio/mpeg"),
    "APE tag, then MP3": (ape(2000) + MP3, "audio/mpeg"),
    "ID3 and APE tags, then MP3": (id3(300) + ape(99) + MP3, "audio/mpeg"),
    "APE tag, then FLAC": (ape(64) + b"fLaC\0", "audio/flac"),
    "half a frame, then MP3": (MP3[37:], "audio/mpeg"),
    "half a frame, then mono MP3": (create_mp3(9, rate=24_000, mono=True)[5:], "audio/mpeg"),
    "MP3 of less than a frame": (MP3[:100], "audio/mpeg"),
    "ID3 tag, then FLAC": (id3(300) + b"fLaC" + bytes(60), "audio/flac"),
    "ID3 tag, then AAC": (id3(300) + ADTS, "audio/aac"),
    "large ID3 tag, then FLAC": (id3(2 * HEADER_BYTES) + b"fLaC", "audio/flac"),
    "ID3 tag with a footer, then FLAC": (id3(77, footer=True) + b"fLaC", "audio/flac"),
    "two ID3 tags, then WAV": (id3(20) + id3(30) + WAV, "audio/wav"),
    "ID3 tag, then MP3": (id3(300) + MP3, "audio/mpeg"),
    "only an ID3 tag": (id3(300), "audio/mpeg"),
    "ID3 tag, then a picture": (id3(300) + PNG, "audio/mpeg"),
    "RF64": (rf64(WAV), "audio/wav"),
    "BW64": (rf64(WAV, b"BW64"), "audio/wav"),
    "Wave64": (bytes.fromhex("726966662e91cf11a5d628db04c10000") + bytes(24), "audio/x-w64"),
    "AIFF": (b"FORM\0\0\0\x20AIFFCOMM", "audio/aiff"),
    "AIFC": (b"FORM\0\0\0\x20AIFCFVER", "audio/aiff"),
    "WMA": (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "audio/x-ms-wma"),
    "QuickTime without brand": (b"\0\0\0\x08wide\0\0\0\0mdat", "video/mp4"),
    "PDF after a byte order mark": (b"\xef\xbb\xbf" + SMALL_PDF, "application/pdf"),
    "PDF after a line break": (b"\r\n" + SMALL_PDF, "application/pdf"),
    "PDF after 1,024 bytes": (bytes(1024) + SMALL_PDF, "application/pdf"),
    "PDF after 1,025 bytes": (bytes(1025) + SMALL_PDF, None),
    "PDF after the header of a mail": (b"From: a@b\r\n\r\n" + SMALL_PDF, "application/pdf"),
    "text about PDF": (b"A PDF starts with %PDF-1.7, then a line break.", None),
    "HTML after a byte order mark": (b"\xef\xbb\xbf\n<HTML>", "text/html"),
    "HTML after a comment": (b"<!-- saved -->\n<!doctype html>", "text/html"),
    "SVG after a declaration": (b'<?xml version="1.0"?>\n<svg>', "image/svg+xml"),
    "SVG with a document type": (b"<!DOCTYPE svg PUBLIC>\n<svg>", "image/svg+xml"),
    "other XML": (b'<?xml version="1.0"?>\n<feed>', None),
    "zeros": (bytes(5000), None),
    "single frame header in noise": (bytes(9) + MP3[:4] + b"\x01" * 9000, None),
    "text about freedom": (b"the free", None),
}


@pytest.mark.parametrize(("data", "mime_type"), FILES.values(), ids=FILES)
def test_type_is_the_same_for_bytes_base64_and_files(data: bytes, mime_type: str | None) -> None:
    views = (data, Base64View(base64.b64encode(data).decode()), FileView(io.BytesIO(data)))
    assert [detect_mime_type(view) for view in views] == [mime_type] * 3


@pytest.mark.parametrize(
    "data",
    [data for data, mime_type in FILES.values() if mime_type == "application/pdf"],
)
@pytest.mark.parametrize("lazy", [False, True])
def test_pdf_with_bytes_before_its_header_is_accepted(
    tmp_path: Path, data: bytes, lazy: bool
) -> None:
    (tmp_path / "a.pdf").write_bytes(data)
    block = content_block(tmp_path / "a.pdf", mime_type="application/pdf", lazy=lazy)
    assert (block["type"], block["mime_type"]) == ("file", "application/pdf")


def test_mp3_with_bytes_before_the_first_frame_is_accepted() -> None:
    for name in ("zeros, then MP3", "APE tag, then MP3", "half a frame, then MP3"):
        assert content_block(FILES[name][0])["mime_type"] == "audio/mpeg"


def test_tagged_flac_is_not_sent_as_mp3() -> None:
    with pytest.raises(RouterInputError, match="audio is audio/flac"):
        content_block(FILES["large ID3 tag, then FLAC"][0])


TEXTS = {
    "no suffix": ("Makefile", "all:\n\tpython -m build\n"),
    "suffix of a video": ("app.ts", "const name: string = 'caf\u00e9';"),
    "unknown suffix": ("notes.qmd", "# Title\n"),
    "magic bytes of an image": ("BMW", "BMW and Audi"),
    "magic bytes of audio": ("a.rst", "ID3 is a tag"),
    "magic bytes of a video": ("b.rst", "the moov atom"),
    "terminal colors": ("build.out", "\x1b[31mred\x1b[0m"),
    "byte order mark": ("windows.conf", "\ufeffkey=value"),
    "script without spaces": ("\u6ce8", "\u4eca\u5929\u5929\u6c14\u5f88\u597d" * 20_000),
    "mentions a PDF header": ("spec.adoc", "It begins with\n%PDF-1.7\nand so on."),
}


@pytest.mark.parametrize(("name", "text"), TEXTS.values(), ids=TEXTS)
@pytest.mark.parametrize("lazy", [False, True])
def test_utf_8_is_text_whatever_its_name(tmp_path: Path, name: str, text: str, lazy: bool) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    expected = {"type": "text-plain", "text": text.lstrip("\ufeff"), "mime_type": "text/plain"}
    assert content_block(tmp_path / name, lazy=lazy) == expected
    assert content_block(text.encode()) == expected


@pytest.mark.parametrize("name", ["a.png", "a.mp3", "a.pdf"])
def test_text_named_like_media_raises(tmp_path: Path, name: str) -> None:
    """Such a file is usually the error page of a failed download."""
    (tmp_path / name).write_text('{"error": "not found"}')
    with pytest.raises(RouterInputError):
        content_block(tmp_path / name)


@pytest.mark.parametrize("data", ["caf\u00e9s".encode("latin-1"), b"a\0b", b"\x01\x02"])
def test_other_bytes_are_not_text(data: bytes) -> None:
    with pytest.raises(RouterInputError, match="of an unknown type"):
        content_block(data)


class Unseekable(io.BytesIO):
    def seekable(self) -> bool:
        return False


def test_file_object_is_read_completely(tmp_path: Path) -> None:
    (tmp_path / "report").write_bytes(PDF)
    with (tmp_path / "report").open("rb") as stream:
        assert content_block(stream)["extras"] == {"filename": "report.pdf"}
    buffer = io.BytesIO()
    buffer.write(PNG)  # the position is at the end
    assert content_block(buffer) == content_block(PNG) == content_block(Unseekable(PNG))
    assert content_block(io.BytesIO(PDF), filename="a.pdf")["extras"] == {"filename": "a.pdf"}


def test_invalid_file_object_raises(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("text")
    with (tmp_path / "a.txt").open() as stream, pytest.raises(RouterInputError, match="binary"):
        content_block(stream)
    with pytest.raises(RouterInputError, match="closed"):
        content_block(stream)
    with pytest.raises(RouterInputError, match="empty"):
        content_block(io.BytesIO())
    with pytest.raises(RouterInputError, match="lazy=True requires a path"):
        content_block(io.BytesIO(PNG), lazy=True)


def test_name_that_is_not_utf_8_is_percent_encoded(tmp_path: Path) -> None:
    path = tmp_path / b"caf\xe9.pdf".decode("utf-8", "surrogateescape")
    path.write_bytes(PDF)
    assert content_block(path)["extras"] == {"filename": "caf%E9.pdf"}
