"""Rows 18 and 19: an hour of audio, and many short recordings."""

import contextlib
import io
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import Any

from langchain_core.documents.base import Blob

from orq_router_integrations import OrqTranscriptionLoader
from orq_router_integrations.media.wav import build_pcm_format, build_wav_header
from tests.benchmarks.contenders import KEY, build_base_url
from tests.benchmarks.measuring import OURS, Case, Row, Sample, measure_memory, measure_time

RATE = 16_000
MODEL = "openai/whisper-1"
WORDS = 2_040
"""Words of a transcript: 150 per minute of the 13.6 minutes that fit into a request."""

FILES, CONCURRENCY = 1_000, 32
COMMUNITY_FILES = 64  # a sample, because each takes much longer
COMMUNITY = "langchain-community"


def iter_cases(server: str) -> Iterator[Case]:
    """Yield all cases, each of them created when it is needed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield create_hour_case(server, folder)
        yield create_short_recordings_case(server, folder)


def write_wav(path: Path, seconds: int) -> None:
    """Write a WAV file of noise-like samples."""
    second = bytes(n * 7919 % 251 for n in range(RATE * 2))
    with path.open("wb") as file:
        file.write(build_wav_header(build_pcm_format(RATE), seconds * len(second)))
        for _ in range(seconds):
            file.write(second)


def create_hour_case(server: str, folder: Path) -> Case:
    path = folder / "hour.wav"
    write_wav(path, 3600)
    loader = OrqTranscriptionLoader(
        path,
        model=MODEL,
        base_url=build_base_url(server, f"words.{WORDS}"),
        api_key=KEY,
        granularity="segment",
        timestamp_granularities=["segment", "word"],
        response_format="verbose_json",
    )

    def measure() -> Sample:
        sample = dict(measure_memory(loader.load))
        return {**sample, "cpu": sample["cpu"] / 60}

    rows = [
        Row("18", "an hour of WAV, by minute", {}, maximum=25_000),
        Row("18", "... memory", {}, "peak", maximum=60),
    ]
    return Case(rows, {OURS: measure}, rounds=3)


def create_short_recordings_case(server: str, folder: Path) -> Case:
    """Compare with langchain-community's parser, which encodes as MP3 with ffmpeg."""
    recordings = folder / "short"
    recordings.mkdir()
    for number in range(FILES):
        write_wav(recordings / f"{number:04}.wav", 1)
    url = build_base_url(server, "transcript")
    loader = OrqTranscriptionLoader(
        recordings, model=MODEL, base_url=url, api_key=KEY, max_concurrency=CONCURRENCY
    )
    parser = create_community_parser(url)
    blobs = [Blob.from_path(path) for path in islice(sorted(recordings.iterdir()), COMMUNITY_FILES)]

    def parse_in_threads() -> None:
        with ThreadPoolExecutor(CONCURRENCY) as pool, contextlib.redirect_stdout(io.StringIO()):
            assert len(list(pool.map(parser.parse, blobs))) == COMMUNITY_FILES

    runs = {
        OURS: lambda: measure_time(loader.load, FILES),
        COMMUNITY: lambda: measure_time(parse_in_threads, COMMUNITY_FILES),
    }
    row = Row("19", "1,000 short recordings, 32 concurrent", {COMMUNITY: 3}, "rate")
    return Case([row], runs, rounds=3)


def create_community_parser(url: str) -> Any:
    import imageio_ffmpeg
    from langchain_community.document_loaders.parsers.audio import OpenAIWhisperParser
    from pydub import AudioSegment

    AudioSegment.converter = imageio_ffmpeg.get_ffmpeg_exe()
    return OpenAIWhisperParser(api_key=KEY, base_url=url)
