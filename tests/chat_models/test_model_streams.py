"""Streams: bytes cut anywhere, upstreams of odd habits, and what a caller sees of them."""

from contextlib import suppress
from typing import Any
from uuid import UUID

import httpx
import orjson
import pytest
from langchain_core.callbacks import AsyncCallbackHandler, BaseCallbackHandler
from langchain_core.messages import AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk

from orq_router_integrations import ChatOrq, OfflineRouter, RouterClient
from orq_router_integrations.chat_models.response_conversion import StreamConverter
from orq_router_integrations.chat_models.tool_calls import strip_invalid_suffix
from orq_router_integrations.errors import (
    InvalidResponseError,
    StreamInterruptedError,
)
from orq_router_integrations.testing import Fault
from orq_router_integrations.wire.call import EmbeddedError, Response, TruncatedStreamError
from orq_router_integrations.wire.model_candidates import ModelCandidates

GPT = "openai/gpt-4o"
STREAM = Response(200, {"content-type": "text/event-stream"})


def event(chunk: Any) -> bytes:
    return b"data: " + (chunk if isinstance(chunk, bytes) else orjson.dumps(chunk)) + b"\n\n"


DONE = event(b"[DONE]")


def delta(finish: str | None = None, **members: Any) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": members, "finish_reason": finish}]}


STOP = delta("stop")


def chunks(*pieces: bytes) -> list[ChatGenerationChunk]:
    reader = StreamConverter(STREAM, ModelCandidates(GPT, (GPT,)))
    found = [chunk for piece in pieces for chunk in reader.feed(piece)]
    return found if reader.done else [*found, *reader.finish()]


def joined(*events: Any) -> ChatGenerationChunk:
    first, *rest = chunks(*(event(item) for item in events), DONE)
    for chunk in rest:
        first += chunk
    return first


def message(*events: Any) -> AIMessageChunk:
    whole = joined(*events).message
    assert isinstance(whole, AIMessageChunk)
    return whole


def made(*deltas: Any) -> list[tuple[str, dict[str, Any]]]:
    """Names and arguments of the calls in a stream; each has an id of its own."""
    lists = [item if isinstance(item, list) else [item] for item in deltas]
    whole = message(*(delta(tool_calls=item) for item in lists), delta("tool_calls"))
    ids = [call["id"] for call in whole.tool_calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)
    assert whole.invalid_tool_calls == []
    return [(call["name"], call["args"]) for call in whole.tool_calls]


def piece(arguments: Any = None, name: str | None = None, **members: Any) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {**members, "function": {k: v for k, v in function.items() if v is not None}}


TEXTS = {
    "choices of none": ({"choices": []}, delta(content="Hi"), STOP),
    "choices of null": ({"choices": None}, delta(content="Hi"), STOP),
    "no choices": ({"id": "x"}, delta(content="Hi"), STOP),
    "a null delta": ({"choices": [{"index": 0, "delta": None}]}, delta(content="Hi"), STOP),
    "null content": (delta(content=None), delta(content="Hi"), STOP),
    "content in parts": (delta(content=[{"type": "text", "text": "Hi"}]), STOP),
    "the end twice": (delta(content="Hi"), STOP, STOP),
    "no index": ({"choices": [{"delta": {"content": "Hi"}}]}, STOP),
    "a null index": ({"choices": [{"index": None, "delta": {"content": "Hi"}}]}, STOP),
    "several choices": (
        {"choices": [{"index": 1, "delta": {"content": "No"}}, *delta(content="Hi")["choices"]]},
        {"choices": [{"index": 1, "delta": {}, "finish_reason": "length"}]},
        STOP,
    ),
    "unknown members": ({**delta(content="Hi", padding="xyz"), "obfuscation": "abc"}, STOP),
}


@pytest.mark.parametrize("events", TEXTS.values(), ids=TEXTS)
def test_the_text_is_read_in_spite_of(events: tuple[Any, ...]) -> None:
    whole = joined(*events)
    assert whole.text == "Hi"
    assert whole.generation_info == {"finish_reason": "stop"}
    assert whole.message.chunk_position == "last"


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_bytes_may_be_cut_anywhere(size: int) -> None:
    stream = event(delta(content="Grüße\u2028")) + b": ping\r\n\r\n" + event(STOP) + DONE
    cut = [stream[start : start + size] for start in range(0, len(stream), size)]
    assert "".join(chunk.text for chunk in chunks(*cut)) == "Grüße\u2028"


@pytest.mark.parametrize("half", [rb"\ud83d", rb"\ude00"])
def test_half_a_character_is_replaced(half: bytes) -> None:
    odd = rb'{"choices":[{"index":0,"delta":{"content":"Hi' + half + rb'"}}]}'
    assert joined(odd, STOP).text == "Hi\ufffd"


