"""P32: the key is nowhere but in the header of the request; P34: what servers send stays inert."""

import asyncio
import base64
import json
import logging
import pickle
import socket
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from faults.server import FaultServer, respond_normally
from langchain_core.load import dumps, loads
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tracers.base import BaseTracer
from support.scripted_router import KEY, Script, chat, client_of, says, streams

from orq_router_integrations import (
    ChatOrq,
    OrqImageTool,
    OrqSpeechTool,
    OrqTranscriptionLoader,
    OrqTranslationLoader,
    RouterClient,
    RouterError,
)

HIDDEN = "hush-hush-0123456789"
SETTINGS: dict[str, Any] = {
    "api_key": KEY,
    "default_headers": {"X-Token": HIDDEN},
    "default_query": {"token": HIDDEN},
}
FACES: dict[str, Callable[[], Any]] = {
    "client": lambda: RouterClient(**SETTINGS),
    "chat": lambda: ChatOrq(model="openai/gpt-4o", **SETTINGS),
    "image": lambda: OrqImageTool(model="openai/gpt-image-1", **SETTINGS),
    "speech": lambda: OrqSpeechTool(model="openai/tts-1", voice="alloy", **SETTINGS),
    "transcription": lambda: OrqTranscriptionLoader(
        source=b"ID3", model="openai/whisper-1", **SETTINGS
    ),
    "translation": lambda: OrqTranslationLoader(
        source=b"ID3", model="openai/whisper-1", **SETTINGS
    ),
}


def told_by(face: Any) -> str:
    """Everything that an object tells of itself."""
    dumped = str(vars(face)) if not hasattr(face, "model_dump") else str(face.model_dump())
    return f"{face!r} {face} {dumped} {dumps(face)}"


@pytest.mark.parametrize("name", FACES)
def test_key_is_not_in_representations(name: str) -> None:
    face = FACES[name]()
    told = told_by(face)
    assert KEY not in told
    assert HIDDEN not in told


@pytest.mark.parametrize("name", FACES)
def test_key_is_not_in_pickles(name: str) -> None:
    try:
        told = pickle.dumps(FACES[name]())
    except (pickle.PicklingError, TypeError, AttributeError):
        return  # what cannot be pickled tells nothing
    assert KEY.encode() not in told
    assert HIDDEN.encode() not in told


def assigned(model: ChatOrq) -> ChatOrq:
    model.api_key = KEY
    return model


LATE: dict[str, Callable[[ChatOrq], ChatOrq]] = {
    "assigned": assigned,
    "copied": lambda model: model.model_copy(update={"api_key": KEY}),
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE)
def test_key_set_later_is_hidden(late: Callable[[ChatOrq], ChatOrq]) -> None:
    script = Script()
    client = client_of(script)
    given = {"http_client": client.http_client, "http_async_client": client.http_async_client}
    model = late(ChatOrq(model="openai/gpt-4o", api_key="another-key"))
    assert KEY not in told_by(model)
    assert KEY.encode() not in pickle.dumps(model)
    RouterClient(**model.get_settings(), **given).send(chat())
    assert script.headers("authorization") == [f"Bearer {KEY}"]


class Notes(BaseTracer):
    """Keeps every run as a tracer would send it away."""

    def __init__(self) -> None:
        super().__init__()
        self.told = ""

    def _persist_run(self, run: Any) -> None:
        self.told += run.model_dump_json() if hasattr(run, "model_dump_json") else run.json()


FAILURES = {
    "an answer": says(),
    "an echo": says(401, {"error": {"message": f"Bearer {KEY} is wrong"}}),
    "a lost connection": httpx.ReadError("lost"),
    "a broken stream": streams(b"data: {", httpx.ReadError("cut")),
    "an odd body": says(200, {"echo": f"authorization: Bearer {KEY}"}),
}


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("step", FAILURES.values(), ids=FAILURES)
def test_key_is_not_in_logs_traces_or_errors(
    caplog: pytest.LogCaptureFixture, step: Any, awaited: bool, streamed: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    client = client_of(Script(step), max_retries=0, **SETTINGS | {"api_key": KEY})
    notes, model = Notes(), ChatOrq(model="openai/gpt-4o", client=client)
    config: Any = {"callbacks": [notes]}

    async def ask() -> Any:
        if streamed:
            return [chunk async for chunk in model.astream("Hi", config)]
        return await model.ainvoke("Hi", config)

    told = ""
    try:
        if awaited:
            asyncio.run(ask())
        elif streamed:
            list(model.stream("Hi", config))
        else:
            model.invoke("Hi", config)
    except RouterError as error:
        told = f"{error} {error!r} {vars(error)} {error.__cause__!r}"
    logged = " ".join(f"{record.getMessage()} {record.args}" for record in caplog.records)
    assert notes.told
    assert KEY not in told
    assert KEY not in notes.told
    assert KEY not in logged


ATTACK = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain_core", "prompts", "prompt", "PromptTemplate"],
    "kwargs": {"template": "x", "input_variables": []},
}
SECRET = {"lc": 1, "type": "secret", "id": ["ORQ_API_KEY"]}


