"""State that all calls of a client share."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any
from urllib.request import getproxies

from orq_router_integrations._http.pace import Pace, Pacer

RETRY_TOKENS = 500


class ClientState:
    """The retry tokens, the proxies and the pacer of a client and its copies.

    It does not affect the equality of clients, and an unpickled client starts with a new one.

    Attributes:
        retry_tokens: Tokens left for the retries of all calls, so that retries do not worsen an
            outage. There is no lock, because it does no harm if two threads change the number at
            the same moment and one change is lost.
    """

    def __init__(self) -> None:
        self.retry_tokens = RETRY_TOKENS
        self.pacer: Pacer | None = None

    @cached_property
    def proxies(self) -> Mapping[str, str]:
        """The proxies that the environment defines during the first call, by scheme."""
        return getproxies()

    def get_pacer(self, pace: Pace | None) -> Pacer:
        """Return the pacer, and create it if it is missing or was made for another pace."""
        if self.pacer is None or self.pacer.pace != pace:
            self.pacer = Pacer(pace)
        return self.pacer

    def __reduce__(self) -> Any:
        return ClientState, ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ClientState)

    def __hash__(self) -> int:
        return hash(ClientState)
