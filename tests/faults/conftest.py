"""Short waits before retries, and patience with a slow machine."""

import pytest


@pytest.fixture(autouse=True)
def short_backoff(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orq_router_integrations._http.retry.INITIAL_BACKOFF_SECONDS", 0.005)


@pytest.fixture(autouse=True)
def allow_slow_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """``python -m tests.faults`` is stricter."""
    monkeypatch.setattr("faults.matrix.MAX_OVERRUN_SECONDS", 30.0)
    monkeypatch.setattr("faults.matrix.MAX_CLEANUP_SECONDS", 10.0)
