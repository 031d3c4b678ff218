"""Base64 in pieces: put together they are one text, however an upstream made them."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.wire.base64_chunks import Base64Normalizer

SOUND = bytes(range(256))
TEXT = base64.b64encode(SOUND).decode()


def joined(*pieces: str) -> bytes:
    taker = Base64Normalizer()
    made = [taker.feed(piece) for piece in pieces]
    assert not any("=" in piece or len(piece) % 4 for piece in made)
    return base64.b64decode("".join([*made, taker.finish()]), validate=True)


@given(st.lists(st.binary(max_size=9)))
def test_pieces_that_are_padded_one_by_one(pieces: list[bytes]) -> None:
    assert joined(*(base64.b64encode(piece).decode() for piece in pieces)) == b"".join(pieces)


@given(st.lists(st.binary(max_size=9)), st.integers(1, 7))
def test_the_same_cut_anywhere(pieces: list[bytes], step: int) -> None:
    text = "".join(base64.b64encode(piece).decode() for piece in pieces)
    cut = (text[start : start + step] for start in range(0, len(text), step))
    assert joined(*cut) == b"".join(pieces)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 100, len(TEXT)])
@pytest.mark.parametrize("text", [TEXT, TEXT.rstrip("=")], ids=["padded", "unpadded"])
def test_one_text_cut_anywhere(text: str, step: int) -> None:
    assert joined(*(text[at : at + step] for at in range(0, len(text), step))) == SOUND


def test_whole_groups_pass_as_they_come() -> None:
    taker = Base64Normalizer()
    assert [taker.feed("QUJD"), taker.feed("QUJDREVG"), taker.finish()] == ["QUJD", "QUJDREVG", ""]


def test_line_breaks_do_not_count() -> None:
    assert joined("QU\r\nI=", "\nQw==\n") == b"ABC"


@pytest.mark.parametrize("pieces", [["QQ==", "!!!!"], ["Q===", "QUJD"], ["Q"], ["QUJD", "\u00e9A"]])
def test_what_is_not_base64_passes_as_it_came(pieces: list[str]) -> None:
    taker = Base64Normalizer()
    made = [taker.feed(piece) for piece in pieces]
    assert "".join([*made, taker.finish()]) == "".join(pieces)


def test_the_alphabet_of_urls_becomes_the_standard_one() -> None:
    assert joined("-_8=", "QUI=") == b"\xfb\xffAB"
