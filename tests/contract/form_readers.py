"""Two independent multipart parsers, and the form parts that controls are expected to become."""

import json
from collections.abc import Iterable
from email.parser import BytesHeaderParser, BytesParser
from email.policy import HTTP
from typing import Any, NamedTuple

import pytest


class FormPart(NamedTuple):
    """A part of a form as a server sees it."""

    name: str
    content: Any
    content_type: str | None = None
    filename: str | None = None


def parse_with_email(content_type: str, body: bytes) -> list[FormPart]:
    """Parse a form as one MIME message."""
    headers = f"MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(headers + body)
    assert not message.defects
    return [_create_part(part, part.get_payload(decode=True)) for part in message.iter_parts()]


def parse_by_splitting(content_type: str, body: bytes) -> list[FormPart]:
    """Split a form at its boundary, and parse only the headers of each part."""
    media_type, _, boundary = content_type.partition("; boundary=")
    assert media_type == "multipart/form-data"
    start, *parts, end = (b"\r\n" + body).split(b"\r\n--" + boundary.encode())
    assert (start, end) == (b"", b"--\r\n")
    return [_parse_part(part) for part in parts]


def _parse_part(data: bytes) -> FormPart:
    headers, _, content = data.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    message = BytesHeaderParser(policy=HTTP).parsebytes(headers + b"\r\n\r\n")
    assert not message.defects
    return _create_part(message, content)


def _create_part(message, content: bytes) -> FormPart:
    assert set(message.keys()) <= {"Content-Disposition", "Content-Type"}
    disposition = message["Content-Disposition"]
    assert disposition.content_disposition == "form-data"
    filename = disposition.params.get("filename")
    return FormPart(disposition.params["name"], content, message["Content-Type"], filename)


both_parsers = pytest.mark.parametrize("parse_form", [parse_with_email, parse_by_splitting])


def build_control_parts(fields: dict[str, Any]) -> list[FormPart]:
    """Return the parts that controls and the ``orq`` object become."""
    parts = []
    for name, value in fields.items():
        if name == "name":
            parts.append(FormPart(name, value.encode()))
        elif name == "fallback_on_codes":
            parts += [FormPart("fallback_on_codes[]", str(code).encode()) for code in value]
        else:
            parts.append(FormPart(name, value, "application/json"))
    return parts


def normalize_parts(parts: Iterable[FormPart]) -> list[FormPart]:
    """Parse JSON parts and sort all parts, to compare forms."""
    parsed = [
        part._replace(content=json.loads(part.content))
        if part.content_type == "application/json" and isinstance(part.content, bytes)
        else part
        for part in parts
    ]
    return sorted(parsed, key=repr)
