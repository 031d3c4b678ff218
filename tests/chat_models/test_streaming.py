"""Streams as callers and callbacks receive them."""

from typing import Any
from uuid import UUID

import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import StreamInterruptedError
from orq_router_integrations.testing import Fault

GPT = "openai/gpt-4o"


def get_body(router: OfflineRouter) -> dict[str, Any]:
    body: dict[str, Any] = router.requests[-1].body
    return body


def test_stream_requests_usage_and_reports_it_once(model: ChatOrq, router: OfflineRouter) -> None:
    chunks = list(model.stream("Hi"))
    assert get_body(router)["stream"] is True
    assert get_body(router)["stream_options"] == {"include_usage": True}
    has_usage = [bool(chunk.usage_metadata) for chunk in chunks]
    assert has_usage == [False] * (len(chunks) - 1) + [True]


def test_stream_usage_can_be_turned_off(router: OfflineRouter) -> None:
    model = ChatOrq(model=GPT, client=router.client(), stream_usage=False)
    assert not any(chunk.usage_metadata for chunk in model.stream("Hi"))
    assert "stream_options" not in get_body(router)


def test_streaming_makes_invoke_collect_a_stream(router: OfflineRouter) -> None:
    model = ChatOrq(model=GPT, client=router.client(), streaming=True)
    assert model.invoke("Hi").text == ChatOrq(model=GPT, client=router.client()).invoke("Hi").text
    assert [request.body.get("stream") for request in router.requests] == [True, None]


async def test_async_stream_has_the_same_chunks(model: ChatOrq) -> None:
    texts = [chunk.text for chunk in model.stream("Hi there")]
    assert [chunk.text async for chunk in model.astream("Hi there")] == texts
    assert len(texts) > 3


class TokenRecorder(BaseCallbackHandler):
    def __init__(self) -> None:
        self.tokens: list[str] = []

    def on_llm_new_token(self, token: str, *, run_id: UUID, **kwargs: Any) -> None:
        self.tokens.append(token)


class AsyncTokenRecorder(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.tokens: list[str] = []

    async def on_llm_new_token(self, token: str, *, run_id: UUID, **kwargs: Any) -> None:
        self.tokens.append(token)


invoke_or_stream = pytest.mark.parametrize("method", ["invoke", "stream"])


@invoke_or_stream
def test_callbacks_receive_each_token_once(model: ChatOrq, method: str) -> None:
    recorder = TokenRecorder()
    config: Any = {"callbacks": [recorder]}
    if method == "invoke":
        text = model.invoke("Hi there", config=config, stream=True).text
    else:
        text = "".join(chunk.text for chunk in model.stream("Hi there", config=config))
    assert "".join(recorder.tokens) == text
    assert len(recorder.tokens) > 3


@invoke_or_stream
async def test_async_callbacks_receive_each_token_once(model: ChatOrq, method: str) -> None:
    recorder = AsyncTokenRecorder()
    config: Any = {"callbacks": [recorder]}
    if method == "invoke":
        text = (await model.ainvoke("Hi there", config=config, stream=True)).text
    else:
        text = "".join([chunk.text async for chunk in model.astream("Hi there", config=config)])
    assert "".join(recorder.tokens) == text
    assert len(recorder.tokens) > 3


def test_interrupted_stream_reports_the_partial_text() -> None:
    router = OfflineRouter(faults={GPT: Fault(cut_after=4)})
    model = ChatOrq(model=GPT, client=router.client())
    with pytest.raises(StreamInterruptedError) as caught:
        list(model.stream("Hi"))
    assert caught.value.partial.startswith("Offline answer")
