"""What the router says in response headers about when to come back."""

import math
import re
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?")
_MAX_LENGTH = 64  # a longer number is an attack, not a pause


def parse_retry_after(headers: Mapping[str, str], *, rate_limited: bool = True) -> float | None:
    """Seconds to wait before asking again, or ``None`` where the router says nothing usable.

    Read in this order: ``retry-after-ms``, ``retry-after`` (seconds, or a date measured against
    the reply's own ``date``), ``x-ratelimit-reset`` (seen live as a duration such as ``58s``).
    The last is sent with every reply, so it counts only where a limit was hit (``limited``). What
    is not a positive, finite time is passed over.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    after = headers.get("retry-after")
    for seconds in (_number(after), _until(after, headers.get("date"))):
        if seconds is not None:
            return seconds
    return _duration(headers.get("x-ratelimit-reset")) if rate_limited else None


def _number(text: str | None) -> float | None:
    if not text or len(text) > _MAX_LENGTH or "_" in text or not text.isascii():
        return None  # Python would read more than the standard has
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _until(text: str | None, now: str | None) -> float | None:
    if not text or not now or len(text) > _MAX_LENGTH:
        return None
    try:
        seconds = (parsedate_to_datetime(text) - parsedate_to_datetime(now)).total_seconds()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return seconds if seconds > 0 else None


def _duration(text: str | None) -> float | None:
    match = _DURATION.fullmatch(text) if text and len(text) <= _MAX_LENGTH else None
    if match is None or not any(match.groups()):
        return None
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return _number(str(hours * 3600 + minutes * 60 + seconds))
