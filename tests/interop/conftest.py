"""An offline router served over HTTP for clients of other packages, shared by a module's tests."""

from collections.abc import Iterator

import pytest
from support.served_router import serve_router

from orq_router_integrations.testing import Fault, OfflineRouter

BROKEN = "openai/broken"


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """Base URL of a router whose model ``openai/broken`` ends every stream after two chunks."""
    with serve_router(OfflineRouter(faults={BROKEN: Fault(cut_after=2)})) as url:
        yield url
