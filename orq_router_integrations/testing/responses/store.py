"""Stored responses: what GET shows, and what previous_response_id continues."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from orq_router_integrations.testing.responses.items import Item, parse_output_items
from orq_router_integrations.testing.responses.response_builder import build_started
from orq_router_integrations.testing.routing.error_responses import HTTPError


@dataclass(slots=True)
class StoredResponse:
    """One response.

    Attributes:
        body: as it is in the end.
        items: the conversation that led to it.
        steps: the statuses that are still to be seen before it.
    """

    body: dict[str, Any]
    items: Sequence[Item]
    polls: list[str] = field(default_factory=list)


class ResponseStore:
    """The stored responses, by id, and their output items."""

    def __init__(self) -> None:
        self._kept: dict[str, StoredResponse] = {}
        self._items: dict[str, Item] = {}

    def save(self, stored: StoredResponse) -> None:
        """Store a response."""
        self._kept[stored.body["id"]] = stored
        for item in [*stored.items, *parse_output_items(stored.body["output"])]:
            if item.id is not None:
                self._items[item.id] = item

    def poll(self, id_: str) -> dict[str, Any]:
        """The response as it is now; each look takes one that is not done a step on.

        Raises:
            HTTPError: 404; there is none of this id.
        """
        stored = self._kept.get(id_)
        if stored is None:
            raise HTTPError(404, f"no response {id_!r} is stored", param="response_id")
        if stored.polls:
            return build_started(stored.body, stored.polls.pop(0))
        return stored.body

    def get_conversation(self, id_: str) -> list[Item]:
        """Everything up to a response, its output included.

        Raises:
            HTTPError: 400; there is none of this id, or it has not ended well.
        """
        param = "previous_response_id"
        stored = self._kept.get(id_)
        if stored is None:
            raise HTTPError(400, f"{param}: no response {id_!r} is stored", param=param)
        if stored.polls or stored.body["status"] == "failed":
            raise HTTPError(400, f"{param}: {id_!r} is not completed", param=param)
        return [*stored.items, *parse_output_items(stored.body["output"])]

    def get_item(self, id_: str, param: str) -> Item:
        """The item that a reference means.

        Raises:
            HTTPError: 400; no stored response has it.
        """
        item = self._items.get(id_)
        if item is None:
            message = f"{param}: no stored response has an item {id_!r}"
            raise HTTPError(400, message, param=param)
        return item
