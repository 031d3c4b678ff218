"""The budget that the retries of all calls of a client share."""

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
from orq_router_integrations.errors import ServerError


@both_doors
@pytest.mark.parametrize(
    ("failure", "max_attempts"),
    [(httpx.ConnectError("refused"), 500), (httpx.ReadTimeout("slow"), 450)],
)
def test_budget_limits_retries_in_outage(door, monkeypatch, failure, max_attempts):
    recorded_pauses(monkeypatch)
    script = Script(failure)
    client = client_of(script)
    for _ in range(400):
        with pytest.raises(RouterError):
            door.send(client, chat())
    assert script.sent == max_attempts
    with pytest.raises(RouterError) as raised:
        door.send(client_of(Script(failure)), chat())
    assert raised.value.attempts == 3, "another client has its own budget"


@both_doors
def test_successful_call_returns_tokens_of_its_retries(door, monkeypatch):
    recorded_pauses(monkeypatch)
    steps: Iterator[Any] = iter(())

    def answer(request: httpx.Request) -> httpx.Response:
        return next(steps)(request)

    client = client_of(answer)

    def count_attempts(*responses: Any) -> int:
        nonlocal steps
        steps = iter(responses)
        try:
            assert door.send(client, chat()) == ANSWER
        except ServerError as error:
            return error.attempts
        return len(responses)

    failure, success = says(503, {}), says()
    assert {count_attempts(failure, failure, success) for _ in range(200)} == {3}
    assert [count_attempts(*[failure] * 3) for _ in range(52)] == [3] * 50 + [1, 1]
    assert [count_attempts(success) for _ in range(5)] == [1] * 5
    assert count_attempts(failure, success) == 2
    assert count_attempts(failure, failure) == 2
