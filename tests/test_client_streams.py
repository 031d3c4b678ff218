"""Streams: complete or an error, retried only before their first item, and always closed."""

import asyncio
import gc
import json
from typing import Any

import httpx
import pytest
from support.loopback_server import Loopback, open_ended_response
from support.scripted_router import (
    ANSWER,
    DONE,
    KEY,
    ResponseBody,
    Script,
    both_callers,
    create_client,
    create_stream_call,
    encode_event,
    record_sleeps,
    respond,
    respond_with_stream,
)

from orq_router_integrations import RouterClient, RouterError
from orq_router_integrations._http import client_sender
from orq_router_integrations.errors import (
    InvalidResponseError,
    NotFoundError,
    RouterConnectionError,
    RouterTimeoutError,
    StreamInterruptedError,
)

HELLO = (encode_event("Hel"), encode_event("lo"))
COMPLETE = (*HELLO, encode_event("", finish="stop"), DONE)
LOST = httpx.RemoteProtocolError("peer closed connection")


@pytest.fixture(autouse=True)
def pauses(monkeypatch) -> list[float]:
    return record_sleeps(monkeypatch)


def get_error(caller: Any, *steps: Any, **options: Any) -> tuple[RouterError, list[str], int]:
    """Read a stream that fails; returns its error, its items and the number of requests."""
    script, items = Script(*steps), []
    with pytest.raises(RouterError) as raised:
        caller.stream(create_client(script), create_stream_call(**options), into=items)
    return raised.value, items, script.sent


@both_callers
@pytest.mark.parametrize("chunk_size", [1, 7, 10_000])
def test_stream_items_do_not_depend_on_chunk_size(caller, chunk_size):
    data = b"".join(COMPLETE)
    chunks = [data[start : start + chunk_size] for start in range(0, len(data), chunk_size)]
    assert caller.stream(
        create_client(Script(respond_with_stream(*chunks))), create_stream_call()
    ) == ["Hel", "lo", ""]


@both_callers
@pytest.mark.parametrize(
    "end", [(encode_event("", finish="stop"),), (DONE,), (DONE, b"data: {", LOST)]
)
def test_stream_is_complete_after_finish_reason_or_done(caller, end):
    items = caller.stream(
        create_client(Script(respond_with_stream(*HELLO, *end))), create_stream_call()
    )
    assert "".join(items) == "Hello"


@both_callers
@pytest.mark.parametrize("end", [(), (b"data: [DO",), (LOST,), (httpx.ReadError("reset"),)])
def test_interrupted_stream_raises_with_partial_text(caller, end):
    error, items, request_count = get_error(
        caller, respond_with_stream(*HELLO, *end), respond_with_stream(*COMPLETE)
    )
    assert type(error) is StreamInterruptedError
    assert (error.partial, items, request_count) == ("Hello", ["Hel", "lo"], 1)
    assert (error.status_code, error.endpoint, error.attempts) == (200, "/chat/completions", 1)
    assert error.received == sum(len(chunk) for chunk in (*HELLO, *end) if isinstance(chunk, bytes))


@both_callers
def test_silent_stream_times_out_with_partial_text(caller):
    error, items, request_count = get_error(
        caller, respond_with_stream(*HELLO, httpx.ReadTimeout("slow"))
    )
    assert (type(error), error.partial) == (RouterTimeoutError, "Hello")
    assert (items, request_count) == (["Hel", "lo"], 1)


@both_callers
@pytest.mark.parametrize(
    "failure",
    [
        respond(503, {}),
        httpx.ConnectError("refused"),
        respond_with_stream(LOST),
        respond_with_stream(b": keep-alive\n\n", httpx.ReadTimeout("slow")),
        respond_with_stream(b"data: {", LOST),
    ],
)
def test_stream_is_retried_before_first_item(caller, failure):
    script = Script(failure, failure, respond_with_stream(*COMPLETE))
    assert caller.stream(create_client(script), create_stream_call()) == ["Hel", "lo", ""]
    assert script.sent == 3
    assert len(set(script.headers("idempotency-key"))) == 1


@both_callers
def test_stream_is_not_retried_without_retry_ambiguous(caller):
    error, _, request_count = get_error(caller, respond_with_stream(LOST), retry_ambiguous=False)
    assert (type(error), request_count) == (StreamInterruptedError, 1)


@both_callers
def test_unreachable_stream_is_tried_three_times(caller):
    error, items, request_count = get_error(caller, httpx.ConnectError("refused"))
    assert (type(error), items, request_count) == (RouterConnectionError, [], 3)


