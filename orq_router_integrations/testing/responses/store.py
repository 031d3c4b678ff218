"""Stored responses: what GET shows, and what previous_response_id continues."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from orq_router_integrations.testing.responses.items import Item, items_of
from orq_router_integrations.testing.responses.replies import started
from orq_router_integrations.testing.routing.refusals import Refusal


@dataclass(slots=True)
class Stored:
    """One response.

    Attributes:
        body: as it is in the end.
        items: the conversation that led to it.
        steps: the statuses that are still to be seen before it.
    """

    body: dict[str, Any]
    items: Sequence[Item]
    steps: list[str] = field(default_factory=list)


class Store:
    """The stored responses, by id, and their output items."""

    def __init__(self) -> None:
        self._kept: dict[str, Stored] = {}
        self._items: dict[str, Item] = {}

    def keep(self, stored: Stored) -> None:
        """Store a response."""
        self._kept[stored.body["id"]] = stored
        for item in [*stored.items, *items_of(stored.body["output"])]:
            if item.id is not None:
                self._items[item.id] = item

    def look(self, id_: str) -> dict[str, Any]:
        """The response as it is now; each look takes one that is not done a step on.

        Raises:
            Refusal: 404; there is none of this id.
        """
        stored = self._kept.get(id_)
        if stored is None:
            raise Refusal(404, f"no response {id_!r} is stored", param="response_id")
        if stored.steps:
            return started(stored.body, stored.steps.pop(0))
        return stored.body

    def conversation(self, id_: str) -> list[Item]:
        """Everything up to a response, its output included.

        Raises:
            Refusal: 400; there is none of this id, or it has not ended well.
        """
        param = "previous_response_id"
        stored = self._kept.get(id_)
        if stored is None:
            raise Refusal(400, f"{param}: no response {id_!r} is stored", param=param)
        if stored.steps or stored.body["status"] == "failed":
            raise Refusal(400, f"{param}: {id_!r} is not completed", param=param)
        return [*stored.items, *items_of(stored.body["output"])]

    def item(self, id_: str, param: str) -> Item:
        """The item that a reference means.

        Raises:
            Refusal: 400; no stored response has it.
        """
        item = self._items.get(id_)
        if item is None:
            message = f"{param}: no stored response has an item {id_!r}"
            raise Refusal(400, message, param=param)
        return item
