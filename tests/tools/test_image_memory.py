"""Images are written to files as they arrive, without a copy in memory."""

import asyncio
import base64
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.scripted_router import Script, client_of

from orq_router_integrations import OrqImageTool

PICTURE = b"\x89PNG\r\n\x1a\n" + bytes(1_500_000 - 8)
REPLY = b'{"created":1,"data":[{"b64_json":"' + base64.b64encode(PICTURE) + b'"}]}'
PIECE = 16_384


class Arriving(httpx.SyncByteStream, httpx.AsyncByteStream):
    """The reply as a socket would bring it."""

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(REPLY), PIECE):
            yield REPLY[at : at + PIECE]

    async def __aiter__(self) -> Any:
        for piece in self:
            yield piece


def arrives(_: httpx.Request) -> httpx.Response:
    return httpx.Response(200, headers={"content-type": "application/json"}, stream=Arriving())


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
def test_image_to_file_needs_less_memory_than_its_size(tmp_path: Path, is_async: bool):
    client = client_of(Script(arrives))
    tool = OrqImageTool(model="openai/gpt-image-1", client=client, directory=tmp_path)

    def draw() -> Any:
        return asyncio.run(tool.agenerate("boat")) if is_async else tool.generate("boat")

    draw()  # what a first call loads is not what an image costs
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        result = draw()
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert result.image.size == len(PICTURE)
    assert Path(result.image.path).read_bytes() == PICTURE
    assert peak < 1_500_000