@both_callers
def test_error_response_to_stream_is_read_completely(caller):
    body = ResponseBody(b'{"error": {"message":', b' "no such model"}}')
    error, _, request_count = get_error(caller, lambda _: httpx.Response(404, stream=body))
    assert (type(error), error.message, request_count) == (NotFoundError, "no such model", 1)
    assert body.closed


@both_callers
def test_truncated_error_response_raises_connection_error(caller):
    error, _, _ = get_error(
        caller, lambda _: httpx.Response(400, stream=ResponseBody(b'{"err', LOST))
    )
    assert isinstance(error, RouterConnectionError)


UNEXPECTED = [
    ("text/html", b"<html>Sign in</html>"),
    ("text/event-stream", b"<html>Sign in</html>"),
    ("application/json", json.dumps(ANSWER).encode()),
    ("application/json; charset=utf-8", json.dumps(ANSWER).encode()),
    ("application/json", b"not json"),
    ("application/json", b"null"),
    ("text/event-stream", b"data: null\n\n"),
    ("text/event-stream", b"data: [1]\n\n"),
    ("text/event-stream", b"data: <html>\n\n"),
    ("text/event-stream", b'data: {"choices":[{"delta":"text"}]}\n\n'),
    ("text/event-stream", b'data: {"choices":[{"delta":["text"]}]}\n\n'),
]


@both_callers
@pytest.mark.parametrize(("content_type", "body"), UNEXPECTED)
def test_unexpected_body_raises_invalid_response_error(caller, content_type, body):
    error, _, request_count = get_error(caller, respond_with_stream(body, kind=content_type))
    assert (type(error), request_count) == (InvalidResponseError, 1)


@both_callers
@pytest.mark.parametrize(("content_type", "body"), UNEXPECTED[:4])
def test_invalid_response_error_shows_body(caller, content_type, body):
    error, _, _ = get_error(caller, respond_with_stream(body, kind=content_type))
    message = str(error)
    assert content_type.partition(";")[0] in message
    assert body[:20].decode() in message.replace("\\", "")
    assert (error.endpoint, error.status_code) == ("/chat/completions", 200)


@both_callers
@pytest.mark.parametrize(
    "content_type", ["application/json", "text/event-stream", "text/plain", ""]
)
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no such model", "code": "gone"}},
        {"error": "no such model", "code": "gone"},
        {"message": "no such model", "code": "gone"},
        {"choices": [{"error": {"message": "no such model", "code": "gone"}}]},
    ],
)
def test_bare_error_body_is_raised(caller, content_type, body):
    error, _, request_count = get_error(
        caller, respond_with_stream(json.dumps(body).encode(), kind=content_type)
    )
    assert (error.message, error.code, request_count) == ("no such model", "gone", 1)


@both_callers
@pytest.mark.parametrize(
    ("event_data", "message"),
    [
        (b'event: error\ndata: {"message": "overloaded"}', "overloaded"),
        (b"event: error\ndata: overloaded", "overloaded"),
        (b'event: error\ndata: "overloaded"', "overloaded"),
        (b'data: {"error": {"message": "overloaded"}}', "overloaded"),
        (b'data: {"error": {"message": "overloaded"}, "choices": []}', "overloaded"),
        (b'data: {"choices": [{"error": {"message": "overloaded"}}]}', "overloaded"),
        (
            b'data: {"error": {"message": "overloaded"}, "choices": [{"finish_reason": "error"}]}',
            "overloaded",
        ),
    ],
)
@pytest.mark.parametrize("previous", [(), HELLO], ids=["first", "later"])
def test_error_event_ends_stream(caller, event_data, message, previous):
    error, items, request_count = get_error(
        caller, respond_with_stream(*previous, event_data + b"\n\n", DONE)
    )
    assert (error.message, error.partial) == (message, "".join(items))
    assert (len(items), request_count) == (len(previous), 1)


@both_callers
def test_done_event_ends_stream_on_open_socket(caller):
    with Loopback(open_ended_response(b"".join(COMPLETE))) as server:
        client = RouterClient(api_key=KEY, base_url=server.url, max_retries=0, timeout=30.0)
        for _ in range(2):
            assert caller.stream(client, create_stream_call()) == ["Hel", "lo", ""]


@both_callers
def test_connection_lost_during_stream_raises(caller):
    with Loopback(open_ended_response(b"".join(HELLO), then_close=True)) as server:
        client = RouterClient(api_key=KEY, base_url=server.url, timeout=30.0)
        with pytest.raises(StreamInterruptedError) as raised:
            caller.stream(client, create_stream_call())
    assert (raised.value.partial, len(server.requests)) == ("Hello", 1)


