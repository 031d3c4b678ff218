"""Every integration waits for its rate limiter before each request."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.rate_limiters import BaseRateLimiter
from support.marks import sync_and_async

from orq_router_integrations import (
    ChatOrq,
    OfflineRouter,
    OrqEmbeddings,
    OrqImageTool,
    OrqSpeechTool,
    OrqTranscriptionLoader,
)
from orq_router_integrations.testing import Answer


class CountingRateLimiter(BaseRateLimiter):
    """Counts how often it was acquired."""

    def __init__(self) -> None:
        self.sync_count = self.async_count = 0

    def acquire(self, *, blocking: bool = True) -> bool:
        assert blocking
        self.sync_count += 1
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        assert blocking
        self.async_count += 1
        return True


@pytest.fixture
def limiter() -> CountingRateLimiter:
    return CountingRateLimiter()


async def use_chat_model(settings: dict[str, Any], is_async: bool) -> None:
    model = ChatOrq("openai/gpt-4o", **settings)
    _ = await model.ainvoke("Hi") if is_async else model.invoke("Hi")


async def use_chat_stream(settings: dict[str, Any], is_async: bool) -> None:
    model = ChatOrq("openai/gpt-4o", **settings)
    _ = [chunk async for chunk in model.astream("Hi")] if is_async else list(model.stream("Hi"))


async def use_image_tool(settings: dict[str, Any], is_async: bool) -> None:
    tool = OrqImageTool(model="openai/gpt-image-1", **settings)
    _ = await tool.agenerate("A cat") if is_async else tool.generate("A cat")


async def use_speech_tool(settings: dict[str, Any], is_async: bool) -> None:
    tool = OrqSpeechTool(model="openai/tts-1", voice="alloy", **settings)
    _ = await tool.asynthesize("Hello.") if is_async else tool.synthesize("Hello.")


async def use_embeddings(settings: dict[str, Any], is_async: bool) -> None:
    model = OrqEmbeddings(model="openai/text-embedding-3-small", **settings)
    _ = await model.aembed_query("Hi") if is_async else model.embed_query("Hi")


USES = [use_chat_model, use_chat_stream, use_image_tool, use_speech_tool, use_embeddings]


@sync_and_async
@pytest.mark.parametrize("use", USES, ids=lambda use: use.__name__)
async def test_request_waits_once(
    router: OfflineRouter, limiter: CountingRateLimiter, use: Any, is_async: bool
) -> None:
    await use({"client": router.client(), "rate_limiter": limiter}, is_async)
    assert len(router.requests) == 1
    assert (limiter.sync_count, limiter.async_count) == ((0, 1) if is_async else (1, 0))


@sync_and_async
async def test_every_recording_of_a_loader_waits(
    limiter: CountingRateLimiter, tmp_path: Path, is_async: bool
) -> None:
    speech = OfflineRouter()
    tool = OrqSpeechTool(model="openai/tts-1", voice="alloy", client=speech.client())
    for name in ("a.mp3", "b.mp3"):
        tool.synthesize_to_file("Hello.", tmp_path / name)
    router = OfflineRouter(answers=lambda _: Answer("Hello."))
    loader = OrqTranscriptionLoader(
        str(tmp_path), model="openai/whisper-1", client=router.client(), rate_limiter=limiter
    )
    documents = await loader.aload() if is_async else loader.load()
    assert len(documents) == len(router.requests) == 2
    assert limiter.sync_count + limiter.async_count == 2
