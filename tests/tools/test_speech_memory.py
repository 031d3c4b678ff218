"""A long speech goes to its file as it arrives: it is never whole in memory."""

import tracemalloc

import httpx
from support.scripted_router import Body
from support.speaking import every_way, scripted, spoken_to

from orq_router_integrations.media.wav import build_pcm_format, build_wav_header

SIZE, CHUNK, GOAL = 5_000_000, 16_384, 1_000_000
LONG = "This is a sentence. " * 8


class Lazy(Body):
    """A WAV of that size, made chunk by chunk as it is read."""

    def __iter__(self):
        yield build_wav_header(build_pcm_format(24_000), None)
        for at in range(0, SIZE, CHUNK):
            yield bytes(min(CHUNK, SIZE - at))


@every_way
async def test_five_megabytes_to_a_file_cost_less_than_one(awaited, tmp_path):
    for limit, pieces in ((4096, 1), (80, 2)):
        tool, _ = scripted(lambda _: httpx.Response(200, stream=Lazy()), max_chars=limit)
        await spoken_to(tool, awaited, tmp_path / "warm.wav", "Hi.")
        tracemalloc.start()
        level = tracemalloc.get_traced_memory()[0]
        speech = await spoken_to(tool, awaited, tmp_path / "a.wav", LONG)
        peak = tracemalloc.get_traced_memory()[1] - level
        tracemalloc.stop()
        assert (speech.pieces, speech.size) == (pieces, 44 + pieces * SIZE)
        assert peak < GOAL
