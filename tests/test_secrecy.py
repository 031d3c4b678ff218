"""The API key appears only in request headers, and data from servers is never deserialized."""

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
from pydantic import ValidationError
from support.scripted_router import (
    KEY,
    Script,
    create_call,
    create_client,
    respond,
    respond_with_stream,
)

from orq_router_integrations import (
    ChatOrq,
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
    RouterError,
)
from orq_router_integrations.errors import RouterInputError

HIDDEN = "hidden-0123456789"
SETTINGS: dict[str, Any] = {
    "api_key": KEY,
    "default_headers": {"X-Token": HIDDEN},
    "default_query": {"token": HIDDEN},
}
OBJECTS: dict[str, Callable[[], Any]] = {
    "client": lambda: RouterClient(**SETTINGS),
    "chat": lambda: ChatOrq(model="openai/gpt-4o", **SETTINGS),
    "image": lambda: OrqImageTool(model="openai/gpt-image-1", **SETTINGS),
    "speech": lambda: OrqSpeechTool(model="openai/tts-1", voice="alloy", **SETTINGS),
    "embeddings": lambda: OrqEmbeddings("openai/text-embedding-3-small", **SETTINGS),
    "ocr": lambda: OrqOCRLoader(b"%PDF-1.7", model="mistral/mistral-ocr-latest", **SETTINGS),
    "retriever": lambda: OrqKnowledgeRetriever("manual", **SETTINGS),
    "rerank": lambda: OrqRerank("cohere/rerank-v3.5", **SETTINGS),
    "moderation": lambda: OrqModeration(**SETTINGS),
    "transcription": lambda: OrqTranscriptionLoader(
        source=b"ID3", model="openai/whisper-1", **SETTINGS
    ),
    "translation": lambda: OrqTranslationLoader(
        source=b"ID3", model="openai/whisper-1", **SETTINGS
    ),
}


def represent(value: Any) -> str:
    """Return all representations of an object: repr, str, its fields, and LangChain's JSON."""
    fields = value.model_dump() if hasattr(value, "model_dump") else vars(value)
    return f"{value!r} {value} {fields} {dumps(value)}"


@pytest.mark.parametrize("name", OBJECTS)
def test_key_is_not_in_representations(name: str) -> None:
    text = represent(OBJECTS[name]())
    assert KEY not in text
    assert HIDDEN not in text


@pytest.mark.parametrize("name", OBJECTS)
def test_key_is_not_in_pickles(name: str) -> None:
    try:
        data = pickle.dumps(OBJECTS[name]())
    except (pickle.PicklingError, TypeError, AttributeError):
        return  # an object that cannot be pickled reveals nothing
    assert KEY.encode() not in data
    assert HIDDEN.encode() not in data


def assign_key(model: ChatOrq) -> ChatOrq:
    model.api_key = KEY
    return model


WAYS_TO_SET_KEY: dict[str, Callable[[ChatOrq], ChatOrq]] = {
    "assigned": assign_key,
    "copied": lambda model: model.model_copy(update={"api_key": KEY}),
}


@pytest.mark.parametrize("set_key", WAYS_TO_SET_KEY.values(), ids=WAYS_TO_SET_KEY)
def test_key_set_later_is_hidden(set_key: Callable[[ChatOrq], ChatOrq]) -> None:
    script = Script()
    client = create_client(script)
    clients = {"http_client": client.http_client, "http_async_client": client.http_async_client}
    model = set_key(ChatOrq(model="openai/gpt-4o", api_key="another-key"))
    assert KEY not in represent(model)
    assert KEY.encode() not in pickle.dumps(model)
    RouterClient(**model.get_settings(), **clients).send(create_call())
    assert script.headers("authorization") == [f"Bearer {KEY}"]


class RecordingTracer(BaseTracer):
    """Collects every run as a tracer would export it."""

    def __init__(self) -> None:
        super().__init__()
        self.exported = ""

    def _persist_run(self, run: Any) -> None:
        self.exported += run.model_dump_json() if hasattr(run, "model_dump_json") else run.json()


