"""First bytes of files of many types."""

import base64

PNG = b"\x89PNG\r\n\x1a\n" + bytes(8)
WAV = b"RIFF\x24\0\0\0WAVEfmt "
PDF = b"%PDF-1.7\n"
MAGIC = {
    PNG: "image/png",
    b"\xff\xd8\xff\xe0\0\x10JFIF": "image/jpeg",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"RIFF\x10\0\0\0WEBPVP8 ": "image/webp",
    b"BM\x36\0\0\0": "image/bmp",
    b"<svg xmlns=": "image/svg+xml",
    PDF: "application/pdf",
    WAV: "audio/wav",
    b"ID3\x04": "audio/mpeg",
    b"\xff\xfb\x90\x64": "audio/mpeg",
    b"\xff\xf3\x40\xc0": "audio/mpeg",
    b"\xff\xf9\x50": "audio/aac",
    b"fLaC\0": "audio/flac",
    b"OggS\0": "audio/ogg",
    b"\0\0\0\x20ftypM4A ": "audio/mp4",
    b"\0\0\0\x18ftypisom": "video/mp4",
    b"\x1aE\xdf\xa3": "video/webm",
    b"PK\x03\x04": "application/zip",
    b"<!DOCTYPE html>": "text/html",
    b"<html>": "text/html",
}

NOT_BASE64 = [
    *("", "\n", "A", "AAAAA", "====", "A===", "AA=A", "=AAA", "AA A"),
    *("\u00e4AAA", "\ud800AAA", "data:image/png;base64,AAAA", "https://x/a.png"),
    *(None, 7, b"AAAA", ["AAAA"]),
]


def encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def create_big_image_uri(size: int) -> str:
    """Create base64 text of a PNG of ``size`` bytes."""
    quads, remainder = divmod(size, 3)
    end = {0: "", 1: "AA==", 2: "AAA="}[remainder]
    return encode_base64(PNG[:12]) + "AAAA" * (quads - 4) + end
