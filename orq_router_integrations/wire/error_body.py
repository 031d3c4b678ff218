"""What is in the body of an error, in whichever of the router's shapes; and nothing secret."""

import re
from collections.abc import Mapping
from typing import Any

import orjson

from orq_router_integrations.wire.json import loads

MAX_TEXT_CHARS = 2000
DEEPEST = 50
SHORTEST_KEY = 8
"""Characters; what is shorter is no key but a word, and would be cut out of sentences."""

SHORTEST_RUN = 200
"""Characters; what looks like base64 and is as long as this is a payload."""

_LONG_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{{SHORTEST_RUN},}}={{0,2}}")


def parse_error_body(content: bytes, secret: str) -> tuple[Any, str]:
    """The body as JSON, if it is that, and as text; cleaned before anything is cut."""
    text = content.decode("utf-8", "replace")
    try:
        found = _cleaned(loads(content), secret)
    except ValueError:
        return None, redact(text, secret)
    escaped = "\\" in text  # a secret may hide behind escapes
    return found, orjson.dumps(found).decode() if escaped else redact(text, secret)


def _cleaned(value: Any, secret: str, depth: int = 0) -> Any:
    if depth > DEEPEST:
        return "[nested too deep]"
    if isinstance(value, str):
        return redact(value, secret)
    if isinstance(value, list):
        return [_cleaned(item, secret, depth + 1) for item in value]
    if isinstance(value, dict):
        return {redact(k, secret): _cleaned(v, secret, depth + 1) for k, v in value.items()}
    return str(value) if isinstance(value, int) and value.bit_length() > 63 else value


def get_error_fields(source: Any) -> Mapping[str, Any]:
    """The members of an error, whichever of the router's six shapes it came in.

    An ``error`` object; an ``error`` text beside a ``code``; or flat ``code`` and ``message``
    (contract section 3.2); also inside the choice of a completion. Anything else has no members.
    """
    if isinstance(source, str):
        return {"message": source}
    if not isinstance(source, Mapping):
        return {}
    if not source.get("error") and isinstance(source.get("choices"), list):
        source = next((c for c in source["choices"] if isinstance(c, Mapping) and "error" in c), {})
    inner = source.get("error")
    if isinstance(inner, Mapping):
        return inner
    return {**source, "message": inner} if isinstance(inner, str) else source


def to_text(value: Any) -> str | None:
    """A member as text; ``None`` where there is none."""
    return None if value is None or value == "" else str(value)[:MAX_TEXT_CHARS]


def redact(text: str, secret: str = "") -> str:
    """Text without the secret and without long runs of base64."""
    if len(secret) >= SHORTEST_KEY:
        text = text.replace(secret, "[key]")
    return _LONG_BASE64.sub("[base64]", text) if len(text) >= SHORTEST_RUN else text