RESPONSES = {
    "success": respond(),
    "echo in an error": respond(401, {"error": {"message": f"Bearer {KEY} is wrong"}}),
    "lost connection": httpx.ReadError("lost"),
    "interrupted stream": respond_with_stream(b"data: {", httpx.ReadError("lost")),
    "unexpected body": respond(200, {"echo": f"authorization: Bearer {KEY}"}),
}


@pytest.mark.parametrize("is_stream", [False, True], ids=["invoke", "stream"])
@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("step", RESPONSES.values(), ids=RESPONSES)
def test_key_is_not_in_logs_traces_or_errors(
    caplog: pytest.LogCaptureFixture, step: Any, is_async: bool, is_stream: bool
) -> None:
    caplog.set_level(logging.DEBUG)
    client = create_client(Script(step), max_retries=0, **SETTINGS | {"api_key": KEY})
    tracer, model = RecordingTracer(), ChatOrq(model="openai/gpt-4o", client=client)
    config: Any = {"callbacks": [tracer]}

    async def acall() -> Any:
        if is_stream:
            return [chunk async for chunk in model.astream("Hi", config)]
        return await model.ainvoke("Hi", config)

    message = ""
    try:
        if is_async:
            asyncio.run(acall())
        elif is_stream:
            list(model.stream("Hi", config))
        else:
            model.invoke("Hi", config)
    except RouterError as error:
        message = f"{error} {error!r} {vars(error)} {error.__cause__!r}"
    logged = " ".join(f"{record.getMessage()} {record.args}" for record in caplog.records)
    assert tracer.exported
    assert KEY not in message
    assert KEY not in tracer.exported
    assert KEY not in logged


def test_key_passed_as_a_model_is_not_shown() -> None:
    with pytest.raises(ValidationError) as raised:
        ChatOrq(KEY)
    with pytest.raises(RouterInputError, match="got an API key") as error:
        ChatOrq("openai/gpt-4o", api_key=KEY).invoke("Hi", model=KEY)
    assert KEY not in f"{raised.value} {error.value}"


CONSTRUCTOR = {
    "lc": 1,
    "type": "constructor",
    "id": ["langchain_core", "prompts", "prompt", "PromptTemplate"],
    "kwargs": {"template": "x", "input_variables": []},
}
SECRET = {"lc": 1, "type": "secret", "id": ["ORQ_API_KEY"]}


@pytest.mark.filterwarnings("ignore:.*in beta")
@pytest.mark.parametrize("attack", [CONSTRUCTOR, SECRET], ids=["constructor", "secret"])
def test_serialized_langchain_objects_in_messages_are_not_loaded(
    monkeypatch: pytest.MonkeyPatch, attack: Any
) -> None:
    monkeypatch.setenv("ORQ_API_KEY", KEY)
    message = {
        "role": "assistant",
        "content": json.dumps(attack),
        "reasoning": json.dumps(attack),
        "unknown": attack,
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
    client = create_client(Script(respond(200, body)))
    answer = ChatOrq(model="openai/gpt-4o", client=client).invoke("Hi")
    loaded = loads(dumps(answer), allowed_objects="messages", secrets_from_env=True)
    assert type(loaded) is AIMessage
    assert KEY not in repr(loaded)
    assert "PromptTemplate(" not in repr(loaded)
    assert loaded.tool_calls == answer.tool_calls
    assert loaded.content == answer.content
    assert loaded.response_metadata == answer.response_metadata
    assert loaded.additional_kwargs == answer.additional_kwargs


def stream_message(attack: Any) -> Any:
    extra = {"unknown": attack, "annotations": [attack], "images": [attack], "audio": attack}
    content = {"content": json.dumps(attack), "reasoning": json.dumps(attack), **extra}
    function = {"name": "f", "arguments": json.dumps({"a": attack})}
    tool_calls = {"tool_calls": [{"index": 0, "id": "1", "function": function}]}
    end = {"finish_reason": "stop", "logprobs": attack}
    choices: list[Any] = [{"delta": content}, {"delta": tool_calls}, {"delta": {}, **end}]
    chunks = [{"choices": [choice], "metadata": attack, "usage": attack} for choice in choices]
    data = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks)
    client = create_client(Script(respond_with_stream(data.encode())))
    return ChatOrq(model="openai/gpt-4o", client=client).invoke("Hi", stream=True)


