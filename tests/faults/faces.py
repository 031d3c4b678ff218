"""The rows of the matrix: what asks the router, in which modes, and how it is called."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from orq_router_integrations import ChatOrq, RouterClient

PROMPT = "What is a router? Tell me in some detail, please."
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


FACES: dict[str, Face] = {
    face.name: face for api in ("chat_completions", "responses") for face in chat(api)
}
