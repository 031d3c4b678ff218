"""An offline router for tests and demos: the HTTP API in-process, without a key or a socket."""

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.router import OfflineRouter
from orq_router_integrations.testing.routing.faults import Fault
from orq_router_integrations.testing.routing.request_log import ProviderCall

__all__ = ["Answer", "Fault", "OfflineRouter", "ProviderCall"]
