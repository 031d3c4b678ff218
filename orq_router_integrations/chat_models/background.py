"""Background responses: ask until the router has finished."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from langchain_core.outputs import ChatResult

from orq_router_integrations.client import RouterClient
from orq_router_integrations.errors import RouterTimeoutError
from orq_router_integrations.wire.call import Call, Reply
from orq_router_integrations.wire.endpoints import STORED_RESPONSE
from orq_router_integrations.wire.responses import Unfinished

Answer = ChatResult | Unfinished

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 5.0
LONGEST_WAIT = 3600.0
"""Seconds."""


def finished(router: RouterClient, call: Call[Answer]) -> ChatResult:
    """Send a call, and ask for its answer until there is one.

    Raises:
        RouterTimeoutError: an hour has passed; the message has the id of the response.
    """
    course = _Course(call.parse)
    answer = router.send(course.ask(call))
    for pause in _pauses():
        if not isinstance(answer, Unfinished):
            return answer
        time.sleep(pause)
        answer = router.send(course.ask(_poll(call, answer)))
    raise _given_up(answer)


async def afinished(router: RouterClient, call: Call[Answer]) -> ChatResult:
    """Send a call, and ask for its answer until there is one; see ``finished``."""
    course = _Course(call.parse)
    answer = await router.asend(course.ask(call))
    for pause in _pauses():
        if not isinstance(answer, Unfinished):
            return answer
        await asyncio.sleep(pause)
        answer = await router.asend(course.ask(_poll(call, answer)))
    raise _given_up(answer)


@dataclass(slots=True)
class _Course:
    """What the requests for one answer took altogether: their number, and since when."""

    parse: Callable[[Reply], Answer]
    attempts: int = 0
    started: float | None = None

    def ask(self, call: Call[Answer]) -> Call[Answer]:
        """The next call for the answer, whose reply counts with those before."""
        return replace(call, parse=partial(self._read, before=self.attempts))

    def _read(self, reply: Reply, before: int) -> Answer:
        self.attempts = before + reply.attempts
        self.started = reply.started if self.started is None else self.started
        return self.parse(replace(reply, attempts=self.attempts, started=self.started))


def _pauses() -> Iterator[float]:
    """Growing pauses, until the wait is over."""
    waited, pause = 0.0, FIRST_PAUSE
    while waited < LONGEST_WAIT:
        yield pause
        waited += pause
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _poll(call: Call[Answer], answer: Unfinished) -> Call[Answer]:
    return replace(call, endpoint=STORED_RESPONSE, resource=answer.id, body={}, controls=None)


def _given_up(answer: Answer) -> RouterTimeoutError:
    name = answer.id if isinstance(answer, Unfinished) else "?"
    return RouterTimeoutError(f"the response {name} is not finished after {LONGEST_WAIT:g} seconds")
