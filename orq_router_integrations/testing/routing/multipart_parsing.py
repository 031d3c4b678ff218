"""Parse multipart forms into fields and files.

An object, or a list of objects, is one part with JSON content; a scalar is text; a list of scalars
repeats ``name[]``; a file is a part ``name``, several files repeat ``name[]``. Bracketed keys of
generic clients (``retry[count]``) are rejected, because no documentation mentions them.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.parser import HeaderParser
from typing import Annotated, Any, NamedTuple

import orjson
from pydantic import BeforeValidator, InstanceOf

from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.wire.controls import RouterControls

_BOUNDARY = re.compile(r'multipart/form-data\s*;\s*boundary="?([^"\s;]{1,70})"?\s*', re.IGNORECASE)
_JSON_FIELDS = {"orq", *RouterControls.model_fields} - {"name", "fallback_on_codes"}
"""Fields that contain JSON even if their part has no content type, as in a plain form field."""


@dataclass(frozen=True)
class FormFile:
    """A file uploaded in a form."""

    filename: str
    mime_type: str
    data: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """SHA-256 digest of the content, in hex."""
        return hashlib.sha256(self.data).hexdigest()

    @property
    def summary(self) -> dict[str, Any]:
        """Name, type, size and digest, for logs."""
        size = len(self.data)
        info = {"filename": self.filename, "mime_type": self.mime_type}
        return {**info, "size": size, "sha256": self.sha256}


class _Part(NamedTuple):
    name: str
    value: Any
    is_repeated: bool


def parse_form(content_type: str, body: bytes) -> dict[str, Any]:
    """Parse a form into text, JSON values, ``FormFile`` objects, and lists of text or files.

    Raises:
        HTTPError: 400, the body is not a form or uses another encoding.
    """
    fields: dict[str, Any] = {}
    single_names = set()
    for part in map(_parse_part, _split_parts(content_type, body)):
        if part.is_repeated and part.name not in single_names:
            fields.setdefault(part.name, []).append(part.value)
        elif part.name in fields:
            raise _create_error(part.name, f"sent twice. For a list, repeat {part.name}[].")
        else:
            single_names.add(part.name)
            fields[part.name] = part.value
    if isinstance(codes := fields.get("fallback_on_codes"), list):
        fields["fallback_on_codes"] = [int(c) if str(c).isdecimal() else c for c in codes]
    return fields


def describe_files(
    body: Mapping[str, Any], summarize: Callable[[FormFile], Any] = lambda file: file.summary
) -> dict[str, Any]:
    """Return a copy of the fields with each file replaced by a summary."""

    def replace_file(value: Any) -> Any:
        return summarize(value) if isinstance(value, FormFile) else value

    return {
        name: [replace_file(item) for item in value]
        if isinstance(value, list)
        else replace_file(value)
        for name, value in body.items()
    }


def _split_parts(content_type: str, body: bytes) -> Iterator[bytes]:
    match = _BOUNDARY.fullmatch(content_type)
    if match is None:
        raise HTTPError(
            400, f"expected multipart/form-data with a boundary, got {content_type!r:.80}"
        )
    first, *parts = (b"\r\n" + body).split(b"\r\n--" + match[1].encode("utf-8", "replace"))
    if first or len(parts) < 2 or parts.pop() not in {b"--", b"--\r\n"}:
        raise HTTPError(400, "the form must begin and end with its boundary")
    yield from parts


def _parse_part(part: bytes) -> _Part:
    head, _, content = part.partition(b"\r\n\r\n")
    headers = HeaderParser().parsestr(head.decode("utf-8", "replace").strip())
    key = headers.get_param("name", header="content-disposition")
    filename = headers.get_param("filename", header="content-disposition")
    if headers.get_content_disposition() != "form-data" or not isinstance(key, str):
        raise HTTPError(400, "each part requires 'Content-Disposition: form-data' with a name")
    key = _unescape_name(key)
    name = key.removesuffix("[]")
    if others := {name.lower() for name in headers} - {"content-disposition", "content-type"}:
        raise _create_error(name, f"unsupported header {min(others)!r} in its part")
    if "[" in name or not name:
        raise _create_error(
            key,
            "bracketed keys are not supported. Send an object as one JSON part "
            f"{key.partition('[')[0]!r}, and a list of scalars as repeated 'name[]' parts.",
        )
    mime_type = headers.get("content-type", "")
    if filename is None:
        value = _parse_value(name, mime_type, content)
    elif isinstance(filename, str) and filename:
        mime_type = mime_type or "application/octet-stream"
        value = FormFile(_unescape_name(filename), mime_type, content)
    else:
        raise _create_error(name, "the file requires a filename")
    return _Part(name, value, is_repeated=key != name)


def _parse_value(name: str, mime_type: str, content: bytes) -> Any:
    media_type = mime_type.partition(";")[0].strip().lower()
    if media_type not in {"", "text/plain", "application/json"}:
        raise _create_error(name, f"{mime_type} requires a filename")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise _create_error(name, "the text is not UTF-8") from None
    if media_type != "application/json" and name not in _JSON_FIELDS:
        return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _create_error(name, f"expected JSON: {error}") from None
    if not isinstance(value, dict | list):
        raise _create_error(
            name, "a JSON part must contain an object or a list. Send a scalar as plain text."
        )
    return value


def _unescape_name(quoted: str) -> str:
    """Undo the escapes that browsers and httpx apply to names."""
    return quoted.replace("%22", '"').replace("%0D", "\r").replace("%0A", "\n")


def _create_error(param: str, message: str) -> HTTPError:
    return HTTPError(400, f"{param}: {message}", param=param)


def _parse_with(convert: Callable[[str], Any]) -> BeforeValidator:
    """Convert form text; values that do not convert are left for the schema to reject."""

    def parse(value: Any) -> Any:
        try:
            return convert(value) if isinstance(value, str) else value
        except (ValueError, KeyError, OverflowError):
            return value

    return BeforeValidator(parse)


def _parse_int(text: str) -> int:
    number = _parse_float(text)
    if not number.is_integer():
        raise ValueError(text)
    return int(number)


def _parse_float(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(text)
    return number


FormInt = Annotated[int, _parse_with(_parse_int)]
"""An integer in a form. The vendor's SDK writes ``2.0``, which is accepted too."""

FormFloat = Annotated[float, _parse_with(_parse_float)]
FormBool = Annotated[bool, _parse_with({"true": True, "false": False}.__getitem__)]
AnyFile = InstanceOf[FormFile]
"""A file in the request model of an endpoint."""