def test_usage_that_is_told_twice_counts_once_and_the_last_word_holds() -> None:
    first = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 1}}
    last = {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 9}}
    whole = message(delta(content="Hi"), STOP, first, last)
    assert whole.usage_metadata == {"input_tokens": 5, "output_tokens": 9, "total_tokens": 14}


def test_a_finish_reason_is_an_end_even_without_done() -> None:
    assert chunks(event(delta(content="Hi")), event(STOP))[-1].message.chunk_position == "last"


def test_done_is_an_end_even_without_a_finish_reason() -> None:
    whole = joined(delta(content="Hi"))
    assert whole.text == "Hi"
    assert whole.generation_info is None


def test_a_stream_without_an_end_is_broken() -> None:
    with pytest.raises(TruncatedStreamError):
        chunks(event(delta(content="Hi")))


@pytest.mark.parametrize(
    "frame",
    [
        event({"error": {"message": "out"}}),
        event({"error": "out"}),
        event({"code": "x", "message": "out"}),
        b"event: error\ndata: out\n\n",
        event({"choices": [{"error": {"message": "out"}}]}),
    ],
)
def test_an_error_in_a_stream_is_an_error(frame: bytes) -> None:
    with pytest.raises(EmbeddedError):
        chunks(event(delta(content="Hi")), frame, DONE)


CALLS = {
    "told in pieces": [
        piece("", "f", index=0, id="a"),
        piece('{"x"', index=0),
        piece(":1}", index=0),
    ],
    "told at once": [piece('{"x":1}', "f", index=0, id="a")],
    "without index": [piece('{"x"', "f", id="a"), piece(":1}")],
    "without id": [piece('{"x"', "f", index=0), piece(":1}", index=0)],
    "without index and id": [piece('{"x"', "f"), piece(":1}")],
    "with its id and name again": [
        piece('{"x"', "f", index=0, id="a"),
        piece(":1}", "f", index=0, id="a"),
    ],
    "with an empty id and name later": [
        piece('{"x"', "f", index=0, id="a"),
        piece(":1}", "", index=0, id=""),
    ],
    "with an empty id": [piece('{"x":1}', "f", index=0, id="")],
    "with null arguments first": [
        {"index": 0, "id": "a", "function": {"name": "f", "arguments": None}},
        piece('{"x":1}', index=0),
    ],
    "with arguments as an object": [piece({"x": 1}, "f", index=0, id="a")],
    "with its function later": [{"index": 0, "id": "a"}, piece('{"x":1}', "f", index=0)],
    "with a null function first": [
        {"index": 0, "id": "a", "function": None},
        piece('{"x":1}', "f", index=0),
    ],
    "with its id later": [piece('{"x"', "f", index=0), piece(":1}", index=0, id="a")],
    "with its id later, without index": [piece('{"x"', "f"), piece(":1}", id="a")],
    "at an index of its own": [piece('{"x"', "f", index=3, id="a"), piece(":1}", index=3)],
    "beside junk": ["?", piece('{"x":1}', "f", index=0, id="a")],
}


@pytest.mark.parametrize("deltas", CALLS.values(), ids=CALLS)
def test_one_call_is_assembled(deltas: list[Any]) -> None:
    assert made(*deltas) == [("f", {"x": 1})]


TWO_CALLS = {
    "in turn": [
        piece('{"x":1}', "f", index=0, id="a"),
        piece('{"y":2}', "g", index=1, id="b"),
    ],
    "interleaved": [
        piece('{"x"', "f", index=0, id="a"),
        piece('{"y"', "g", index=1, id="b"),
        piece(":1}", index=0),
        piece(":2}", index=1),
    ],
    "in one delta": [
        [piece('{"x":1}', "f", index=0, id="a"), piece('{"y":2}', "g", index=1, id="b")]
    ],
    "both at index 0": [
        piece('{"x"', "f", index=0, id="a"),
        piece(":1}", index=0),
        piece('{"y"', "g", index=0, id="b"),
        piece(":2}", index=0),
    ],
    "both at index 0, without ids": [
        piece('{"x":1}', "f", index=0),
        piece('{"y":2}', "g", index=0),
    ],
    "without index": [piece('{"x":1}', "f", id="a"), piece('{"y":2}', "g", id="b")],
    "without index and id": [piece('{"x":1}', "f"), piece('{"y":2}', "g")],
    "of one id": [
        piece('{"x":1}', "f", index=0, id="a"),
        piece('{"y":2}', "g", index=1, id="a"),
    ],
}


@pytest.mark.parametrize("deltas", TWO_CALLS.values(), ids=TWO_CALLS)
def test_two_calls_are_kept_apart(deltas: list[Any]) -> None:
    assert made(*deltas) == [("f", {"x": 1}), ("g", {"y": 2})]


def test_the_id_that_the_router_gave_is_kept() -> None:
    whole = message(delta(tool_calls=[piece("{}", "f", index=0, id="call_9")]), STOP)
    assert whole.tool_calls[0]["id"] == "call_9"


BROKEN = ["not JSON", '{"city": "Par', "[1, 2]", '"text"']


