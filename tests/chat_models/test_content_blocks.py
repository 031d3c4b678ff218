"""Content blocks of complete answers, of streamed ones, and of events."""

import base64
from typing import Any

import httpx
import orjson
import pytest
from langchain_core.messages import AIMessage
from support.chat_responses import (
    DONE,
    EVENT_STREAM,
    GPT,
    STOP,
    create_call,
    create_delta,
    drop_index,
    encode_event,
    merge_chunks,
)

from orq_router_integrations import ChatOrq, OfflineRouter, RouterClient
from orq_router_integrations.chat_models.constants import PROVIDER
from orq_router_integrations.testing import Answer

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

ANSWER = Answer(
    "It is 42.",
    reasoning="Let me think.",
    reasoning_signature="SIGNATURE",
    tool_calls=(
        create_call("add", {"a": 1}, call_id="c1"),
        create_call("look", {"b": "x"}, call_id="c2"),
    ),
)
BLOCKS = [
    {"type": "reasoning", "reasoning": "Let me think.", "extras": {"signature": "SIGNATURE"}},
    {"type": "text", "text": "It is 42."},
    {"type": "tool_call", "id": "c1", "name": "add", "args": {"a": 1}},
    {"type": "tool_call", "id": "c2", "name": "look", "args": {"b": "x"}},
]


def create_model(answer: Answer, version: str | None = None) -> ChatOrq:
    client = OfflineRouter(answers=lambda _: answer).client()
    return ChatOrq(model=GPT, client=client, output_version=version)


@pytest.mark.parametrize("version", [None, "v1"])
def test_complete_and_streamed_answers_have_the_same_blocks(version: str | None) -> None:
    model = create_model(ANSWER, version)
    assert drop_index(model.invoke("Hi").content_blocks) == BLOCKS
    assert drop_index(merge_chunks(model.stream("Hi")).content_blocks) == BLOCKS


def test_content_is_blocks_in_v1() -> None:
    assert drop_index(create_model(ANSWER, "v1").invoke("Hi").content) == BLOCKS


def test_events_produce_the_same_blocks() -> None:
    stream = create_model(ANSWER).stream_events("Hi", version="v3")
    list(stream)
    assert drop_index(stream.output.content) == BLOCKS


def test_audio_is_an_audio_block_with_its_transcript() -> None:
    options = {"modalities": ["text", "audio"], "audio": {"voice": "alloy", "format": "wav"}}
    message = create_model(Answer("Hello")).invoke("Hi", **options)
    block = message.content_blocks[-1]
    assert (block["type"], block["mime_type"]) == ("audio", "audio/wav")
    assert block["extras"]["transcript"] == "Hello"


def create_blocks(**kwargs: Any) -> list[Any]:
    """Return the blocks of an answer with these ``additional_kwargs``."""
    metadata = {"model_provider": PROVIDER}
    return AIMessage("x", additional_kwargs=kwargs, response_metadata=metadata).content_blocks


def test_url_citations_are_citations_of_the_text() -> None:
    annotation = {"type": "url_citation", "url_citation": {"url": "https://a.b", "title": "A"}}
    (block,) = create_blocks(annotations=[annotation])
    assert block["annotations"] == [{"type": "citation", "url": "https://a.b", "title": "A"}]


def test_other_annotations_are_kept() -> None:
    (block,) = create_blocks(annotations=[{"type": "file", "file": {"hash": "h"}}])
    assert block["annotations"][0]["value"] == {"type": "file", "file": {"hash": "h"}}


