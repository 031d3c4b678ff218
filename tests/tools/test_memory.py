"""Images and speech are written to files as they arrive, without a copy in memory."""

import asyncio
import base64
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.marks import sync_and_async
from support.scripted_router import ResponseBody, Script, create_client
from support.speech_tools import create_scripted_tool

from orq_router_integrations import OrqImageTool
from orq_router_integrations.media.wav import build_pcm_format, build_wav_header

pytestmark = pytest.mark.slow

CHUNK_BYTES = 16_384
IMAGE = b"\x89PNG\r\n\x1a\n" + bytes(1_500_000 - 8)
IMAGE_BODY = b'{"created":1,"data":[{"b64_json":"' + base64.b64encode(IMAGE) + b'"}]}'
WAV_BYTES = 5_000_000
LONG_TEXT = "This is a sentence. " * 8


class ImageBody(ResponseBody):
    """A response with an image, in chunks as from a socket."""

    def __iter__(self):
        for offset in range(0, len(IMAGE_BODY), CHUNK_BYTES):
            yield IMAGE_BODY[offset : offset + CHUNK_BYTES]


class WavBody(ResponseBody):
    """A WAV that is created in chunks while it is read."""

    def __iter__(self):
        yield build_wav_header(build_pcm_format(24_000), None)
        for offset in range(0, WAV_BYTES, CHUNK_BYTES):
            yield bytes(min(CHUNK_BYTES, WAV_BYTES - offset))


def measure_peak_bytes(call: Callable[[], Any]) -> tuple[Any, int]:
    """Return the result of a call, and the memory it allocates at its peak."""
    call()  # imports modules and fills caches
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = call()
        return result, tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()


@sync_and_async
def test_image_to_file_needs_less_memory_than_its_size(tmp_path: Path, is_async: bool):
    headers = {"content-type": "application/json"}
    script = Script(lambda _: httpx.Response(200, headers=headers, stream=ImageBody()))
    tool = OrqImageTool(
        model="openai/gpt-image-1", client=create_client(script), directory=tmp_path
    )
    result, peak = measure_peak_bytes(
        lambda: asyncio.run(tool.agenerate("boat")) if is_async else tool.generate("boat")
    )
    assert result.image.size == len(IMAGE)
    assert Path(result.image.path).read_bytes() == IMAGE
    assert peak < len(IMAGE)


@sync_and_async
@pytest.mark.parametrize(("max_chars", "chunks"), [(4096, 1), (80, 2)])
def test_speech_to_file_needs_less_memory_than_its_size(
    tmp_path: Path, is_async: bool, max_chars: int, chunks: int
):
    tool, _ = create_scripted_tool(
        lambda _: httpx.Response(200, stream=WavBody()), max_chars=max_chars
    )
    path = tmp_path / "a.wav"
    speech, peak = measure_peak_bytes(
        lambda: (
            asyncio.run(tool.asynthesize_to_file(LONG_TEXT, path))
            if is_async
            else tool.synthesize_to_file(LONG_TEXT, path)
        )
    )
    assert (speech.chunks, speech.size) == (chunks, 44 + chunks * WAV_BYTES)
    assert peak < 1_000_000
