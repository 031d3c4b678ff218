"""Two independent readers of a form, so that neither is trusted alone."""

from email.parser import BytesHeaderParser, BytesParser
from email.policy import HTTP
from typing import NamedTuple


class FormPart(NamedTuple):
    """One part of a form as a server reads it."""

    name: str
    content: bytes
    content_type: str | None = None
    filename: str | None = None


def read_with_email(content_type: str, body: bytes) -> list[FormPart]:
    """Read a form as one MIME message."""
    head = f"MIME-Version: 1.0\r\nContent-Type: {content_type}\r\n\r\n".encode()
    message = BytesParser(policy=HTTP).parsebytes(head + body)
    assert not message.defects
    return [_part(part, part.get_payload(decode=True)) for part in message.iter_parts()]


def read_by_hand(content_type: str, body: bytes) -> list[FormPart]:
    """Cut a form at its boundary, and read each part's headers alone."""
    media_type, _, boundary = content_type.partition("; boundary=")
    assert media_type == "multipart/form-data"
    edge = f"--{boundary}".encode()
    start, *middle, end = (b"\r\n" + body).split(b"\r\n" + edge)
    assert (start, end) == (b"", b"--\r\n")
    return [_read_part(piece) for piece in middle]


def _read_part(piece: bytes) -> FormPart:
    head, _, content = piece.removeprefix(b"\r\n").partition(b"\r\n\r\n")
    message = BytesHeaderParser(policy=HTTP).parsebytes(head + b"\r\n\r\n")
    assert not message.defects
    return _part(message, content)


def _part(message, content: bytes) -> FormPart:
    assert set(message.keys()) <= {"Content-Disposition", "Content-Type"}
    disposition = message["Content-Disposition"]
    assert disposition.content_disposition == "form-data"
    filename = disposition.params.get("filename")
    return FormPart(disposition.params["name"], content, message["Content-Type"], filename)
