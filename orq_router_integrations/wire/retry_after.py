"""Parse the response headers that say when to send a request again."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m(?!s))?(?:(\d+(?:\.\d+)?)s)?")
_MAX_LENGTH = 64  # longer numbers are not plausible and slow to parse


def parse_retry_after(headers: Mapping[str, str], *, rate_limited: bool = True) -> float | None:
    """Return the number of seconds to wait before the next request.

    The headers are read in this order: ``retry-after-ms``, ``retry-after`` (seconds, or a date that
    is compared with the ``date`` header of the same response, or with the clock without one) and
    ``x-ratelimit-reset`` (a duration such as ``58s``). The last one is part of every response, so
    it is only read if the response reports an exceeded limit (``rate_limited``). Values that are
    not positive and finite are ignored.
    """
    milliseconds = _parse_number(headers.get("retry-after-ms"))
    retry_after = headers.get("retry-after")
    candidates = (
        milliseconds and milliseconds / 1000,
        _parse_number(retry_after),
        _parse_date(retry_after, headers.get("date")),
        _parse_duration(headers.get("x-ratelimit-reset")) if rate_limited else None,
    )
    return next((seconds for seconds in candidates if seconds is not None), None)


def _parse_number(text: str | None) -> float | None:
    if not text or len(text) > _MAX_LENGTH or "_" in text or not text.isascii():
        return None  # float() accepts underscores and non-ASCII digits, HTTP does not
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _parse_date(text: str | None, now: str | None) -> float | None:
    retry_time = _parse_time(text)
    if retry_time is None:
        return None
    seconds = (retry_time - (_parse_time(now) or datetime.now(UTC))).total_seconds()
    return seconds if seconds > 0 else None


def _parse_time(text: str | None) -> datetime | None:
    if not text or len(text) > _MAX_LENGTH:
        return None
    try:
        time = parsedate_to_datetime(text)
        return time.astimezone(UTC) if time.tzinfo else time.replace(tzinfo=UTC)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def _parse_duration(text: str | None) -> float | None:
    match = _DURATION.fullmatch(text) if text and len(text) <= _MAX_LENGTH else None
    if match is None or not any(match.groups()):
        return None
    hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return _parse_number(str(hours * 3600 + minutes * 60 + seconds))
