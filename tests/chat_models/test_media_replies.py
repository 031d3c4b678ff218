"""Images, sound and hidden reasoning in answers: the same blocks, whole and streamed."""

import base64
from typing import Any

import httpx
import orjson
import pytest

from orq_router_integrations import ChatOrq, RouterClient

pytestmark = pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")

PNG = "iVBORw0KGgoAAAANSUhEUg=="
WEBP = "UklGRhoAAABXRUJQVlA4TA=="
WAV = ("UklGRiQAAABXQVZF", "Zm10IBAAAAABAAEA")
SOUND = base64.b64decode("".join(WAV)) + b"\0"

Told = dict[str, Any]
ANSWERS: dict[str, tuple[Told, list[Told]]] = {
    "two images": (
        {"content": "Hi", "images": [{"b64_json": PNG}, {"b64_json": WEBP}]},
        [{"images": [{"b64_json": PNG}]}, {"content": "Hi"}, {"images": [{"b64_json": WEBP}]}],
    ),
    "sound in pieces": (
        {"audio": {"id": "a", "data": "".join(WAV), "transcript": "Hi there"}},
        [
            {"audio": {"id": "a", "transcript": "Hi "}},
            {"audio": {"data": WAV[0]}},
            {"audio": {"data": WAV[1], "transcript": "there"}},
        ],
    ),
    "sound in pieces that are padded one by one": (
        {"audio": {"id": "a", "data": base64.b64encode(SOUND).decode()}},
        [
            {"audio": {"id": "a", "data": base64.b64encode(piece).decode()}}
            for piece in (SOUND[:16], SOUND[16:17], SOUND[17:19], SOUND[19:])
        ],
    ),
    "samples in pieces": (
        {"audio": {"id": "a", "data": "AAECAwQF"}},
        [{"audio": {"id": "a", "data": "AAEC"}}, {"audio": {"data": "AwQF"}}],
    ),
    "hidden reasoning": (
        {"content": "Hi", "redacted_reasoning": "XYZ"},
        [{"redacted_reasoning": "XY"}, {"redacted_reasoning": "Z"}, {"content": "Hi"}],
    ),
    "a seal alone": (
        {"content": "Hi", "reasoning_signature": "SEAL"},
        [{"reasoning_signature": "SEAL"}, {"content": "Hi"}],
    ),
    "a call with the name of a block": (
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


def answering(whole: Told, deltas: list[Told]) -> ChatOrq:
    def handle(request: httpx.Request) -> httpx.Response:
        if not orjson.loads(request.content).get("stream"):
            choice = {"index": 0, "finish_reason": "stop", "message": whole}
            return httpx.Response(200, json={"choices": [choice]})
        events = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
        events += [{"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}]
        data = b"".join(b"data: " + orjson.dumps(event) + b"\n\n" for event in events)
        headers = {"content-type": "text/event-stream"}
        return httpx.Response(200, content=data + b"data: [DONE]\n\n", headers=headers)

    http = httpx.Client(transport=httpx.MockTransport(handle))
    client = RouterClient(api_key="k", http_client=http, max_retries=0)
    return ChatOrq(model="openai/gpt-4o", client=client, output_version="v1")


def bare(blocks: Any) -> list[Told]:
    return [{k: v for k, v in block.items() if k != "index"} for block in blocks]


def text(block: Told) -> bytes:
    return orjson.dumps(block, option=orjson.OPT_SORT_KEYS)


@pytest.mark.parametrize(("whole", "deltas"), ANSWERS.values(), ids=ANSWERS)
def test_whole_streamed_and_told_in_events_they_are_the_same(
    whole: Told, deltas: list[Told]
) -> None:
    model = answering(whole, deltas)
    expected = bare(model.invoke("Hi").content_blocks)
    first, *rest = model.stream("Hi")
    joined = first
    for chunk in rest:
        joined += chunk
    stream: Any = model.stream_events("Hi", version="v3")
    assert bare(stream.output.content) == expected
    assert sorted(map(text, bare(joined.content_blocks))) == sorted(map(text, expected))


def test_types_go_by_the_bytes() -> None:
    types = [
        block["mime_type"]
        for block in answering(*ANSWERS["two images"]).invoke("Hi").content_blocks
        if block["type"] == "image"
    ]
    assert types == ["image/png", "image/webp"]
