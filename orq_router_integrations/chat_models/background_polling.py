"""Background responses: ask until the router has finished."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

from langchain_core.outputs import ChatResult

from orq_router_integrations.client import RouterClient
from orq_router_integrations.errors import RouterTimeoutError
from orq_router_integrations.wire.call import Call, Reply
from orq_router_integrations.wire.endpoints import STORED_RESPONSE
from orq_router_integrations.wire.responses_output import Unfinished

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
    answer = router.send(call)
    for pause in _pauses():
        if not isinstance(answer, Unfinished):
            return answer
        time.sleep(pause)
        answer = router.send(_poll(call, answer))
    raise _given_up(answer)


async def afinished(router: RouterClient, call: Call[Answer]) -> ChatResult:
    """Send a call, and ask for its answer until there is one; see ``finished``."""
    answer = await router.asend(call)
    for pause in _pauses():
        if not isinstance(answer, Unfinished):
            return answer
        await asyncio.sleep(pause)
        answer = await router.asend(_poll(call, answer))
    raise _given_up(answer)


def _pauses() -> Iterator[float]:
    """Growing pauses, until the wait is over."""
    waited, pause = 0.0, FIRST_PAUSE
    while waited < LONGEST_WAIT:
        yield pause
        waited += pause
        pause = min(pause * 1.5, LONGEST_PAUSE)


def _poll(call: Call[Answer], before: Unfinished) -> Call[Answer]:
    """The next request for an answer; its reply counts with those before."""

    def parse(reply: Reply) -> Answer:
        attempts = before.attempts + reply.attempts
        return call.parse(replace(reply, attempts=attempts, started=before.started))

    asked = replace(call, endpoint=STORED_RESPONSE, resource=before.id, body={}, controls=None)
    return replace(asked, parse=parse)


def _given_up(answer: Answer) -> RouterTimeoutError:
    name = answer.id if isinstance(answer, Unfinished) else "?"
    return RouterTimeoutError(f"the response {name} is not finished after {LONGEST_WAIT:g} seconds")
