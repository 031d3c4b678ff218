"""The router in this process: the same wire, without a key and without a socket."""

from orq_router_integrations.offline.answer import Answer, ToolCall
from orq_router_integrations.offline.faults import Fault
from orq_router_integrations.offline.records import ProviderCall
from orq_router_integrations.offline.router import OfflineRouter

__all__ = ["Answer", "Fault", "OfflineRouter", "ProviderCall", "ToolCall"]
