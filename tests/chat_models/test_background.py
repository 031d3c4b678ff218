"""Background responses: asked for until they are there, in both ways."""

from typing import Any

import pytest

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.chat_models import background
from orq_router_integrations.errors import RouterError, RouterInputError, RouterTimeoutError

GPT = "openai/gpt-4o"


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "FIRST_PAUSE", 0.001)


def responding(router: OfflineRouter, **params: Any) -> ChatOrq:
    client = router.client(max_retries=0)
    return ChatOrq(model=GPT, api="responses", background=True, client=client, **params)


@pytest.mark.parametrize("awaited", [False, True])
async def test_the_answer_is_waited_for(router: OfflineRouter, awaited: bool) -> None:
    model = responding(router)
    message = await model.ainvoke("Hi") if awaited else model.invoke("Hi")
    assert message.text.startswith(f"Offline answer from {GPT} to 'Hi'")
    asked = [(request.method, request.path) for request in router.requests]
    assert asked[0] == ("POST", "/v3/router/responses")
    identity = message.response_metadata["id"]
    assert set(asked[1:]) == {("GET", f"/v3/router/responses/{identity}")}
    assert len(asked) > 2


def test_a_failed_response_is_an_error(router: OfflineRouter) -> None:
    failing = OfflineRouter(faults={GPT: 400})
    with pytest.raises(RouterError):
        responding(failing).invoke("Hi")


def test_waiting_has_an_end(router: OfflineRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "LONGEST_WAIT", 0.001)
    with pytest.raises(RouterTimeoutError, match="resp_offline_"):
        responding(router).invoke("Hi")


def test_it_does_not_stream(router: OfflineRouter) -> None:
    with pytest.raises(RouterInputError, match="background"):
        list(responding(router).stream("Hi"))
    assert router.requests == []


def test_it_needs_to_be_stored(router: OfflineRouter) -> None:
    with pytest.raises(ValueError, match="needs store"):
        responding(router, store=False)
