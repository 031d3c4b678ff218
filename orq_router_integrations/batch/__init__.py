"""Large batches: result stores, and rows for distributed engines."""

from orq_router_integrations.batch.store import ResultStore

__all__ = ["ResultStore"]
