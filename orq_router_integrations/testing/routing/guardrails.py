"""Guardrails, far enough to test what a block looks like.

Nothing is really evaluated: an input guardrail blocks when the user's last text holds the
guardrail's id literally. Output guardrails never block here.
"""

from collections.abc import Iterable

from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.wire.controls import Guardrail


def check_input(guardrails: Iterable[Guardrail], text: str) -> None:
    """Check what goes in.

    Raises:
        Refusal: 400 ``guardrail_error`` with the failures (contract sections 3.1 and 4.7).
    """
    failures = [
        {"id": guardrail.id, "stage": "input", "value": True, "outcome": "failed"}
        for guardrail in guardrails
        if guardrail.execute_on != "output" and guardrail.id in text
    ]
    if failures:
        message = f"blocked by the guardrail {failures[0]['id']}"
        raise HTTPError(400, message, code="guardrail_error", failures=failures)
