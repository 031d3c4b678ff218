"""Emulate how input guardrails block requests.

Nothing is evaluated: an input guardrail blocks when the last user text contains the guardrail's id.
Output guardrails never block.
"""

from collections.abc import Iterable

from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.wire.controls import Guardrail


def check_input(guardrails: Iterable[Guardrail], text: str) -> None:
    """Check the input of a request.

    Raises:
        HTTPError: 400 with code ``guardrail_error`` and the failures.
    """
    failures = [
        {"id": guardrail.id, "stage": "input", "value": True, "outcome": "failed"}
        for guardrail in guardrails
        if guardrail.execute_on != "output" and guardrail.id in text
    ]
    if failures:
        message = f"blocked by the guardrail {failures[0]['id']}"
        raise HTTPError(400, message, code="guardrail_error", failures=failures)
