"""Pytest plugin with the fixture ``orq_router``. Pytest loads it if the package is installed."""

from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from orq_router_integrations.testing.router import OfflineRouter


@pytest.fixture
def orq_router(monkeypatch: pytest.MonkeyPatch) -> "OfflineRouter":
    """Send all calls of the test to a new offline router.

    All clients use it, except those with their own httpx client and those of other offline routers.
    No arguments and no API key are needed. Script it with ``orq_router.script(answers=...,
    faults=...)`` and check with ``orq_router.assert_all_used()`` that the script was used.
    """
    # Imported here because pytest loads this module even if no test uses the fixture
    from orq_router_integrations._http import client_sender as sender  # noqa: PLC0415
    from orq_router_integrations._http import safe_download  # noqa: PLC0415
    from orq_router_integrations._http.pool import POOL_REGISTRY  # noqa: PLC0415
    from orq_router_integrations.testing.router import OfflineRouter  # noqa: PLC0415

    router = OfflineRouter()
    client = router.client()
    monkeypatch.setenv("ORQ_API_KEY", "offline-no-key-needed")
    monkeypatch.delenv("ORQ_BASE_URL", raising=False)
    senders = {  # instead of the connection pools, by ``is_async``
        False: SimpleNamespace(send=partial(sender.send_over_client, client.http_client)),
        True: SimpleNamespace(send=partial(sender.BackgroundReader, client.http_async_client)),
    }
    monkeypatch.setattr(POOL_REGISTRY, "get_pool", lambda _, is_async: senders[is_async])
    clients = {"sync": client.http_client, "async": client.http_async_client}
    monkeypatch.setattr(safe_download, "OFFLINE_CLIENTS", clients)
    return router
