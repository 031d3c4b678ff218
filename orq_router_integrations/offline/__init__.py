"""The router in this process: the same wire, without a key and without a socket."""

from orq_router_integrations.offline.answering.answer import Answer, ToolCall
from orq_router_integrations.offline.router import OfflineRouter
from orq_router_integrations.offline.routing.faults import Fault
from orq_router_integrations.offline.routing.records import ProviderCall

__all__ = ["Answer", "Fault", "OfflineRouter", "ProviderCall", "ToolCall"]
