"""Dates in the Retry-After header."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from orq_router_integrations.wire import error_response
from orq_router_integrations.wire.error_response import parse_retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
LATER = format_datetime(NOW + timedelta(seconds=30), usegmt=True)


class Clock(datetime):
    @classmethod
    def now(cls, tz=None):
        return NOW.astimezone(tz)


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    monkeypatch.setattr(error_response, "datetime", Clock)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, 30),
        ({"date": ""}, 30),
        ({"date": "yesterday"}, 30),
        ({"date": "Sun, 01 Mar 2026 12:00:20 GMT"}, 10),
        ({"date": "Sun, 01 Mar 2026 12:01:00 GMT"}, None),
        ({"retry-after": "Sun, 01 Mar 2026 13:00:05 +0100"}, 5),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:05 -0000"}, 5),
        ({"retry-after": "Sun, 01 Mar 2026 12:00:05"}, 5),
        ({"retry-after": "Sunday, 01-Mar-26 12:00:05 GMT"}, 5),
        ({"retry-after": "Sun, 01 Mar 2026 11:59:59 GMT"}, None),
        ({"retry-after": "Sun, 99 Mar 2026 11:59:59 GMT"}, None),
        ({"retry-after": "Sun, 01 Mar 2026 11:59:59 GMT", "x-ratelimit-reset": "9s"}, 9),
    ],
)
def test_date_is_compared_with_the_date_header_or_the_clock(headers, seconds):
    assert parse_retry_after({"retry-after": LATER, **headers}) == seconds
