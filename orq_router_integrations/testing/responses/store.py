"""Stored responses, for GET /responses/{id} and ``previous_response_id``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.testing.responses.response import build_unfinished
from orq_router_integrations.testing.routing.error_responses import HTTPError, reject_field

Item = dict[str, Any]


@dataclass(slots=True)
class StoredResponse:
    """A stored response. It is pending until a GET has returned it as in progress."""

    body: dict[str, Any]
    conversation: Sequence[Item]
    is_pending: bool


class ResponseStore:
    def __init__(self) -> None:
        self._responses: dict[str, StoredResponse] = {}
        self._items: dict[str, Item] = {}

    def save(self, body: dict[str, Any], conversation: Sequence[Item], *, is_pending: bool) -> None:
        self._responses[body["id"]] = StoredResponse(body, conversation, is_pending)
        items = [*conversation, *body["output"]]
        self._items.update({item["id"]: item for item in items if item.get("id") is not None})

    def poll(self, id_: str) -> dict[str, Any]:
        """Return the current state of a response, and advance a pending one by one status."""
        stored = self._responses.get(id_)
        if stored is None:
            raise HTTPError(404, f"response {id_!r} is not stored", param="response_id")
        if stored.is_pending:
            stored.is_pending = False
            return build_unfinished(stored.body, "in_progress")
        return stored.body

    def get_conversation(self, id_: str) -> list[Item]:
        """Return the items of the conversation up to and including a response."""
        stored = self._responses.get(id_)
        if stored is None:
            reject_field("previous_response_id", f"response {id_!r} is not stored")
        if stored.is_pending or stored.body["status"] == "failed":
            reject_field("previous_response_id", f"{id_!r} is not completed")
        return [*stored.conversation, *stored.body["output"]]

    def get_item(self, id_: str, param: str) -> Item:
        """Return a stored item."""
        if id_ not in self._items:
            reject_field(param, f"item {id_!r} is not in any stored response")
        return self._items[id_]
