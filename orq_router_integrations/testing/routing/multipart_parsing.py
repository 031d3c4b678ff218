"""Parse multipart forms into fields and files.

An object, or a list of objects, is one part with JSON content; a scalar is text; a list of scalars
repeats ``name[]``; a file is a part ``name``, several files repeat ``name[]``. Other keys in
brackets (``retry[count]``) are unknown fields, because no documentation mentions them.
"""

import hashlib
import re
from collections.abc import Iterator
from email.message import Message
from email.parser import HeaderParser
from email.utils import collapse_rfc2231_value
from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator, InstanceOf, PlainSerializer, Strict

from orq_router_integrations.testing.routing.response import HTTPError, reject_field
from orq_router_integrations.wire.controls import RouterControls

_BOUNDARY = re.compile(r'multipart/form-data\s*;\s*boundary="?([^"\s;]{1,70})"?\s*', re.IGNORECASE)
_JSON_FIELDS = {"orq", *RouterControls.model_fields} - {"name"}
"""Fields that contain JSON even if their part has no content type, as in a plain form field."""


class FormFile:
    def __init__(self, filename: str, mime_type: str, data: bytes) -> None:
        self.filename, self.mime_type, self.data = filename, mime_type, data

    @property
    def summary(self) -> dict[str, Any]:
        """Name, type, size and digest, for logs."""
        digest = hashlib.sha256(self.data).hexdigest()
        summary = {"filename": self.filename, "mime_type": self.mime_type}
        return {**summary, "size": len(self.data), "sha256": digest}


def parse_form(content_type: str, body: bytes) -> dict[str, Any]:
    """Parse a form into text, JSON values, ``FormFile`` objects, and lists of text or files."""
    fields: dict[str, Any] = {}
    for key, value in _iter_parts(content_type, body):
        name = key.removesuffix("[]")
        items = fields.setdefault(name, [])
        if not isinstance(items, list) or (items and key == name):
            reject_field(name, f"sent twice. For a list, repeat {name}[].")
        fields[name] = value if key == name else [*items, value]
    return fields


def summarize_files(value: Any) -> Any:
    """Replace a file, or the files in a list, with summaries; return other values unchanged."""
    if isinstance(value, list):
        return [item.summary if isinstance(item, FormFile) else item for item in value]
    return value.summary if isinstance(value, FormFile) else value


def _iter_parts(content_type: str, body: bytes) -> Iterator[tuple[str, Any]]:
    match = _BOUNDARY.fullmatch(content_type)
    if match is None:
        message = f"expected multipart/form-data with a boundary, got {content_type!r:.80}"
        raise HTTPError(400, message)
    first, *parts = (b"\r\n" + body).split(b"\r\n--" + match[1].encode("utf-8", "replace"))
    if first or len(parts) < 2 or parts.pop() not in {b"--", b"--\r\n"}:
        raise HTTPError(400, "the form must begin and end with its boundary")
    for part in parts:
        head, _, content = part.partition(b"\r\n\r\n")
        headers = HeaderParser().parsestr(head.decode("utf-8", "replace").strip())
        name = _get_parameter(headers, "name")
        filename = _get_parameter(headers, "filename")
        if headers.get_content_disposition() != "form-data" or not name:
            raise HTTPError(400, "each part requires 'Content-Disposition: form-data' with a name")
        mime_type = headers.get("content-type", "")
        if filename:
            yield name, FormFile(filename, mime_type or "application/octet-stream", content)
            continue
        has_json_type = mime_type.startswith("application/json")
        is_json = has_json_type or name.removesuffix("[]") in _JSON_FIELDS
        try:
            value: Any = orjson.loads(content) if is_json else content.decode()
        except ValueError as error:
            reject_field(name, f"expected text or JSON, or a file with a filename: {error}")
        yield name, value


def _get_parameter(headers: Message, name: str) -> str:
    """Return a parameter of Content-Disposition, without the escapes of browsers and httpx."""
    value = collapse_rfc2231_value(headers.get_param(name, "", header="content-disposition"))
    return value.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


_BOOLS = {"true": True, "false": False}
FormBool = Annotated[bool, Strict(), BeforeValidator(lambda text: _BOOLS.get(str(text), text))]
AnyFile = Annotated[InstanceOf[FormFile], PlainSerializer(lambda file: file.summary)]
"""A file in the request model of an endpoint. The provider's body contains its summary."""
