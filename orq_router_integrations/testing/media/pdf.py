"""Read page count and text of a simple PDF. Never raises.

Supports content streams that are plain or deflated, and text shown by ``Tj``, ``TJ``, ``'`` and
``"`` in a Latin encoding. Encrypted and custom-encoded text is ignored.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from orq_router_integrations.media.metadata import count_pdf_pages

MAX_PDF_BYTES = 1024 * 1024
"""Maximum number of bytes of content streams that are read for text."""

MAX_STREAMS = 200
"""Maximum number of streams that are inspected."""

HEADER_SEARCH_BYTES = 1024
"""Number of bytes before a stream in which its dictionary is searched."""

GAP = -200
"""Offset in thousandths of an em from which a gap separates words."""

_STREAM = re.compile(rb"(?<!end)stream\r?\n(.*?)(?:endstream|\Z)", re.DOTALL)
_STRING = rb"\((?:[^\\()]++|\\.|\((?:[^\\()]++|\\.)*+\))*+\)"  # parentheses may nest once
_SHOW = re.compile(
    rb"(?P<array>\[(?:[^\[\]()]++|%b)*+\])\s*TJ|(?P<string>%b)\s*(?:Tj|['\"])" % (_STRING, _STRING),
    re.DOTALL,
)
_ARRAY_ITEM = re.compile(rb"(?P<string>%b)|-?\d{1,9}(?:\.\d{0,9})?" % _STRING, re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|\r?\n|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"", b"f": b"", b"\n": b"", b"\r\n": b""}


@dataclass(frozen=True, slots=True)
class PdfInfo:
    """Number of pages (0 if unknown), and the text of each content stream, usually a page."""

    pages: int
    page_texts: tuple[str, ...]

    @property
    def text(self) -> str:
        """The complete text; empty if it is not readable."""
        return " ".join(self.page_texts)


def read_pdf(data: bytes) -> PdfInfo:
    """Return page count and text of a PDF."""
    texts: list[str] = []
    remaining = MAX_PDF_BYTES
    for stream in _iter_streams(data):
        if remaining > 0 and b"BT" in stream:
            words = " ".join(_extract_texts(stream[:remaining])).split()
            texts.extend([" ".join(words)] if words else [])
            remaining -= len(stream)
    return PdfInfo(count_pdf_pages(data) or 0, tuple(texts))


def _iter_streams(data: bytes) -> Iterator[bytes]:
    position = 0
    for _ in range(MAX_STREAMS):
        start = _STREAM.search(data, position)
        if start is None:
            return
        position = start.end()
        header = data[max(0, start.start() - HEADER_SEARCH_BYTES) : start.start()]
        header = header[max(0, header.rfind(b"obj")) :]
        if b"/FlateDecode" in header:
            try:
                yield zlib.decompressobj().decompress(start[1], MAX_PDF_BYTES)
            except zlib.error:
                continue
        elif b"/Filter" not in header:
            yield start[1][:MAX_PDF_BYTES]


def _extract_texts(stream: bytes) -> Iterator[str]:
    """Yield the strings that a content stream shows."""
    for match in _SHOW.finditer(stream):
        if match["string"]:
            yield _decode_string(match["string"])
            continue
        text = ""
        for item in _ARRAY_ITEM.finditer(match["array"]):
            if item["string"]:
                text += _decode_string(item["string"])
            elif float(item[0]) < GAP:
                text += " "
        yield text


def _decode_string(string: bytes) -> str:
    text = _ESCAPE.sub(_unescape, string[1:-1]).decode("cp1252", "replace").replace("\n", " ")
    return text if text.isprintable() else ""


def _unescape(match: re.Match[bytes]) -> bytes:
    escape = match[1]
    if escape[0] in b"01234567":
        return bytes([int(escape, 8) & 0xFF])
    return _ESCAPED.get(escape, escape)
