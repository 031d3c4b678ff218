"""Read the text of simple PDFs."""

import re
import zlib
from contextlib import suppress

from orq_router_integrations.media.metadata import count_pdf_pages

MAX_STREAM_BYTES = 1024 * 1024

_STREAM = re.compile(rb"stream\r?\n(.*?)(?:endstream|\Z)", re.DOTALL)
_SHOWN_STRING = re.compile(rb"\(((?:[^\\()]|\\.)*+)\)\s*Tj", re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:([0-7]{1,3})|(.))", re.DOTALL)


def read_pdf_pages(data: bytes) -> list[str]:
    """Return the text of each page, or an empty list if the pages cannot be counted. Never raises.

    Only text in a Latin encoding that is shown by ``Tj`` is read. If not every page has a text, the
    first one has all of it.
    """
    texts = []
    for match in _STREAM.finditer(data):
        content = match[1][:MAX_STREAM_BYTES]
        with suppress(zlib.error):  # of a stream that is not compressed
            content = zlib.decompressobj().decompress(content, MAX_STREAM_BYTES)
        strings = [_ESCAPE.sub(_unescape, it) for it in _SHOWN_STRING.findall(content)]
        if text := " ".join(b" ".join(strings).decode("cp1252", "replace").split()):
            texts.append(text)
    count = count_pdf_pages(data) or 0
    return texts if len(texts) == count else [" ".join(texts), *[""] * (count - 1)][:count]


def _unescape(match: re.Match[bytes]) -> bytes:
    return bytes([int(match[1], 8) & 255]) if match[1] else match[2]