def invoke_responses_api(attack: Any) -> Any:
    text = {"type": "output_text", "text": json.dumps(attack), "annotations": [attack]}
    output = [
        {"type": "message", "role": "assistant", "content": [text]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": json.dumps(attack)},
        {"type": "unknown", "value": attack},
    ]
    body = {"id": "r", "status": "completed", "model": "m", "output": output}
    body |= {"metadata": attack, "usage": attack}
    client = create_client(Script(respond(200, body)))
    return ChatOrq(model="openai/gpt-4o", api="responses", client=client).invoke("Hi")


def generate_image(attack: Any) -> Any:
    png = base64.b64encode(b"\x89PNG\r\n\x1a\n" + bytes(30)).decode()
    items = [{"b64_json": png, "revised_prompt": prompt} for prompt in (attack, json.dumps(attack))]
    body = {"data": items, "usage": attack, "model": attack}
    tool = OrqImageTool(
        model="openai/gpt-image-1", client=create_client(Script(respond(200, body)))
    )
    return tool.invoke({"type": "tool_call", "id": "1", "name": tool.name, "args": {"prompt": "x"}})


def load_transcript(attack: Any) -> Any:
    text = json.dumps(attack)
    segments = [{"text": text, "start": 0, "end": 1, "speaker": text, "unknown": attack}]
    body = {"text": text, "language": text, "segments": segments, "usage": attack, "model": attack}
    client = create_client(Script(respond(200, body)))
    options = {"response_format": "verbose_json", "granularity": "segment"}
    source = b"ID3" + bytes(30)
    loader = OrqTranscriptionLoader(
        source=source, model="openai/whisper-1", client=client, **options
    )
    return loader.load()[0]


@pytest.mark.filterwarnings("ignore:.*in beta")
@pytest.mark.parametrize("attack", [CONSTRUCTOR, SECRET], ids=["constructor", "secret"])
@pytest.mark.parametrize(
    "run", [stream_message, invoke_responses_api, generate_image, load_transcript]
)
def test_serialized_langchain_objects_in_results_are_not_loaded(
    monkeypatch: pytest.MonkeyPatch, attack: Any, run: Callable[[Any], Any]
) -> None:
    monkeypatch.setenv("ORQ_API_KEY", KEY)
    result = run(attack)
    assert json.dumps(attack)[:9] in repr(result).replace("\\", "").replace("'", '"')
    loaded = loads(dumps(result), allowed_objects="all", secrets_from_env=True)
    assert loaded == result
    assert KEY not in repr(loaded)
    assert "PromptTemplate(" not in repr(loaded)


def test_only_router_host_is_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    hosts, resolve = set(), socket.getaddrinfo

    def record(host: Any, *args: Any, **options: Any) -> Any:
        hosts.add(host)
        return resolve(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", record)
    other_host = "https://pictures.example/boat"
    question = [
        {"type": "image", "url": f"{other_host}.png"},
        {"type": "file", "url": f"{other_host}.pdf"},
        "What do you see? See file:///etc/passwd",
    ]
    with FaultServer(respond_normally) as server:
        client = RouterClient(api_key=KEY, base_url=f"{server.url}/v3/router")
        model = ChatOrq(model="openai/gpt-4o", client=client)
        message = HumanMessage(question)
        assert model.get_num_tokens_from_messages([message]) > 0
        assert model.invoke([message]).text
        assert asyncio.run(model.ainvoke([message])).text
        tool = OrqImageTool(model="openai/dall-e-3", return_format="url", client=client)
        assert tool.generate("a boat").images
    assert hosts == {"127.0.0.1"}
