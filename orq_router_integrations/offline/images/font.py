"""A small font: capitals, figures and signs, five dots wide and seven high."""

import unicodedata
from collections.abc import Iterator

WIDTH, HEIGHT = 6, 9
"""Dots that a character takes, its gaps to the next ones included."""

ROWS = 7

_GLYPHS = {
    "A": "EHHVHHH",
    "B": "UHHUHHU",
    "C": "EHGGGHE",
    "D": "UHHHHHU",
    "E": "VGGUGGV",
    "F": "VGGUGGG",
    "G": "EHGNHHF",
    "H": "HHHVHHH",
    "I": "E44444E",
    "J": "72222IC",
    "K": "HIKOKIH",
    "L": "GGGGGGV",
    "M": "HRLLHHH",
    "N": "HPPLJJH",
    "O": "EHHHHHE",
    "P": "UHHUGGG",
    "Q": "EHHHLID",
    "R": "UHHUKIH",
    "S": "FGGE11U",
    "T": "V444444",
    "U": "HHHHHHE",
    "V": "HHHHHA4",
    "W": "HHHLLRH",
    "X": "HHA4AHH",
    "Y": "HHA4444",
    "Z": "V1248GV",
    "0": "EHJLPHE",
    "1": "4C4444E",
    "2": "EH1248V",
    "3": "V2421HE",
    "4": "26AIV22",
    "5": "VGU11HE",
    "6": "68GUHHE",
    "7": "V124888",
    "8": "EHHEHHE",
    "9": "EHHF12C",
    ".": "00000CC",
    ",": "0000C48",
    "!": "4444404",
    "?": "EH12404",
    "'": "4480000",
    '"': "AAA0000",
    "-": "000V000",
    ":": "0CC0CC0",
    ";": "0CC0C48",
    "(": "2488842",
    ")": "8422248",
    "/": "01248G0",
    "+": "044V440",
    "=": "00V0V00",
    "_": "000000V",
    "#": "AAVAVAA",
    "&": "CIK8LID",
    "%": "OP248J3",
    "*": "04LEL40",
    "<": "248G842",
    ">": "8421248",
    "[": "E88888E",
    "]": "E22222E",
    " ": "0000000",
}
"""Seven rows from top to bottom; the five bits of each figure, to the base 32, are its dots."""

_UNKNOWN = "VVVVVVV"
_SAME = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014\t\n", "''\"\"--  ")


def dots(text: str) -> Iterator[str]:
    """The rows of a line of text, as ``1`` for a dot and ``0`` for none."""
    glyphs = [_GLYPHS.get(character, _UNKNOWN) for character in drawable(text)]
    for row in range(ROWS):
        yield "".join(f"{int(glyph[row], 32):05b}0" for glyph in glyphs)
    yield from ["0" * WIDTH * len(glyphs)] * (HEIGHT - ROWS)


def drawable(text: str) -> str:
    """The text in the font's letters: capitals without accents."""
    plain = unicodedata.normalize("NFKD", text.translate(_SAME))
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).upper()
