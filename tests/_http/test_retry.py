"""Which failures the client retries, and how long it waits before."""

import ssl
import uuid
from typing import Any

import httpx
import pytest
from support.scripted_router import (
    ANSWER,
    ResponseBody,
    Script,
    both_callers,
    create_call,
    create_client,
    record_sleeps,
    respond,
)

from orq_router_integrations._http.client_state import RETRY_TOKENS
from orq_router_integrations.errors import (
    RateLimitError,
    RouterConnectionError,
    RouterError,
    RouterTimeoutError,
)
from orq_router_integrations.wire.json import loads

TRANSIENT = (408, 429, 500, 502, 503, 504, 529)
PERMANENT = (400, 401, 402, 403, 404, 405, 409, 413, 415, 422, 501, 505, 599)
WITH_ROUTER_RETRIES = [{"retry": {"count": 1}}, {"fallbacks": ["mistral/large"]}]


@pytest.fixture(autouse=True)
def pauses(monkeypatch) -> list[float]:
    return record_sleeps(monkeypatch)


def count_requests(caller: Any, *steps: Any, call: Any = None, **settings: Any) -> int:
    """Send a call that fails; returns the number of requests."""
    script = Script(*steps)
    with pytest.raises(RouterError) as raised:
        caller.send(create_client(script, **settings), call or create_call())
    assert raised.value.attempts == script.sent
    return script.sent


@both_callers
@pytest.mark.parametrize("status", TRANSIENT)
def test_transient_status_is_retried(caller, status):
    assert count_requests(caller, respond(status, {})) == 3


@both_callers
@pytest.mark.parametrize("status", [*PERMANENT, 301, 307])
def test_permanent_status_is_not_retried(caller, status):
    assert count_requests(caller, respond(status, {})) == 1


@both_callers
@pytest.mark.parametrize("controls", WITH_ROUTER_RETRIES)
@pytest.mark.parametrize(
    ("status", "headers", "request_count"),
    [
        *((status, {}, 1) for status in TRANSIENT),
        *((status, {"retry_after": "2"}, 1) for status in (408, 500, 502, 504, 529)),
        (409, {"x_should_retry": "true"}, 1),
    ],
)
def test_client_does_not_repeat_retries_of_router(caller, controls, status, headers, request_count):
    step = respond(status, {}, **headers)
    assert count_requests(caller, step, controls=controls) == request_count


@both_callers
@pytest.mark.parametrize("controls", [{}, *WITH_ROUTER_RETRIES])
@pytest.mark.parametrize("status", [429, 503])
def test_retry_after_is_not_a_failed_attempt(caller, controls, status):
    """The router said when to retry, so neither ``max_retries`` nor the budget is charged."""
    script = Script(*[respond(status, {}, retry_after="2")] * 5, respond())
    client = create_client(script, controls=controls)
    assert caller.send(client, create_call()) == ANSWER
    assert script.sent == 6
    assert client._state.retry_tokens == RETRY_TOKENS


@both_callers
def test_retry_after_is_not_followed_without_retries(caller):
    assert count_requests(caller, respond(429, {}, retry_after="2"), max_retries=0) == 1


@both_callers
@pytest.mark.parametrize("code", ["cost_budget_exceeded", "token_budget_exceeded"])
def test_exceeded_spending_budget_is_not_retried(caller, code):
    assert count_requests(caller, respond(429, {"error": {"message": "m", "code": code}})) == 1


@both_callers
@pytest.mark.parametrize(
    ("status", "should_retry", "request_count"),
    [
        (503, "false", 1),
        (429, "false", 1),
        (409, "true", 3),
        (501, "true", 3),
        (599, "true", 3),
        *((status, "true", 1) for status in (400, 401, 403, 404, 422)),
        (404, "perhaps", 1),
        (503, "perhaps", 3),
    ],
)
def test_should_retry_header_is_respected(caller, status, should_retry, request_count):
    assert count_requests(caller, respond(status, {}, x_should_retry=should_retry)) == request_count


UNSENT = [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError]
AMBIGUOUS = [
    httpx.ReadError,
    httpx.WriteError,
    httpx.ReadTimeout,
    httpx.WriteTimeout,
    httpx.RemoteProtocolError,
]


