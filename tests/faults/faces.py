"""The rows of the matrix: what asks the router, in which modes, and how it is called."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from support.audio_samples import wav

from orq_router_integrations import (
    ChatOrq,
    OrqImageTool,
    OrqSpeechTool,
    OrqTranscriptionLoader,
    OrqTranslationLoader,
    RouterClient,
)

PROMPT = "What is a router? Tell me in some detail, please."
SPOKEN = "Hello."
LONG = "long " * 1_000_000


@dataclass(frozen=True)
class Face:
    """One way to call the router.

    Attributes:
        name: of the face and its mode.
        kinds: names of outcomes that apply to it, the most particular first.
        call: makes a sync call, given a client and whether the request shall be long.
        acall: the same as a coroutine.
    """

    name: str
    kinds: tuple[str, ...]
    call: Callable[[RouterClient, bool], Any]
    acall: Callable[[RouterClient, bool], Any]


def _question(big: bool) -> str:
    return PROMPT + (LONG if big else "")


def chat(api: Any) -> Iterator[Face]:
    """A chat model over one of the APIs, whole and in a stream."""

    def model(client: RouterClient) -> ChatOrq:
        return ChatOrq(model="openai/gpt-4o", api=api, client=client)

    def invoke(client: RouterClient, big: bool) -> str:
        return model(client).invoke(_question(big)).text

    async def ainvoke(client: RouterClient, big: bool) -> str:
        return (await model(client).ainvoke(_question(big))).text

    def stream(client: RouterClient, big: bool) -> str:
        return "".join(chunk.text for chunk in model(client).stream(_question(big)))

    async def astream(client: RouterClient, big: bool) -> str:
        chunks: AsyncIterator[Any] = model(client).astream(_question(big))
        return "".join([chunk.text async for chunk in chunks])

    yield Face(f"{api} whole", (api, "whole"), invoke, ainvoke)
    yield Face(f"{api} stream", (f"{api} stream", "stream"), stream, astream)


def image() -> Iterator[Face]:
    """A tool that draws, and is billed by the piece."""

    def tool(client: RouterClient) -> OrqImageTool:
        return OrqImageTool(model="openai/gpt-image-1", size="64x64", client=client)

    def generate(client: RouterClient, big: bool) -> Any:
        return tool(client).generate(_question(False)).images

    async def agenerate(client: RouterClient, big: bool) -> Any:
        return (await tool(client).agenerate(_question(False))).images

    yield Face("image", ("image", "once"), generate, agenerate)


def speech() -> Iterator[Face]:
    """A tool that speaks, whole and in pieces, and is billed by the piece."""

    def tool(client: RouterClient) -> OrqSpeechTool:
        return OrqSpeechTool(model="openai/tts-1", voice="alloy", audio_format="wav", client=client)

    def speak(client: RouterClient, big: bool) -> bytes:
        return tool(client).synthesize(SPOKEN).data

    async def aspeak(client: RouterClient, big: bool) -> bytes:
        return (await tool(client).asynthesize(SPOKEN)).data

    def stream(client: RouterClient, big: bool) -> bytes:
        return b"".join(tool(client).stream(SPOKEN))

    async def astream(client: RouterClient, big: bool) -> bytes:
        return b"".join([data async for data in tool(client).astream(SPOKEN)])

    yield Face("speech", ("speech", "once"), speak, aspeak)
    yield Face("speech stream", ("speech", "once"), stream, astream)


def audio(loader: Any) -> Iterator[Face]:
    """A loader that uploads a recording."""

    def of(client: RouterClient, big: bool) -> Any:
        data = wav(bytes(4_000_000 if big else 4000))
        return loader(source=data, model="openai/whisper-1", client=client)

    def load(client: RouterClient, big: bool) -> list[str]:
        return [document.page_content for document in of(client, big).load()]

    async def aload(client: RouterClient, big: bool) -> list[str]:
        return [document.page_content for document in await of(client, big).aload()]

    yield Face(loader.__name__, ("upload",), load, aload)


FACES: dict[str, Face] = {
    face.name: face
    for faces in (
        chat("chat_completions"),
        chat("responses"),
        image(),
        speech(),
        audio(OrqTranscriptionLoader),
        audio(OrqTranslationLoader),
    )
    for face in faces
}
