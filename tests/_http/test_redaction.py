"""A server that echoes the key where only a parser of its reply sees it."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from support.loopback_server import Answer, Loopback
from support.scripted_router import Door, both_doors, chat, chat_stream

from orq_router_integrations import RouterClient, RouterError
from orq_router_integrations._http.redaction import MAX_KEYS, RedactingFilter

KEY = "sk-orq-a-key-that-is-nobodys-business"
OK, CHUNKED = b"HTTP/1.1 200 OK\r\n", b"Transfer-Encoding: chunked\r\n"
EVENTS = b"Content-Type: text/event-stream\r\n"


def says(reply: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(reply.replace(b"KEY", KEY.encode()))
        writer.close()

    return answer


ECHOES = {
    "status line": b"KEY\r\n\r\n",
    "broken header": OK + b"Authorization Bearer KEY\r\n\r\n",
    "chunk head": OK + CHUNKED + b"\r\nKEY\r\n",
    "chunk head of events": OK + EVENTS + CHUNKED + b"\r\nKEY\r\n",
    "encoding": OK + b"Content-Encoding: KEY\r\nContent-Length: 2\r\n\r\n{}",
    "no JSON": OK + b"Content-Type: application/json\r\n\r\nKEY",
    "no JSON in an event": OK + EVENTS + b"\r\ndata: KEY\n\n",
    "error in an event": OK + EVENTS + b'\r\ndata: {"error": "KEY"}\n\n',
}


LOGGED = {
    "header": OK + b"X-Echo: Bearer KEY\r\nContent-Length: 2\r\n\r\n{}",
    "broken header": ECHOES["broken header"],
    "status line": b"HTTP/1.1 200 KEY\r\nContent-Length: 2\r\n\r\n{}",
}


def led_to(error: BaseException | None) -> Iterator[BaseException]:
    """An error and every other that it can be traced to."""
    while error is not None:
        yield error
        if error.__context__ is not error.__cause__ and error.__context__:
            yield from led_to(error.__context__)
        error = error.__cause__


@both_doors
@pytest.mark.parametrize("injected", [False, True], ids=["own", "httpx"])
@pytest.mark.parametrize("reply", LOGGED.values(), ids=LOGGED)
def test_key_echoed_in_response_head_is_not_logged(door: Door, reply, injected, caplog):
    caplog.set_level(logging.DEBUG)
    limits = httpx.Limits(max_keepalive_connections=0)
    clients = {
        "http_client": httpx.Client(limits=limits),
        "http_async_client": httpx.AsyncClient(limits=limits),
    }
    with Loopback(says(reply)) as server, suppress(RouterError):
        given = clients if injected else {}
        client = RouterClient(api_key=KEY, base_url=server.url, max_retries=0, **given)
        door.send(client, chat())
    told = [record.getMessage() for record in caplog.records if record.name == "httpcore.http11"]
    assert any("receive_response_headers" in line for line in told)
    assert "[key]" in " ".join(told)
    assert KEY not in caplog.text


@both_doors
@pytest.mark.parametrize("call", [chat(), chat_stream()], ids=["whole", "stream"])
@pytest.mark.parametrize("echo", ECHOES.values(), ids=ECHOES)
def test_echoed_key_is_not_in_errors_or_their_causes(door: Door, call, echo) -> None:
    with Loopback(says(echo)) as server:
        client = RouterClient(api_key=KEY, base_url=server.url, max_retries=0)
        with pytest.raises(RouterError) as raised:
            (door.stream if hasattr(call, "decoder") else door.send)(client, call)
    for error in led_to(raised.value):
        assert KEY not in f"{error} {error!r} {vars(error)}"


def test_recently_used_key_is_redacted_among_many():
    hush = RedactingFilter()
    for number in range(3 * MAX_KEYS):
        hush.add_key(KEY)
        hush.add_key(f"sk-orq-of-tenant-{number:04}")
    assert "[key]" in hushed(hush, f"Bearer {KEY}")


@pytest.mark.parametrize("key", ["sk-orq-project1", "sk-orq-project1-and-more", "sk-orq-a\\b"])
def test_key_is_redacted_completely(key):
    hush = RedactingFilter()
    for known in ("sk-orq-project1", "sk-orq-project1-and-more", "sk-orq-a\\b"):
        hush.add_key(known)
    assert hushed(hush, repr([(b"X-Echo", key.encode())])) == "[(b'X-Echo', b'[key]')]"


def test_invalid_log_record_is_left_to_logging():
    record = logging.LogRecord("httpx", logging.DEBUG, "", 0, "%s %s", ("one",), None)
    assert RedactingFilter().filter(record)


def hushed(hush: RedactingFilter, text: str) -> str:
    record = logging.LogRecord("httpx", logging.DEBUG, "", 0, "%s", (text,), None)
    assert hush.filter(record)
    return record.getMessage()