@both_callers
@pytest.mark.parametrize("end", [(DONE,), (LOST,), (b"data: null\n\n",)])
def test_stream_is_always_closed(caller, end):
    body = ResponseBody(*HELLO, *end)
    client = create_client(lambda _: httpx.Response(200, stream=body))
    try:
        caller.stream(client, create_stream_call())
    except RouterError:
        assert end != (DONE,)
    assert body.closed


@both_callers
def test_stream_closed_early_is_closed(caller):
    body = ResponseBody(*COMPLETE)
    client = create_client(lambda _: httpx.Response(200, stream=body))
    assert caller.first(client, create_stream_call()) == "Hel"
    assert body.closed


@pytest.mark.parametrize("read", [1, 2])
async def test_aclose_closes_stream_immediately(read):
    body = ResponseBody(*COMPLETE)
    stream = create_client(lambda _: httpx.Response(200, stream=body)).astream(create_stream_call())
    for _ in range(read):
        await anext(stream)
    await stream.aclose()
    assert body.closed


def test_break_closes_stream():
    body = ResponseBody(*COMPLETE)
    for _ in create_client(lambda _: httpx.Response(200, stream=body)).stream(create_stream_call()):
        assert not body.closed
        break
    gc.collect()
    assert body.closed


@pytest.mark.slow
async def test_break_closes_async_stream(monkeypatch):
    monkeypatch.setattr(client_sender, "READ_AHEAD_BYTES", 1)
    body = ResponseBody(*COMPLETE)
    async for _ in create_client(lambda _: httpx.Response(200, stream=body)).astream(
        create_stream_call()
    ):
        assert not body.closed
        break
    gc.collect()
    for _ in range(5):
        await asyncio.sleep(0)
    assert body.closed


class Hanging(ResponseBody):
    """A body that stops sending after its first event."""

    async def __aiter__(self) -> Any:
        yield HELLO[0]
        await asyncio.Event().wait()


async def test_cancelled_stream_is_closed_and_not_retried():
    body, items = Hanging(), asyncio.Queue()
    script = Script(lambda _: httpx.Response(200, stream=body))

    async def read() -> None:
        async for item in create_client(script).astream(create_stream_call()):
            items.put_nowait(item)

    task = asyncio.create_task(read())
    assert await items.get() == "Hel"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (body.closed, script.sent) == (True, 1)


def create_client_with_two_streams() -> Any:
    """Create a client with two different streams."""
    texts = iter(["a", "b"])

    def answer(_: httpx.Request) -> httpx.Response:
        text = next(texts)
        return respond_with_stream(*(encode_event(f"{text}{n}") for n in range(3)), DONE)(None)

    return create_client(answer)


def test_interleaved_streams_are_independent():
    client = create_client_with_two_streams()
    pairs = zip(
        client.stream(create_stream_call()), client.stream(create_stream_call()), strict=True
    )
    assert list(pairs) == [("a0", "b0"), ("a1", "b1"), ("a2", "b2")]


async def test_interleaved_async_streams_are_independent():
    client = create_client_with_two_streams()
    first, second = client.astream(create_stream_call()), client.astream(create_stream_call())
    pairs = [(await anext(first), await anext(second)) for _ in range(3)]
    await first.aclose()
    await second.aclose()
    assert pairs == [("a0", "b0"), ("a1", "b1"), ("a2", "b2")]


@both_callers
def test_decoder_receives_response_head_and_attempts(caller):
    responses = []

    def create_decoder(response: Any) -> Any:
        responses.append(response)
        return create_stream_call().create_decoder(response)

    script = Script(respond(503, {}), respond_with_stream(*COMPLETE))
    caller.stream(create_client(script), create_stream_call(create_decoder=create_decoder))
    (response,) = responses
    assert (response.status, response.content_type, response.attempts) == (
        200,
        "text/event-stream",
        2,
    )


@both_callers
def test_items_from_decoder_finish_are_yielded(caller):
    class SizeDecoder:
        done, partial = False, ""

        def __init__(self, _: Any) -> None:
            self.size = 0

        def feed(self, data: bytes) -> tuple[int, ...]:
            self.size += len(data)
            return ()

        def finish(self) -> tuple[int, ...]:
            return (self.size,)

    client = create_client(Script(respond_with_stream(b"abc", b"de")))
    assert caller.stream(client, create_stream_call(create_decoder=SizeDecoder)) == [5]
