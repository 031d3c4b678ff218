"""Short waits before retries, and patience with a slow machine."""

import pytest

from faults.matrix import TIMEOUTS


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orq_router_integrations._http.retry.INITIAL_BACKOFF_SECONDS", 0.005)


@pytest.fixture(autouse=True)
def allow_slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """``python -m tests.faults`` is stricter."""
    monkeypatch.setattr("faults.matrix.MAX_OVERRUN_SECONDS", 30.0)
    monkeypatch.setattr("faults.matrix.MAX_CLEANUP_SECONDS", 10.0)
    silence = {"timeout": 1.0, "deadline": 6.0, "stream_chunk_timeout": 15.0}
    monkeypatch.setitem(TIMEOUTS, "silence", silence)
