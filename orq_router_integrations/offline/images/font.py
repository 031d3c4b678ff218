"""A small font: capitals, figures and signs, three dots wide and five high."""

import unicodedata
from collections.abc import Iterator

WIDTH, HEIGHT = 4, 6
"""Dots that a character takes, its gap to the next included."""

_ROWS = {
    "A": "25755",
    "B": "65656",
    "C": "34443",
    "D": "65556",
    "E": "74647",
    "F": "74644",
    "G": "34553",
    "H": "55755",
    "I": "72227",
    "J": "11152",
    "K": "55655",
    "L": "44447",
    "M": "57755",
    "N": "65555",
    "O": "25552",
    "P": "65644",
    "Q": "25563",
    "R": "65655",
    "S": "34216",
    "T": "72222",
    "U": "55557",
    "V": "55552",
    "W": "55775",
    "X": "55255",
    "Y": "55222",
    "Z": "71247",
    "0": "75557",
    "1": "26227",
    "2": "61247",
    "3": "61216",
    "4": "55711",
    "5": "74616",
    "6": "34757",
    "7": "71122",
    "8": "75757",
    "9": "75716",
    ".": "00002",
    ",": "00024",
    "!": "22202",
    "?": "61202",
    "'": "22000",
    '"': "55000",
    "-": "00700",
    ":": "02020",
    ";": "02024",
    "(": "12221",
    ")": "42224",
    "/": "11244",
    "+": "02720",
    "=": "07070",
    "_": "00007",
    "#": "57575",
    "&": "25253",
    "%": "51245",
    "*": "52500",
    "<": "12421",
    ">": "42124",
    "[": "64446",
    "]": "31113",
    " ": "00000",
}
"""Five rows from top to bottom; of each figure the three bits are the dots from left to right."""

_UNKNOWN = "77777"
_SAME = str.maketrans("\u2018\u2019\u201c\u201d\u2013\u2014\t\n", "''\"\"--  ")


def dots(text: str) -> Iterator[str]:
    """The rows of a line of text, as ``1`` for a dot and ``0`` for none."""
    glyphs = [_ROWS.get(character, _UNKNOWN) for character in drawable(text)]
    for row in range(HEIGHT - 1):
        yield "".join(f"{int(glyph[row]):03b}0" for glyph in glyphs)
    yield "0" * WIDTH * len(glyphs)


def drawable(text: str) -> str:
    """The text in the font's letters: capitals without accents."""
    plain = unicodedata.normalize("NFKD", text.translate(_SAME))
    return "".join(letter for letter in plain if not unicodedata.combining(letter)).upper()
