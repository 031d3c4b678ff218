"""Background responses: asked for until they are there, in both ways."""

import time
from itertools import islice
from typing import Any

import pytest
from support.scripted_router import Script, client_of, says

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models import background_polling as background
from orq_router_integrations.chat_models.provenance import Provenance
from orq_router_integrations.errors import RouterError, RouterTimeoutError

GPT = "openai/gpt-4o"
SAID = {"type": "message", "content": [{"type": "output_text", "text": "Hello"}]}
DONE = {"id": "r1", "status": "completed", "output": [SAID]}


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "INITIAL_DELAY_SECONDS", 0.001)


def responding(router: OfflineRouter, **params: Any) -> ChatOrq:
    client = router.client(max_retries=0)
    return ChatOrq(model=GPT, api="responses", background=True, client=client, **params)


@pytest.mark.parametrize("awaited", [False, True])
async def test_invoke_waits_for_the_answer(router: OfflineRouter, awaited: bool) -> None:
    model = responding(router)
    message = await model.ainvoke("Hi") if awaited else model.invoke("Hi")
    assert message.text.startswith(f"Offline answer from {GPT} to 'Hi'")
    asked = [(request.method, request.path) for request in router.requests]
    assert asked[0] == ("POST", "/v3/router/responses")
    identity = message.response_metadata["id"]
    assert set(asked[1:]) == {("GET", f"/v3/router/responses/{identity}")}
    assert len(asked) > 2


def test_failed_response_raises(router: OfflineRouter) -> None:
    failing = OfflineRouter(faults={GPT: 400})
    with pytest.raises(RouterError):
        responding(failing).invoke("Hi")


def test_waiting_times_out(router: OfflineRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "MAX_WAIT_SECONDS", 0.001)
    with pytest.raises(RouterTimeoutError, match="resp_offline_"):
        responding(router).invoke("Hi")


@pytest.mark.parametrize("awaited", [False, True])
async def test_attempts_and_latency_include_the_wait(router: OfflineRouter, awaited: bool) -> None:
    model, begun = responding(router), time.monotonic()
    message = await model.ainvoke("Hi") if awaited else model.invoke("Hi")
    took = time.monotonic() - begun
    found = Provenance.of(message)
    assert found.attempts == len(router.requests) > 2
    assert found.latency is not None
    assert pauses(found.attempts - 1) < found.latency <= took


def pauses(count: int) -> float:
    return sum(islice(background._iter_delays(), count))


def test_retried_polls_count_as_attempts() -> None:
    script = Script(
        says(json={"id": "r1", "status": "queued"}),
        says(503, retry_after="0"),
        says(json={"id": "r1", "status": "in_progress"}),
        says(json=DONE),
    )
    model = ChatOrq(model=GPT, api="responses", background=True, client=client_of(script))
    assert Provenance.of(model.invoke("Hi")).attempts == script.sent == 4


def test_background_requires_store(router: OfflineRouter) -> None:
    with pytest.raises(ValueError, match="requires the response to be stored"):
        responding(router, store=False)
