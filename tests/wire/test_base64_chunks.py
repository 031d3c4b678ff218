"""Decoding of base64, and its normalization in chunks, however the provider cuts it."""

import base64
import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orq_router_integrations.wire.base64_chunks import Base64Normalizer
from orq_router_integrations.wire.json import decode_base64

DATA = bytes(range(256))
TEXT = base64.b64encode(DATA).decode()


def decode_chunks(*chunks: str) -> bytes:
    normalizer = Base64Normalizer()
    normalized = [normalizer.feed(chunk) for chunk in chunks]
    assert not any("=" in chunk or len(chunk) % 4 for chunk in normalized)
    return base64.b64decode("".join([*normalized, normalizer.finish()]), validate=True)


@given(st.lists(st.binary(max_size=9)))
def test_separately_encoded_chunks_are_decoded(chunks: list[bytes]) -> None:
    assert decode_chunks(*(base64.b64encode(chunk).decode() for chunk in chunks)) == b"".join(
        chunks
    )


@given(st.lists(st.binary(max_size=9)), st.integers(1, 7))
def test_separately_encoded_chunks_may_be_cut_anywhere(chunks: list[bytes], step: int) -> None:
    text = "".join(base64.b64encode(chunk).decode() for chunk in chunks)
    cut = (text[start : start + step] for start in range(0, len(text), step))
    assert decode_chunks(*cut) == b"".join(chunks)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 5, 100, len(TEXT)])
@pytest.mark.parametrize("text", [TEXT, TEXT.rstrip("=")], ids=["padded", "unpadded"])
def test_single_text_may_be_cut_anywhere(text: str, step: int) -> None:
    cut = (text[start : start + step] for start in range(0, len(text), step))
    assert decode_chunks(*cut) == DATA


def test_complete_groups_are_returned_immediately() -> None:
    normalizer = Base64Normalizer()
    chunks = [normalizer.feed("QUJD"), normalizer.feed("QUJDREVG"), normalizer.finish()]
    assert chunks == ["QUJD", "QUJDREVG", ""]


def test_line_breaks_are_ignored() -> None:
    assert decode_chunks("QU\r\nI=", "\nQw==\n") == b"ABC"


@pytest.mark.parametrize("chunks", [["QQ==", "!!!!"], ["Q===", "QUJD"], ["QUJD", "\u00e9A=="]])
def test_invalid_base64_is_unchanged(chunks: list[str]) -> None:
    normalizer = Base64Normalizer()
    normalized = [normalizer.feed(chunk) for chunk in chunks]
    assert "".join([*normalized, normalizer.finish()]) == "".join(chunks)


def test_url_safe_alphabet_becomes_standard() -> None:
    assert decode_chunks("-_8=", "QUI=") == b"\xfb\xffAB"


@given(st.binary(max_size=200))
def test_decoding_reverses_encoding(data: bytes) -> None:
    assert decode_base64(base64.b64encode(data)) == data


@pytest.mark.parametrize("data", [b"QQ", b"Q", b"Q=", b"=", b"QQ==QQ==", b"Q Q=", b"-_8="])
def test_invalid_base64_raises(data: bytes) -> None:
    with pytest.raises(binascii.Error):
        decode_base64(data)


@given(st.text(alphabet='QR+/-_=\\" n', max_size=12).map(str.encode))
def test_decoding_accepts_and_rejects_the_same_as_python(data: bytes) -> None:
    try:
        expected = binascii.a2b_base64(data, strict_mode=True)
    except binascii.Error:
        with pytest.raises(binascii.Error):
            decode_base64(data)
    else:
        assert decode_base64(data) == expected
