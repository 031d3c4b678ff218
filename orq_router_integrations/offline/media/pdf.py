"""The pages and the text of a PDF; simple files only, and never an exception.

Reads content streams that are plain or deflated and the text that ``Tj``, ``TJ``, ``'`` and ``"``
show in a Latin encoding. Files with encrypted or custom-encoded text have no readable text here.
"""

import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from orq_router_integrations.dimensions import pdf_pages

_STREAM = re.compile(rb"(?<!end)stream\r?\n")
_STRING = rb"\((?:\\.|[^\\()]|\((?:\\.|[^\\()])*\))*\)"
_SHOWN = re.compile(
    rb"(\[(?:[^\]\\()]|" + _STRING + rb")*\])\s*TJ|(" + _STRING + rb")\s*(?:Tj|'|\")", re.DOTALL
)
_TEXT = re.compile(rb"(" + _STRING + rb")|(-?\d+(?:\.\d+)?)", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{1,3}|\r?\n|.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"", b"f": b"", b"\n": b"", b"\r\n": b""}

LARGEST = 8 * 1024 * 1024
"""Bytes of one inflated stream that are read."""


@dataclass(frozen=True, slots=True)
class Pdf:
    """What a PDF holds: pages (0 where unknown) and text (empty where unreadable)."""

    pages: int
    text: str


def pdf(data: bytes) -> Pdf:
    """Pages and text of a PDF."""
    shown = (piece for stream in _streams(data) if b"BT" in stream for piece in _shown(stream))
    return Pdf(pdf_pages(data) or 0, " ".join(" ".join(shown).split()))


def _streams(data: bytes) -> Iterator[bytes]:
    for start in _STREAM.finditer(data):
        head = data[data.rfind(b"obj", 0, start.start()) : start.start()]
        body = data[start.end() : data.find(b"endstream", start.end())]
        if b"/FlateDecode" in head:
            try:
                yield zlib.decompressobj().decompress(body, LARGEST)
            except zlib.error:
                continue
        elif b"/Filter" not in head:
            yield body[:LARGEST]


def _shown(stream: bytes) -> Iterator[str]:
    for array, text in _SHOWN.findall(stream):
        pieces = (_piece(*found) for found in _TEXT.findall(array or text))
        yield "".join(piece for piece in pieces if piece.isprintable())


def _piece(text: bytes, gap: bytes) -> str:
    if gap:
        return " " if float(gap) < -200 else ""  # in thousandths of an em: a gap between words
    return _ESCAPE.sub(_unescaped, text[1:-1]).decode("cp1252", "replace").replace("\n", " ")


def _unescaped(found: re.Match[bytes]) -> bytes:
    escape = found[1]
    if escape.isdigit():
        return bytes([int(escape, 8) & 0xFF])
    return _ESCAPED.get(escape, escape)
