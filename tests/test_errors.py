"""What the router's errors become: one class each, with everything the reply said."""

import base64
import copy
import json
import os
import pickle
import traceback
from typing import Any

import httpx
import pytest
from langchain_core import exceptions as core
from support.scripted_router import (
    KEY,
    Body,
    Script,
    both_doors,
    chat,
    chat_stream,
    client_of,
    event,
    says,
    streams,
)

from orq_router_integrations import errors
from orq_router_integrations.errors import RouterError, create_error
from orq_router_integrations.tools.base import ToolInputError
from orq_router_integrations.wire.call import Response

FAILURES = [{"id": "no-pii", "stage": "input", "value": True, "outcome": "failed"}]
ENVELOPE = {
    "message": "no such thing",
    "type": "invalid_request_error",
    "code": "a_code",
    "param": "model",
    "failures": FAILURES,
}
SHAPES: list[tuple[Any, dict[str, Any]]] = [
    ({"error": ENVELOPE}, ENVELOPE),
    (
        {"error": {"code": "a_code", "message": "m", "doc_url": "https://x"}},
        {"doc_url": "https://x"},
    ),
    ({"code": 400, "error": "no key for it"}, {"message": "no key for it", "code": "400"}),
    ({"id": "1", "code": 400, "error": "m", "source": "system"}, {"message": "m", "code": "400"}),
    ({"code": 16, "message": "unauthenticated"}, {"message": "unauthenticated", "code": "16"}),
    ({"code": "gone", "message": "m", "category": "c"}, {"message": "m", "code": "gone"}),
    (
        {"error": {"message": "m", "code": "c", "scope_kind": "key", "dimension": "cost"}},
        {"message": "m", "code": "c", "type": None, "param": None, "failures": None},
    ),
]


def reply(status: int = 400, body: Any = None, **headers: str) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, named, content, attempts=2)


def error_of(status: int = 400, **error: Any) -> RouterError:
    return create_error(reply(status, {"error": {"message": "m", **error}}), "/chat/completions")


def tree(cls: type[RouterError] = RouterError) -> list[type[RouterError]]:
    """The classes of the tree itself; a face may have one of its own below it."""
    children = [child for child in cls.__subclasses__() if child.__module__ == errors.__name__]
    return [cls, *(leaf for child in children for leaf in tree(child))]


@pytest.mark.parametrize(("body", "meant"), SHAPES)
def test_every_shape_of_an_error_is_understood(body, meant):
    error = create_error(reply(418, body), "/chat/completions")
    assert type(error) is errors.BadRequestError
    assert {name: getattr(error, name) for name in meant} == meant


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"<html>Bad gateway</html>", "<html>Bad gateway</html>"),
        (b"", "The router sent no error message."),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"null", "null"),
        (b'["a", "b"]', '["a", "b"]'),
        (b'"just text"', "just text"),
        (b'{"error": null}', '{"error": null}'),
        (b'{"error": {"message": ""}}', '{"error": {"message": ""}}'),
        (b"[" * 5000, "[" * 200),
    ],
    ids=lambda value: repr(value[:12]),
)
def test_an_error_without_a_known_shape_shows_the_start_of_its_body(content, message):
    error = create_error(reply(502, content), "/audio/speech")
    assert (type(error), error.message) == (errors.ServerError, message)


@both_doors
def test_an_error_tells_how_the_call_went(door):
    headers = {"x-orq-trace-id": "01J", "retry-after": "120", "x-should-retry": "false"}
    script = Script(lambda _: httpx.Response(429, text="no " * 3000, headers=headers))
    with pytest.raises(errors.RateLimitError) as raised:
        door.send(client_of(script), chat())
    told = {name: getattr(raised.value, name) for name in ("endpoint", "attempts", "status_code")}
    assert told == {"endpoint": "/chat/completions", "attempts": 1, "status_code": 429}
    assert (raised.value.trace_id, raised.value.retry_after) == ("01J", 120)
    assert raised.value.should_retry is False
    assert raised.value.body == ("no " * 3000)[:4096]


STATUSES = {
    401: errors.AuthenticationError,
    402: errors.QuotaExceededError,
    403: errors.PermissionDeniedError,
    404: errors.NotFoundError,
    408: errors.RequestTimeoutError,
    429: errors.RateLimitError,
}


