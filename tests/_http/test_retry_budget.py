"""The budget that the retries of all calls of a client share."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from support.scripted_router import (
    ANSWER,
    Script,
    both_callers,
    create_call,
    create_client,
    record_sleeps,
    respond,
)

from orq_router_integrations import RouterError
from orq_router_integrations.errors import ServerError


@pytest.mark.slow
@both_callers
@pytest.mark.parametrize(
    ("failure", "max_attempts"),
    [(httpx.ConnectError("refused"), 500), (httpx.ReadTimeout("slow"), 450)],
)
def test_budget_limits_retries_in_outage(caller, monkeypatch, failure, max_attempts):
    record_sleeps(monkeypatch)
    script = Script(failure)
    client = create_client(script)
    for _ in range(400):
        with pytest.raises(RouterError):
            caller.send(client, create_call())
    assert script.sent == max_attempts
    with pytest.raises(RouterError) as raised:
        caller.send(create_client(Script(failure)), create_call())
    assert raised.value.attempts == 3, "another client has its own budget"


@pytest.mark.slow
@both_callers
def test_successful_call_returns_tokens_of_its_retries(caller, monkeypatch):
    record_sleeps(monkeypatch)
    steps: Iterator[Any] = iter(())

    def answer(request: httpx.Request) -> httpx.Response:
        return next(steps)(request)

    client = create_client(answer)

    def count_attempts(*responses: Any) -> int:
        nonlocal steps
        steps = iter(responses)
        try:
            assert caller.send(client, create_call()) == ANSWER
        except ServerError as error:
            return error.attempts
        return len(responses)

    failure, success = respond(503, {}), respond()
    assert {count_attempts(failure, failure, success) for _ in range(200)} == {3}
    assert [count_attempts(*[failure] * 3) for _ in range(52)] == [3] * 50 + [1, 1]
    assert [count_attempts(success) for _ in range(5)] == [1] * 5
    assert count_attempts(failure, success) == 2
    assert count_attempts(failure, failure) == 2
