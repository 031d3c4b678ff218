"""Cassettes can be read, lose nothing, and hold no one's secrets."""

from pathlib import Path

import pytest
import yaml
from support.cassettes import KEPT_HEADERS, anonymous, deserialize, restored, serialize, told
from support.media_samples import PNG, WAV
from vcr.request import Request

SHELVES = Path(__file__).parent / "cassettes"
CASSETTES = sorted(SHELVES.rglob("*.yaml"))
FORM = "multipart/form-data; boundary=b0b"

each_cassette = pytest.mark.parametrize(
    "path", CASSETTES, ids=lambda path: f"{path.parent.name}/{path.stem}"
)


def form(content: bytes) -> bytes:
    part = b'--b0b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    return part % (b"model", "Zoë".encode()) + part % (b"file", content) + b"--b0b--\r\n"


@pytest.mark.parametrize(
    ("body", "content_type", "kind"),
    [
        ('{"a":[1,2.5,null],"b":"é\\nü"}'.encode(), "application/json", "json"),
        (b"<html>", "application/json", "text"),
        ('data: {"a": 1}\n\ndata: [DONE]\n\n', "text/event-stream", "text"),
        ("lines\r\nof windows \n", "text/plain", "text"),
        (PNG, "image/png", "base64"),
        (form(WAV), FORM, "form"),
        (form(b"\r\n--\r\n text"), FORM, "form"),
        (b"", "application/json", None),
        (None, "", None),
    ],
)
def test_a_body_comes_back_byte_by_byte(body, content_type, kind):
    shown = yaml.safe_load(yaml.safe_dump(told(body, content_type)))
    assert kind in (shown or [None])
    whole = body.encode() if isinstance(body, str) else body or b""
    assert restored(shown, content_type) == whole


def test_bytes_that_were_changed_are_refused():
    shown = told(PNG, "image/png")
    with pytest.raises(ValueError, match="hash"):
        restored({**shown, "base64": told(PNG + b"\xff", "")["base64"]}, "image/png")


def test_a_recorded_request_has_no_key_and_no_host():
    headers = {"Authorization": "Bearer secret", "Cookie": "c", "Content-Type": "text/plain"}
    kept = anonymous(Request("POST", "https://router.company.example/v3/router/x?y=1", "", headers))
    assert kept.uri == "https://router.invalid/v3/router/x?y=1"
    assert dict(kept.headers) == {"Content-Type": "text/plain"}


@each_cassette
def test_it_is_as_it_would_be_written(path):
    text = path.read_text()
    assert serialize(deserialize(text)) == text


@each_cassette
def test_it_holds_only_harmless_headers(path):
    for one in yaml.safe_load(path.read_text())["interactions"]:
        for message in (one["request"], one["response"]):
            assert set(message["headers"]) <= KEPT_HEADERS
        assert one["request"]["uri"].startswith("https://router.invalid/")
        offline = one["response"]["headers"].get("x-orq-offline") == "1"
        assert offline == (path.relative_to(SHELVES).parts[0] == "offline")
