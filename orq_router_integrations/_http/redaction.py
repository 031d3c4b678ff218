"""Redact API keys from the log records of httpx and httpcore.

Both log response headers, in which a server may repeat the key. Request headers are not logged.
"""

import logging
import os
import threading

from orq_router_integrations.wire.error_response import redact

MAX_KEYS = 64
"""Maximum number of keys to redact. A key function may return a new key for each call."""

_LOGGERS = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2")


class RedactingFilter(logging.Filter):
    """Removes the registered API keys from log records.

    Attributes:
        latest_key: The key registered last; empty before the first one.
    """

    def __init__(self) -> None:
        super().__init__()
        self.latest_key = ""
        self._keys: list[str] = []
        self.reset_after_fork()

    def reset_after_fork(self) -> None:
        """Replace the lock, which another thread of the parent process may hold."""
        self._lock = threading.Lock()

    def add_key(self, key: str) -> None:
        """Register a key to be redacted."""
        with self._lock:
            other_keys = [other_key for other_key in self._keys if other_key != key]
            self._keys = [*other_keys, key][-MAX_KEYS:]
            self.latest_key = key

    def filter(self, record: logging.LogRecord) -> bool:
        """Redact a record; every record is kept."""
        try:
            message = redacted = record.getMessage()
        except (TypeError, ValueError):  # wrong arguments, which logging will report
            return True
        for key in sorted(self._keys, key=len, reverse=True):  # one key may start with another
            redacted = redact(redacted, key)
        if redacted != message:
            record.msg, record.args = redacted, ()
        return True


REDACTING_FILTER = RedactingFilter()
for _name in _LOGGERS:
    logging.getLogger(_name).addFilter(REDACTING_FILTER)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=REDACTING_FILTER.reset_after_fork)