@pytest.mark.parametrize("status", range(400, 600))
def test_every_status_has_its_class(status):
    expected = STATUSES.get(status, errors.BadRequestError if status < 500 else errors.ServerError)
    assert type(error_of(status)) is expected


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (400, "guardrail_error", errors.GuardrailError),
        (422, "guardrail_error", errors.GuardrailError),
        (400, "content_filter", errors.ContentFilterError),
        (400, "context_length_exceeded", errors.ContextLengthError),
        (429, "cost_budget_exceeded", errors.BudgetExceededError),
        (429, "token_budget_exceeded", errors.BudgetExceededError),
        (429, "requests_per_minute_exceeded", errors.BudgetExceededError),
        (429, "rate_limit_exceeded", errors.RateLimitError),
        (400, "invalid_api_key", errors.AuthenticationError),
        (429, "quota_exceeded", errors.QuotaExceededError),
        (504, "request_timeout", errors.RequestTimeoutError),
        (429, "never_heard_of", errors.RateLimitError),
    ],
)
@pytest.mark.parametrize("member", ["code", "type"])
def test_a_known_code_says_more_than_the_status(member, status, code, expected):
    assert type(error_of(status, **{member: code})) is expected


@pytest.mark.parametrize("status", [500, 502, 503])
def test_a_failed_provider_stays_one_whatever_type_it_claims(status):
    error = error_of(status, type="invalid_request_error")
    assert (type(error), error.is_retryable) == (errors.ServerError, True)


CORE = {
    errors.RouterError: (core.ModelError, False),
    errors.RouterInputError: (core.ModelInvalidRequestError, False),
    ToolInputError: (core.ModelInvalidRequestError, False),
    errors.RouterConnectionError: (core.ModelConnectionError, True),
    errors.StreamInterruptedError: (core.ModelConnectionError, True),
    errors.RouterTimeoutError: (core.ModelTimeoutError, True),
    errors.InvalidResponseError: (core.ModelAPIError, False),
    errors.SavingError: (core.ModelError, False),
    errors.RefusalError: (core.ModelError, False),
    errors.RouterStatusError: (core.ModelError, False),
    errors.RedirectError: (core.ModelError, False),
    errors.BadRequestError: (core.ModelInvalidRequestError, False),
    errors.GuardrailError: (core.ModelInvalidRequestError, False),
    errors.ContentFilterError: (core.ModelInvalidRequestError, False),
    errors.ContextLengthError: (core.ContextOverflowError, False),
    errors.AuthenticationError: (core.ModelAuthenticationError, False),
    errors.QuotaExceededError: (core.ModelPermissionDeniedError, False),
    errors.PermissionDeniedError: (core.ModelPermissionDeniedError, False),
    errors.NotFoundError: (core.ModelNotFoundError, False),
    errors.RequestTimeoutError: (core.ModelTimeoutError, True),
    errors.RateLimitError: (core.ModelRateLimitError, True),
    errors.BudgetExceededError: (core.ModelRateLimitError, False),
    errors.ServerError: (core.ModelAPIError, True),
}


@pytest.mark.parametrize("cls", dict.fromkeys(tree()), ids=lambda cls: cls.__name__)
def test_langchain_tells_the_errors_apart(cls):
    error = cls("m")
    assert (isinstance(error, CORE[cls][0]), error.is_retryable) == (True, CORE[cls][1])
    assert isinstance(error, ValueError) is issubclass(cls, errors.RouterInputError)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
@pytest.mark.parametrize("cls", dict.fromkeys(tree()), ids=lambda cls: cls.__name__)
def test_an_error_can_be_copied_and_pickled(cls, copied):
    error = cls("m", status_code=429, code="c", failures=FAILURES, retry_after=1.5, partial="Hel")
    twin = copied(error)
    assert (type(twin), str(twin), vars(twin)) == (cls, str(error), vars(error))


@pytest.mark.parametrize("member", ["message", "code", "param", "type"])
def test_the_text_of_an_error_is_bounded_and_keeps_its_message(member):
    text = str(error_of(**{"message": "the reason", member: "long " * 4000}))
    assert len(text) <= 2000
    assert text.startswith("long" if member == "message" else "the reason")


def shown(error: BaseException) -> str:
    told = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    return str(error) + told


@both_doors
@pytest.mark.parametrize("member", [*ENVELOPE, "doc_url"])
def test_a_key_that_the_router_echoes_is_not_shown(door, member):
    script = Script(says(401, {"error": {"message": "m", member: f"Bearer {KEY}"}}))
    with pytest.raises(errors.AuthenticationError) as raised:
        door.send(client_of(script), chat())
    assert KEY not in shown(raised.value)


@both_doors
@pytest.mark.parametrize("header", ["x-orq-trace-id", "location"])
def test_a_key_in_a_header_of_the_reply_is_not_shown(door, header):
    script = Script(lambda _: httpx.Response(307, headers={header: f"https://x/{KEY}"}))
    with pytest.raises(errors.RedirectError) as raised:
        door.send(client_of(script), chat())
    assert KEY not in shown(raised.value)


@pytest.mark.parametrize(
    ("key", "escaped"),
    [
        ("sk-orq/slashed/key", r"sk-orq\/slashed\/key"),
        ("sk-orq+added+key", r"sk-orq\u002badded\u002bkey"),
        ('sk-orq"quoted"key', r"sk-orq\"quoted\"key"),
    ],
)
def test_a_key_that_is_escaped_in_json_is_not_shown(key, escaped):
    body = f'{{"error": {{"message": "you sent {escaped}", "code": "{escaped}"}}}}'.encode()
    error = create_error(reply(401, body), "/chat/completions", secret=key)
    assert key not in str(error) + repr(error) + "".join(map(str, vars(error).values()))


