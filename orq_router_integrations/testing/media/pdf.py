"""Read page count and text of a simple PDF. Never raises.

Supports content streams that are plain or deflated, and text shown by ``Tj``, ``TJ``, ``'`` and
``"`` in a Latin encoding. Encrypted and custom-encoded text is ignored.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from orq_router_integrations.media.metadata import count_pdf_pages

_STREAM = re.compile(rb"(?<!end)stream\r?\n")
_TOKEN = re.compile(
    rb"[(\[\]]|(?P<number>-?\d{1,9}(?:\.\d{0,9})?)|/[A-Za-z]*|(?P<word>[A-Za-z]+\*?|['\"])"
)
_BRACKETS = (b"[", b"]")
_SHOW_OPERATORS = (b"Tj", b"TJ", b"'", b'"')
_IN_STRING = re.compile(rb"\\.|[()]", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|\r?\n|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"", b"f": b"", b"\n": b"", b"\r\n": b""}

MAX_PDF_BYTES = 1024 * 1024
"""Maximum number of bytes of content streams that are read for text."""

MAX_STREAMS = 200
"""Maximum number of streams that are inspected."""

HEADER_SEARCH_BYTES = 1024
"""Number of bytes before a stream in which its dictionary is searched."""

MAX_TEXT_CHARS = 64 * 1024
"""Maximum length of one string."""

GAP = -200
"""Offset in thousandths of an em from which a gap separates words."""


@dataclass(frozen=True, slots=True)
class PdfInfo:
    """Number of pages (0 if unknown) and text (empty if unreadable) of a PDF."""

    pages: int
    text: str


def read_pdf(data: bytes) -> PdfInfo:
    """Return page count and text of a PDF."""
    texts: list[str] = []
    remaining = MAX_PDF_BYTES
    for stream in _iter_streams(data):
        if remaining > 0 and b"BT" in stream:
            texts.extend(_extract_text(stream[:remaining]))
            remaining -= len(stream)
    return PdfInfo(count_pdf_pages(data) or 0, " ".join(" ".join(texts).split()))


def _iter_streams(data: bytes) -> Iterator[bytes]:
    position = 0
    for _ in range(MAX_STREAMS):
        start = _STREAM.search(data, position)
        if start is None:
            return
        end = data.find(b"endstream", start.end())
        position = end if end >= 0 else len(data)
        first = data.rfind(b"obj", max(0, start.start() - HEADER_SEARCH_BYTES), start.start())
        header = data[max(first, 0, start.start() - HEADER_SEARCH_BYTES) : start.start()]
        body = data[start.end() : position]
        if b"/FlateDecode" in header:
            try:
                yield zlib.decompressobj().decompress(body, MAX_PDF_BYTES)
            except zlib.error:
                continue
        elif b"/Filter" not in header:
            yield body[:MAX_PDF_BYTES]


def _extract_text(stream: bytes) -> Iterator[str]:
    """Yield the strings that a content stream shows, in one pass."""
    strings: list[str] = []
    position, in_array = 0, False
    while match := _TOKEN.search(stream, position):
        position, token = match.end(), match[0]
        if token == b"(":
            position = _find_string_end(stream, position)
            strings = strings if in_array else []
            strings.append(_decode_string(stream[match.end() : position - 1]))
        elif token in _BRACKETS:
            in_array = token == b"["
            strings = [] if in_array else strings
        elif match["number"] and in_array:
            strings.append(" " if float(token) < GAP else "")
        elif match["word"]:
            if token in _SHOW_OPERATORS:
                yield "".join(string for string in strings if string.isprintable())
            strings, in_array = [], False


def _find_string_end(stream: bytes, position: int) -> int:
    """Return the end of the string that starts before ``position``; parentheses nest."""
    depth = 1
    for match in _IN_STRING.finditer(stream, position):
        depth += {b"(": 1, b")": -1}.get(match[0], 0)
        if not depth:
            return match.end()
    return len(stream)


def _decode_string(escaped: bytes) -> str:
    text = _ESCAPE.sub(_unescape, escaped[:MAX_TEXT_CHARS])
    return text.decode("cp1252", "replace").replace("\n", " ")


def _unescape(match: re.Match[bytes]) -> bytes:
    escape = match[1]
    if escape[0] in b"01234567":
        return bytes([int(escape, 8) & 0xFF])
    return _ESCAPED.get(escape, escape)
