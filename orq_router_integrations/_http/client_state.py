"""What the calls of a client share."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from orq_router_integrations._http.environment_proxies import EnvironmentProxies
from orq_router_integrations._http.pace import Pace
from orq_router_integrations._http.retry import RetryBudget

if TYPE_CHECKING:  # imported when a client has to wait
    from orq_router_integrations._http.pacing import Pacer


class ClientState:
    """The retry budget, the proxies and the pacer of a client and its copies.

    It does not affect the equality of clients, and an unpickled client starts with a new one.
    """

    def __init__(self) -> None:
        self.budget = RetryBudget()
        self.pacer: Pacer | None = None

    @cached_property
    def proxies(self) -> EnvironmentProxies:
        """The proxies that the environment defines during the first call."""
        return EnvironmentProxies()

    def get_pacer(self, pace: Pace | None) -> "Pacer":
        """Return the pacer, and create it if it is missing or was made for another pace."""
        from orq_router_integrations._http.pacing import Pacer  # noqa: PLC0415

        if self.pacer is None or self.pacer.pace != pace:
            self.pacer = Pacer(pace)
        return self.pacer

    def __reduce__(self) -> Any:
        return ClientState, ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClientState)

    def __hash__(self) -> int:
        return hash(ClientState)
