"""Parse error responses: redacted bodies, and the time to wait before a retry."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from typing import Any

from orq_router_integrations.wire.json import dumps, loads, map_strings

MAX_TEXT_CHARS = 2000
MIN_KEY_CHARS = 8  # shorter keys are not redacted: they would match ordinary words

_ESCAPE = re.compile(r"""(?:%|\\u00)([2-7][0-9a-fA-F])|\\(["'\\/])""")
"""A character of a key in the spellings that URLs, JSON and ``repr`` use."""

MIN_BASE64_CHARS = 200  # text of this length that looks like base64 is file data
_BASE64 = re.compile(rf"[A-Za-z0-9+/_-]{{{MIN_BASE64_CHARS},}}={{0,2}}")
_DURATION = re.compile(  # such as 90, 5.5s or 1h30m; not milliseconds
    r"(?:([0-9]+(?:\.[0-9]+)?)h)?(?:([0-9]+(?:\.[0-9]+)?)m(?!s))?(?:([0-9]+(?:\.[0-9]+)?)s?)?"
)


def parse_error_body(content: bytes, secret: str) -> tuple[Any, str]:
    """Return a body as parsed JSON (``None`` if it is not JSON) and as text, both redacted."""
    text = content.decode("utf-8", "replace")
    try:
        parsed = map_strings(loads(content), partial(redact, secret=secret))
        # JSON escapes divide base64 and are hard to read, so such text is serialized again.
        return parsed, dumps(parsed).decode() if "\\" in text else redact(text, secret)
    except (ValueError, RecursionError):
        return None, redact(text, secret)


def get_error_fields(body: Any) -> Mapping[str, Any]:
    """Return the fields of an error, such as ``code`` and ``message``.

    The router wraps errors in an ``error`` object, sends ``error`` as a string next to ``code``,
    or sends the fields at the top level. Within a chat completion, a choice may hold the error.
    """
    if isinstance(body, str):
        return {"message": body}
    if not isinstance(body, Mapping):
        return {}
    if not body.get("error") and isinstance(body.get("choices"), list):
        body = next((c for c in body["choices"] if isinstance(c, Mapping) and "error" in c), {})
    error = body.get("error")
    if isinstance(error, Mapping):
        return error
    return {**body, "message": error} if isinstance(error, str) else body


def to_text(value: Any) -> str | None:
    """Return a field as a string of limited length, or ``None`` if it is missing or empty."""
    return None if value is None or value == "" else str(value)[:MAX_TEXT_CHARS]


def redact(text: str, secret: str = "") -> str:
    """Remove the API key and long base64 data from a string.

    If it contains the key in an encoded form, it is returned decoded.
    """
    if len(secret) >= MIN_KEY_CHARS:
        text = text.replace(secret, "[key]")
        if "%" in text or "\\" in text:
            decoded = _ESCAPE.sub(lambda match: match[2] or chr(int(match[1], 16)), text)
            text = decoded.replace(secret, "[key]") if secret in decoded else text
    return _BASE64.sub("[base64]", text) if len(text) >= MIN_BASE64_CHARS else text


def hide_credentials(url: str) -> str:
    """Return a URL without its user and password."""
    scheme, separator, address = url.partition("://")
    return f"{scheme}://{address.rpartition('@')[2]}" if separator else url


def parse_retry_after(headers: Mapping[str, str], *, rate_limited: bool = True) -> float | None:
    """Return the number of seconds to wait before the next request.

    The headers are read in this order: ``retry-after-ms``, ``retry-after`` (seconds, or a date that
    is compared with the ``date`` header of the same response, or with the clock without one) and
    ``x-ratelimit-reset`` (a duration such as ``58s``). The last one is part of every response, so
    it is only read if the response reports an exceeded limit (``rate_limited``). Values that are
    not positive and finite are ignored.
    """
    retry_after, reset = headers.get("retry-after", ""), headers.get("x-ratelimit-reset", "")
    milliseconds = _parse_seconds(headers.get("retry-after-ms", ""))
    candidates = [milliseconds / 1000, _parse_seconds(retry_after)]
    if retry_time := _parse_date(retry_after):
        now = _parse_date(headers.get("date", "")) or datetime.now(UTC)
        candidates.append((retry_time - now).total_seconds())
    if rate_limited and not reset[-1:].isdecimal():  # a number would be a point in time
        candidates.append(_parse_seconds(reset))
    return next((seconds for seconds in candidates if 0 < seconds < math.inf), None)


def _parse_seconds(text: str) -> float:
    """Parse a number of seconds, or a duration with units; 0 if it is anything else."""
    match = _DURATION.fullmatch(text)
    parts = zip(match.groups("0"), (3600, 60, 1), strict=True) if match else ()
    return sum(float(number) * unit for number, unit in parts)


def _parse_date(text: str) -> datetime | None:
    try:
        time = parsedate_to_datetime(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
