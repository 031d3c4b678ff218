"""What bytes are, and which of them the router takes."""

import base64
import os
from pathlib import Path

import pytest
from support.media_samples import MAGIC, NOT_BASE64, PDF, PNG, WAV, b64, big_picture

from orq_router_integrations.media.mime import (
    IMAGE_TYPES,
    MAX_IMAGE_BYTES,
    build_data_url,
    detect_mime_type,
    get_pdf_filename,
    normalize_mime_type,
    parse_data_url,
    validate_audio,
    validate_base64,
    validate_image,
    validate_pdf,
)

ASSETS = Path(__file__).parents[1] / "assets"


@pytest.mark.parametrize(("head", "kind"), MAGIC.items())
def test_the_first_bytes_tell_what_a_file_is(head, kind):
    assert detect_mime_type(head) == kind


@pytest.mark.parametrize(
    "head",
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
def test_other_bytes_tell_nothing(head):
    assert detect_mime_type(head) is None


@pytest.mark.parametrize(
    ("name", "kind"),
    [("diagram.png", "image/png"), ("bird.wav", "audio/wav"), ("dummy.pdf", "application/pdf")],
)
def test_real_files_are_known(name, kind):
    assert detect_mime_type((ASSETS / name).read_bytes()[:16]) == kind


@pytest.mark.parametrize(
    ("given", "normal"),
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
def test_a_media_type_has_one_usual_name(given, normal):
    assert normalize_mime_type(given) == normal


def test_a_data_url_can_be_made_and_split():
    assert parse_data_url(build_data_url("image/png", "AAAA")) == ("image/png", "AAAA")
    assert parse_data_url("DATA:image/JPG;name=a.jpg;base64,AAAA") == ("image/jpeg", "AAAA")


@pytest.mark.parametrize(
    "url",
    ["", "AAAA", "https://x/a.png", "data:text/plain,hello", "data:image/png;base64", "data:"],
)
def test_another_url_is_no_data_url(url):
    with pytest.raises(ValueError, match="not a data URL in base64"):
        parse_data_url(url)


@pytest.mark.parametrize("size", [*range(1, 8), 1000])
def test_base64_is_measured_without_decoding_it(size):
    data = os.urandom(size)
    clean, measured, head = validate_base64(b64(data))
    assert (base64.b64decode(clean), measured, head) == (data, size, data[: len(head)])
    assert len(head) >= min(size, 48)


@pytest.mark.parametrize("broken", ["AA\nAA", "AAAA\r\nAAAA\r\n", "\nAAAA"])
def test_line_breaks_in_base64_are_taken_out(broken):
    assert validate_base64(broken)[0] == "".join(broken.split())


@pytest.mark.parametrize("data", NOT_BASE64)
@pytest.mark.parametrize("check", [validate_base64, validate_image, validate_audio, validate_pdf])
def test_what_is_not_base64_is_refused(check, data):
    with pytest.raises(ValueError, match=r"base64|empty"):
        check(data)


def test_an_image_may_have_20_mb_and_not_a_byte_more():
    kind, data = validate_image(big_picture(20 * 1024 * 1024))
    assert (kind, validate_base64(data)[1]) == ("image/png", MAX_IMAGE_BYTES)
    with pytest.raises(ValueError, match="at most 20 MB"):
        validate_image(big_picture(20 * 1024 * 1024 + 1))


TAKEN = [head for head, kind in MAGIC.items() if kind in IMAGE_TYPES]


@pytest.mark.parametrize("head", TAKEN)
@pytest.mark.parametrize("claim", [None, "octet", "right"])
def test_an_image_is_what_its_bytes_say(head, claim):
    claimed = {"octet": "application/octet-stream", "right": MAGIC[head].upper()}.get(claim)
    assert validate_image(b64(head), claimed) == (MAGIC[head], b64(head))


@pytest.mark.parametrize("head", [head for head in MAGIC if head not in TAKEN])
def test_no_other_kind_is_an_image(head):
    with pytest.raises(ValueError, match="PNG, JPEG, GIF and WebP") as raised:
        validate_image(b64(head))
    assert MAGIC[head] in str(raised.value)


def test_a_false_claim_is_refused():
    with pytest.raises(ValueError, match="it says image/jpeg, but its bytes are image/png"):
        validate_image(b64(PNG), "image/jpeg")
    with pytest.raises(ValueError, match="it says audio/mpeg, but its bytes are audio/wav"):
        validate_audio(b64(WAV), "audio/mpeg")


def test_audio_for_a_chat_is_wav_or_mp3():
    assert validate_audio(b64(WAV), "audio/x-wav") == ("wav", b64(WAV))
    assert validate_audio(b64(b"ID3\x04"))[0] == "mp3"
    for other in (b"fLaC", b"OggS", PNG, b"noise"):
        with pytest.raises(ValueError, match="chat models take WAV and MP3"):
            validate_audio(b64(other))


def test_a_pdf_is_a_pdf():
    assert validate_pdf(b64(PDF)) == b64(PDF)
    for other in (PNG, b"PDF", b" %PDF-1.7"):
        with pytest.raises(ValueError, match="not a PDF"):
            validate_pdf(b64(other))


def test_a_pdf_has_a_plain_name_with_its_suffix():
    names = {None: "document.pdf", "": "document.pdf", "a b": "a b.pdf", "A.PDF": "A.PDF"}
    assert {name: get_pdf_filename(name) for name in names} == names
    for bad in ("a/b.pdf", "..\\b.pdf", "a\r\nb.pdf", "a\0.pdf", "/etc/passwd"):
        with pytest.raises(ValueError, match="plain name"):
            get_pdf_filename(bad)


def test_a_photo_of_a_phone_is_known_for_what_it_is():
    assert detect_mime_type(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic") == "image/heic"
