"""Cassettes are readable, preserve every byte, and contain no secrets."""

from pathlib import Path

import pytest
import yaml
from support.cassettes import (
    KEPT_HEADERS,
    anonymize_request,
    deserialize,
    dump_body,
    load_body,
    serialize,
)
from support.media_samples import PNG, WAV
from vcr.request import Request

DIRECTORY = Path(__file__).parent / "cassettes"
CASSETTES = sorted(DIRECTORY.rglob("*.yaml"))
FORM = "multipart/form-data; boundary=b0b"

each_cassette = pytest.mark.parametrize(
    "path", CASSETTES, ids=[f"{path.parent.name}/{path.stem}" for path in CASSETTES]
)


def build_form(content: bytes) -> bytes:
    part = b'--b0b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n'
    return part % (b"model", "Zoë".encode()) + part % (b"file", content) + b"--b0b--\r\n"


BODIES = {
    "json": ('{"a":[1,2.5,null],"b":"é\\nü"}'.encode(), "application/json", "json"),
    "web page labeled as JSON": (b"<html>", "application/json", "text"),
    "event stream": ('data: {"a": 1}\n\ndata: [DONE]\n\n', "text/event-stream", "text"),
    "CRLF": ("lines\r\nof windows \n", "text/plain", "text"),
    "image": (PNG, "image/png", "base64"),
    "form": (build_form(WAV), FORM, "form"),
    "form with a boundary in its content": (build_form(b"\r\n--\r\n text"), FORM, "form"),
    "empty": (b"", "application/json", None),
    "none": (None, "", None),
}


@pytest.mark.parametrize(("body", "content_type", "key"), BODIES.values(), ids=BODIES)
def test_body_round_trip(body, content_type, key):
    entry = yaml.safe_load(yaml.safe_dump(dump_body(body, content_type)))
    assert key in (entry or [None])
    data = body.encode() if isinstance(body, str) else body or b""
    assert load_body(entry, content_type) == data


def test_modified_bytes_are_rejected():
    entry = dump_body(PNG, "image/png")
    with pytest.raises(ValueError, match="hash"):
        load_body({**entry, "base64": dump_body(PNG + b"\xff", "")["base64"]}, "image/png")


def test_recorded_request_has_no_key_and_no_host():
    headers = {"Authorization": "Bearer secret", "Cookie": "c", "Content-Type": "text/plain"}
    request = Request("POST", "https://router.company.example/v3/router/x?y=1", "", headers)
    recorded = anonymize_request(request)
    assert recorded.uri == "https://router.invalid/v3/router/x?y=1"
    assert dict(recorded.headers) == {"Content-Type": "text/plain"}


@each_cassette
def test_cassette_is_in_normal_form(path):
    text = path.read_text()
    assert serialize(deserialize(text)) == text


@each_cassette
def test_cassette_has_allowed_headers_only(path):
    for interaction in yaml.safe_load(path.read_text())["interactions"]:
        for message in (interaction["request"], interaction["response"]):
            assert set(message["headers"]) <= KEPT_HEADERS
        assert interaction["request"]["uri"].startswith("https://router.invalid/")
        is_offline = interaction["response"]["headers"].get("x-orq-offline") == "1"
        assert is_offline == (path.relative_to(DIRECTORY).parts[0] == "offline")
