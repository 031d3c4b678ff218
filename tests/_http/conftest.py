"""Each test begins and ends without connections."""

from collections.abc import Iterator

import pytest

from orq_router_integrations._http.registry import SENDER_REGISTRY


@pytest.fixture(autouse=True)
def nothing_shared_with_other_tests() -> Iterator[None]:
    SENDER_REGISTRY.close()
    SENDER_REGISTRY.reset_after_fork()
    yield
    SENDER_REGISTRY.close()
    SENDER_REGISTRY.reset_after_fork()