@both_callers
@pytest.mark.parametrize("failure", [*UNSENT, *AMBIGUOUS])
def test_lost_connection_is_retried(caller, failure):
    assert count_requests(caller, failure("broken")) == 3


@both_callers
@pytest.mark.parametrize(
    "settings",
    [{"call": create_call(retry_ambiguous=False)}, *({"controls": c} for c in WITH_ROUTER_RETRIES)],
)
@pytest.mark.parametrize("failure", [*UNSENT, *AMBIGUOUS])
def test_only_unsent_requests_are_retried_without_retry_ambiguous(caller, failure, settings):
    request_count = count_requests(caller, failure("broken"), **settings)
    assert request_count == (3 if failure in UNSENT else 1)


@both_callers
@pytest.mark.parametrize("status", TRANSIENT)
def test_status_is_retried_without_retry_ambiguous(caller, status):
    assert count_requests(caller, respond(status, {}), call=create_call(retry_ambiguous=False)) == 3


@both_callers
@pytest.mark.parametrize(("retry_ambiguous", "request_count"), [(True, 3), (False, 1)])
def test_truncated_body_is_ambiguous(caller, retry_ambiguous, request_count):
    body = ResponseBody(b'{"choices"', httpx.ReadError("lost"))
    step = lambda _: httpx.Response(200, stream=body)  # noqa: E731
    call = create_call(retry_ambiguous=retry_ambiguous)
    assert count_requests(caller, step, call=call) == request_count


@both_callers
def test_bad_certificate_is_not_retried(caller):
    script = Script()

    def refuse_certificate(request: httpx.Request) -> httpx.Response:
        script.requests.append(request)
        try:
            raise ssl.SSLCertVerificationError("self-signed certificate")
        except ssl.SSLError as error:
            raise httpx.ConnectError(str(error)) from error

    with pytest.raises(RouterConnectionError, match="self-signed") as raised:
        caller.send(create_client(refuse_certificate), create_call())
    assert (script.sent, raised.value.is_retryable) == (1, False)


@both_callers
@pytest.mark.parametrize(
    ("failure", "error_class"),
    [
        (httpx.ConnectError("refused"), RouterConnectionError),
        (httpx.ReadTimeout("slow"), RouterTimeoutError),
        (httpx.ConnectTimeout("slow"), RouterTimeoutError),
        (httpx.DecodingError("gzip"), RouterConnectionError),
    ],
)
def test_httpx_errors_are_mapped(caller, failure, error_class):
    with pytest.raises(RouterError) as raised:
        caller.send(create_client(Script(failure)), create_call())
    assert (type(raised.value), raised.value.endpoint) == (error_class, "/chat/completions")


@both_callers
@pytest.mark.parametrize("retries", [0, 1, 10])
def test_max_retries_is_respected(caller, retries):
    assert count_requests(caller, respond(503, {}), max_retries=retries) == 1 + retries


@both_callers
@pytest.mark.parametrize(("status", "max_retries"), [(503, 0), (400, 2)], ids=["no retries", "400"])
def test_traceback_without_retries_has_no_frames_of_tenacity(caller, status, max_retries):
    client = create_client(Script(respond(status, {})), max_retries=max_retries)
    with pytest.raises(RouterError) as raised:
        caller.send(client, create_call())
    assert not [entry.path for entry in raised.traceback if "tenacity" in str(entry.path)]


@both_callers
def test_error_of_retry_is_not_chained_to_earlier_one(caller):
    client = create_client(Script(respond(503, {}), respond(500, {}), respond(400, {})))
    with pytest.raises(RouterError) as raised:
        caller.send(client, create_call())
    assert (raised.value.status_code, raised.value.__context__) == (400, None)


@both_callers
@pytest.mark.parametrize("failure", [respond(503, {}), httpx.ConnectError("refused")])
def test_successful_retry_returns_result(caller, failure):
    script = Script(failure, failure, respond())
    attempts = []
    call = create_call(
        parse=lambda response: attempts.append(response.attempts) or loads(response.content)
    )
    assert caller.send(create_client(script), call) == ANSWER
    assert (script.sent, attempts) == (3, [3])


@both_callers
def test_backoff_grows_up_to_maximum_with_jitter(caller, pauses):
    count_requests(caller, respond(500, {}), max_retries=10)
    limits = [0.5, 1, 2, 4, 8, 8, 8, 8, 8, 8]
    assert all(limit / 2 <= pause <= limit for pause, limit in zip(pauses, limits, strict=True))
    assert len(set(pauses[4:])) > 1


