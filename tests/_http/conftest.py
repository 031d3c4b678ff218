"""Each test starts and ends without shared connections."""

from collections.abc import Iterator

import pytest

from orq_router_integrations._http.pool import POOL_REGISTRY


@pytest.fixture(autouse=True)
def empty_pool_registry() -> Iterator[None]:
    POOL_REGISTRY.close()
    POOL_REGISTRY.reset_after_fork()
    yield
    POOL_REGISTRY.close()
    POOL_REGISTRY.reset_after_fork()
