"""Stored responses, for GET /responses/{id} and ``previous_response_id``."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from orq_router_integrations.testing.responses.items import Item, parse_output_items
from orq_router_integrations.testing.responses.response_builder import build_unfinished
from orq_router_integrations.testing.routing.error_responses import HTTPError


@dataclass(slots=True)
class StoredResponse:
    """A stored response."""

    body: dict[str, Any]
    conversation: Sequence[Item]
    pending_statuses: list[str] = field(default_factory=list)


class ResponseStore:
    def __init__(self) -> None:
        self._responses: dict[str, StoredResponse] = {}
        self._items: dict[str, Item] = {}

    def save(self, stored: StoredResponse) -> None:
        self._responses[stored.body["id"]] = stored
        for item in [*stored.conversation, *parse_output_items(stored.body["output"])]:
            if item.id is not None:
                self._items[item.id] = item

    def poll(self, id_: str) -> dict[str, Any]:
        """Return the current state of a response, and advance a pending one by one status."""
        stored = self._responses.get(id_)
        if stored is None:
            raise HTTPError(404, f"response {id_!r} is not stored", param="response_id")
        if stored.pending_statuses:
            return build_unfinished(stored.body, stored.pending_statuses.pop(0))
        return stored.body

    def get_conversation(self, id_: str) -> list[Item]:
        """Return the items of the conversation up to and including a response."""
        param = "previous_response_id"
        stored = self._responses.get(id_)
        if stored is None:
            raise HTTPError(400, f"{param}: response {id_!r} is not stored", param=param)
        if stored.pending_statuses or stored.body["status"] == "failed":
            raise HTTPError(400, f"{param}: {id_!r} is not completed", param=param)
        return [*stored.conversation, *parse_output_items(stored.body["output"])]

    def get_item(self, id_: str, param: str) -> Item:
        """Return a stored item."""
        item = self._items.get(id_)
        if item is None:
            message = f"{param}: item {id_!r} is not in any stored response"
            raise HTTPError(400, message, param=param)
        return item