@pytest.mark.parametrize("arguments", BROKEN)
def test_streamed_arguments_that_are_no_json_object_make_an_invalid_call(arguments: str) -> None:
    whole = message(delta(tool_calls=[piece(arguments, "f", index=0, id="a")]), STOP)
    assert whole.tool_calls == []
    (invalid,) = whole.invalid_tool_calls
    assert (invalid["name"], invalid["id"]) == ("f", "a")
    assert strip_invalid_suffix(invalid["args"]) == arguments


ODD_DELTAS: list[Any] = [
    {"choices": [{"index": 0, "delta": "Hi"}]},
    {"choices": [{"index": 0, "delta": ["Hi"]}]},
    delta(tool_calls=[{"index": 0, "id": "a", "function": "f"}]),
    delta(tool_calls=[{"index": 0, "id": 5, "function": {"name": "f"}}]),
    delta(tool_calls=[{"index": 0, "id": ["a"], "function": {"name": "f"}}]),
    delta(audio="x"),
]


@pytest.mark.parametrize("odd", ODD_DELTAS)
def test_deltas_of_an_odd_type_are_read_or_refused_but_never_crash(odd: Any) -> None:
    content = event(odd) + event(delta(audio={"id": "x"})) + event(STOP) + DONE
    reply = httpx.Response(200, content=content, headers=STREAM.headers)
    http = httpx.Client(transport=httpx.MockTransport(lambda _: reply))
    model = ChatOrq(model=GPT, client=RouterClient(api_key="k", http_client=http, max_retries=0))
    with suppress(InvalidResponseError):
        assert list(model.stream("Hi"))


def body(router: OfflineRouter) -> dict[str, Any]:
    sent: dict[str, Any] = router.requests[-1].body
    return sent


def test_a_stream_asks_for_its_usage_and_reports_it_once(
    model: ChatOrq, router: OfflineRouter
) -> None:
    found = list(model.stream("Hi"))
    assert body(router)["stream"] is True
    assert body(router)["stream_options"] == {"include_usage": True}
    assert [bool(chunk.usage_metadata) for chunk in found] == [False] * (len(found) - 1) + [True]


def test_a_stream_need_not_report_its_usage(router: OfflineRouter) -> None:
    model = ChatOrq(model=GPT, client=router.client(), stream_usage=False)
    assert not any(chunk.usage_metadata for chunk in model.stream("Hi"))
    assert "stream_options" not in body(router)


def test_invoke_collects_a_stream_if_so_wanted(router: OfflineRouter) -> None:
    model = ChatOrq(model=GPT, client=router.client(), streaming=True)
    assert model.invoke("Hi").text == ChatOrq(model=GPT, client=router.client()).invoke("Hi").text
    assert [request.body.get("stream") for request in router.requests] == [True, None]


async def test_an_awaited_stream_is_the_same_stream(router: OfflineRouter) -> None:
    model = ChatOrq(model=GPT, client=router.client())
    texts = [chunk.text for chunk in model.stream("Hi there")]
    assert [chunk.text async for chunk in model.astream("Hi there")] == texts
    assert len(texts) > 3


class Tokens(BaseCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def on_llm_new_token(self, token: str, *, run_id: UUID, **kwargs: Any) -> None:
        self.seen.append(token)


class AsyncTokens(AsyncCallbackHandler):
    def __init__(self) -> None:
        self.seen: list[str] = []

    async def on_llm_new_token(self, token: str, *, run_id: UUID, **kwargs: Any) -> None:
        self.seen.append(token)


@pytest.mark.parametrize("collected", [True, False])
def test_callbacks_get_every_token_once(model: ChatOrq, collected: bool) -> None:
    tokens = Tokens()
    config = {"callbacks": [tokens]}
    if collected:
        text = model.invoke("Hi there", config=config, stream=True).text
    else:
        text = "".join(chunk.text for chunk in model.stream("Hi there", config=config))
    assert "".join(tokens.seen) == text
    assert len(tokens.seen) > 3


@pytest.mark.parametrize("collected", [True, False])
async def test_async_callbacks_get_every_token_once(model: ChatOrq, collected: bool) -> None:
    tokens = AsyncTokens()
    config = {"callbacks": [tokens]}
    if collected:
        text = (await model.ainvoke("Hi there", config=config, stream=True)).text
    else:
        text = "".join([chunk.text async for chunk in model.astream("Hi there", config=config)])
    assert "".join(tokens.seen) == text
    assert len(tokens.seen) > 3


def test_a_stream_that_breaks_off_keeps_what_it_said() -> None:
    router = OfflineRouter(faults={GPT: Fault(cut_after=4)})
    model = ChatOrq(model=GPT, client=router.client())
    said = []
    with pytest.raises(StreamInterruptedError) as caught:
        said.extend(chunk.text for chunk in model.stream("Hi"))
    assert caught.value.partial.startswith("Offline answer")
