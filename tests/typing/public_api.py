"""The public API as a strict type checker sees it. Checked by mypy, never run."""

from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import timedelta
from typing import assert_type

from langchain_core.decisions import Noul, Question
from langchain_core.documents import Document
from langchain_core.documents.base import Blob
from langchain_core.messages import AIMessage, AIMessageChunk
from pydantic import BaseModel, SecretStr

from orq_router_integrations import (
    ChatOrq,
    OfflineRouter,
    OrqAudioParser,
    OrqDecisionModel,
    OrqEmbeddings,
    OrqImageTool,
    OrqKnowledgeRetriever,
    OrqModeration,
    OrqOCRLoader,
    OrqRerank,
    OrqSpeechTool,
    OrqTranscriptionLoader,
    OrqTranslationLoader,
    RouterClient,
    RouterControls,
    RouterError,
    to_srt,
)
from orq_router_integrations.testing import Answer, Fault, ProviderCall
from orq_router_integrations.tools.image_result import ImageResult
from orq_router_integrations.tools.speech_result import Speech


class Joke(BaseModel):
    setup: str


async def get_key() -> str:
    return "sk-orq-test"


def construct_objects() -> ChatOrq:
    client = RouterClient(api_key=SecretStr("k"), max_retries=0)
    RouterClient(api_key=get_key)
    RouterClient(api_key="sk-orq-test", controls={"retry": {"count": 1}})
    RouterClient(deadline=timedelta(minutes=5), timeout=30)
    controls = RouterControls(
        fallbacks=["anthropic/claude-sonnet-4-5"], retry={"count": 2}, identity="user-17"
    )
    ChatOrq("openai/gpt-4o", temperature=0, timeout=timedelta(seconds=30))
    ChatOrq("openai/gpt-4o", "sk-orq-test")  # type: ignore[call-arg]
    OrqTranscriptionLoader("calls/*.mp3", model="openai/whisper-1")
    plain = ChatOrq(
        model="openai/gpt-5",
        api_key="sk-orq-test",
        api="responses",
        controls={"fallbacks": ["anthropic/claude-sonnet-4-5"], "retry": {"count": 2}},
        reasoning={"effort": "low"},
    )
    assert_type(plain.controls, RouterControls | None)
    ChatOrq(model="openai/gpt-5", controls={"fallback": []})  # type: ignore[arg-type]
    OrqImageTool(model="openai/gpt-image-1", controls={"cache": {"ttl": 60}}, directory="pictures")
    return ChatOrq(model="openai/gpt-4o", controls=controls, client=client, temperature=0.0)


def call_sync(model: ChatOrq) -> None:
    assert_type(model.invoke("Hi"), AIMessage)
    assert_type(model.stream("Hi"), Iterator[AIMessageChunk])
    model.bind_tools([Joke], tool_choice="any", strict=True).invoke("Hi")
    model.with_structured_output(Joke, method="json_mode", include_raw=True).invoke("Hi")


async def call_async(model: ChatOrq) -> None:
    assert_type(await model.ainvoke("Hi"), AIMessage)
    assert_type(model.astream("Hi"), AsyncIterator[AIMessageChunk])


async def synthesize_speech(tool: OrqSpeechTool) -> None:
    assert_type(tool.synthesize("Hi", voice="nova", audio_format="wav", speed=1.5), Speech)
    assert_type(
        await tool.asynthesize_to_file("hi.wav", "Hi", controls={"retry": {"count": 1}}), Speech
    )
    tool.synthesize("Hi", speeed=2)  # type: ignore[call-arg]


def script_offline_router() -> None:
    router = OfflineRouter(
        answers={"Hi": [Answer("Hello"), Answer(tool_calls=[{"name": "f", "args": {}}])]},
        faults={"openai/gpt-4o": [503, Fault(status=429)]},
    )
    assert_type(router.client(), RouterClient)
    assert_type(router.log, list[ProviderCall])


async def draw_images(tool: OrqImageTool) -> None:
    boats = tool.generate("boat", n=2, controls={"retry": {"count": 1}})
    assert_type(boats, ImageResult)
    assert_type(await tool.aedit("bird", [boats, b"bytes", "path.png"], mask=boats), ImageResult)
    assert_type(
        await tool.adownload(tool.create_variation(boats.image, size="256x256")), ImageResult
    )


def read_error(error: RouterError) -> tuple[int | None, str | None, float | None]:
    return error.status_code, error.code, error.retry_after


def load_recordings(client: RouterClient) -> str:
    loader = OrqTranscriptionLoader(
        source=["a.wav", b"ID3", Blob.from_path("b.mp3")],
        model="openai/whisper-1",
        language="en",
        response_format="verbose_json",
        timestamp_granularities=["word"],
        controls=RouterControls(retry={"count": 1}),
        client=client,
    )
    OrqTranslationLoader(source="calls/*.mp3", model="openai/whisper-1", on_error="mark")
    assert_type(loader.lazy_load(), Iterator[Document])
    assert_type(loader.alazy_load(), AsyncIterator[Document])
    return to_srt(loader.load())


async def parse_recording(parser: OrqAudioParser, blob: Blob) -> None:
    assert_type(parser.lazy_parse(blob), Iterator[Document])
    assert_type(await parser.aparse(blob), list[Document])


async def retrieve_documents(client: RouterClient) -> None:
    embeddings = OrqEmbeddings("openai/text-embedding-3-small", client=client, dimensions=256)
    assert_type(embeddings.embed_query("Hi"), list[float])
    assert_type(await embeddings.aembed_documents(["Hi"]), list[list[float]])
    assert_type(embeddings.embed(["Hi"], controls={"identity": "u"}).tokens, int | None)
    OrqEmbeddings("openai/text-embedding-3-small", dimensions="256")  # type: ignore[arg-type]
    rerank = OrqRerank("cohere/rerank-v3.5", top_n=3, client=client)
    assert_type(rerank.rerank("Hi", ["a"])[0].score, float)
    assert_type(await rerank.acompress_documents([Document("a")], "Hi"), list[Document])
    assert_type(client.list_models()[0].id, str)
    assert_type((await client.alist_catalog_models())[0].context_window, int | None)
    OrqOCRLoader("contracts/*.pdf", model="mistral/mistral-ocr-latest", directory="images")
    retriever = OrqKnowledgeRetriever("manual", k=3, rerank={"model": "cohere/rerank-v3.5"})
    assert_type(retriever.invoke("Hi", k=5), list[Document])


async def decide_and_moderate(client: RouterClient) -> None:
    moderation = OrqModeration(client=client)
    assert_type(moderation.invoke("Hi")[0].flagged, bool)
    assert_type((await moderation.ainvoke(["Hi"]))[0].scores, Mapping[str, float])
    model = OrqDecisionModel("openai/gpt-6-luna", client=client, controls={"cache": {"ttl": 60}})
    questions: dict[str, Question] = {"urgent": Noul(instructions="Urgent?")}
    assert_type(model.invoke({"state": "Hi", "questions": questions}).cost, float | None)
