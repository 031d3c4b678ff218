"""Poll background responses of the Responses API."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

from langchain_core.outputs import ChatResult

from orq_router_integrations._http.retry import INITIAL_BACKOFF_SECONDS
from orq_router_integrations.client import RouterClient
from orq_router_integrations.errors import RouterTimeoutError
from orq_router_integrations.wire.call import Call, Response
from orq_router_integrations.wire.endpoints import STORED_RESPONSE
from orq_router_integrations.wire.responses_output import PendingResponse

ResultOrPending = ChatResult | PendingResponse

MAX_POLL_SECONDS = 5.0  # between two polls
MAX_WAIT_SECONDS = 3600.0
_DELAY_FACTOR = 1.5


def wait_until_done(
    client: RouterClient, call: Call[ResultOrPending], pending: PendingResponse
) -> ChatResult:
    """Poll a background response until it is done."""
    for delay in _iter_delays():
        time.sleep(delay)
        result = client.send(_build_poll_call(call, pending))
        if not isinstance(result, PendingResponse):
            return result
        pending = result
    raise _create_timeout_error(pending)


async def await_until_done(
    client: RouterClient, call: Call[ResultOrPending], pending: PendingResponse
) -> ChatResult:
    """Poll a background response until it is done; async version of ``wait_until_done``."""
    for delay in _iter_delays():
        await asyncio.sleep(delay)
        result = await client.asend(_build_poll_call(call, pending))
        if not isinstance(result, PendingResponse):
            return result
        pending = result
    raise _create_timeout_error(pending)


def _iter_delays() -> Iterator[float]:
    """Yield increasing delays in seconds until their sum reaches ``MAX_WAIT_SECONDS``."""
    total, delay = 0.0, INITIAL_BACKOFF_SECONDS
    while total < MAX_WAIT_SECONDS:
        yield delay
        total += delay
        delay = min(delay * _DELAY_FACTOR, MAX_POLL_SECONDS)


def _build_poll_call(
    call: Call[ResultOrPending], pending: PendingResponse
) -> Call[ResultOrPending]:
    def parse(response: Response) -> ResultOrPending:
        # The answer reports the attempts and the latency of all requests together.
        attempts = pending.attempts + response.attempts
        return call.parse(replace(response, attempts=attempts, started_at=pending.started_at))

    return replace(
        call, endpoint=STORED_RESPONSE, resource_id=pending.id, body={}, controls=None, parse=parse
    )


def _create_timeout_error(pending: PendingResponse) -> RouterTimeoutError:
    return RouterTimeoutError(
        f"Background response {pending.id} is not done after {MAX_WAIT_SECONDS:g} seconds."
    )
