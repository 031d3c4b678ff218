"""Parse multipart forms into fields and files.

An object, or a list of objects, is one part with JSON content; a scalar is text; a list of scalars
repeats ``name[]``; a file is a part ``name``, several files repeat ``name[]``. Bracketed keys of
generic clients (``retry[count]``) are rejected, because no source says the router supports them.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, NamedTuple

import orjson
from pydantic import BeforeValidator, InstanceOf

from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.wire.controls import RouterControls

_BOUNDARY = re.compile(r'multipart/form-data\s*;\s*boundary="?([^"\s;]{1,70})"?\s*', re.IGNORECASE)
_PARAMETER = re.compile(r';\s*(name|filename)="([^"]*)"')
_ESCAPED = {"%22": '"', "%0D": "\r", "%0A": "\n"}
_BRACKETS = re.compile(r"\[(?!\]$)")
_OBJECTS = {"orq", *RouterControls.model_fields} - {"name", "fallback_on_codes"}
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
        kept = {"filename": self.filename, "mime_type": self.mime_type}
        return {**kept, "size": size, "sha256": self.sha256}


class _Part(NamedTuple):
    name: str
    value: Any
    repeated: bool


def parse_form(content_type: str, body: bytes) -> dict[str, Any]:
    """Parse a form into text, JSON values, ``FormFile`` objects, and lists of text or files.

    Raises:
        HTTPError: 400, the body is not a form or uses another encoding.
    """
    found: dict[str, Any] = {}
    single = set()
    for part in map(_parse_part, _split_parts(content_type, body)):
        if part.repeated and part.name not in single:
            found.setdefault(part.name, []).append(part.value)
        elif part.name in found:
            raise _create_error(part.name, f"sent twice; a list repeats {part.name}[]")
        else:
            single.add(part.name)
            found[part.name] = part.value
    if isinstance(codes := found.get("fallback_on_codes"), list):
        found["fallback_on_codes"] = [int(c) if str(c).isdecimal() else c for c in codes]
    return found


def describe_files(
    body: Mapping[str, Any], how: Callable[[FormFile], Any] = lambda file: file.summary
) -> dict[str, Any]:
    """Return a copy of the fields with each file replaced by a summary."""

    def shown(value: Any) -> Any:
        return how(value) if isinstance(value, FormFile) else value

    return {
        name: [shown(item) for item in value] if isinstance(value, list) else shown(value)
        for name, value in body.items()
    }


def _split_parts(content_type: str, body: bytes) -> Iterator[bytes]:
    match = _BOUNDARY.fullmatch(content_type)
    if match is None:
        raise HTTPError(400, f"send multipart/form-data with a boundary, not {content_type!r:.80}")
    first, *middle = (b"\r\n" + body).split(b"\r\n--" + match[1].encode("utf-8", "replace"))
    last = middle.pop() if middle else b""
    if first or not middle or last not in {b"--", b"--\r\n"}:
        raise HTTPError(400, "the form does not begin and end with its boundary")
    for piece in middle:
        if not piece.startswith(b"\r\n"):
            raise HTTPError(400, "a boundary of the form is not at the end of its line")
        yield piece[2:]


def _parse_part(piece: bytes) -> _Part:
    head, end, content = piece.partition(b"\r\n\r\n")
    headers = _parse_headers(head) if end else {}
    kind, _, rest = headers.pop("content-disposition", "").partition(";")
    given = dict(_PARAMETER.findall(f";{rest}"))
    if kind.strip() != "form-data" or _PARAMETER.sub("", f";{rest}").strip() or "name" not in given:
        raise HTTPError(400, "a part of the form has no Content-Disposition: form-data with a name")
    mime_type = headers.pop("content-type", "")
    key = _unescape_name(given["name"])
    name = key.removesuffix("[]")
    if headers:
        raise _create_error(
            name, f"its part has a header {next(iter(headers))!r}, which no form needs"
        )
    if _BRACKETS.search(key) or not name:
        raise _create_error(
            key,
            "a bracketed key is not the documented encoding; an object is one part of JSON "
            f"named {key.partition('[')[0]!r}, a list of scalars repeats 'name[]'",
        )
    if "filename" in given:
        value: Any = _create_file(name, _unescape_name(given["filename"]), mime_type, content)
    else:
        value = _parse_value(name, mime_type, content)
    return _Part(name, value, repeated=key != name)


def _parse_headers(head: bytes) -> dict[str, str]:
    try:
        lines = [line.split(":", 1) for line in head.decode("utf-8").split("\r\n")]
        return {name.lower(): value.strip() for name, value in lines}
    except ValueError:
        raise HTTPError(400, "the headers of a part are not 'Name: value' in UTF-8") from None


def _create_file(name: str, filename: str, mime_type: str, content: bytes) -> FormFile:
    if not filename:
        raise _create_error(name, "its file has no name")
    return FormFile(filename, mime_type or "application/octet-stream", content)


def _parse_value(name: str, mime_type: str, content: bytes) -> Any:
    kind = mime_type.partition(";")[0].strip().lower()
    if kind not in {"", "text/plain", "application/json"}:
        raise _create_error(name, f"{mime_type} without a file name; a file needs one")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise _create_error(name, "its text is not UTF-8") from None
    if kind != "application/json" and name not in _OBJECTS:
        return text
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _create_error(name, f"an object travels as JSON text: {error}") from None
    if not isinstance(value, dict | list):
        raise _create_error(
            name, "a part of JSON holds an object or a list; a scalar is plain text"
        )
    return value


def _unescape_name(quoted: str) -> str:
    """Undo the escapes that browsers and httpx apply to names."""
    return re.sub("%22|%0D|%0A", lambda match: _ESCAPED[match[0]], quoted)


def _create_error(param: str, message: str) -> HTTPError:
    return HTTPError(400, f"{param}: {message}", param=param)


def _parse_with(kind: Callable[[str], Any]) -> BeforeValidator:
    """Convert form text; values that do not convert are left for the schema to reject."""

    def read(value: Any) -> Any:
        try:
            return kind(value) if isinstance(value, str) else value
        except (ValueError, KeyError, OverflowError):
            return value

    return BeforeValidator(read)


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
"""A whole number of a form; the vendor's SDK writes ``2.0``, so that is taken too."""

FormFloat = Annotated[float, _parse_with(_parse_float)]
FormBool = Annotated[bool, _parse_with({"true": True, "false": False}.__getitem__)]
AnyFile = InstanceOf[FormFile]
"""A file, in the schema of an endpoint."""
