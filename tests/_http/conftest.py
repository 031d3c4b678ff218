"""Each test begins and ends without connections."""

from collections.abc import Iterator

import pytest

from orq_router_integrations._http.registry import SHARED


@pytest.fixture(autouse=True)
def nothing_shared_with_other_tests() -> Iterator[None]:
    SHARED.close()
    SHARED.forget()
    yield
    SHARED.close()
    SHARED.forget()
