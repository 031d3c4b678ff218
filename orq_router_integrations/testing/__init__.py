"""An offline router for tests and demos: the HTTP API in-process, without a key or a socket.

Names are imported when they are first used, so that the pytest plugin does not slow down pytest.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orq_router_integrations.testing.answering.script import Answer
    from orq_router_integrations.testing.images import read_image_text
    from orq_router_integrations.testing.router import OfflineRouter
    from orq_router_integrations.testing.routing.request_routing import Fault, ProviderCall

__all__ = ["Answer", "Fault", "OfflineRouter", "ProviderCall", "read_image_text"]

_MODULES = {
    "Answer": "answering.script",
    "Fault": "routing.request_routing",
    "OfflineRouter": "router",
    "ProviderCall": "routing.request_routing",
    "read_image_text": "images",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
    globals()[name] = value
    return value
