"""Keeps keys out of the logs of httpx and httpcore, which tell of every reply's head.

A server may have put the key there. The headers of requests they do not tell.
"""

import logging

from orq_router_integrations.error_bodies import clean

MOST = 64
"""Keys that are remembered, those used last; a function may give a new one for every call."""

_TELLING = ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.http2")


class Hush(logging.Filter):
    """Takes the keys that were sent out of what is logged."""

    def __init__(self) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}

    def keep(self, key: str) -> None:
        """Let a key be told no more."""
        if key not in self._keys:
            self._keys = dict.fromkeys([*self._keys, key][-MOST:])

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, without the keys."""
        told = hushed = record.getMessage()
        for key in self._keys:
            hushed = clean(hushed, key)
        if hushed != told:
            record.msg, record.args = hushed, ()
        return True


HUSH = Hush()
for _name in _TELLING:
    logging.getLogger(_name).addFilter(HUSH)
