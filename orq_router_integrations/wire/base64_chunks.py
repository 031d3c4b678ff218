"""Decoding of base64, and normalization of base64 that is received in chunks."""

import base64
import re
from contextlib import suppress

from pydantic import ConfigDict, TypeAdapter

_PADDED_RUN = re.compile(r"[^=]+=*")
_DATA_PREFIX = re.compile(r"data:[^,]*;base64,", re.IGNORECASE)
_URL_SAFE_TO_STANDARD = str.maketrans("-_", "+/")

_BASE64_STRING = TypeAdapter(bytes, config=ConfigDict(val_json_bytes="base64"))


def decode_base64(data: bytes) -> bytes:
    """Decode base64 like ``b64decode(data, validate=True)``, in a quarter of the time.

    pydantic's decoder is faster than Python's, but only reads JSON strings, and also accepts the
    URL-safe alphabet and missing padding. Python's decodes, or rejects, everything unusual.

    >>> decode_base64(b"aGVsbG8=")
    b'hello'
    """
    if not (b"-" in data or b"_" in data or len(data) % 4):
        with suppress(ValueError):
            decoded = _BASE64_STRING.validate_json(b'"%b"' % data)
            if len(decoded) == len(data) // 4 * 3 - data.count(b"=", -2):  # it has no escapes
                return decoded
    return base64.b64decode(data, validate=True)


def strip_data_prefix(data: str) -> str:
    """Return the base64 of a data URL. Some providers send a data URL instead of base64."""
    match = _DATA_PREFIX.match(data)
    return data[match.end() :] if match else data


class Base64Normalizer:
    """Rewrites base64 chunks so that their concatenation is one valid base64 string.

    Some providers cut one base64 string at arbitrary positions. Others encode each chunk
    separately, so that padding appears in the middle. The output consists of complete groups of
    four characters without padding, and incomplete groups are held back until the next chunk or
    ``finish``. After the first character that is not base64, the input is returned unchanged.

    >>> normalizer = Base64Normalizer()
    >>> normalizer.feed("QQ=="), normalizer.feed("QkNE"), normalizer.finish()
    ('', 'QUJD', 'RA==')
    """

    def __init__(self) -> None:
        self._pending_text = ""  # characters of an incomplete group of four
        self._pending_bytes = b""  # decoded bytes of an incomplete group of three
        self._is_invalid = False

    def feed(self, chunk: str) -> str:
        """Return the groups that a chunk completes."""
        if self._is_invalid:
            return chunk
        text = self._pending_text + "".join(chunk.split()).translate(_URL_SAFE_TO_STANDARD)
        end = len(text) // 4 * 4
        groups, self._pending_text = text[:end], text[end:]
        if not self._pending_bytes and "=" not in groups:
            return groups
        return self._reencode(groups)

    def _reencode(self, groups: str) -> str:
        """Decode and encode again to remove padding in the middle."""
        try:
            data = self._pending_bytes + b"".join(map(_decode, _PADDED_RUN.findall(groups)))
        except ValueError:
            text = base64.b64encode(self._pending_bytes).decode() + groups + self._pending_text
            self._is_invalid, self._pending_bytes, self._pending_text = True, b"", ""
            return text
        end = len(data) // 3 * 3
        self._pending_bytes = data[end:]
        return base64.b64encode(data[:end]).decode()

    def finish(self) -> str:
        """Return the incomplete group with padding."""
        padded = self._pending_text + "=" * (-len(self._pending_text) % 4)
        try:
            return base64.b64encode(self._pending_bytes + _decode(padded)).decode()
        except ValueError:
            return base64.b64encode(self._pending_bytes).decode() + self._pending_text


def _decode(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
