"""Keeps keys out of the logs of httpx and httpcore, which tell of every reply's head.

A server may have put the key there. The headers of requests they do not tell.
"""

import logging

from orq_router_integrations._http.fork_safety import ForkSafeRLock
from orq_router_integrations.wire.error_body import redact

MAX_KEYS = 64
"""Keys that are remembered, those used last; a function may give a new one for every call."""

_TELLING = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2")


class RedactingFilter(logging.Filter):
    """Takes the keys that were sent out of what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = ForkSafeRLock()
        self._keys: dict[str, None] = {}

    def add_key(self, key: str) -> None:
        """Let a key be told no more."""
        if key == next(reversed(self._keys), None):  # as it is nearly always
            return
        with self._lock:
            others = (known for known in self._keys if known != key)
            self._keys = dict.fromkeys([*others, key][-MAX_KEYS:])

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without the keys."""
        try:
            told = hushed = record.getMessage()
        except (TypeError, ValueError):  # a wrong one, which logging itself tells of
            return True
        for key in sorted(self._keys, key=len, reverse=True):  # one may begin with another
            hushed = redact(redact(hushed, key), repr(key)[1:-1])
        if hushed != told:
            record.msg, record.args = hushed, ()
        return True


REDACTING_FILTER = RedactingFilter()
for _name in _TELLING:
    logging.getLogger(_name).addFilter(REDACTING_FILTER)
