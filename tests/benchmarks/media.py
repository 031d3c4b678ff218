"""Rows 14 to 17: images, files, uploads, speech; time, and the memory held at once."""

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
from tests.benchmarks.contenders import KEY, base_url, models
from tests.benchmarks.measuring import OPENAI, OURS, Case, Line, Sample, weighed

SDK = "openai SDK"
FILE_SIZE = 15_000_000
UPLOAD_SIZE = 200_000_000
SENTENCE = "Good morning."


def cases(server: str) -> Iterator[Case]:
    """All cases, each made when it is its turn."""
    with tempfile.TemporaryDirectory() as folder:
        yield image(server, Path(folder))
        yield from inline_file(server, Path(folder))
        yield transcription(server, Path(folder))
        yield speech(server)
        yield speech_file(server, Path(folder))


def sdk(server: str, kind: str) -> OpenAI:
    return OpenAI(base_url=base_url(server, kind), api_key=KEY)


def image(server: str, folder: Path) -> Case:
    url = base_url(server, "picture")
    tool = OrqImageTool(model="openai/gpt-image-1", base_url=url, api_key=KEY)
    client = sdk(server, "picture")

    def new() -> Path:
        """A folder without an earlier image, which it would take time to replace."""
        return Path(tempfile.mkdtemp(dir=folder))

    def ours() -> None:
        tool.directory = new()
        tool.generate(SENTENCE)

    def theirs() -> None:
        made = client.images.generate(model="openai/gpt-image-1", prompt=SENTENCE)
        (new() / "theirs.png").write_bytes(base64.b64decode(made.data[0].b64_json))

    runs = {OURS: lambda: weighed(ours), SDK: lambda: weighed(theirs)}
    lines = [
        Line("14", "image of 1.5 MB to a file", {SDK: 0.6}),
        Line("14", "... memory", {}, "peak", most=1.5),
    ]
    return Case(lines, runs)


def inline_file(server: str, folder: Path) -> Iterator[Case]:
    path = folder / "report.pdf"
    path.write_bytes(b"%PDF-1.7" + b"\n% page" * (FILE_SIZE // 7))
    found = models(base_url(server, "whole"))
    data = base64.b64encode(path.read_bytes()).decode()
    url = f"data:application/pdf;base64,{data}"
    part = {"type": "file", "file": {"filename": path.name, "file_data": url}}
    ready = [HumanMessage([part])]

    def by_path() -> None:
        found[OURS].invoke([HumanMessage([content_block(path, lazy=True)])])

    def theirs() -> None:
        read = base64.b64encode(path.read_bytes()).decode()
        inner = {"filename": path.name, "file_data": f"data:application/pdf;base64,{read}"}
        found[OPENAI].invoke([HumanMessage([{"type": "file", "file": inner}])])

    runs = {
        OURS: lambda: weighed(by_path),
        OPENAI: lambda: weighed(theirs),
    }
    lines = [
        Line("15", "15 MB file by path, inline", {OPENAI: 0.25}),
        Line("15", "... memory", {}, "peak", most=2),
    ]
    yield Case(lines, runs, rounds=3)
    given = {
        name: lambda model=found[name]: weighed(lambda: model.invoke(ready))
        for name in (OURS, OPENAI)
    }
    lines = [
        Line("15", "15 MB file as a ready data URI", {OPENAI: 0.7}),
        Line("15", "... memory", {OPENAI: 0.7}, "peak"),
    ]
    yield Case(lines, given, rounds=3)


def transcription(server: str, folder: Path) -> Case:
    path = folder / "talk.mp3"
    with path.open("wb") as file:
        file.write(b"ID3")
        file.truncate(UPLOAD_SIZE)
    router = RouterClient(base_url=base_url(server, "transcript"), api_key=KEY)
    client = sdk(server, "transcript")

    def ours() -> None:
        call = Call(
            endpoint=TRANSCRIPTIONS,
            body={"model": "openai/whisper-1"},
            files={"file": create_upload(path)},
            parse=lambda reply: reply.json()["text"],
        )
        router.send(call)

    def theirs() -> None:
        with path.open("rb") as file:
            client.audio.transcriptions.create(model="openai/whisper-1", file=file)

    runs = {OURS: lambda: weighed(ours), SDK: lambda: weighed(theirs)}
    lines = [
        Line("16", "200 MB transcription upload", {SDK: 1.0}),
        Line("16", "... memory", {}, "peak", most=2),
    ]
    return Case(lines, runs, rounds=3)


def _speaker(server: str) -> OrqSpeechTool:
    return OrqSpeechTool(
        model="openai/tts-1",
        voice="alloy",
        audio_format="wav",
        base_url=base_url(server, "speech"),
        api_key=KEY,
    )


def _until_first(pieces: Iterator[Any]) -> Sample:
    began = time.perf_counter()
    next(pieces)
    waited = time.perf_counter() - began
    for _ in pieces:
        pass
    return {"wall": waited * 1e6}


def speech(server: str) -> Case:
    tool, client = _speaker(server), sdk(server, "speech")

    def theirs() -> Iterator[bytes]:
        create = partial(client.audio.speech.with_streaming_response.create, input=SENTENCE)
        with create(model="openai/tts-1", voice="alloy", response_format="wav") as response:
            yield from response.iter_bytes()

    runs = {
        OURS: lambda: _until_first(iter(tool.stream(SENTENCE))),
        SDK: lambda: _until_first(theirs()),
    }
    line = Line("17", "speech, first bytes (the rest comes 300 ms later)", {}, "wall", most=20_000)
    return Case([line], runs)


def speech_file(server: str, folder: Path) -> Case:
    tool = _speaker(server)
    runs = {OURS: lambda: weighed(lambda: tool.synthesize_to_file(SENTENCE, folder / "talk.wav"))}
    line = Line("17", "speech of 5 MB to a file, memory", {}, "peak", most=1)
    return Case([line], runs, rounds=3)
