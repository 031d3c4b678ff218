"""Rows 14 to 17: images, files, uploads and speech; time and peak memory."""

import base64
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from langchain_core.messages import HumanMessage
from openai import OpenAI

from orq_router_integrations import (
    OrqImageTool,
    OrqSpeechTool,
    RouterClient,
    content_block,
)
from orq_router_integrations.media.content_block import create_upload
from orq_router_integrations.wire.call import Call
from orq_router_integrations.wire.endpoints import TRANSCRIPTIONS
from tests.benchmarks.contenders import KEY, build_base_url, create_models
from tests.benchmarks.measuring import OPENAI, OURS, SDK, Case, Row, Sample, measure_memory

FILE_SIZE = 15_000_000
UPLOAD_SIZE = 200_000_000
SENTENCE = "Good morning."


def iter_cases(server: str) -> Iterator[Case]:
    """Yield all cases, each of them created when it is needed."""
    with tempfile.TemporaryDirectory() as folder:
        yield create_image_case(server, Path(folder))
        yield from iter_inline_file_cases(server, Path(folder))
        yield create_transcription_case(server, Path(folder))
        yield create_speech_case(server)
        yield create_speech_file_case(server, Path(folder))


def create_openai_client(server: str, kind: str) -> OpenAI:
    return OpenAI(base_url=build_base_url(server, kind), api_key=KEY)


def create_image_case(server: str, folder: Path) -> Case:
    url = build_base_url(server, "picture")
    tool = OrqImageTool(model="openai/gpt-image-1", base_url=url, api_key=KEY)
    client = create_openai_client(server, "picture")

    def new() -> Path:
        """A folder without an earlier image, which it would take time to replace."""
        return Path(tempfile.mkdtemp(dir=folder))

    def ours() -> None:
        tool.directory = new()
        tool.generate(SENTENCE)

    def theirs() -> None:
        response = client.images.generate(model="openai/gpt-image-1", prompt=SENTENCE)
        (new() / "theirs.png").write_bytes(base64.b64decode(response.data[0].b64_json))

    runs = {OURS: lambda: measure_memory(ours), SDK: lambda: measure_memory(theirs)}
    rows = [
        Row("14", "image of 1.5 MB to a file", {SDK: 0.6}),
        Row("14", "... memory", {}, "peak", maximum=0.8),
    ]
    return Case(rows, runs)


def iter_inline_file_cases(server: str, folder: Path) -> Iterator[Case]:
    path = folder / "report.pdf"
    path.write_bytes(b"%PDF-1.7" + b"\n% page" * (FILE_SIZE // 7))
    models = create_models(build_base_url(server, "whole"))
    data = base64.b64encode(path.read_bytes()).decode()
    url = f"data:application/pdf;base64,{data}"
    part = {"type": "file", "file": {"filename": path.name, "file_data": url}}
    ready = [HumanMessage([part])]

    def by_path() -> None:
        models[OURS].invoke([HumanMessage([content_block(path, lazy=True)])])

    def theirs() -> None:
        read = base64.b64encode(path.read_bytes()).decode()
        inner = {"filename": path.name, "file_data": f"data:application/pdf;base64,{read}"}
        models[OPENAI].invoke([HumanMessage([{"type": "file", "file": inner}])])

    runs = {
        OURS: lambda: measure_memory(by_path),
        OPENAI: lambda: measure_memory(theirs),
    }
    rows = [
        Row("15", "15 MB file by path, inline", {OPENAI: 0.13}),
        Row("15", "... memory", {}, "peak", maximum=0.8),
    ]
    yield Case(rows, runs, rounds=5)
    ready_runs = {
        name: lambda model=models[name]: measure_memory(lambda: model.invoke(ready))
        for name in (OURS, OPENAI)
    }
    rows = [
        Row("15", "15 MB file as a ready data URL", {OPENAI: 0.7}),
        Row("15", "... memory", {OPENAI: 0.7}, "peak"),
    ]
    yield Case(rows, ready_runs, rounds=5)


def create_transcription_case(server: str, folder: Path) -> Case:
    path = folder / "talk.mp3"
    with path.open("wb") as file:
        file.write(b"ID3")
        file.truncate(UPLOAD_SIZE)
    router = RouterClient(base_url=build_base_url(server, "transcript"), api_key=KEY)
    client = create_openai_client(server, "transcript")

    def ours() -> None:
        call = Call(
            endpoint=TRANSCRIPTIONS,
            body={"model": "openai/whisper-1"},
            files={"file": create_upload(path)},
            parse=lambda response: response.json_object()["text"],
        )
        router.send(call)

    def theirs() -> None:
        with path.open("rb") as file:
            client.audio.transcriptions.create(model="openai/whisper-1", file=file)

    runs = {OURS: lambda: measure_memory(ours), SDK: lambda: measure_memory(theirs)}
    rows = [
        Row("16", "200 MB transcription upload", {SDK: 0.95}),
        Row("16", "... memory", {}, "peak", maximum=0.4),
    ]
    return Case(rows, runs, rounds=5)


def _create_speech_tool(server: str) -> OrqSpeechTool:
    return OrqSpeechTool(
        model="openai/tts-1",
        voice="alloy",
        audio_format="wav",
        base_url=build_base_url(server, "speech"),
        api_key=KEY,
    )


def _measure_first_chunk(pieces: Iterator[Any]) -> Sample:
    began = time.perf_counter()
    next(pieces)
    waited = time.perf_counter() - began
    for _ in pieces:
        pass
    return {"wall": waited * 1e6}


def create_speech_case(server: str) -> Case:
    tool, client = _create_speech_tool(server), create_openai_client(server, "speech")

    def theirs() -> Iterator[bytes]:
        create = partial(client.audio.speech.with_streaming_response.create, input=SENTENCE)
        with create(model="openai/tts-1", voice="alloy", response_format="wav") as response:
            yield from response.iter_bytes()

    runs = {
        OURS: lambda: _measure_first_chunk(iter(tool.stream(SENTENCE))),
        SDK: lambda: _measure_first_chunk(theirs()),
    }
    row = Row("17", "speech, first bytes (the rest comes 300 ms later)", {}, "wall", maximum=1_400)
    return Case([row], runs)


def create_speech_file_case(server: str, folder: Path) -> Case:
    tool = _create_speech_tool(server)
    runs = {
        OURS: lambda: measure_memory(lambda: tool.synthesize_to_file(SENTENCE, folder / "talk.wav"))
    }
    row = Row("17", "speech of 5 MB to a file, memory", {}, "peak", maximum=1)
    return Case([row], runs, rounds=5)
