"""Deadlines of calls, idle timeouts of streams, and the watchdog of sync calls."""

import asyncio
import threading
import time
from typing import Any

import httpx
import pytest
from support.local_client import COMPLETION, wait_until
from support.loopback_server import (
    Answer,
    Loopback,
    complete_response,
    open_ended_response,
    send_nothing,
)
from support.scripted_router import (
    DONE,
    KEY,
    Caller,
    Script,
    both_callers,
    create_call,
    create_client,
    create_stream_call,
    encode_event,
    respond,
)

from orq_router_integrations import RouterClient, RouterError
from orq_router_integrations._http.client_sender import SocketWatchdog
from orq_router_integrations._http.deadline import Deadline
from orq_router_integrations.errors import RouterConnectionError, RouterTimeoutError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def drip(start: bytes, data: bytes) -> Answer:
    """Send the start, then a little data again and again, forever."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.write(data)

    return answer


def encode_chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def impatient_client(server: Loopback, **settings: Any) -> RouterClient:
    defaults = {"deadline": 0.3, "stream_chunk_timeout": 0.3, "timeout": 30.0, "max_retries": 0}
    return RouterClient(api_key=KEY, base_url=server.url, **defaults | settings)


def get_timeout_error(caller: Caller, client: RouterClient, call: Any) -> RouterTimeoutError:
    """Return the error of a call that times out."""
    start = time.monotonic()
    with pytest.raises(RouterTimeoutError) as raised:
        (caller.stream if hasattr(call, "create_decoder") else caller.send)(client, call)
    assert 0.25 < time.monotonic() - start < 20
    return raised.value


SLOW_RESPONSES = {
    "nothing": send_nothing,
    "slow head": drip(b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
    "slow body": drip(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "),
    "endless body": drip(b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    "slow chunk": drip(HEAD + b"5;x=", b"a"),
    "slow error": drip(b"HTTP/1.1 503 No\r\nContent-Length: 9999\r\n\r\n", b" "),
}


@pytest.mark.slow
@both_callers
@pytest.mark.parametrize("call", [create_call(), create_stream_call()], ids=["call", "stream"])
@pytest.mark.parametrize("answer", SLOW_RESPONSES.values(), ids=SLOW_RESPONSES)
def test_call_ends_at_deadline(caller, call, answer):
    with Loopback(answer) as server:
        error = get_timeout_error(caller, impatient_client(server), call)
        assert "deadline of 0.3 seconds. Pass a longer deadline=" in str(error)
        assert (error.endpoint, error.attempts) == ("/chat/completions", 1)


@pytest.mark.slow
@both_callers
def test_deadline_applies_to_reused_connection(caller):
    answers = [complete_response(COMPLETION), SLOW_RESPONSES["slow head"]]

    async def answer(writer: asyncio.StreamWriter) -> None:
        await answers.pop(0)(writer)

    with Loopback(answer) as server:
        with pytest.raises(RouterTimeoutError, match="deadline"):
            caller.send(impatient_client(server), create_call(), times=2)
        assert server.accepted == 1


@both_callers
def test_deadline_covers_all_attempts(caller):
    """The wait before the second attempt could end after the deadline, so it is not started."""
    with Loopback(send_nothing) as server:
        client = impatient_client(server, timeout=0.1, max_retries=9)
        message = r"no data for 0\.1 seconds|deadline of 0\.3 seconds"  # on a slow machine
        with pytest.raises(RouterTimeoutError, match=message) as raised:
            caller.send(client, create_call())
        assert raised.value.attempts == 1


@both_callers
def test_wait_beyond_deadline_is_not_started(caller):
    script = Script(respond(429, {}, retry_after="7"))
    with pytest.raises(RouterError) as raised:
        caller.send(create_client(script, deadline=5.0), create_call())
    assert (script.sent, raised.value.attempts, raised.value.retry_after) == (1, 1, 7)


IDLE_STREAMS = {
    "nothing": open_ended_response(encode_event("Hel")),
    "keep-alives": drip(
        HEAD + encode_chunk(encode_event("Hel")), encode_chunk(b": keep-alive\n\n")
    ),
    "slow event": drip(HEAD + encode_chunk(encode_event("Hel")), encode_chunk(b"d")),
}


@pytest.mark.slow
@both_callers
@pytest.mark.parametrize("answer", IDLE_STREAMS.values(), ids=IDLE_STREAMS)
def test_idle_stream_ends_with_partial_text(caller, answer):
    with Loopback(answer) as server:
        client = impatient_client(server, deadline=30.0)
        error = get_timeout_error(caller, client, create_stream_call())
        assert (error.partial, error.status_code) == ("Hel", 200)
        assert "stream sent nothing new for 0.3 seconds" in str(error)


@pytest.mark.slow
@both_callers
def test_stream_may_outlast_deadline(caller):
    events = [encode_chunk(encode_event("x"))] * 40

    async def answer(writer: asyncio.StreamWriter) -> None:
        for data in [HEAD, *events, encode_chunk(DONE), b"0\r\n\r\n"]:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(0.05)

    with Loopback(answer) as server:
        client = impatient_client(server, deadline=1.5, stream_chunk_timeout=30.0)
        assert len(caller.stream(client, create_stream_call())) == 40


@pytest.mark.slow
@both_callers
@pytest.mark.parametrize("is_injected", [False, True], ids=["own", "injected"])
def test_deadline_covers_collected_stream(caller, is_injected):
    dripping = drip(HEAD, encode_chunk(encode_event("x")))
    with Loopback(dripping) as server:
        clients: Any = {"http_client": httpx.Client(), "http_async_client": httpx.AsyncClient()}
        client = impatient_client(
            server, stream_chunk_timeout=30.0, **(clients if is_injected else {})
        )
        error = get_timeout_error(caller, client, create_stream_call(deadline_covers_stream=True))
        assert "deadline of 0.3 seconds. Pass a longer deadline=" in str(error)
        assert error.partial.startswith("xx")


@pytest.mark.slow
@both_callers
def test_idle_collected_stream_ends_before_deadline(caller):
    with Loopback(open_ended_response(encode_event("Hel"))) as server:
        client = impatient_client(server, deadline=60.0)
        error = get_timeout_error(caller, client, create_stream_call(deadline_covers_stream=True))
        assert "stream sent nothing new for 0.3 seconds" in str(error)


@pytest.mark.slow
@both_callers
def test_chunk_with_only_a_finish_reason_extends_idle_timeout(caller):
    finish = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n'
    usage = b'data: {"choices":[{"index":0,"delta":{}}],"usage":{"total_tokens":1}}\n\n'

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        for event in (encode_event("Hel"), finish, usage, DONE):
            writer.write(encode_chunk(event))
            await writer.drain()
            await asyncio.sleep(0.6)

    with Loopback(answer) as server:
        client = impatient_client(server, deadline=30.0, stream_chunk_timeout=1.0)
        assert caller.stream(client, create_stream_call()) == ["Hel", "", ""]


@pytest.mark.slow
def test_idle_timeout_ignores_slow_reader():
    with Loopback(open_ended_response(encode_event("Hel") + encode_event("lo") + DONE)) as server:
        texts = []
        for text in impatient_client(server, stream_chunk_timeout=0.1).stream(create_stream_call()):
            texts.append(text)
            time.sleep(0.25)
    assert texts == ["Hel", "lo"]


@pytest.mark.slow
async def test_idle_timeout_ignores_slow_async_reader():
    with Loopback(open_ended_response(encode_event("Hel") + encode_event("lo") + DONE)) as server:
        texts = []
        async with impatient_client(server, stream_chunk_timeout=0.1) as client:
            async for text in client.astream(create_stream_call()):
                texts.append(text)
                await asyncio.sleep(0.25)
    assert texts == ["Hel", "lo"]


async def respond_with_stream(writer: asyncio.StreamWriter) -> None:
    writer.write(HEAD + encode_chunk(encode_event("Hel")) + encode_chunk(DONE) + b"0\r\n\r\n")


def test_connection_of_complete_stream_is_reused():
    with Loopback(respond_with_stream) as server, impatient_client(server) as client:
        assert [list(client.stream(create_stream_call())) for _ in range(3)] == [["Hel"]] * 3
        assert server.accepted == 1


async def test_connection_of_complete_async_stream_is_reused():
    with Loopback(respond_with_stream) as server:
        async with impatient_client(server) as client:
            for _ in range(3):
                assert [text async for text in client.astream(create_stream_call())] == ["Hel"]
        assert server.accepted == 1


def test_lost_connection_before_deadline_is_not_a_timeout():
    with pytest.raises(RouterConnectionError):
        create_client(Script(httpx.ReadError("lost")), max_retries=0, deadline=9.0).send(
            create_call()
        )


def has_watchdogs() -> bool:
    return any(thread.name == "orq-watchdog" for thread in threading.enumerate())


class WatchedTransport(httpx.HTTPTransport):
    """Records whether requests are watched while they are sent, and when they are closed."""

    def __init__(self) -> None:
        super().__init__()
        self.watched: list[bool] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.watched.append(has_watchdogs())
        response = super().handle_request(request)
        close = response.stream.close

        def record() -> None:
            self.watched.append(not wait_until(lambda: not has_watchdogs()))
            close()

        response.stream.close = record
        return response


@pytest.mark.slow
def test_pooled_connection_is_not_watched():
    """The watchdog could otherwise shut down the socket of the next request."""
    transport = WatchedTransport()
    with httpx.Client(transport=transport) as http_client:
        with Loopback(respond_with_stream) as server:
            client = impatient_client(server, http_client=http_client)
            assert list(client.stream(create_stream_call())) == ["Hel"]
        with Loopback(complete_response(COMPLETION)) as server:
            impatient_client(server, http_client=http_client).send(create_call())
    assert transport.watched == [True, False] * 2


class FailingStream:
    def get_extra_info(self, _: str) -> Any:
        raise RuntimeError("this stream has no socket")


@pytest.mark.slow
def test_failing_transport_does_not_stop_watchdog():
    with SocketWatchdog(Deadline(timeout=0.01, idle_timeout=30)) as failing:
        failing.stream = FailingStream()
        assert wait_until(lambda: failing.is_expired)
    with SocketWatchdog(Deadline(timeout=0.01, idle_timeout=30)) as watchdog:
        assert wait_until(lambda: watchdog.is_expired)
