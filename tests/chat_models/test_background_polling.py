"""Background responses: ``invoke`` polls until the answer is done."""

import time
from typing import Any

import pytest
from support.chat import GPT, create_model
from support.marks import sync_and_async
from support.scripted_router import Script, create_client, respond

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models import request_builder
from orq_router_integrations.chat_models.response_metadata import Provenance
from orq_router_integrations.errors import RouterError, RouterTimeoutError

DONE = {
    "id": "r1",
    "status": "completed",
    "output": [{"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}],
}


@pytest.fixture(autouse=True)
def short_delays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_builder, "INITIAL_BACKOFF_SECONDS", 0.001)


def create_background_model(router: OfflineRouter, **params: Any) -> ChatOrq:
    client = router.client(max_retries=0)
    return create_model(router, client=client, api="responses", background=True, **params)


@sync_and_async
async def test_invoke_waits_for_the_answer(router: OfflineRouter, is_async: bool) -> None:
    model = create_background_model(router)
    message = await model.ainvoke("Hi") if is_async else model.invoke("Hi")
    assert message.text.startswith(f"Offline answer from {GPT} to 'Hi'")
    first, *polls = [(request.method, request.path) for request in router.requests]
    response_id = message.response_metadata["id"]
    assert first == ("POST", "/v3/router/responses")
    assert set(polls) == {("GET", f"/v3/router/responses/{response_id}")}
    assert len(polls) > 1


def test_failed_response_raises() -> None:
    with pytest.raises(RouterError):
        create_background_model(OfflineRouter(faults={GPT: 400})).invoke("Hi")


@sync_and_async
async def test_waiting_times_out(
    router: OfflineRouter, monkeypatch: pytest.MonkeyPatch, is_async: bool
) -> None:
    monkeypatch.setattr(request_builder, "MAX_WAIT_SECONDS", 0.001)
    model = create_background_model(router)
    with pytest.raises(RouterTimeoutError, match="resp_offline_"):
        _ = await model.ainvoke("Hi") if is_async else model.invoke("Hi")


@sync_and_async
async def test_attempts_and_latency_include_the_wait(router: OfflineRouter, is_async: bool) -> None:
    model, started_at = create_background_model(router), time.monotonic()
    message = await model.ainvoke("Hi") if is_async else model.invoke("Hi")
    elapsed = time.monotonic() - started_at
    provenance = Provenance.of(message)
    assert provenance.attempts == len(router.requests) > 2
    assert provenance.latency is not None
    assert 0.001 * (provenance.attempts - 1) < provenance.latency <= elapsed


@pytest.mark.slow
def test_retried_polls_count_as_attempts() -> None:
    script = Script(
        respond(json={"id": "r1", "status": "queued"}),
        respond(503, retry_after="0"),
        respond(json={"id": "r1", "status": "in_progress"}),
        respond(json=DONE),
    )
    model = ChatOrq(model=GPT, api="responses", background=True, client=create_client(script))
    assert Provenance.of(model.invoke("Hi")).attempts == script.sent == 4
