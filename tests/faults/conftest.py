"""Short pauses, so that the faults take as long as they must and no longer."""

import pytest


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orq_router_integrations.retry.FIRST_PAUSE", 0.005)
