"""Poll background responses of the Responses API."""

import time
from dataclasses import replace

from langchain_core.outputs import ChatResult

from orq_router_integrations._http.retry import INITIAL_BACKOFF_SECONDS
from orq_router_integrations.errors import RouterTimeoutError
from orq_router_integrations.wire.call import Call, Response
from orq_router_integrations.wire.endpoints import STORED_RESPONSE
from orq_router_integrations.wire.responses_output import PendingResponse

MAX_POLL_SECONDS = 5.0  # between two polls
MAX_WAIT_SECONDS = 3600.0
_DELAY_PER_ELAPSED_SECOND = 0.5  # so that each delay is 1.5 times the one before


def build_poll(
    call: Call[ChatResult | PendingResponse], pending: PendingResponse
) -> tuple[Call[ChatResult | PendingResponse], float]:
    """Build the call that asks for a response again, and return the seconds to wait before it."""
    elapsed = 0.0 if pending.started_at is None else time.monotonic() - pending.started_at
    if elapsed > MAX_WAIT_SECONDS:
        raise RouterTimeoutError(
            f"Background response {pending.id} is not done after {MAX_WAIT_SECONDS:g} seconds."
        )

    def parse(response: Response) -> ChatResult | PendingResponse:
        # The answer reports the attempts and the latency of all requests together.
        attempts = pending.attempts + response.attempts
        return call.parse(replace(response, attempts=attempts, started_at=pending.started_at))

    poll = replace(
        call, endpoint=STORED_RESPONSE, resource_id=pending.id, body={}, controls=None, parse=parse
    )
    delay = INITIAL_BACKOFF_SECONDS + _DELAY_PER_ELAPSED_SECOND * elapsed
    return poll, min(delay, MAX_POLL_SECONDS)
