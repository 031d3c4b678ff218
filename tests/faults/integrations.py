"""The integrations and methods that the faults are tested with."""

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from typing import Any

from support.audio_samples import create_wav

from orq_router_integrations import (
    ChatOrq,
    OrqEmbeddings,
    OrqImageTool,
    OrqModeration,
    OrqOCRLoader,
    OrqRerank,
    OrqSpeechTool,
    OrqTranscriptionLoader,
    OrqTranslationLoader,
    RouterClient,
)

PROMPT = "What is a router? Tell me in some detail, please."
SPEECH_TEXT = "Hello."
LONG_TEXT = "long " * 1_000_000


@dataclass(frozen=True)
class Integration:
    """One way to call the router.

    Attributes:
        name: name of the integration and its method.
        outcome_keys: keys of ``Fault.exceptions`` that apply to it, the most specific first.
        call: makes a sync call, given a client and whether the request is large.
        acall: makes an async call.
    """

    name: str
    outcome_keys: tuple[str, ...]
    call: Callable[[RouterClient, bool], Any]
    acall: Callable[[RouterClient, bool], Any]


def _create_prompt(is_large: bool) -> str:
    return PROMPT + (LONG_TEXT if is_large else "")


def create_chat_integrations(api: Any) -> Iterator[Integration]:
    """Yield a chat model with one of the APIs, with and without streaming."""

    def model(client: RouterClient) -> ChatOrq:
        return ChatOrq(model="openai/gpt-4o", api=api, client=client)

    def invoke(client: RouterClient, is_large: bool) -> str:
        return model(client).invoke(_create_prompt(is_large)).text

    async def ainvoke(client: RouterClient, is_large: bool) -> str:
        return (await model(client).ainvoke(_create_prompt(is_large))).text

    def stream(client: RouterClient, is_large: bool) -> str:
        return "".join(chunk.text for chunk in model(client).stream(_create_prompt(is_large)))

    async def astream(client: RouterClient, is_large: bool) -> str:
        chunks: AsyncIterator[Any] = model(client).astream(_create_prompt(is_large))
        return "".join([chunk.text async for chunk in chunks])

    yield Integration(f"{api} invoke", (api, "invoke"), invoke, ainvoke)
    yield Integration(f"{api} stream", (f"{api} stream", "stream"), stream, astream)


def create_image_integrations() -> Iterator[Integration]:
    """Yield the image tool, whose calls are not repeated after an ambiguous failure."""

    def tool(client: RouterClient) -> OrqImageTool:
        return OrqImageTool(model="openai/gpt-image-1", size="64x64", client=client)

    def generate(client: RouterClient, is_large: bool) -> Any:
        return tool(client).generate(_create_prompt(False)).images

    async def agenerate(client: RouterClient, is_large: bool) -> Any:
        return (await tool(client).agenerate(_create_prompt(False))).images

    yield Integration("image", ("image", "once"), generate, agenerate)


def create_speech_integrations() -> Iterator[Integration]:
    """Yield the speech tool, whose calls are not repeated after an ambiguous failure."""

    def tool(client: RouterClient) -> OrqSpeechTool:
        return OrqSpeechTool(model="openai/tts-1", voice="alloy", audio_format="wav", client=client)

    def synthesize(client: RouterClient, is_large: bool) -> bytes:
        return tool(client).synthesize(SPEECH_TEXT).data

    async def asynthesize(client: RouterClient, is_large: bool) -> bytes:
        return (await tool(client).asynthesize(SPEECH_TEXT)).data

    def stream(client: RouterClient, is_large: bool) -> bytes:
        return b"".join(tool(client).stream(SPEECH_TEXT))

    async def astream(client: RouterClient, is_large: bool) -> bytes:
        return b"".join([data async for data in tool(client).astream(SPEECH_TEXT)])

    yield Integration("speech", ("speech", "once"), synthesize, asynthesize)
    yield Integration("speech stream", ("speech", "once"), stream, astream)


def create_loader_integrations(loader: Any) -> Iterator[Integration]:
    """Yield a loader that uploads a recording."""

    def create_loader(client: RouterClient, is_large: bool) -> Any:
        data = create_wav(bytes(4_000_000 if is_large else 4000))
        return loader(source=data, model="openai/whisper-1", client=client)

    def load(client: RouterClient, is_large: bool) -> list[str]:
        return [document.page_content for document in create_loader(client, is_large).load()]

    async def aload(client: RouterClient, is_large: bool) -> list[str]:
        return [document.page_content for document in await create_loader(client, is_large).aload()]

    yield Integration(loader.__name__, ("upload",), load, aload)


def create_small_integrations() -> Iterator[Integration]:
    """Yield embeddings, rerank and moderation."""

    def embeddings(client: RouterClient) -> OrqEmbeddings:
        return OrqEmbeddings("openai/text-embedding-3-small", dimensions=4, client=client)

    def embed(client: RouterClient, is_large: bool) -> list[float]:
        return embeddings(client).embed_query(_create_prompt(is_large))

    async def aembed(client: RouterClient, is_large: bool) -> list[float]:
        return await embeddings(client).aembed_query(_create_prompt(is_large))

    def rerank(client: RouterClient, is_large: bool) -> Any:
        return OrqRerank("cohere/rerank-v3.5", client=client).rerank(
            "Hi", [_create_prompt(is_large)]
        )

    async def arerank(client: RouterClient, is_large: bool) -> Any:
        model = OrqRerank("cohere/rerank-v3.5", client=client)
        return await model.arerank("Hi", [_create_prompt(is_large)])

    yield Integration("embeddings", ("invoke",), embed, aembed)

    def moderate(client: RouterClient, is_large: bool) -> Any:
        (result,) = OrqModeration(client=client).invoke(_create_prompt(is_large))
        return result.scores

    async def amoderate(client: RouterClient, is_large: bool) -> Any:
        (result,) = await OrqModeration(client=client).ainvoke(_create_prompt(is_large))
        return result.scores

    yield Integration("rerank", ("invoke",), rerank, arerank)
    yield Integration("moderation", ("invoke",), moderate, amoderate)


def create_ocr_integrations() -> Iterator[Integration]:
    """Yield the OCR loader, which encodes a file while it is sent."""

    def create_loader(client: RouterClient, is_large: bool) -> OrqOCRLoader:
        data = b"%PDF-1.7" + bytes(4_000_000 if is_large else 400)
        return OrqOCRLoader(data, model="mistral/mistral-ocr-latest", client=client)

    def load(client: RouterClient, is_large: bool) -> list[str]:
        return [document.page_content for document in create_loader(client, is_large).load()]

    async def aload(client: RouterClient, is_large: bool) -> list[str]:
        return [document.page_content for document in await create_loader(client, is_large).aload()]

    yield Integration("OCR", ("invoke",), load, aload)


INTEGRATIONS: dict[str, Integration] = {
    integration.name: integration
    for integrations in (
        create_chat_integrations("chat_completions"),
        create_chat_integrations("responses"),
        create_image_integrations(),
        create_speech_integrations(),
        create_loader_integrations(OrqTranscriptionLoader),
        create_loader_integrations(OrqTranslationLoader),
        create_small_integrations(),
        create_ocr_integrations(),
    )
    for integration in integrations
}
