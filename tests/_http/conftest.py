"""Each test starts and ends without shared connections."""

from collections.abc import Iterator

import pytest

from orq_router_integrations._http.pool import SENDER_REGISTRY


@pytest.fixture(autouse=True)
def empty_sender_registry() -> Iterator[None]:
    SENDER_REGISTRY.close()
    SENDER_REGISTRY.reset_after_fork()
    yield
    SENDER_REGISTRY.close()
    SENDER_REGISTRY.reset_after_fork()
