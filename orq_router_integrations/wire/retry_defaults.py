"""Defaults for retries and polling, shared by the client and the router controls."""

DEFAULT_RETRY_STATUSES = (408, 429, 500, 502, 503, 504, 529)
"""HTTP statuses that are retried, by the client and by the router's own retries and fallbacks."""

INITIAL_BACKOFF_SECONDS = 0.5  # before the first retry or poll
MAX_BACKOFF_SECONDS = 8.0  # between two attempts of a call
MAX_POLL_SECONDS = 5.0  # between two polls of a background response
