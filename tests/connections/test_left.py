"""Streams that are left as their event loop ends."""

import asyncio
import gc
import logging

import pytest
from support.loopback_server import Loopback, open_ended
from support.scripted_router import KEY, event

from orq_router_integrations import ChatOrq, OfflineRouter, OrqSpeechTool


async def left(stream) -> None:
    async for _ in stream:
        break


@pytest.mark.parametrize("face", ["speech", "chat", "chat over its own connection"])
def test_they_are_closed_without_a_word(face, caplog):
    offline = OfflineRouter().client()
    with Loopback(open_ended(event("Hel"))) as server, caplog.at_level(logging.WARNING):
        match face:
            case "speech":
                speak = OrqSpeechTool(model="openai/tts-1", voice="alloy", client=offline)
                stream = speak.astream("Good morning to everybody out there.", format="pcm")
            case "chat":
                stream = ChatOrq(model="openai/gpt-4o", client=offline).astream("Hi")
            case _:
                model = ChatOrq(model="openai/gpt-4o", base_url=server.url, api_key=KEY)
                stream = model.astream("Hi")
        asyncio.run(left(stream))
        del stream
        gc.collect()
    assert caplog.messages == []
