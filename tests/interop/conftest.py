"""A served offline router for other people's clients, one for all tests of a module."""

from collections.abc import Iterator

import pytest
from support.served_router import served

from orq_router_integrations.testing import Fault, OfflineRouter

BROKEN = "openai/broken"


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """The address of a router one of whose models breaks off after two chunks."""
    with served(OfflineRouter(faults={BROKEN: Fault(cut_after=2)})) as url:
        yield url
