"""Bad settings, models, controls and payloads: every face refuses them, and nobody is asked.

What only one face takes is tested beside it: ``chat_models/test_bad_input.py``,
``tools/test_speech_bad_input.py``, ``tools/test_image_input.py``, ``document_loaders``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents.base import Blob
from langchain_core.messages import AIMessage, HumanMessage
from pydantic import ValidationError
from support.audio_samples import wav
from support.loopback_server import Loopback, whole
from support.scripted_router import KEY, both_doors, chat

from orq_router_integrations import (
    ChatOrq,
    OrqAudioParser,
    OrqImageTool,
    OrqSpeechTool,
    OrqTranscriptionLoader,
    OrqTranslationLoader,
    RouterClient,
)
from orq_router_integrations.errors import RouterInputError

NAN, INFINITY = float("nan"), float("inf")
WAV = wav(bytes(3200))
SOUND = {"model": "openai/whisper-1", "source": WAV}

Settings = dict[str, Any]
Sync, Async = Callable[[Settings], Any], Callable[[Settings], Awaitable[Any]]


def model(given: Settings) -> ChatOrq:
    return ChatOrq(**{"model": "openai/gpt-4o", **given})


def image(given: Settings) -> OrqImageTool:
    return OrqImageTool(**{"model": "openai/gpt-image-1", **given})


def speech(given: Settings) -> OrqSpeechTool:
    return OrqSpeechTool(**{"model": "openai/tts-1", "voice": "alloy", **given})


def parser(given: Settings) -> OrqAudioParser:
    return OrqAudioParser(**{"model": "openai/whisper-1", **given})


FACES: dict[str, tuple[Sync, Async]] = {
    "client": (
        lambda given: RouterClient(**given).send(chat()),
        lambda given: RouterClient(**given).asend(chat()),
    ),
    "chat": (lambda given: model(given).invoke("x"), lambda given: model(given).ainvoke("x")),
    "stream": (
        lambda given: next(model(given).stream("x")),
        lambda given: anext(model(given).astream("x")),
    ),
    "image": (
        lambda given: image(given).generate("x"),
        lambda given: image(given).agenerate("x"),
    ),
    "speech": (
        lambda given: speech(given).synthesize("x"),
        lambda given: speech(given).asynthesize("x"),
    ),
    "transcription": (
        lambda given: OrqTranscriptionLoader(**SOUND | given).load(),
        lambda given: OrqTranscriptionLoader(**SOUND | given).aload(),
    ),
    "translation": (
        lambda given: OrqTranslationLoader(**SOUND | given).load(),
        lambda given: OrqTranslationLoader(**SOUND | given).aload(),
    ),
    "parser": (
        lambda given: parser(given).parse(Blob.from_data(WAV)),
        lambda given: parser(given).aparse(Blob.from_data(WAV)),
    ),
}
every_face = pytest.mark.parametrize("face", FACES)


@pytest.fixture(scope="module")
def server() -> Iterator[Loopback]:
    with Loopback(whole(b"{}")) as found:
        yield found


def rows(name: str, said: str, *values: Any) -> list[tuple[Settings, str]]:
    return [({name: value}, said) for value in values]


HEADERS = {
    "x-a": ("a\nb", "a\r", "a\0", "\u20ac", 5),
    "x a": ("b",),
    **dict.fromkeys(("Authorization", "HOST", "content-length", "Transfer-Encoding"), ("b",)),
    "Cookie": ("a=b",),
}
SETTINGS: list[tuple[Settings, str]] = [
    *rows("api_key", "ORQ_API_KEY", "", " \n", None),
    *rows("api_key", "character 2 of 3 is U+", "a\nb", "a\rb", "a\0b", "a\u00a0b", "a\u00e9b"),
    *rows("api_key", "4096", "k" * 4097),
    *rows("api_key", "api_key", 5),
    *rows("base_url", "base_url", "", 5, "ftp://x.y", "https://", "https://x.y:99999"),
    *rows("base_url", "base_url", "https://u:p@x.y", "https://x.y?a=b", "https://x.y#a"),
    *rows("base_url", "base_url", "https://x.y/\nz", "https://x y"),
    *rows("base_url", "allow_insecure=True", "http://x.y", "http://10.0.0.1"),
    *(
        ({name: value}, name)
        for name in ("timeout", "deadline", "stream_chunk_timeout")
        for value in (0, -1, NAN, INFINITY, "5", True)
    ),
    *rows("max_retries", "max_retries", -1, 1.5, True, 11, "2"),
    *(
        ({"default_headers": {name: value}}, name.lower())
        for name, values in HEADERS.items()
        for value in values
    ),
    *rows("tiemout", "Did you mean 'timeout'", 5),
    *rows("controls", "controls", 5, {"unknown": 1}, {"retry": {"count": 6}}),
    *rows("controls", "fallbacks", {"fallbacks": "a/b"}, {"fallbacks": ["b"]}),
    *rows("controls", "call_timeout", {"timeout": {"call_timeout": 0}}),
]


@every_face
@pytest.mark.parametrize(("given", "said"), SETTINGS)
def test_a_setting_is_refused_by_every_face(face, given, said, server):
    settings = {"api_key": KEY, "base_url": server.url, **given}
    with pytest.raises(ValidationError) as caught:
        FACES[face][0](settings)
    assert said in str(caught.value) or said in str(caught.value).lower()
    assert KEY not in str(caught.value)
    assert server.requests == []


MODELS = ["", "  ", "gpt-4o", "openai/", "a/b\0", "a/\r\nb", "a/\ud800", 5, None]


@pytest.mark.parametrize("face", [name for name in FACES if name != "client"])
@pytest.mark.parametrize("wrong", MODELS, ids=ascii)
def test_a_model_is_refused_by_every_face(face, wrong, server):
    with pytest.raises(ValidationError, match="model"):
        FACES[face][0]({"api_key": KEY, "base_url": server.url, "model": wrong})
    assert server.requests == []


CHOSEN: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "chat": (
        lambda **how: model({}).invoke("x", **how),
        lambda **how: model({}).ainvoke("x", **how),
    ),
    "image": (
        lambda **how: image({}).generate("x", **how),
        lambda **how: image({}).agenerate("x", **how),
    ),
    "speech": (
        lambda **how: speech({}).synthesize("x", **how),
        lambda **how: speech({}).asynthesize("x", **how),
    ),
}
CHOICES = [
    *rows("model", "model", *MODELS[:-1]),
    *rows("controls", "controls", 5, {"retry": {"count": 0}}),
    *rows("controls", "unknown: unknown field", {"unknown": 1}),
    *rows("controls", "load_balancer", {"load_balancer": {"models": []}}),
    *rows("temprature", "Unknown argument 'temprature'", 1),
]


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("face", CHOSEN)
@pytest.mark.parametrize(("given", "said"), CHOICES)
def test_a_choice_of_one_call_is_refused(face, given, said, awaited, server, monkeypatch):
    monkeypatch.setenv("ORQ_API_KEY", KEY)
    monkeypatch.setenv("ORQ_BASE_URL", server.url)
    with pytest.raises(RouterInputError, match=said):
        asyncio.run(CHOSEN[face][1](**given)) if awaited else CHOSEN[face][0](**given)
    assert server.requests == []


@both_doors
def test_a_key_from_a_function_is_checked_too(door, server):
    for key in ("", "a\nb", "\u00e9", None, 5):
        with pytest.raises(RouterInputError, match="api_key"):
            door.send(RouterClient(api_key=lambda key=key: key, base_url=server.url), chat())
    assert server.requests == []


MESSAGES = {
    "nothing in it": ([HumanMessage.model_construct(content=None)], r"messages\[0\].content: must"),
    "a number in it": ([AIMessage.model_construct(content=5)], r"messages\[0\].content: must be"),
    "a block of nothing": ([HumanMessage.model_construct(content=[None])], r"content\[0\]"),
    "no message": ([5], "LangChain cannot read the input"),
    "a list in a list": ([[HumanMessage("x")]], "LangChain cannot read the input"),
}


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
@pytest.mark.parametrize("way", ["chat", "stream"])
@pytest.mark.parametrize(("messages", "said"), MESSAGES.values(), ids=MESSAGES)
async def test_messages_that_hold_anything(messages, said, way, api, server):
    asked = model({"api_key": KEY, "base_url": server.url, "api": api})
    with pytest.raises(RouterInputError, match=said):
        asked.invoke(messages) if way == "chat" else list(asked.stream(messages))
    with pytest.raises(RouterInputError, match=said):
        await (asked.ainvoke(messages) if way == "chat" else anext(asked.astream(messages)))
    assert server.requests == []


FOLDERS = ["a" * 300, "\0", __file__, Path(__file__).parent / "none"]


@pytest.mark.parametrize("made", [image, speech])
@pytest.mark.parametrize("folder", FOLDERS, ids=range(len(FOLDERS)))
def test_a_folder_that_is_none(made, folder):
    with pytest.raises(ValidationError, match=r"directory: .* is not a directory"):
        made({"api_key": KEY, "directory": folder})


@pytest.mark.parametrize("path", [None, 5, "\0", "a" * 300])
def test_a_path_that_is_none(path, server):
    tool = speech({"api_key": KEY, "base_url": server.url})
    with pytest.raises(RouterInputError, match="path: "):
        tool.synthesize_to_file(path, "x")
    with pytest.raises(RouterInputError, match="path: "):
        asyncio.run(tool.asynthesize_to_file(path, "x"))
    assert server.requests == []


@pytest.mark.parametrize("blob", [None, 5, "a.wav", b"x"])
def test_a_blob_that_is_none(blob, server):
    asked = parser({"api_key": KEY, "base_url": server.url})
    with pytest.raises(RouterInputError, match="blob: give a Blob"):
        asked.parse(blob)
    with pytest.raises(RouterInputError, match="blob: give a Blob"):
        asyncio.run(asked.aparse(blob))
    assert server.requests == []
