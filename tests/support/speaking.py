"""Speech tools over the offline router or a script, and what their audio says."""

import io
import wave
from typing import Any

import httpx
import pytest
from support.scripted_router import Script, client_of, streams

from orq_router_integrations import OfflineRouter, OrqSpeechTool
from orq_router_integrations.testing.media.tone_codec import decode_speech
from orq_router_integrations.tools.speech_result import Speech

TTS = "openai/tts-1"
ELEVEN = "elevenlabs/eleven_v3"

every_way = pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])


def speaker(router: OfflineRouter | None = None, **settings: Any) -> OrqSpeechTool:
    """A tool that speaks WAV through an offline router."""
    given = {"model": TTS, "voice": "alloy", "format": "wav"} | settings
    client = {} if "client" in given else {"client": (router or OfflineRouter()).client()}
    return OrqSpeechTool(**client, **given)


def scripted(*replies: Any, **settings: Any) -> tuple[OrqSpeechTool, Script]:
    """A tool whose network answers with these bodies, each a list of pieces, in turn."""
    steps = [
        streams(*reply, kind="audio/any") if isinstance(reply, list | tuple) else reply
        for reply in replies
    ]
    script = Script(*steps)
    return speaker(client=client_of(script, **settings.pop("of_client", {})), **settings), script


async def spoken(tool: OrqSpeechTool, awaited: bool, *args: Any, **choices: Any) -> Speech:
    return (
        await tool.asynthesize(*args, **choices) if awaited else tool.synthesize(*args, **choices)
    )


async def spoken_to(tool: OrqSpeechTool, awaited: bool, *args: Any, **choices: Any) -> Speech:
    return (
        await tool.asynthesize_to_file(*args, **choices)
        if awaited
        else tool.synthesize_to_file(*args, **choices)
    )


async def streamed(tool: OrqSpeechTool, awaited: bool, *args: Any, **choices: Any) -> list[Any]:
    if awaited:
        return [data async for data in tool.astream(*args, **choices)]
    return list(tool.stream(*args, **choices))


def frames(data: bytes) -> tuple[int, bytes]:
    """Rate and samples of a WAV file."""
    with wave.open(io.BytesIO(data)) as sound:
        return sound.getframerate(), sound.readframes(sound.getnframes())


def heard(data: bytes) -> str:
    """The words that a WAV file of the offline router says."""
    rate, samples = frames(data)
    return " ".join(word.text for word in decode_speech(samples, rate=rate))


def reset() -> Exception:
    """What httpx raises where a connection breaks in the middle of a body."""
    return httpx.RemoteProtocolError("peer closed connection (incomplete chunked read)")
