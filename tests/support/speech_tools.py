"""Speech tools for tests, connected to the offline router or to scripted responses."""

import io
import wave
from typing import Any

import httpx
from support.scripted_router import Script, create_client, respond_with_stream

from orq_router_integrations import OfflineRouter, OrqSpeechTool
from orq_router_integrations.testing.media.tone_codec import decode_speech
from orq_router_integrations.tools.speech_result import Speech

TTS = "openai/tts-1"
ELEVEN = "elevenlabs/eleven_v3"


def create_tool(router: OfflineRouter | None = None, **kwargs: Any) -> OrqSpeechTool:
    """Create a tool that returns WAV from an offline router."""
    kwargs = {"model": TTS, "voice": "alloy", "audio_format": "wav"} | kwargs
    if "client" not in kwargs:
        kwargs["client"] = (router or OfflineRouter()).client()
    return OrqSpeechTool(**kwargs)


def create_scripted_tool(*responses: Any, **kwargs: Any) -> tuple[OrqSpeechTool, Script]:
    """Create a tool whose requests get these responses in order.

    Args:
        responses: Lists of body chunks, or steps of a ``Script``.
        kwargs: Arguments of the tool.
    """
    steps = [
        respond_with_stream(*response, kind="audio/any")
        if isinstance(response, list | tuple)
        else response
        for response in responses
    ]
    script = Script(*steps)
    return create_tool(client=create_client(script), **kwargs), script


async def synthesize(tool: OrqSpeechTool, is_async: bool, *args: Any, **kwargs: Any) -> Speech:
    """Call ``asynthesize`` or ``synthesize``."""
    return await tool.asynthesize(*args, **kwargs) if is_async else tool.synthesize(*args, **kwargs)


async def synthesize_to_file(
    tool: OrqSpeechTool, is_async: bool, *args: Any, **kwargs: Any
) -> Speech:
    """Call ``asynthesize_to_file`` or ``synthesize_to_file``."""
    if is_async:
        return await tool.asynthesize_to_file(*args, **kwargs)
    return tool.synthesize_to_file(*args, **kwargs)


async def collect_stream(
    tool: OrqSpeechTool, is_async: bool, *args: Any, **kwargs: Any
) -> list[Any]:
    """Collect the items of ``astream`` or ``stream``."""
    if is_async:
        return [data async for data in tool.astream(*args, **kwargs)]
    return list(tool.stream(*args, **kwargs))


def read_wav(data: bytes) -> tuple[int, bytes]:
    """Return the sample rate and the samples of a WAV file."""
    with wave.open(io.BytesIO(data)) as file:
        return file.getframerate(), file.readframes(file.getnframes())


def recognize(data: bytes) -> str:
    """Return the text of a WAV file of the offline router."""
    rate, samples = read_wav(data)
    return " ".join(word.text for word in decode_speech(samples, rate=rate))


def connection_reset() -> Exception:
    """Create the error that httpx raises if a connection breaks inside a body."""
    return httpx.RemoteProtocolError("peer closed connection (incomplete chunked read)")
