"""``Pace``: a limit on the requests per time of one client, or of many processes together."""

import math
import os
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol, runtime_checkable
from uuid import uuid4

from orq_router_integrations.errors import RouterInputError

USABLE_SHARE = 0.95
"""Share of a limit to use. The rest absorbs differences between the clocks of client and router."""

BURST_SHARE = 20  # a twentieth of the limit may be sent at the same moment


@runtime_checkable
class PaceBackend(Protocol):
    """Hands out permits to send a request, for example to all machines of a cluster.

    It is called from one thread at a time in each process and may block for a short time. It must
    support pickling if the client is pickled.
    """

    def acquire(self) -> float:
        """Take a permit. Returns 0, or the seconds until another attempt makes sense."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """Maximum rate of the requests of a client.

    Requests are spread over the period, with short bursts, and 5 % of the limit are left unused.
    Copies of a ``Pace`` in one process, including unpickled ones, share one limit. With ``shared``,
    all processes with the same ``shared`` and ``name`` do.

    Retries count as requests. Waiting counts towards the deadline of a call.

    Args:
        limit: Maximum number of requests per period.
        per: Length of the period in seconds, or a ``timedelta``.
        shared: ``redis://...``, ``postgresql://...``, or the path of a SQLite file that the
            processes of one machine can write (extra ``scale``; also ``pip install redis`` or
            ``pip install 'psycopg[binary]'``). For another database, an object with a method
            ``acquire()`` that returns 0 for a permit, or the seconds until the next attempt. If
            the database cannot be reached or the method fails during a run, a warning is logged
            and each process applies the limit independently.
        name: Name of the limit in a shared database.

    Raises:
        RouterInputError: An argument is invalid, or ``shared`` cannot be reached.

    >>> from orq_router_integrations import RouterClient
    >>> client = RouterClient(api_key="sk-orq-example", pace=Pace(600, per=60))
    >>> client.pace.limit
    600
    """

    limit: int
    per: float | timedelta = field(default=60.0, kw_only=True)
    shared: "str | os.PathLike[str] | PaceBackend | None" = field(default=None, kw_only=True)
    name: str = field(default="orq", kw_only=True)
    id: str = field(default_factory=lambda: uuid4().hex, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.limit, bool) or not isinstance(self.limit, int) or self.limit < 1:
            raise RouterInputError(f"limit: Expected a positive int, got {self.limit!r}.")
        if not isinstance(self.per, int | float | timedelta) or not 0 < self.seconds < math.inf:
            raise RouterInputError(f"per: Expected seconds above 0, got {self.per!r}.")
        is_object = not isinstance(self.shared, type)
        if self.shared is None or (is_object and isinstance(self.shared, PaceBackend)):
            return
        if not isinstance(self.shared, str | os.PathLike) or not os.fspath(self.shared):
            raise RouterInputError(
                "shared: Expected a URL, a path or an object with an acquire method, "
                f"got {self.shared!r:.80}."
            )
        from orq_router_integrations._http.shared_pace import connect  # noqa: PLC0415

        connect(self)

    @property
    def seconds(self) -> float:
        """Length of the period in seconds."""
        return self.per.total_seconds() if isinstance(self.per, timedelta) else self.per

    @property
    def burst(self) -> int:
        """Number of requests that may be sent at the same moment."""
        return max(1, self.limit // BURST_SHARE)

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.limit * USABLE_SHARE / self.seconds
