"""Every integration rejects invalid settings, models, controls and input before it sends a request.

Input that only one integration accepts is tested with that integration.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents.base import Blob
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import ValidationError
from support.audio_samples import create_wav
from support.loopback_server import Loopback, complete_response
from support.scripted_router import KEY, both_callers, create_call

from orq_router_integrations import (
    ChatOrq,
    OrqAudioParser,
    OrqEmbeddings,
    OrqImageTool,
    OrqModeration,
    OrqRerank,
    OrqSpeechTool,
    OrqTranscriptionLoader,
    OrqTranslationLoader,
    RouterClient,
)
from orq_router_integrations.errors import RouterInputError

NAN, INFINITY = float("nan"), float("inf")
WAV = create_wav(bytes(3200))
AUDIO_ARGUMENTS = {"model": "openai/whisper-1", "source": WAV}

Settings = dict[str, Any]
Sync, Async = Callable[[Settings], Any], Callable[[Settings], Awaitable[Any]]


def create_chat_model(arguments: Settings) -> ChatOrq:
    return ChatOrq(**{"model": "openai/gpt-4o", **arguments})


def create_image_tool(arguments: Settings) -> OrqImageTool:
    return OrqImageTool(**{"model": "openai/gpt-image-1", **arguments})


def create_speech_tool(arguments: Settings) -> OrqSpeechTool:
    return OrqSpeechTool(**{"model": "openai/tts-1", "voice": "alloy", **arguments})


def create_parser(arguments: Settings) -> OrqAudioParser:
    return OrqAudioParser(**{"model": "openai/whisper-1", **arguments})


def create_embeddings(arguments: Settings) -> OrqEmbeddings:
    return OrqEmbeddings(**{"model": "openai/text-embedding-3-small", **arguments})


def create_rerank(arguments: Settings) -> OrqRerank:
    return OrqRerank(**{"model": "cohere/rerank-v3.5", **arguments})


def create_moderation(arguments: Settings) -> OrqModeration:
    return OrqModeration(**arguments)


INTEGRATIONS: dict[str, tuple[Sync, Async]] = {
    "client": (
        lambda arguments: RouterClient(**arguments).send(create_call()),
        lambda arguments: RouterClient(**arguments).asend(create_call()),
    ),
    "chat": (
        lambda arguments: create_chat_model(arguments).invoke("x"),
        lambda arguments: create_chat_model(arguments).ainvoke("x"),
    ),
    "stream": (
        lambda arguments: next(create_chat_model(arguments).stream("x")),
        lambda arguments: anext(create_chat_model(arguments).astream("x")),
    ),
    "image": (
        lambda arguments: create_image_tool(arguments).generate("x"),
        lambda arguments: create_image_tool(arguments).agenerate("x"),
    ),
    "speech": (
        lambda arguments: create_speech_tool(arguments).synthesize("x"),
        lambda arguments: create_speech_tool(arguments).asynthesize("x"),
    ),
    "transcription": (
        lambda arguments: OrqTranscriptionLoader(**AUDIO_ARGUMENTS | arguments).load(),
        lambda arguments: OrqTranscriptionLoader(**AUDIO_ARGUMENTS | arguments).aload(),
    ),
    "translation": (
        lambda arguments: OrqTranslationLoader(**AUDIO_ARGUMENTS | arguments).load(),
        lambda arguments: OrqTranslationLoader(**AUDIO_ARGUMENTS | arguments).aload(),
    ),
    "parser": (
        lambda arguments: create_parser(arguments).parse(Blob.from_data(WAV)),
        lambda arguments: create_parser(arguments).aparse(Blob.from_data(WAV)),
    ),
}
INTEGRATIONS |= {
    "embeddings": (
        lambda arguments: create_embeddings(arguments).embed_query("x"),
        lambda arguments: create_embeddings(arguments).aembed_query("x"),
    ),
    "rerank": (
        lambda arguments: create_rerank(arguments).rerank("x", ["y"]),
        lambda arguments: create_rerank(arguments).arerank("x", ["y"]),
    ),
    "moderation": (
        lambda arguments: create_moderation(arguments).invoke("x"),
        lambda arguments: create_moderation(arguments).ainvoke("x"),
    ),
}
every_integration = pytest.mark.parametrize("integration", INTEGRATIONS)


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback(complete_response(b"{}")) as server:
        yield server


def create_cases(name: str, message: str, *values: Any) -> list[tuple[Settings, str]]:
    return [({name: value}, message) for value in values]


HEADERS = {
    "x-a": ("a\nb", "a\r", "a\0", "\u20ac", 5),
    "x a": ("b",),
    **dict.fromkeys(("Authorization", "HOST", "content-length", "Transfer-Encoding"), ("b",)),
    "Cookie": ("a=b",),
}
SETTINGS: list[tuple[Settings, str]] = [
    *create_cases("api_key", "ORQ_API_KEY", "", " \n", None),
    *create_cases(
        "api_key", "Character 2 of 3 is U+", "a\nb", "a\rb", "a\0b", "a\u00a0b", "a\u00e9b"
    ),
    *create_cases("api_key", "4096", "k" * 4097),
    *create_cases("api_key", "api_key", 5),
    *create_cases("base_url", "base_url", "", 5, "ftp://x.y", "https://", "https://x.y:99999"),
    *create_cases("base_url", "base_url", "https://u:p@x.y", "https://x.y?a=b", "https://x.y#a"),
    *create_cases("base_url", "base_url", "https://x.y/\nz", "https://x y"),
    *create_cases("base_url", "allow_insecure=True", "http://x.y", "http://10.0.0.1"),
    *(
        ({name: value}, name)
        for name in ("timeout", "deadline", "stream_chunk_timeout")
        for value in (0, -1, NAN, INFINITY, "5", True)
    ),
    *create_cases("max_retries", "max_retries", -1, 1.5, True, 11, "2"),
    *(
        ({"default_headers": {name: value}}, name.lower())
        for name, values in HEADERS.items()
        for value in values
    ),
    *create_cases("tiemout", "Did you mean 'timeout'", 5),
    *create_cases("controls", "controls", 5, {"unknown": 1}, {"retry": {"count": 6}}),
    *create_cases("controls", "fallbacks", {"fallbacks": "a/b"}, {"fallbacks": ["b"]}),
    *create_cases("controls", "call_timeout", {"timeout": {"call_timeout": 0}}),
]


@every_integration
@pytest.mark.parametrize(("arguments", "message"), SETTINGS)
def test_invalid_setting_raises(integration, arguments, message, server):
    settings = {"api_key": KEY, "base_url": server.url, **arguments}
    with pytest.raises(ValidationError) as caught:
        INTEGRATIONS[integration][0](settings)
    assert message in str(caught.value) or message in str(caught.value).lower()
    assert KEY not in str(caught.value)
    assert server.requests == []


MODELS = ["", "  ", "gpt-4o", "openai/", "a/b\0", "a/\r\nb", "a/\ud800", 5, None]


@pytest.mark.parametrize("integration", [name for name in INTEGRATIONS if name != "client"])
@pytest.mark.parametrize("model", MODELS, ids=ascii)
def test_invalid_model_raises(integration, model, server):
    with pytest.raises(ValidationError, match="model"):
        INTEGRATIONS[integration][0]({"api_key": KEY, "base_url": server.url, "model": model})
    assert server.requests == []


CALLS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "chat": (
        lambda **arguments: create_chat_model({}).invoke("x", **arguments),
        lambda **arguments: create_chat_model({}).ainvoke("x", **arguments),
    ),
    "image": (
        lambda **arguments: create_image_tool({}).generate("x", **arguments),
        lambda **arguments: create_image_tool({}).agenerate("x", **arguments),
    ),
    "speech": (
        lambda **arguments: create_speech_tool({}).synthesize("x", **arguments),
        lambda **arguments: create_speech_tool({}).asynthesize("x", **arguments),
    ),
}
CALL_ARGUMENTS = [
    *create_cases("model", "model", *MODELS[:-1]),
    *create_cases("controls", "controls", 5, {"retry": {"count": 0}}),
    *create_cases("controls", "Unknown argument 'unknown'", {"unknown": 1}),
    *create_cases("controls", "load_balancer", {"load_balancer": {"models": []}}),
    *create_cases("temprature", "Unknown argument 'temprature'", 1),
]


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("integration", CALLS)
@pytest.mark.parametrize(("arguments", "message"), CALL_ARGUMENTS)
def test_invalid_argument_of_a_call_raises(
    integration, arguments, message, awaited, server, monkeypatch
):
    monkeypatch.setenv("ORQ_API_KEY", KEY)
    monkeypatch.setenv("ORQ_BASE_URL", server.url)
    with pytest.raises(RouterInputError, match=message):
        asyncio.run(CALLS[integration][1](**arguments)) if awaited else CALLS[integration][0](
            **arguments
        )
    assert server.requests == []


@both_callers
def test_invalid_key_from_a_function_raises(caller, server):
    for key in ("", "a\nb", "\u00e9", None, 5):
        with pytest.raises(RouterInputError, match="api_key"):
            caller.send(
                RouterClient(api_key=lambda key=key: key, base_url=server.url), create_call()
            )
    assert server.requests == []


MESSAGES = {
    "content None": (
        [HumanMessage.model_construct(content=None)],
        r"messages\[0\].content: Expected",
    ),
    "content a number": (
        [AIMessage.model_construct(content=5)],
        r"messages\[0\].content: Expected",
    ),
    "block None": ([HumanMessage.model_construct(content=[None])], r"content\[0\]"),
    "a number": ([5], "LangChain cannot read the input"),
    "nested list": ([[HumanMessage("x")]], "LangChain cannot read the input"),
}


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
@pytest.mark.parametrize("mode", ["chat", "stream"])
@pytest.mark.parametrize(("messages", "message"), MESSAGES.values(), ids=MESSAGES)
async def test_invalid_messages_raise(messages, message, mode, api, server):
    model = create_chat_model({"api_key": KEY, "base_url": server.url, "api": api})
    with pytest.raises(RouterInputError, match=message):
        model.invoke(messages) if mode == "chat" else list(model.stream(messages))
    with pytest.raises(RouterInputError, match=message):
        await (model.ainvoke(messages) if mode == "chat" else anext(model.astream(messages)))
    assert server.requests == []


DIRECTORIES = ["a" * 300, "\0", __file__, Path(__file__).parent / "none"]


@pytest.mark.parametrize("create_tool", [create_image_tool, create_speech_tool])
@pytest.mark.parametrize("directory", DIRECTORIES, ids=range(len(DIRECTORIES)))
def test_invalid_directory_raises(create_tool, directory):
    with pytest.raises(ValidationError, match=r"directory\n .* is not a directory"):
        create_tool({"api_key": KEY, "directory": directory})


@pytest.mark.parametrize("path", [None, 5, "\0", "a" * 300])
def test_invalid_path_raises(path, server):
    tool = create_speech_tool({"api_key": KEY, "base_url": server.url})
    with pytest.raises(RouterInputError, match="path: "):
        tool.synthesize_to_file(text="x", path=path)
    with pytest.raises(RouterInputError, match="path: "):
        asyncio.run(tool.asynthesize_to_file(text="x", path=path))
    assert server.requests == []


@pytest.mark.parametrize("blob", [None, 5, "a.wav", b"x"])
def test_invalid_blob_raises(blob, server):
    parser = create_parser({"api_key": KEY, "base_url": server.url})
    with pytest.raises(RouterInputError, match="blob: Expected a Blob"):
        parser.parse(blob)
    with pytest.raises(RouterInputError, match="blob: Expected a Blob"):
        asyncio.run(parser.aparse(blob))
    assert server.requests == []
