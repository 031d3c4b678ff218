"""How long a call may take by the wall clock, whatever drips, stalls or keeps the line warm."""

import asyncio
import json
import time
from typing import Any

import httpx
import pytest
from support.loopback_server import Answer, Loopback, open_ended, silent, whole
from support.scripted_router import (
    ANSWER,
    DONE,
    KEY,
    Door,
    Script,
    both_doors,
    chat,
    chat_stream,
    client_of,
    event,
    recorded_pauses,
    says,
)

from orq_router_integrations import RouterClient, RouterError
from orq_router_integrations._http import pool as stack
from orq_router_integrations._http.deadline import WATCHDOG_THREAD, Deadline, SocketWatchdog
from orq_router_integrations.errors import (
    RouterConnectionError,
    RouterTimeoutError,
)

COMPLETION = json.dumps(ANSWER).encode()
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"


def dripping(start: bytes, drop: bytes) -> Answer:
    """Begins at once, then sends a little and a little more, for ever."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(start)
        while not writer.is_closing():
            await writer.drain()
            await asyncio.sleep(0.02)
            writer.write(drop)

    return answer


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def hurried(server: Loopback, **settings: Any) -> RouterClient:
    given = {"deadline": 0.3, "stream_chunk_timeout": 0.3, "timeout": 5.0, "max_retries": 0}
    return RouterClient(api_key=KEY, base_url=server.url, **given | settings)


def late(door: Door, client: RouterClient, call: Any) -> RouterTimeoutError:
    """The error of a call that takes too long, and no longer than it may."""
    began = time.monotonic()
    with pytest.raises(RouterTimeoutError) as raised:
        (door.stream if hasattr(call, "decoder") else door.send)(client, call)
    assert 0.25 < time.monotonic() - began < 2.5  # the fault table is stricter, in calm
    return raised.value


HEADS = {
    "silence": silent,
    "a dripping head": dripping(b"HTTP/1.1 200 OK\r\nX-A: ", b"a"),
    "a dripping body": dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b" "),
    "a body without an end": dripping(b"HTTP/1.1 200 OK\r\n\r\n", b" "),
    "a dripping chunk": dripping(HEAD + b"5;x=", b"a"),
    "a dripping error": dripping(b"HTTP/1.1 503 No\r\nContent-Length: 9999\r\n\r\n", b" "),
}


@both_doors
@pytest.mark.parametrize("call", [chat(), chat_stream()], ids=["whole", "stream"])
@pytest.mark.parametrize("answer", HEADS.values(), ids=HEADS)
def test_call_ends_at_deadline(door, call, answer):
    with Loopback(answer) as server:
        error = late(door, hurried(server), call)
        assert "deadline of 0.3 seconds. Pass a longer deadline=" in str(error)
        assert (error.endpoint, error.attempts) == ("/chat/completions", 1)


@both_doors
def test_deadline_applies_to_reused_connection(door):
    answers = [whole(COMPLETION), HEADS["a dripping head"]]

    async def answer(writer: asyncio.StreamWriter) -> None:
        await answers.pop(0)(writer)

    class Twice(type(door)):
        def send(self, client: RouterClient, call: Any) -> Any:
            return super().send(client, call, times=2)

    with Loopback(answer) as server:
        late(Twice(), hurried(server), chat())
        assert server.accepted == 1


@both_doors
def test_deadline_covers_all_attempts(door):
    with Loopback(silent) as server:
        either = r"no data for 0\.1 seconds|deadline of 0\.3 seconds"  # both, where all is slow
        with pytest.raises(RouterTimeoutError, match=either) as raised:
            door.send(hurried(server, timeout=0.1, max_retries=9), chat())
        assert raised.value.attempts == 1  # the next pause could end behind the deadline


@both_doors
def test_wait_beyond_deadline_is_not_started(door, monkeypatch):
    pauses = recorded_pauses(monkeypatch)
    script = Script(says(429, {}, retry_after="7"))
    with pytest.raises(RouterError) as raised:
        door.send(client_of(script, deadline=5.0), chat())
    assert (script.sent, pauses, raised.value.retry_after) == (1, [], 7)


KEEP_ALIVE = dripping(HEAD + chunk(event("Hel")), chunk(b": keep-alive\n\n"))
QUIET = {
    "silence": open_ended(event("Hel")),
    "keep-alives": KEEP_ALIVE,
    "a dripping event": dripping(HEAD + chunk(event("Hel")), chunk(b"d")),
}


@both_doors
@pytest.mark.parametrize("answer", QUIET.values(), ids=QUIET)
def test_idle_stream_ends_with_partial_text(door, answer):
    with Loopback(answer) as server:
        error = late(door, hurried(server, deadline=9.0), chat_stream())
        assert (error.partial, error.status_code) == ("Hel", 200)
        assert "stream sent nothing new for 0.3 seconds" in str(error)


@both_doors
def test_stream_may_outlast_deadline(door):
    news = [HEAD, *(chunk(event("x")) for _ in range(40)), chunk(DONE), b"0\r\n\r\n"]

    async def answer(writer: asyncio.StreamWriter) -> None:
        for piece in news:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.05)

    with Loopback(answer) as server:
        client = hurried(server, deadline=1.5, stream_chunk_timeout=9.0)
        assert len(door.stream(client, chat_stream())) == 40


def test_idle_timeout_ignores_slow_reader():
    with Loopback(open_ended(event("Hel") + event("lo") + DONE)) as server:
        texts = []
        for text in hurried(server, stream_chunk_timeout=0.1).stream(chat_stream()):
            texts.append(text)
            time.sleep(0.25)
    assert texts == ["Hel", "lo"]


async def test_idle_timeout_ignores_slow_async_reader():
    with Loopback(open_ended(event("Hel") + event("lo") + DONE)) as server:
        texts = []
        async with hurried(server, stream_chunk_timeout=0.1) as client:
            async for text in client.astream(chat_stream()):
                texts.append(text)
                await asyncio.sleep(0.25)
    assert texts == ["Hel", "lo"]


WHOLE_STREAM = HEAD + chunk(event("Hel")) + chunk(DONE) + b"0\r\n\r\n"


async def a_whole_stream(writer: asyncio.StreamWriter) -> None:
    writer.write(WHOLE_STREAM)


def test_connection_of_complete_stream_is_reused():
    with Loopback(a_whole_stream) as server, hurried(server) as client:
        assert [list(client.stream(chat_stream())) for _ in range(3)] == [["Hel"]] * 3
        assert server.accepted == 1


async def test_connection_of_complete_async_stream_is_reused():
    with Loopback(a_whole_stream) as server:
        async with hurried(server) as client:
            for _ in range(3):
                assert [text async for text in client.astream(chat_stream())] == ["Hel"]
        assert server.accepted == 1


def test_watchdog_works_after_fork():
    with SocketWatchdog(Deadline(timeout=9, idle_timeout=9)):
        WATCHDOG_THREAD.reset_after_fork()
        with SocketWatchdog(Deadline(timeout=0.01, idle_timeout=9)) as other:
            time.sleep(0.3)
            assert other.expired


def test_lost_connection_before_deadline_is_not_a_timeout():
    with pytest.raises(RouterConnectionError):
        client_of(Script(httpx.ReadError("cut")), max_retries=0, deadline=9.0).send(chat())


def test_pooled_connection_is_not_watched(monkeypatch):
    watched = []
    put = stack._IdleConnections.push

    def noting(idle: Any, origin: Any, one: Any) -> Any:
        watched.append(len(WATCHDOG_THREAD._watchdogs))
        return put(idle, origin, one)

    monkeypatch.setattr(stack._IdleConnections, "push", noting)
    with Loopback(a_whole_stream) as server, hurried(server) as client:
        assert list(client.stream(chat_stream())) == ["Hel"]
    with Loopback(whole(COMPLETION)) as server, hurried(server) as client:
        client.send(chat())
    assert watched == [0, 0]


class OddStream:
    def get_extra_info(self, _: str) -> Any:
        raise RuntimeError("no socket here")


def test_failing_transport_does_not_stop_watchdog():
    with SocketWatchdog(Deadline(timeout=0.01, idle_timeout=9)) as odd:
        odd.watch_extensions({"network_stream": OddStream()})
        time.sleep(0.3)
    with SocketWatchdog(Deadline(timeout=0.01, idle_timeout=9)) as other:
        time.sleep(0.3)
        assert other.expired