@pytest.mark.parametrize(
    ("image", "block"),
    [
        ({"image_url": {"url": "https://a.b/c.png"}}, {"url": "https://a.b/c.png"}),
        (
            {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBO"}},
            {"base64": "iVBO", "mime_type": "image/png"},
        ),
        ({"b64_json": "iVBO"}, {"base64": "iVBO", "mime_type": "image/png"}),
    ],
    ids=["URL", "data URL", "b64_json"],
)
def test_image_is_an_image_block(image: Any, block: dict[str, str]) -> None:
    assert create_blocks(images=[image])[-1] == {"type": "image", **block}


def test_redacted_reasoning_is_a_reasoning_block() -> None:
    block = create_blocks(redacted_reasoning="XYZ")[0]
    assert block == {"type": "reasoning", "reasoning": "", "extras": {"redacted_data": "XYZ"}}


PNG = "iVBORw0KGgoAAAANSUhEUg=="
WEBP = "UklGRhoAAABXRUJQVlA4TA=="
WAV = ("UklGRiQAAABXQVZF", "Zm10IBAAAAABAAEA")
AUDIO = base64.b64decode("".join(WAV)) + b"\0"

Message = dict[str, Any]
RESPONSES: dict[str, tuple[Message, list[Message]]] = {
    "two images": (
        {"content": "Hi", "images": [{"b64_json": PNG}, {"b64_json": WEBP}]},
        [{"images": [{"b64_json": PNG}]}, {"content": "Hi"}, {"images": [{"b64_json": WEBP}]}],
    ),
    "audio": (
        {"audio": {"id": "a", "data": "".join(WAV), "transcript": "Hi there"}},
        [
            {"audio": {"id": "a", "transcript": "Hi "}},
            {"audio": {"data": WAV[0]}},
            {"audio": {"data": WAV[1], "transcript": "there"}},
        ],
    ),
    "audio with padding in each chunk": (
        {"audio": {"id": "a", "data": base64.b64encode(AUDIO).decode()}},
        [
            {"audio": {"id": "a", "data": base64.b64encode(chunk).decode()}}
            for chunk in (AUDIO[:16], AUDIO[16:17], AUDIO[17:19], AUDIO[19:])
        ],
    ),
    "PCM samples": (
        {"audio": {"id": "a", "data": "AAECAwQF"}},
        [{"audio": {"id": "a", "data": "AAEC"}}, {"audio": {"data": "AwQF"}}],
    ),
    "redacted reasoning": (
        {"content": "Hi", "redacted_reasoning": "XYZ"},
        [{"redacted_reasoning": "XY"}, {"redacted_reasoning": "Z"}, {"content": "Hi"}],
    ),
    "signature without reasoning": (
        {"content": "Hi", "reasoning_signature": "SIGNATURE"},
        [{"reasoning_signature": "SIGNATURE"}, {"content": "Hi"}],
    ),
    "call with the id of a block": (
        {
            "content": "Hi",
            "tool_calls": [{"id": "text", "function": {"name": "f", "arguments": "{}"}}],
        },
        [
            {"content": "Hi"},
            {"tool_calls": [{"id": "text", "function": {"name": "f", "arguments": "{}"}}]},
        ],
    ),
}


def create_scripted_model(message: Message, deltas: list[Message]) -> ChatOrq:
    """Create a model that gets this message, or these deltas if it streams."""
    events = [create_delta(**delta) for delta in deltas] + [STOP]

    def handle(request: httpx.Request) -> httpx.Response:
        if orjson.loads(request.content).get("stream"):
            content = b"".join(map(encode_event, events)) + DONE
            return httpx.Response(200, content=content, headers={"content-type": EVENT_STREAM})
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return httpx.Response(200, json={"choices": [choice]})

    http_client = httpx.Client(transport=httpx.MockTransport(handle))
    client = RouterClient(api_key="k", http_client=http_client, max_retries=0)
    return ChatOrq(model=GPT, client=client, output_version="v1")


def sort_key(block: Any) -> bytes:
    return orjson.dumps(block, option=orjson.OPT_SORT_KEYS)


@pytest.mark.parametrize(("message", "deltas"), RESPONSES.values(), ids=RESPONSES)
def test_response_has_the_same_blocks_in_every_mode(
    message: Message, deltas: list[Message]
) -> None:
    """Streamed blocks are in the order of their arrival."""
    model = create_scripted_model(message, deltas)
    expected = drop_index(model.invoke("Hi").content_blocks)
    streamed = drop_index(merge_chunks(model.stream("Hi")).content_blocks)
    stream: Any = model.stream_events("Hi", version="v3")
    assert drop_index(stream.output.content) == expected
    assert sorted(streamed, key=sort_key) == sorted(expected, key=sort_key)


def test_image_type_is_detected_from_the_bytes() -> None:
    message = create_scripted_model(*RESPONSES["two images"]).invoke("Hi")
    types = [block["mime_type"] for block in message.content_blocks if block["type"] == "image"]
    assert types == ["image/png", "image/webp"]
