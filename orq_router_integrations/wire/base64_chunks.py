"""Normalization of base64 that is received in chunks."""

import base64
import re
from functools import partial

_PADDED_RUN = re.compile(r"[^=]+=*")  # text that was encoded separately
_URL_SAFE_TO_STANDARD = str.maketrans("-_", "+/")
_decode = partial(base64.b64decode, validate=True)


class Base64Normalizer:
    """Rewrites base64 chunks so that their concatenation is one valid base64 string.

    Some providers cut one base64 string at arbitrary positions. Others encode each chunk
    separately, so that padding appears in the middle. Incomplete groups of four characters, and the
    bytes of padded groups, are held back until the next chunk or ``finish``. Groups that are not
    base64 are returned unchanged.

    >>> normalizer = Base64Normalizer()
    >>> normalizer.feed("QQ=="), normalizer.feed("QkNE"), normalizer.finish()
    ('', 'QUJD', 'RA==')
    """

    def __init__(self) -> None:
        self._text = ""  # characters of an incomplete group of four
        self._data = b""  # decoded bytes of an incomplete group of three

    def feed(self, chunk: str) -> str:
        """Return the groups that a chunk completes."""
        text = self._text + "".join(chunk.split()).translate(_URL_SAFE_TO_STANDARD)
        end = len(text) // 4 * 4
        self._text = text[end:]
        return self._reencode(text[:end], group_size=3)

    def finish(self) -> str:
        """Return the incomplete group with padding."""
        return self._reencode(self._text + "=" * (-len(self._text) % 4), group_size=1)

    def _reencode(self, text: str, group_size: int) -> str:
        """Decode and encode groups of characters, which removes padding in the middle."""
        try:
            data = self._data + b"".join(map(_decode, _PADDED_RUN.findall(text)))
        except ValueError:
            data, self._data = self._data, b""
            return base64.b64encode(data).decode() + text
        end = len(data) // group_size * group_size
        self._data = data[end:]
        return base64.b64encode(data[:end]).decode()
