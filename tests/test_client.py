"""Requests that the client sends, own httpx clients, threads and cancellation."""

import asyncio
import gc
import os
import threading
import warnings
import weakref
from typing import Any

import httpx
import pytest
from pydantic import ValidationError
from support.scripted_router import (
    ANSWER,
    KEY,
    AsyncCaller,
    ResponseBody,
    Script,
    both_callers,
    create_call,
    create_client,
    create_stream_call,
    record_sleeps,
    respond,
)

from orq_router_integrations import RouterClient, RouterError
from orq_router_integrations.errors import RedirectError, RouterInputError
from orq_router_integrations.media.content_block import create_upload
from orq_router_integrations.wire.endpoints import RESPONSES, SPEECH, TRANSCRIPTIONS
from orq_router_integrations.wire.json import loads


def get_request(caller: Any, call: Any = None, **settings: Any) -> httpx.Request:
    """Send a call and return its request."""
    script = Script()
    assert caller.send(create_client(script, **settings), call or create_call()) == ANSWER
    (request,) = script.requests
    return request


def create_form_call(**fields: Any) -> Any:
    file = {"file": create_upload(b"ID3 audio", filename="a.mp3")}
    body = {"model": "openai/whisper-1", **fields}
    return create_call(endpoint=TRANSCRIPTIONS, body=body, files=file)


@both_callers
def test_call_is_sent_to_endpoint_with_key(caller):
    request = get_request(caller)
    assert (request.method, str(request.url)) == (
        "POST",
        "https://api.orq.ai/v3/router/chat/completions",
    )
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("orq-router-integrations/")


@both_callers
def test_default_headers_and_query_are_sent(caller):
    settings = {"default_headers": {"X-Team": "blue"}, "default_query": {"a": "1 & 2"}}
    request = get_request(caller, **settings)
    assert request.headers["x-team"] == "blue"
    assert dict(request.url.params) == {"a": "1 & 2"}


@both_callers
@pytest.mark.parametrize("name", ["user-agent", "ACCEPT"])
def test_default_header_replaces_header_of_client(caller, name):
    assert get_request(caller, default_headers={name: "mine"}).headers.get_list(name) == ["mine"]


@both_callers
@pytest.mark.parametrize("name", ["content-type", "idempotency-key", "x-retry-count"])
def test_reserved_header_is_sent_once_or_refused(caller, name):
    try:
        request = get_request(caller, default_headers={name: "mine"})
    except ValidationError as error:
        assert name in str(error)  # noqa: PT017 - refusing it is equally correct
    else:
        assert len(request.headers.get_list(name)) == 1


@both_callers
@pytest.mark.parametrize(
    ("prefix", "controls"),
    [
        ("v3/router", {"retry": 1, "identity": 1}),
        ("v2/router", {"retry": 1, "orq": {"identity"}}),
        ("v2/gateway", {"orq": {"retry", "contact"}}),
        ("v2/proxy", {"orq": {"retry", "identity"}}),
    ],
)
def test_url_path_determines_location_of_controls(caller, prefix, controls):
    script = Script()
    client = create_client(
        script,
        base_url=f"https://my.orq.ai/{prefix}",
        controls={"retry": {"count": 1}, "identity": "user-17"},
    )
    caller.send(client, create_call(body={}))
    body = httpx.Response(200, content=script.requests[0].content).json()
    assert body.keys() == controls.keys()
    assert body.get("orq", {}).keys() == controls.get("orq", set())


@both_callers
def test_default_controls_apply_to_supporting_endpoints(caller):
    defaults = {"cache": {"ttl": 60}, "name": "tour"}
    speech = get_request(caller, create_call(endpoint=SPEECH, body={}), controls=defaults)
    response = get_request(caller, create_call(endpoint=RESPONSES, body={}), controls=defaults)
    assert speech.content == b'{"name":"tour"}'
    assert b'"cache"' in response.content


@both_callers
def test_unsupported_control_of_call_is_refused(caller):
    controls = create_client(Script(), controls={"cache": {"ttl": 60}}).controls
    with pytest.raises(RouterInputError, match=r"controls\.cache"):
        get_request(caller, create_call(endpoint=SPEECH, body={}, controls=controls))


@both_callers
@pytest.mark.parametrize("fields", [{}, {"prompt": ""}, {"prompt": "", "language": "en"}])
def test_form_is_sent_completely(caller, fields):
    request = get_request(caller, create_form_call(**fields))
    assert len(request.content) == int(request.headers["content-length"])
    assert request.content.endswith(b"--\r\n")


@both_callers
def test_form_is_identical_in_each_attempt(caller, monkeypatch):
    record_sleeps(monkeypatch)
    script = Script(respond(503, {}), httpx.ReadError("lost"), respond())
    caller.send(create_client(script), create_form_call(prompt="x"))
    first, second, third = (request.content for request in script.requests)
    assert first == second == third


@both_callers
@pytest.mark.parametrize("size", [100, 2_000_000])
@pytest.mark.parametrize("factor", [None, 1.5, 0.5], ids=["deleted", "grown", "shrunk"])
def test_changed_file_raises_error(caller, tmp_path, size, factor):
    path = tmp_path / "sound.mp3"
    path.write_bytes(bytes(size))
    call = create_call(endpoint=TRANSCRIPTIONS, body={}, files={"file": create_upload(path)})
    path.unlink() if factor is None else path.write_bytes(bytes(int(size * factor)))
    with pytest.raises(RouterError, match=r"sound\.mp3"):
        caller.send(create_client(Script()), call)


