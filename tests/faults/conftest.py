"""Short pauses, so that the faults take as long as they must; patience with a busy machine."""

import pytest


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orq_router_integrations._http.retry.INITIAL_BACKOFF_SECONDS", 0.005)


@pytest.fixture(autouse=True)
def many_calls_at_once_may_be_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table is stricter, and ``test_limits`` measures calls one by one."""
    monkeypatch.setattr("faults.matrix.OVERRUN", 2.0)
