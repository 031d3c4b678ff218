"""What all retries of a client may cost together."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support.scripted_router import (
    ANSWER,
    Script,
    both_doors,
    chat,
    client_of,
    recorded_pauses,
    says,
)

from orq_router_integrations import RouterError
from orq_router_integrations.errors import (
    ServerError,
)


@both_doors
@pytest.mark.parametrize(
    ("failure", "most"), [(httpx.ConnectError("refused"), 500), (httpx.ReadTimeout("slow"), 450)]
)
def test_budget_limits_retries_in_outage(door, monkeypatch, failure, most):
    recorded_pauses(monkeypatch)
    script = Script(failure)
    client = client_of(script)
    for _ in range(400):
        with pytest.raises(RouterError):
            door.send(client, chat())
    assert script.sent == most
    with pytest.raises(RouterError) as raised:
        door.send(client_of(Script(failure)), chat())
    assert raised.value.attempts == 3  # the quota of one client is not that of another


@both_doors
def test_successful_call_returns_tokens_of_its_retries(door, monkeypatch):
    recorded_pauses(monkeypatch)
    script: Iterator[Any] = iter(())

    def answer(request: httpx.Request) -> httpx.Response:
        return next(script)(request)

    client = client_of(answer)

    def attempts(*steps: Any) -> int:
        nonlocal script
        script = iter(steps)
        try:
            assert door.send(client, chat()) == ANSWER
        except ServerError as error:
            return error.attempts
        return len(steps)

    failure = says(503, {})
    assert {attempts(failure, failure, says()) for _ in range(200)} == {3}
    assert [attempts(*[failure] * 3) for _ in range(52)] == [3] * 50 + [1, 1]
    assert [attempts(says()) for _ in range(5)] == [1] * 5
    assert attempts(failure, says()) == 2
    assert attempts(failure, failure) == 2
