"""API keys that a server repeats in its response."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress

import httpx
import pytest
from support.loopback_server import Answer, Loopback
from support.scripted_router import Caller, both_callers, create_call, create_stream_call

from orq_router_integrations import RouterClient, RouterError
from orq_router_integrations._http.redaction import MAX_KEYS, RedactingFilter

KEY = "sk-orq-a-key-to-be-redacted"
OK, CHUNKED = b"HTTP/1.1 200 OK\r\n", b"Transfer-Encoding: chunked\r\n"
EVENTS = b"Content-Type: text/event-stream\r\n"


def respond(response: bytes) -> Answer:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(response.replace(b"KEY", KEY.encode()))
        writer.close()

    return answer


ECHOES = {
    "status line": b"KEY\r\n\r\n",
    "invalid header": OK + b"Authorization Bearer KEY\r\n\r\n",
    "chunk size": OK + CHUNKED + b"\r\nKEY\r\n",
    "chunk size of events": OK + EVENTS + CHUNKED + b"\r\nKEY\r\n",
    "encoding": OK + b"Content-Encoding: KEY\r\nContent-Length: 2\r\n\r\n{}",
    "invalid JSON": OK + b"Content-Type: application/json\r\n\r\nKEY",
    "invalid JSON in event": OK + EVENTS + b"\r\ndata: KEY\n\n",
    "error event": OK + EVENTS + b'\r\ndata: {"error": "KEY"}\n\n',
}
LOGGED = {
    "header": OK + b"X-Echo: Bearer KEY\r\nContent-Length: 2\r\n\r\n{}",
    "invalid header": ECHOES["invalid header"],
    "status line": b"HTTP/1.1 200 KEY\r\nContent-Length: 2\r\n\r\n{}",
}


def iter_causes(error: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all errors reachable from it."""
    while error is not None:
        yield error
        if error.__context__ is not error.__cause__ and error.__context__:
            yield from iter_causes(error.__context__)
        error = error.__cause__


@pytest.mark.slow
@both_callers
@pytest.mark.parametrize("has_own_clients", [False, True], ids=["pool", "httpx client"])
@pytest.mark.parametrize("response", LOGGED.values(), ids=LOGGED)
def test_key_echoed_in_response_head_is_not_logged(
    caller: Caller, response, has_own_clients, caplog
):
    caplog.set_level(logging.DEBUG)
    limits = httpx.Limits(max_keepalive_connections=0)
    clients = {
        "http_client": httpx.Client(limits=limits),
        "http_async_client": httpx.AsyncClient(limits=limits),
    }
    with Loopback(respond(response)) as server, suppress(RouterError):
        settings = clients if has_own_clients else {}
        client = RouterClient(api_key=KEY, base_url=server.url, max_retries=0, **settings)
        caller.send(client, create_call())
    messages = [r.getMessage() for r in caplog.records if r.name == "httpcore.http11"]
    assert any("receive_response_headers" in message for message in messages)
    assert "[key]" in " ".join(messages)
    assert KEY not in caplog.text


@both_callers
@pytest.mark.parametrize("call", [create_call(), create_stream_call()], ids=["call", "stream"])
@pytest.mark.parametrize("response", ECHOES.values(), ids=ECHOES)
def test_echoed_key_is_not_in_errors_or_their_causes(caller: Caller, call, response) -> None:
    with Loopback(respond(response)) as server:
        client = RouterClient(api_key=KEY, base_url=server.url, max_retries=0)
        with pytest.raises(RouterError) as raised:
            (caller.stream if hasattr(call, "create_decoder") else caller.send)(client, call)
    for error in iter_causes(raised.value):
        assert KEY not in f"{error} {error!r} {vars(error)}"


def test_key_echoed_in_header_is_redacted_from_response():
    headers = []
    call = create_call(parse=lambda response: headers.append(response.headers))
    with Loopback(respond(LOGGED["header"])) as server:
        RouterClient(api_key=KEY, base_url=server.url, max_retries=0).send(call)
    assert headers[0]["x-echo"] == "Bearer [key]"


def redact(redacting_filter: RedactingFilter, text: str) -> str:
    record = logging.LogRecord("httpx", logging.DEBUG, "", 0, "%s", (text,), None)
    assert redacting_filter.filter(record)
    return record.getMessage()


def test_recently_used_key_is_redacted_among_many():
    redacting_filter = RedactingFilter()
    for number in range(3 * MAX_KEYS):
        redacting_filter.add_key(KEY)
        redacting_filter.add_key(f"sk-orq-of-tenant-{number:04}")
    assert redact(redacting_filter, f"Bearer {KEY}") == "Bearer [key]"


@pytest.mark.parametrize("key", ["sk-orq-project1", "sk-orq-project1-and-more", "sk-orq-a\\b"])
def test_key_is_redacted_completely(key):
    """One key may start with another, and a backslash is doubled in a repr."""
    redacting_filter = RedactingFilter()
    for known_key in ("sk-orq-project1", "sk-orq-project1-and-more", "sk-orq-a\\b"):
        redacting_filter.add_key(known_key)
    assert redact(redacting_filter, repr([(b"X-Echo", key.encode())])) == "[(b'X-Echo', b'[key]')]"


def test_invalid_log_record_is_left_to_logging():
    record = logging.LogRecord("httpx", logging.DEBUG, "", 0, "%s %s", ("one",), None)
    assert RedactingFilter().filter(record)
