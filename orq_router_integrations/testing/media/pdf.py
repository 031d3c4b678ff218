"""The pages and the text of a PDF; simple files only, and never an exception.

Reads content streams that are plain or deflated and the text that ``Tj``, ``TJ``, ``'`` and ``"``
show in a Latin encoding. Files with encrypted or custom-encoded text have no readable text here.
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
_SHOWING = (b"Tj", b"TJ", b"'", b'"')
_IN_STRING = re.compile(rb"\\.|[()]", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|\r?\n|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"", b"f": b"", b"\n": b"", b"\r\n": b""}

MAX_PDF_BYTES = 1024 * 1024
"""Bytes of content streams that are read for text, in all."""

MAX_STREAMS = 200
"""Streams of a file that are looked at."""

HEADER_SEARCH_BYTES = 1024
"""Bytes before a stream in which its object begins."""

MAX_TEXT_CHARS = 64 * 1024
"""Bytes of one text that are read."""

GAP = -200
"""From this distance on, in thousandths of an em, a gap stands between words."""


@dataclass(frozen=True, slots=True)
class PdfInfo:
    """What a PDF holds: pages (0 where unknown) and text (empty where unreadable)."""

    pages: int
    text: str


def read_pdf(data: bytes) -> PdfInfo:
    """Pages and text of a PDF."""
    shown: list[str] = []
    left = MAX_PDF_BYTES
    for stream in _iter_streams(data):
        if left > 0 and b"BT" in stream:
            shown.extend(_extract_text(stream[:left]))
            left -= len(stream)
    return PdfInfo(count_pdf_pages(data) or 0, " ".join(" ".join(shown).split()))


def _iter_streams(data: bytes) -> Iterator[bytes]:
    at = 0
    for _ in range(MAX_STREAMS):
        start = _STREAM.search(data, at)
        if start is None:
            return
        end = data.find(b"endstream", start.end())
        at = end if end >= 0 else len(data)
        first = data.rfind(b"obj", max(0, start.start() - HEADER_SEARCH_BYTES), start.start())
        head = data[max(first, 0, start.start() - HEADER_SEARCH_BYTES) : start.start()]
        body = data[start.end() : at]
        if b"/FlateDecode" in head:
            try:
                yield zlib.decompressobj().decompress(body, MAX_PDF_BYTES)
            except zlib.error:
                continue
        elif b"/Filter" not in head:
            yield body[:MAX_PDF_BYTES]


def _extract_text(stream: bytes) -> Iterator[str]:
    """What the operators of a content stream show, in one pass."""
    pieces: list[str] = []
    at, listed = 0, False
    while found := _TOKEN.search(stream, at):
        at, token = found.end(), found[0]
        if token == b"(":
            at = _find_string_end(stream, at)
            pieces = pieces if listed else []
            pieces.append(_decode_string(stream[found.end() : at - 1]))
        elif token in _BRACKETS:
            listed = token == b"["
            pieces = [] if listed else pieces
        elif found["number"] and listed:
            pieces.append(" " if float(token) < GAP else "")
        elif found["word"]:
            if token in _SHOWING:
                yield "".join(piece for piece in pieces if piece.isprintable())
            pieces, listed = [], False


def _find_string_end(stream: bytes, at: int) -> int:
    """Where the string that begins before ``at`` ends; its round brackets come in pairs."""
    depth = 1
    for found in _IN_STRING.finditer(stream, at):
        depth += {b"(": 1, b")": -1}.get(found[0], 0)
        if not depth:
            return found.end()
    return len(stream)


def _decode_string(escaped: bytes) -> str:
    text = _ESCAPE.sub(_unescape, escaped[:MAX_TEXT_CHARS])
    return text.decode("cp1252", "replace").replace("\n", " ")


def _unescape(found: re.Match[bytes]) -> bytes:
    escape = found[1]
    if escape[0] in b"01234567":
        return bytes([int(escape, 8) & 0xFF])
    return _ESCAPED.get(escape, escape)