@both_callers
def test_file_that_became_a_pipe_raises_error(caller, tmp_path):
    """Opening a pipe would wait for its writer, beyond the deadline."""
    path = tmp_path / "sound.mp3"
    path.write_bytes(bytes(2_000_000))
    call = create_call(endpoint=TRANSCRIPTIONS, body={}, files={"file": create_upload(path)})
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(RouterInputError, match="not a regular file"):
        caller.send(create_client(Script()), call)


@both_callers
@pytest.mark.parametrize(
    ("controls", "settings", "seconds"),
    [
        ({}, {"deadline": 3600}, 600),
        ({"fallbacks": ["a/b"]}, {"deadline": 3600}, 600),
        ({"timeout": {"call_timeout": 2000}, "retry": {"count": 1}}, {}, 30 + 2 * 2 + 1.25),
        (
            {"timeout": {"call_timeout": 1000}, "retry": {"count": 2}, "fallbacks": ["a/b"]},
            {},
            30 + 2 * (3 * 1 + 1.25 * 3),
        ),
        ({}, {"timeout": 45}, 45),
        ({"timeout": {"call_timeout": 2000}, "retry": {"count": 1}}, {"timeout": 5.25}, 5.25),
    ],
)
def test_default_timeout_allows_worst_case_of_controls(caller, controls, settings, seconds):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        request = get_request(caller, controls=controls, **settings)
    expected = {"connect": min(seconds, 10), "read": seconds, "write": seconds, "pool": seconds}
    assert request.extensions["timeout"] == pytest.approx(expected)


@both_callers
def test_timeout_shorter_than_worst_case_warns(caller):
    controls = {"timeout": {"call_timeout": 2000}, "retry": {"count": 1}}
    with pytest.warns(UserWarning, match="timeout=5 is shorter .* fallback"):
        request = get_request(caller, controls=controls, timeout=5.0)
    assert request.extensions["timeout"]["read"] == 5


@both_callers
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("follows", [False, True], ids=["default", "follow_redirects"])
def test_redirect_raises_error_with_target(caller, status, follows):
    """Redirects are not followed, even by an httpx client that is set to do so."""
    script = Script(respond(status, {}, location="https://elsewhere.example/steal"), respond())
    client = create_client(script)
    client.http_client.follow_redirects = client.http_async_client.follow_redirects = follows
    for send in (
        lambda: caller.send(client, create_call()),
        lambda: caller.stream(client, create_stream_call()),
    ):
        script.requests.clear()
        with pytest.raises(RedirectError, match=r"elsewhere\.example"):
            send()
        assert script.sent == 1


@both_callers
def test_own_httpx_clients_are_used_and_left_open(caller):
    script = Script()
    with create_client(script) as client:
        caller.send(client, create_call())
    client.close()
    asyncio.run(client.aclose())
    assert (script.sent, client.http_client.is_closed) == (1, False)
    assert not client.http_async_client.is_closed


async def test_client_is_async_context_manager():
    async with create_client(Script()) as client:
        assert await client.asend(create_call()) == ANSWER
    assert not client.http_async_client.is_closed


@both_callers
def test_missing_httpx_client_for_other_mode_raises_input_error(caller):
    transport = httpx.MockTransport(Script())
    clients = {"http_async_client": httpx.AsyncClient(transport=transport)}
    if isinstance(caller, AsyncCaller):
        clients = {"http_client": httpx.Client(transport=transport)}
    with pytest.raises(RouterInputError, match=r"call needs http_\w*client"):
        caller.send(RouterClient(api_key=KEY, **clients), create_call())


def test_threads_get_their_own_responses():
    client = create_client(lambda request: httpx.Response(200, content=request.content))
    calls = [
        create_call(body={"number": n}, parse=lambda response: loads(response.content))
        for n in range(24)
    ]
    results: dict[int, Any] = {}
    threads = [
        threading.Thread(target=lambda n=n: results.update({n: client.send(calls[n])}))
        for n in range(len(calls))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {n: {"number": n} for n in range(24)}


async def test_cancelled_call_is_not_retried():
    is_sent, script = asyncio.Event(), Script()

    async def hang(request: httpx.Request) -> httpx.Response:
        script.requests.append(request)
        is_sent.set()
        await asyncio.Event().wait()
        raise AssertionError

    task = asyncio.create_task(create_client(hang).asend(create_call()))
    await is_sent.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert script.sent == 1


async def test_cancelling_ends_wait_before_retry():
    is_sent, script = asyncio.Event(), Script(respond(503, {}, retry_after="50"))
    client = create_client(lambda request: is_sent.set() or script(request))
    task = asyncio.create_task(client.asend(create_call()))
    await is_sent.wait()
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert script.sent == 1


@both_callers
def test_response_is_closed(caller):
    body = ResponseBody(b'{"choices":[{"message":{"content":"Hi"}}]}')
    caller.send(create_client(lambda _: httpx.Response(200, stream=body)), create_call())
    assert body.closed


@both_callers
def test_call_leaves_no_reference_cycle(caller):
    """A large response would otherwise stay in memory until the next garbage collection."""

    class Parser:
        def __call__(self, response: Any) -> int:
            return len(response.content)

    parser, client = Parser(), create_client(Script())
    reference = weakref.ref(parser)
    gc.disable()
    try:
        assert caller.send(client, create_call(parse=parser)) > 0
        del parser
        assert reference() is None
    finally:
        gc.enable()