DATE = "Sun, 06 Nov 2022 08:49:37 GMT"
LATER = "Sun, 06 Nov 2022 08:49:52 GMT"


@both_callers
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "7"}, 7),
        ({"retry_after": "0.25"}, 0.25),
        ({"retry_after": "60"}, 60),
        ({"retry_after_ms": "1500"}, 1.5),
        ({"retry_after_ms": "400", "retry_after": "7"}, 0.4),
        ({"retry_after": LATER, "date": DATE}, 15),
        ({"x_ratelimit_reset": "58s"}, 58),
        ({"x_ratelimit_reset": "0.5s"}, 0.5),
        ({"x_ratelimit_reset": "1m"}, 60),
        ({"retry_after": "7", "x_ratelimit_reset": "58s"}, 7),
        ({"retry_after": "soon", "x_ratelimit_reset": "9s"}, 9),
        ({"retry_after_ms": "-1", "retry_after": "7"}, 7),
    ],
)
def test_retry_after_headers_are_respected(caller, pauses, headers, seconds):
    script = Script(*[respond(429, {}, **headers)] * 2, respond())
    assert caller.send(create_client(script), create_call()) == ANSWER
    assert pauses == [seconds, seconds]


INVALID_VALUES = ["nan", "inf", "-inf", "-5", "0", "soon", "", "9" * 400, "0x10", "1_0", DATE]


@both_callers
@pytest.mark.parametrize("name", ["retry_after", "retry_after_ms", "x_ratelimit_reset"])
@pytest.mark.parametrize("value", INVALID_VALUES, ids=lambda value: value[:8])
def test_invalid_retry_after_is_ignored(caller, pauses, name, value):
    count_requests(caller, respond(429, {}, **{name: value}, date=LATER))
    assert 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1


@both_callers
@pytest.mark.parametrize(
    "value",
    [
        "Mon, 01 Jan 99999999999999 00:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:99999999999999999999 GMT",
        "Mon, 01 Jan 2026 00:00:00 +99999999999999999",
        "Mon, 99 Foo 2026",
    ],
)
def test_impossible_date_is_ignored(caller, pauses, value):
    count_requests(caller, respond(429, {}, retry_after=value, date=DATE))
    assert 0.25 <= pauses[0] <= 0.5


@both_callers
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry_after": "61"}, 61),
        ({"retry_after": "3600"}, 3600),
        ({"retry_after_ms": "60001"}, 60.001),
        ({"x_ratelimit_reset": "1m30s"}, 90),
        ({"x_ratelimit_reset": "2h"}, 7200),
    ],
)
def test_long_retry_after_is_left_to_caller(caller, pauses, headers, seconds):
    """A caller can decide better than the client whether to wait for more than a minute."""
    with pytest.raises(RateLimitError) as raised:
        caller.send(create_client(Script(respond(429, {}, **headers))), create_call())
    assert (raised.value.retry_after, raised.value.attempts, pauses) == (seconds, 1, [])


@both_callers
def test_attempts_share_one_idempotency_key(caller):
    script = Script(respond(503, {}))
    for _ in range(2):
        with pytest.raises(RouterError):
            caller.send(create_client(script), create_call())
    keys = script.headers("idempotency-key")
    assert len(set(keys[:3])) == len(set(keys[3:])) == 1
    assert keys[0] != keys[3]
    assert all(uuid.UUID(key) for key in keys)
    assert script.headers("x-retry-count") == ["0", "1", "2"] * 2


@both_callers
def test_each_attempt_resolves_key_and_sends_same_body(caller):
    keys = iter(["first", "second", "third"])
    script = Script(respond(500, {}))
    with pytest.raises(RouterError):
        caller.send(create_client(script, api_key=lambda: next(keys)), create_call())
    expected = ["Bearer first", "Bearer second", "Bearer third"]
    assert script.headers("authorization") == expected
    assert len({request.content for request in script.requests}) == 1


@both_callers
def test_invalid_body_is_not_sent(caller):
    script = Script()
    with pytest.raises(ValueError, match="model: Cannot send object"):
        caller.send(create_client(script), create_call(body={"model": object()}))
    assert script.sent == 0
