"""Base64 that comes in pieces, as pieces that make one text when they are put together."""

import base64
import re

_PADDED = re.compile(r"[^=]+=*")
_PLAIN = str.maketrans("-_", "+/")


class Base64Normalizer:
    """Makes the pieces of one file such that they may be joined.

    An upstream cuts one base64 text anywhere, or encodes each piece of the sound for itself; then
    the padding of a piece would end the text in the middle. What comes out is whole groups without
    padding; what makes no group yet waits for the next piece, or for the end. What is not base64
    passes as it came, from there on.

    >>> pieces = Base64Normalizer()
    >>> pieces.feed("QQ=="), pieces.feed("QkNE"), pieces.finish()
    ('', 'QUJD', 'RA==')
    """

    def __init__(self) -> None:
        self._text = ""  # characters that make no group of four yet
        self._data = b""  # bytes of a padded group, which make no group of three yet
        self._odd = False

    def feed(self, piece: str) -> str:
        """The groups that a piece completes."""
        if self._odd:
            return piece
        text = self._text + "".join(piece.split()).translate(_PLAIN)
        end = len(text) // 4 * 4
        whole, self._text = text[:end], text[end:]
        if not self._data and "=" not in whole:
            return whole
        return self._regrouped(whole)

    def _regrouped(self, whole: str) -> str:
        try:
            data = self._data + b"".join(map(_decoded, _PADDED.findall(whole)))
        except ValueError:
            held = base64.b64encode(self._data).decode()
            text, self._odd, self._data, self._text = held + whole + self._text, True, b"", ""
            return text
        end = len(data) // 3 * 3
        self._data = data[end:]
        return base64.b64encode(data[:end]).decode()

    def finish(self) -> str:
        """What is left, padded."""
        rest = self._text + "=" * (-len(self._text) % 4)
        try:
            return base64.b64encode(self._data + _decoded(rest)).decode()
        except ValueError:
            return base64.b64encode(self._data).decode() + self._text


def _decoded(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
