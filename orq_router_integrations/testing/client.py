"""The client of an offline router."""

from typing import TYPE_CHECKING, Any

import httpx
from pydantic import PrivateAttr

from orq_router_integrations.client import RouterClient

if TYPE_CHECKING:
    from orq_router_integrations.testing.router import OfflineRouter


class OfflineClient(RouterClient):
    """A ``RouterClient`` that can be pickled together with its offline router."""

    _router: "OfflineRouter" = PrivateAttr()

    def __reduce__(self) -> Any:
        names = self.model_fields_set - {"http_client", "http_async_client"}
        return create_client, (self._router, {name: getattr(self, name) for name in names})


def create_client(router: "OfflineRouter", settings: dict[str, Any]) -> RouterClient:
    defaults: dict[str, Any] = {
        "base_url": "https://offline.invalid/v3/router",  # no request is ever sent to it
        "http_client": httpx.Client(transport=router.transport),
        "http_async_client": httpx.AsyncClient(transport=router.transport),
    }
    client = OfflineClient(**defaults | settings)
    client._router = router  # noqa: SLF001 - pydantic sets private attributes after the creation
    return client
