"""Detection and validation of file types."""

import base64
import os
from pathlib import Path

import pytest
from support.media_samples import (
    MAGIC,
    NOT_BASE64,
    PDF,
    PNG,
    WAV,
    create_big_image_uri,
    encode_base64,
)

from orq_router_integrations.media.mime import (
    IMAGE_TYPES,
    MAX_IMAGE_BYTES,
    build_data_url,
    detect_mime_type,
    get_pdf_filename,
    normalize_mime_type,
    parse_data_url,
    validate_base64,
    validate_media,
)

ASSETS = Path(__file__).parents[1] / "assets"


@pytest.mark.parametrize(("data", "mime_type"), MAGIC.items())
def test_detect_mime_type(data, mime_type):
    assert detect_mime_type(data) == mime_type


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"x",
        b"\xff",
        b"\xff\xd8",
        b"\x89PN",
        b"RIFF",
        b"RIFF\0\0\0\0AVI ",
        b"GIF",
    ],
)
def test_unknown_bytes_have_no_mime_type(data):
    assert detect_mime_type(data) is None


@pytest.mark.parametrize(
    ("name", "mime_type"),
    [("diagram.png", "image/png"), ("bird.wav", "audio/wav"), ("dummy.pdf", "application/pdf")],
)
def test_types_of_real_files_are_detected(name, mime_type):
    assert detect_mime_type((ASSETS / name).read_bytes()[:16]) == mime_type


@pytest.mark.parametrize(
    ("mime_type", "normalized"),
    [
        ("image/jpg", "image/jpeg"),
        ("IMAGE/PNG", "image/png"),
        ("audio/x-wav", "audio/wav"),
        ("audio/vnd.wave; codec=1", "audio/wav"),
        ("audio/mp3", "audio/mpeg"),
        ("text/plain; charset=utf-8", "text/plain"),
        ("x-firm/y", "x-firm/y"),
        ("", ""),
    ],
)
def test_normalize_mime_type(mime_type, normalized):
    assert normalize_mime_type(mime_type) == normalized


def test_data_url_round_trip():
    assert parse_data_url(build_data_url("image/png", "AAAA")) == ("image/png", "AAAA")
    assert parse_data_url("DATA:image/JPG;name=a.jpg;base64,AAAA") == ("image/jpeg", "AAAA")


@pytest.mark.parametrize(
    "url",
    ["", "AAAA", "https://x/a.png", "data:text/plain,hello", "data:image/png;base64", "data:"],
)
def test_other_url_is_rejected(url):
    with pytest.raises(ValueError, match="Expected a data URL with base64 data"):
        parse_data_url(url)


@pytest.mark.parametrize("size", [*range(1, 8), 1000])
def test_base64_has_the_size_of_its_bytes(size):
    data = os.urandom(size)
    text, measured_size, content = validate_base64(encode_base64(data))
    assert (base64.b64decode(text), measured_size, content[:]) == (data, size, data)


@pytest.mark.parametrize("broken", ["AA\nAA", "AAAA\r\nAAAA\r\n", "\nAAAA"])
def test_line_breaks_are_removed_from_base64(broken):
    assert validate_base64(broken)[0] == "".join(broken.split())


@pytest.mark.parametrize("data", NOT_BASE64)
def test_invalid_base64_raises(data):
    with pytest.raises(ValueError, match=r"base64|empty"):
        validate_base64(data)
    for block_type in ("image", "audio", "file"):
        with pytest.raises(ValueError, match=r"base64|empty"):
            validate_media(block_type, data)


def test_image_size_limit():
    mime_type, data = validate_media("image", create_big_image_uri(20 * 1024 * 1024))
    assert (mime_type, validate_base64(data)[1]) == ("image/png", MAX_IMAGE_BYTES)
    with pytest.raises(ValueError, match="at most 20 MB"):
        validate_media("image", create_big_image_uri(20 * 1024 * 1024 + 1))


ACCEPTED = [data for data, mime_type in MAGIC.items() if mime_type in IMAGE_TYPES]


@pytest.mark.parametrize("data", ACCEPTED)
@pytest.mark.parametrize("declaration", [None, "octet", "right"])
def test_image_type_comes_from_its_bytes(data, declaration):
    mime_type = {"octet": "application/octet-stream", "right": MAGIC[data].upper()}.get(declaration)
    assert validate_media("image", encode_base64(data), mime_type) == (
        MAGIC[data],
        encode_base64(data),
    )


@pytest.mark.parametrize("data", [data for data in MAGIC if data not in ACCEPTED])
def test_other_type_is_not_an_image(data):
    with pytest.raises(ValueError, match="accepts PNG, JPEG, GIF and WebP") as raised:
        validate_media("image", encode_base64(data))
    assert MAGIC[data] in str(raised.value)


def test_wrong_declared_type_raises():
    with pytest.raises(ValueError, match="declared type is image/jpeg, but the data is image/png"):
        validate_media("image", encode_base64(PNG), "image/jpeg")
    with pytest.raises(ValueError, match="declared type is audio/mpeg, but the data is audio/wav"):
        validate_media("audio", encode_base64(WAV), "audio/mpeg")


def test_audio_must_be_wav_or_mp3():
    assert validate_media("audio", encode_base64(WAV), "audio/x-wav") == (
        "audio/wav",
        encode_base64(WAV),
    )
    assert validate_media("audio", encode_base64(b"ID3\x04"))[0] == "audio/mpeg"
    for data in (b"fLaC", b"OggS", PNG, b"noise"):
        with pytest.raises(ValueError, match="Chat models accept WAV and MP3"):
            validate_media("audio", encode_base64(data))


def test_pdf_must_be_a_pdf():
    assert validate_media("file", encode_base64(PDF)) == ("application/pdf", encode_base64(PDF))
    for data in (PNG, b"PDF", b" %PDF-1.7"):
        with pytest.raises(ValueError, match="not a PDF"):
            validate_media("file", encode_base64(data))


def test_pdf_filename_must_be_a_plain_name():
    names = {None: "document.pdf", "": "document.pdf", "a b": "a b.pdf", "A.PDF": "A.PDF"}
    assert {name: get_pdf_filename(name) for name in names} == names
    for bad in ("a/b.pdf", "..\\b.pdf", "a\r\nb.pdf", "a\0.pdf", "/etc/passwd"):
        with pytest.raises(ValueError, match="plain name"):
            get_pdf_filename(bad)


def test_heic_is_detected():
    assert detect_mime_type(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic") == "image/heic"
