"""Background responses: ask until the router has finished."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

from langchain_core.outputs import ChatResult

from orq_router_integrations.client import RouterClient
from orq_router_integrations.errors import RouterTimeoutError
from orq_router_integrations.wire.call import Call, Response
from orq_router_integrations.wire.endpoints import STORED_RESPONSE
from orq_router_integrations.wire.responses_output import PendingResponse

ResultOrPending = ChatResult | PendingResponse

INITIAL_DELAY_SECONDS = 0.5
MAX_DELAY_SECONDS = 5.0
MAX_WAIT_SECONDS = 3600.0
"""Seconds."""


def wait_until_done(router: RouterClient, call: Call[ResultOrPending]) -> ChatResult:
    """Send a call, and ask for its answer until there is one.

    Raises:
        RouterTimeoutError: an hour has passed; the message has the id of the response.
    """
    answer = router.send(call)
    for pause in _iter_delays():
        if not isinstance(answer, PendingResponse):
            return answer
        time.sleep(pause)
        answer = router.send(_poll(call, answer))
    raise _given_up(answer)


async def await_until_done(router: RouterClient, call: Call[ResultOrPending]) -> ChatResult:
    """Send a call, and ask for its answer until there is one; see ``finished``."""
    answer = await router.asend(call)
    for pause in _iter_delays():
        if not isinstance(answer, PendingResponse):
            return answer
        await asyncio.sleep(pause)
        answer = await router.asend(_poll(call, answer))
    raise _given_up(answer)


def _iter_delays() -> Iterator[float]:
    """Growing pauses, until the wait is over."""
    waited, pause = 0.0, INITIAL_DELAY_SECONDS
    while waited < MAX_WAIT_SECONDS:
        yield pause
        waited += pause
        pause = min(pause * 1.5, MAX_DELAY_SECONDS)


def _poll(call: Call[ResultOrPending], before: PendingResponse) -> Call[ResultOrPending]:
    """The next request for an answer; its reply counts with those before."""

    def parse(reply: Response) -> ResultOrPending:
        attempts = before.attempts + reply.attempts
        return call.parse(replace(reply, attempts=attempts, started_at=before.started_at))

    asked = replace(call, endpoint=STORED_RESPONSE, resource_id=before.id, body={}, controls=None)
    return replace(asked, parse=parse)


def _given_up(answer: ResultOrPending) -> RouterTimeoutError:
    name = answer.id if isinstance(answer, PendingResponse) else "?"
    return RouterTimeoutError(
        f"the response {name} is not finished after {MAX_WAIT_SECONDS:g} seconds"
    )
