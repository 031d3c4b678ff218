"""Speech is written to files as it arrives, so memory use does not depend on its length."""

import tracemalloc

import httpx
from support.scripted_router import Body
from support.speech_tools import create_scripted_tool, sync_and_async, synthesize_to_file

from orq_router_integrations.media.wav import build_pcm_format, build_wav_header

SIZE, CHUNK, GOAL = 5_000_000, 16_384, 1_000_000
LONG = "This is a sentence. " * 8


class Lazy(Body):
    """A WAV of that size, made chunk by chunk as it is read."""

    def __iter__(self):
        yield build_wav_header(build_pcm_format(24_000), None)
        for at in range(0, SIZE, CHUNK):
            yield bytes(min(CHUNK, SIZE - at))


@sync_and_async
async def test_speech_to_file_needs_less_memory_than_its_size(is_async, tmp_path):
    for limit, pieces in ((4096, 1), (80, 2)):
        tool, _ = create_scripted_tool(
            lambda _: httpx.Response(200, stream=Lazy()), max_chars=limit
        )
        await synthesize_to_file(tool, is_async, "Hi.", tmp_path / "warm.wav")
        tracemalloc.start()
        level = tracemalloc.get_traced_memory()[0]
        speech = await synthesize_to_file(tool, is_async, LONG, tmp_path / "a.wav")
        peak = tracemalloc.get_traced_memory()[1] - level
        tracemalloc.stop()
        assert (speech.chunks, speech.size) == (pieces, 44 + pieces * SIZE)
        assert peak < GOAL
