"""Normalization of base64 that is received in chunks."""

import base64
import re
from functools import partial

_PADDED_RUN = re.compile(r"[^=]+=*")
_URL_SAFE_TO_STANDARD = str.maketrans("-_", "+/")
_decode = partial(base64.b64decode, validate=True)


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
        try:  # decode and encode again to remove padding in the middle
            data = self._pending_bytes + b"".join(map(_decode, _PADDED_RUN.findall(groups)))
        except ValueError:
            self._is_invalid = True
            return base64.b64encode(self._pending_bytes).decode() + text
        end = len(data) // 3 * 3
        self._pending_bytes = data[end:]
        return base64.b64encode(data[:end]).decode()

    def finish(self) -> str:
        """Return the incomplete group with padding."""
        if self._is_invalid:
            return ""
        padded = self._pending_text + "=" * (-len(self._pending_text) % 4)
        try:
            return base64.b64encode(self._pending_bytes + _decode(padded)).decode()
        except ValueError:
            return base64.b64encode(self._pending_bytes).decode() + self._pending_text
