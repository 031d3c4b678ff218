"""Readable cassettes without secrets.

JSON is stored as data, events and forms as text, other bytes as base64 with their SHA-256. Only
headers known to be harmless are kept, and only the path of a URL.
"""

import base64
import hashlib
import json
import re
import textwrap
from typing import Any

import yaml

KEPT_HEADERS = {"content-type", "x-orq-offline", "x-orq-offline-model", "x-orq-trace-id"}
HOST = "https://router.invalid"
HEAD_END = b"\r\n\r\n"

Body = dict[str, Any]


def scrub_response(message: Any) -> Any:
    """Remove all headers that are not known to be harmless."""
    headers = message["headers"] if isinstance(message, dict) else message.headers
    for name in [name for name in headers if name.lower() not in KEPT_HEADERS]:
        del headers[name]
    return message


def anonymize_request(request: Any) -> Any:
    """Remove the host and headers of a recorded request."""
    request.uri = re.sub(r"^https?://[^/]+", HOST, request.uri)
    return scrub_response(request)


def serialize(cassette: dict[str, Any]) -> str:
    """Convert a cassette to YAML."""
    interactions = [
        {
            "request": _dump_request(interaction["request"]),
            "response": _dump_response(interaction["response"]),
        }
        for interaction in cassette["interactions"]
    ]
    return yaml.dump(
        {"interactions": interactions},
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=100,
    )


def deserialize(text: str) -> dict[str, Any]:
    """Parse a cassette."""
    interactions = yaml.safe_load(text)["interactions"]
    return {
        "interactions": [
            {
                "request": _load_request(interaction["request"]),
                "response": _load_response(interaction["response"]),
            }
            for interaction in interactions
        ]
    }


def dump_body(body: str | bytes | None, content_type: str) -> Body:
    """Convert a body to readable data."""
    data = body.encode() if isinstance(body, str) else body or b""
    if not data:
        return {}
    if content_type.startswith("multipart/form-data"):
        return {
            "form": [_dump_part(part) for part in _split_parts(data, _get_boundary(content_type))]
        }
    if content_type.startswith("application/json"):
        try:
            return {"json": json.loads(data)}
        except ValueError:
            pass  # labeled as JSON but invalid: stored unchanged
    return _dump_bytes(data)


def load_body(body: Body, content_type: str) -> bytes:
    """Restore the bytes of a body."""
    if "json" in body:
        return json.dumps(body["json"], ensure_ascii=False, separators=(",", ":")).encode()
    if "form" not in body:
        return _load_bytes(body)
    edge = b"--" + _get_boundary(content_type)
    parts = [
        part["head"].replace("\n", "\r\n").encode() + _load_bytes(part) for part in body["form"]
    ]
    return b"".join(edge + b"\r\n" + part + b"\r\n" for part in parts) + edge + b"--\r\n"


def _dump_request(request: dict[str, Any]) -> dict[str, Any]:
    headers = {name.lower(): values[0] for name, values in request["headers"].items()}
    return {
        "method": request["method"],
        "uri": request["uri"],
        "headers": headers,
        **dump_body(request["body"], headers.get("content-type", "")),
    }


def _dump_response(response: dict[str, Any]) -> dict[str, Any]:
    headers = {name.lower(): values[0] for name, values in response["headers"].items()}
    return {
        "status": response["status"]["code"],
        "headers": headers,
        **dump_body(response["body"]["string"], headers.get("content-type", "")),
    }


def _load_request(request: dict[str, Any]) -> dict[str, Any]:
    return {
        "method": request["method"],
        "uri": request["uri"],
        "headers": {name: [value] for name, value in request["headers"].items()},
        "body": load_body(request, request["headers"].get("content-type", "")),
    }


def _load_response(response: dict[str, Any]) -> dict[str, Any]:
    return {
        "status": {"code": response["status"], "message": None},
        "headers": {name: [value] for name, value in response["headers"].items()},
        "body": {"string": load_body(response, response["headers"].get("content-type", ""))},
    }


def _get_boundary(content_type: str) -> bytes:
    return content_type.partition("boundary=")[2].strip('"').encode()


def _split_parts(data: bytes, boundary: bytes) -> list[bytes]:
    edge = b"--" + boundary
    return [part.removeprefix(b"\r\n").removesuffix(b"\r\n") for part in data.split(edge)[1:-1]]


def _dump_part(part: bytes) -> Body:
    head, end, content = part.partition(HEAD_END)
    return {"head": (head + end).decode().replace("\r\n", "\n"), **_dump_bytes(content)}


def _dump_bytes(data: bytes) -> Body:
    try:
        return {"text": data.decode()}
    except UnicodeDecodeError:
        lines = "\n".join(textwrap.wrap(base64.b64encode(data).decode(), 96))
        return {"sha256": hashlib.sha256(data).hexdigest(), "base64": lines + "\n"}


def _load_bytes(body: Body) -> bytes:
    if "sha256" not in body:
        return str(body.get("text", "")).encode()
    data = base64.b64decode(body["base64"])
    if hashlib.sha256(data).hexdigest() != body["sha256"]:
        raise ValueError(f"the bytes do not have the hash {body['sha256']}")
    return data


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such, and repeats equal values instead of linking them."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)