@both_doors
@pytest.mark.parametrize("text", [f"Bearer {KEY}", "words " * 300 + KEY])
def test_a_key_in_an_error_page_is_not_shown(door, text):
    with pytest.raises(errors.AuthenticationError) as raised:
        door.send(client_of(lambda _: httpx.Response(401, text=text)), chat())
    assert KEY not in shown(raised.value)


@both_doors
def test_no_part_of_a_long_key_is_shown_where_the_text_is_cut(door):
    key = "sk-orq-" + ".".join(["eyJhbGciOiJIUzI1NiJ9"] * 20)
    script = Script(says(401, {"error": {"message": "words " * 300 + key}}))
    with pytest.raises(errors.AuthenticationError) as raised:
        door.send(client_of(script, api_key=key), chat())
    assert key[:30] not in shown(raised.value)


@both_doors
@pytest.mark.parametrize("kind", ["whole", "streamed"])
def test_a_key_in_an_unreadable_reply_is_not_shown(door, kind):
    content = f"you sent Authorization: Bearer {KEY}".encode()
    body = content if kind == "whole" else b"data: " + content + b"\n\n"
    headers = {"x-orq-trace-id": f"trace-{KEY}"}
    client = client_of(lambda _: httpx.Response(200, headers=headers, stream=Body(body)))
    with pytest.raises(errors.InvalidResponseError) as raised:
        door.send(client, chat()) if kind == "whole" else door.stream(client, chat_stream())
    assert KEY not in shown(raised.value)


PICTURE = base64.b64encode(os.urandom(3000)).decode()


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("member", ["message", "code", "param"])
def test_an_error_shows_no_base64(member, escaped):
    text = f"bad image data:image/png;base64,{PICTURE}"
    body = json.dumps({"error": {"message": "m", member: text}})
    body = body.replace("/", r"\/") if escaped else body
    error = create_error(reply(400, body.encode()), "/chat/completions")
    assert PICTURE[:150] not in str(error) + error.body.replace("\\", "")


@both_doors
def test_an_unreadable_reply_shows_no_base64(door):
    client = client_of(lambda _: httpx.Response(200, text=PICTURE))
    with pytest.raises(errors.InvalidResponseError) as raised:
        door.send(client, chat())
    assert PICTURE[:150] not in str(raised.value)


INSIDE = [
    ({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, errors.RateLimitError),
    ({"error": {"message": "blocked", "type": "guardrail_error"}}, errors.GuardrailError),
    ({"code": 429, "message": "slow down"}, errors.RateLimitError),
    ({"code": 404, "error": "no such model"}, errors.NotFoundError),
    ({"error": "the provider failed"}, errors.ServerError),
    ({"choices": [{"error": {"message": "cut off", "code": 502}}]}, errors.ServerError),
]


@both_doors
@pytest.mark.parametrize(("body", "expected"), INSIDE)
def test_an_error_inside_a_200_is_raised(door, body, expected):
    with pytest.raises(RouterError) as raised:
        door.send(client_of(Script(says(200, body))), chat())
    assert type(raised.value) is expected
    assert raised.value.message in json.dumps(body)


@both_doors
@pytest.mark.parametrize("wrap", [b"data: %s\n\n", b"event: error\ndata: %s\n\n"])
@pytest.mark.parametrize(("body", "expected"), INSIDE[:-1])
def test_an_error_inside_a_stream_is_raised_with_the_text_before_it(door, body, expected, wrap):
    script = Script(streams(event("Hel"), event("lo"), wrap % json.dumps(body).encode()))
    with pytest.raises(RouterError) as raised:
        door.stream(client_of(script), chat_stream())
    assert (type(raised.value), raised.value.partial) == (expected, "Hello")
    assert script.sent == 1


@both_doors
@pytest.mark.parametrize("kind", ["whole", "streamed"])
@pytest.mark.parametrize(
    "failures",
    [b"[" * 300 + b"]" * 300, b"[" * 900 + b"]" * 900, b'["\\ud83d", 1' + b"0" * 30 + b"]"],
    ids=["deep", "deeper", "half a character and a huge number"],
)
def test_an_odd_error_is_still_that_error(door, kind, failures):
    body = b'{"error": {"message": "blocked", "failures": %s}}' % failures
    whole = client_of(lambda _: httpx.Response(400, content=body))
    streamed = client_of(streams(b"data: " + body + b"\n\n"))
    with pytest.raises(RouterError, match="blocked"):
        door.send(whole, chat()) if kind == "whole" else door.stream(streamed, chat_stream())