@pytest.mark.filterwarnings("ignore:.*in beta")
@pytest.mark.parametrize("attack", [ATTACK, SECRET], ids=["constructor", "secret"])
def test_serialized_langchain_objects_in_messages_stay_inert(
    monkeypatch: pytest.MonkeyPatch, attack: Any
) -> None:
    monkeypatch.setenv("ORQ_API_KEY", KEY)
    message = {
        "role": "assistant",
        "content": json.dumps(attack),
        "reasoning": json.dumps(attack),
        "odd": attack,
        "tool_calls": [
            {
                "id": "1",
                "type": "function",
                "function": {"name": "f", "arguments": json.dumps({"a": attack})},
            }
        ],
    }
    body = {
        "choices": [{"message": message, "finish_reason": "tool_calls"}],
        "system_fingerprint": attack,
        "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "more": attack},
        "telemetry": attack,
        "metadata": attack,
    }
    client = client_of(Script(says(200, body)))
    answer = ChatOrq(model="openai/gpt-4o", client=client).invoke("Hi")
    twin = loads(dumps(answer), allowed_objects="messages", secrets_from_env=True)
    assert type(twin) is AIMessage
    assert KEY not in repr(twin)
    assert "PromptTemplate(" not in repr(twin)
    assert twin.tool_calls == answer.tool_calls
    assert twin.content == answer.content
    assert twin.response_metadata == answer.response_metadata
    assert twin.additional_kwargs == answer.additional_kwargs


def in_pieces(attack: Any) -> Any:
    odd = {"odd": attack, "annotations": [attack], "images": [attack], "audio": attack}
    said = {"content": json.dumps(attack), "reasoning": json.dumps(attack), **odd}
    function = {"name": "f", "arguments": json.dumps({"a": attack})}
    called = {"tool_calls": [{"index": 0, "id": "1", "function": function}]}
    ends = {"finish_reason": "stop", "logprobs": attack}
    choices: list[Any] = [{"delta": said}, {"delta": called}, {"delta": {}, **ends}]
    chunks = [{"choices": [choice], "metadata": attack, "usage": attack} for choice in choices]
    data = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    client = client_of(Script(streams(data.encode())))
    return ChatOrq(model="openai/gpt-4o", client=client).invoke("Hi", stream=True)


def as_a_response(attack: Any) -> Any:
    text = {"type": "output_text", "text": json.dumps(attack), "annotations": [attack]}
    output = [
        {"type": "message", "role": "assistant", "content": [text]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": json.dumps(attack)},
        {"type": "odd", "it": attack},
    ]
    more = {"metadata": attack, "usage": attack}
    body = {"id": "r", "status": "completed", "model": "m", "output": output, **more}
    client = client_of(Script(says(200, body)))
    return ChatOrq(model="openai/gpt-4o", api="responses", client=client).invoke("Hi")


def as_an_image(attack: Any) -> Any:
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(30)).decode()
    items = [{"b64_json": png, "revised_prompt": told} for told in (attack, json.dumps(attack))]
    body = {"data": items, "usage": attack, "model": attack}
    tool = OrqImageTool(model="openai/gpt-image-1", client=client_of(Script(says(200, body))))
    return tool.invoke({"type": "tool_call", "id": "1", "name": tool.name, "args": {"prompt": "x"}})


def as_a_transcript(attack: Any) -> Any:
    text = json.dumps(attack)
    segments = [{"text": text, "start": 0, "end": 1, "speaker": text, "odd": attack}]
    body = {"text": text, "language": text, "segments": segments, "usage": attack, "model": attack}
    client = client_of(Script(says(200, body)))
    options = {"response_format": "verbose_json", "granularity": "segment"}
    source = b"ID3" + bytes(30)
    loader = OrqTranscriptionLoader(
        source=source, model="openai/whisper-1", client=client, **options
    )
    return loader.load()[0]


@pytest.mark.filterwarnings("ignore:.*in beta")
@pytest.mark.parametrize("attack", [ATTACK, SECRET], ids=["constructor", "secret"])
@pytest.mark.parametrize("come", [in_pieces, as_a_response, as_an_image, as_a_transcript])
def test_serialized_langchain_objects_in_results_stay_inert(
    monkeypatch: pytest.MonkeyPatch, attack: Any, come: Callable[[Any], Any]
) -> None:
    monkeypatch.setenv("ORQ_API_KEY", KEY)
    made = come(attack)
    assert json.dumps(attack)[:9] in repr(made).replace("\\", "").replace("'", '"')
    twin = loads(dumps(made), allowed_objects="all", secrets_from_env=True)
    assert twin == made
    assert KEY not in repr(twin)
    assert "PromptTemplate(" not in repr(twin)


def test_only_router_host_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, resolve = [], socket.getaddrinfo

    def noted(host: Any, *args: Any, **options: Any) -> Any:
        asked.append(host)
        return resolve(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", noted)
    elsewhere = "https://pictures.example/boat"
    question = [
        {"type": "image", "url": f"{elsewhere}.png"},
        {"type": "file", "url": f"{elsewhere}.pdf"},
        "What do you see? See file:///etc/passwd",
    ]
    with FaultServer(respond_normally) as server:
        client = RouterClient(api_key=KEY, base_url=f"{server.url}/v3/router")
        model = ChatOrq(model="openai/gpt-4o", client=client)
        message = HumanMessage(question)
        assert model.get_num_tokens_from_messages([message]) > 0
        assert model.invoke([message]).text
        assert asyncio.run(model.ainvoke([message])).text
        drawing = OrqImageTool(model="openai/dall-e-3", return_format="url", client=client)
        assert drawing.generate("a boat").images
    assert set(asked) == {"127.0.0.1"}
