"""Parse the response headers that say when to send a request again."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_DURATION = re.compile(
    r"(?:([0-9]+(?:\.[0-9]+)?)h)?(?:([0-9]+(?:\.[0-9]+)?)m(?!s))?(?:([0-9]+(?:\.[0-9]+)?)s?)?"
)
_MAX_LENGTH = 64  # longer numbers are not plausible and slow to parse


def parse_retry_after(headers: Mapping[str, str], *, rate_limited: bool = True) -> float | None:
    """Return the number of seconds to wait before the next request.

    The headers are read in this order: ``retry-after-ms``, ``retry-after`` (seconds, or a date that
    is compared with the ``date`` header of the same response, or with the clock without one) and
    ``x-ratelimit-reset`` (a duration such as ``58s``). The last one is part of every response, so
    it is only read if the response reports an exceeded limit (``rate_limited``). Values that are
    not positive and finite are ignored.
    """
    short = {name: value for name, value in headers.items() if len(value) <= _MAX_LENGTH}
    retry_after, reset = short.get("retry-after", ""), short.get("x-ratelimit-reset", "")
    candidates = [
        _parse_seconds(short.get("retry-after-ms", "")) / 1000,
        _parse_seconds(retry_after),
    ]
    if retry_time := _parse_date(retry_after):
        now = _parse_date(short.get("date", "")) or datetime.now(UTC)
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
