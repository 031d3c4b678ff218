"""Exceptions: their classes and details, and what is redacted."""

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
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from support.scripted_router import (
    KEY,
    ResponseBody,
    Script,
    both_callers,
    create_call,
    create_client,
    create_stream_call,
    encode_event,
    respond,
    respond_with_stream,
)

from orq_router_integrations import RouterControls, errors
from orq_router_integrations.errors import (
    MAX_TEXT_CHARS,
    RouterError,
    RouterInputError,
    create_error,
    to_input_error,
)
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
BODIES: list[tuple[Any, dict[str, Any]]] = [
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


def create_response(status: int = 400, body: Any = None, **headers: str) -> Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    http_headers = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status, http_headers, content, attempts=2)


def create_error_with(status: int = 400, **error: Any) -> RouterError:
    return create_error(
        create_response(status, {"error": {"message": "m", **error}}), "/chat/completions"
    )


def iter_error_classes(cls: type[RouterError] = RouterError) -> list[type[RouterError]]:
    """Return the classes of the module, without subclasses defined elsewhere."""
    children = [child for child in cls.__subclasses__() if child.__module__ == errors.__name__]
    return [cls, *(leaf for child in children for leaf in iter_error_classes(child))]


@pytest.mark.parametrize(("body", "expected_fields"), BODIES)
def test_error_fields_in_each_body_format(body, expected_fields):
    error = create_error(create_response(418, body), "/chat/completions")
    assert type(error) is errors.BadRequestError
    assert {name: getattr(error, name) for name in expected_fields} == expected_fields


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
def test_unknown_body_becomes_the_message(content, message):
    error = create_error(create_response(502, content), "/audio/speech")
    assert (type(error), error.message) == (errors.ServerError, message)


@both_callers
def test_error_has_details_of_the_call(caller):
    headers = {"x-orq-trace-id": "01J", "retry-after": "120", "x-should-retry": "false"}
    script = Script(lambda _: httpx.Response(429, text="no " * 3000, headers=headers))
    with pytest.raises(errors.RateLimitError) as raised:
        caller.send(create_client(script), create_call())
    details = {
        name: getattr(raised.value, name) for name in ("endpoint", "attempts", "status_code")
    }
    assert details == {"endpoint": "/chat/completions", "attempts": 1, "status_code": 429}
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
def test_status_determines_the_class(status):
    expected = STATUSES.get(status, errors.BadRequestError if status < 500 else errors.ServerError)
    assert type(create_error_with(status)) is expected


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
@pytest.mark.parametrize("field", ["code", "type"])
def test_code_determines_the_class(field, status, code, expected):
    assert type(create_error_with(status, **{field: code})) is expected


@pytest.mark.parametrize("status", [500, 502, 503])
def test_server_error_with_the_type_of_a_bad_request_is_retryable(status):
    error = create_error_with(status, type="invalid_request_error")
    assert (type(error), error.is_retryable) == (errors.ServerError, True)


LANGCHAIN_CLASSES = {
    errors.RouterError: (core.ModelError, False),
    errors.RouterInputError: (core.ModelInvalidRequestError, False),
    ToolInputError: (core.ModelInvalidRequestError, False),
    errors.RouterConnectionError: (core.ModelConnectionError, True),
    errors.StreamInterruptedError: (core.ModelConnectionError, True),
    errors.RouterTimeoutError: (core.ModelTimeoutError, True),
    errors.InvalidResponseError: (core.ModelAPIError, False),
    errors.SavingError: (core.ModelError, False),
    errors.RefusalError: (core.ModelError, False),
    errors.FlaggedContentError: (core.ModelInvalidRequestError, False),
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


@pytest.mark.parametrize("cls", dict.fromkeys(iter_error_classes()), ids=lambda cls: cls.__name__)
def test_langchain_class_and_is_retryable(cls):
    error = cls("m")
    assert (isinstance(error, LANGCHAIN_CLASSES[cls][0]), error.is_retryable) == (
        True,
        LANGCHAIN_CLASSES[cls][1],
    )
    assert isinstance(error, ValueError) is issubclass(cls, errors.RouterInputError)


@pytest.mark.parametrize("copy_error", [copy.deepcopy, lambda e: pickle.loads(pickle.dumps(e))])
@pytest.mark.parametrize("cls", dict.fromkeys(iter_error_classes()), ids=lambda cls: cls.__name__)
def test_copies_and_pickles_keep_the_details(cls, copy_error):
    error = cls("m", status_code=429, code="c", failures=FAILURES, retry_after=1.5, partial="Hel")
    copied = copy_error(error)
    assert (type(copied), str(copied), vars(copied)) == (cls, str(error), vars(error))


@pytest.mark.parametrize("field", ["message", "code", "param", "type"])
def test_str_is_limited_and_starts_with_the_message(field):
    text = str(create_error_with(**{"message": "the reason", field: "long " * 4000}))
    assert len(text) <= 2000
    assert text.startswith("long" if field == "message" else "the reason")


def format_everything(error: BaseException) -> str:
    details = "".join(traceback.format_exception(error)) + repr(error) + repr(vars(error))
    return str(error) + details


@both_callers
@pytest.mark.parametrize("field", [*ENVELOPE, "doc_url"])
def test_key_in_an_error_field_is_redacted(caller, field):
    script = Script(respond(401, {"error": {"message": "m", field: f"Bearer {KEY}"}}))
    with pytest.raises(errors.AuthenticationError) as raised:
        caller.send(create_client(script), create_call())
    assert KEY not in format_everything(raised.value)


@both_callers
@pytest.mark.parametrize("header", ["x-orq-trace-id", "location"])
def test_key_in_a_response_header_is_redacted(caller, header):
    script = Script(lambda _: httpx.Response(307, headers={header: f"https://x/{KEY}"}))
    with pytest.raises(errors.RedirectError) as raised:
        caller.send(create_client(script), create_call())
    assert KEY not in format_everything(raised.value)


@pytest.mark.parametrize(
    ("key", "escaped"),
    [
        ("sk-orq/slashed/key", r"sk-orq\/slashed\/key"),
        ("sk-orq+added+key", r"sk-orq\u002badded\u002bkey"),
        ('sk-orq"quoted"key', r"sk-orq\"quoted\"key"),
    ],
)
def test_key_with_json_escapes_is_redacted(key, escaped):
    body = f'{{"error": {{"message": "you sent {escaped}", "code": "{escaped}"}}}}'.encode()
    error = create_error(create_response(401, body), "/chat/completions", secret=key)
    assert key not in str(error) + repr(error) + "".join(map(str, vars(error).values()))


ENCODED_KEYS = {
    "URL": "sk-orq%2Fslashed%2fkey%2B",
    "URL, every character": "".join(f"%{ord(char):02x}" for char in "sk-orq/slashed/key+"),
    "JSON": r"sk-orq\/slashed\u002Fkey\u002b",
}


@pytest.mark.parametrize("encoded", ENCODED_KEYS.values(), ids=ENCODED_KEYS)
@pytest.mark.parametrize("is_json", [False, True], ids=["text", "JSON"])
def test_encoded_key_is_redacted(encoded, is_json):
    key = "sk-orq/slashed/key+"
    text = f"you sent token={encoded}, 100%."
    body = json.dumps({"error": {"message": text}}) if is_json else text
    error = create_error(create_response(401, body.encode()), "/chat/completions", secret=key)
    assert error.message == "you sent token=[key], 100%."
    assert encoded not in error.body


def test_escapes_in_an_error_without_the_key_are_kept():
    text = r"no such file: C:\\temp\/a%20b"
    error = create_error(create_response(400, text.encode()), "/chat/completions", secret=KEY)
    assert error.message == text


@both_callers
@pytest.mark.parametrize("text", [f"Bearer {KEY}", "words " * 300 + KEY])
def test_key_in_a_text_body_is_redacted(caller, text):
    with pytest.raises(errors.AuthenticationError) as raised:
        caller.send(create_client(lambda _: httpx.Response(401, text=text)), create_call())
    assert KEY not in format_everything(raised.value)


@both_callers
def test_long_key_is_redacted_before_truncation(caller):
    key = "sk-orq-" + ".".join(["eyJhbGciOiJIUzI1NiJ9"] * 20)
    script = Script(respond(401, {"error": {"message": "words " * 300 + key}}))
    with pytest.raises(errors.AuthenticationError) as raised:
        caller.send(create_client(script, api_key=key), create_call())
    assert key[:30] not in format_everything(raised.value)


@both_callers
@pytest.mark.parametrize("mode", ["complete", "streamed"])
def test_key_in_a_malformed_response_is_redacted(caller, mode):
    content = f"you sent Authorization: Bearer {KEY}".encode()
    body = content if mode == "complete" else b"data: " + content + b"\n\n"
    headers = {"x-orq-trace-id": f"trace-{KEY}"}
    client = create_client(
        lambda _: httpx.Response(200, headers=headers, stream=ResponseBody(body))
    )
    with pytest.raises(errors.InvalidResponseError) as raised:
        caller.send(client, create_call()) if mode == "complete" else caller.stream(
            client, create_stream_call()
        )
    assert KEY not in format_everything(raised.value)


IMAGE = base64.b64encode(os.urandom(3000)).decode()


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("field", ["message", "code", "param"])
def test_base64_in_an_error_is_redacted(field, escaped):
    text = f"bad image data:image/png;base64,{IMAGE}"
    body = json.dumps({"error": {"message": "m", field: text}})
    body = body.replace("/", r"\/") if escaped else body
    error = create_error(create_response(400, body.encode()), "/chat/completions")
    assert IMAGE[:150] not in str(error) + error.body.replace("\\", "")


@both_callers
def test_base64_in_a_malformed_response_is_redacted(caller):
    client = create_client(lambda _: httpx.Response(200, text=IMAGE))
    with pytest.raises(errors.InvalidResponseError) as raised:
        caller.send(client, create_call())
    assert IMAGE[:150] not in str(raised.value)


ERRORS_WITH_STATUS_200 = [
    ({"error": {"message": "slow down", "code": "rate_limit_exceeded"}}, errors.RateLimitError),
    ({"error": {"message": "blocked", "type": "guardrail_error"}}, errors.GuardrailError),
    ({"code": 429, "message": "slow down"}, errors.RateLimitError),
    ({"code": 404, "error": "no such model"}, errors.NotFoundError),
    ({"error": "the provider failed"}, errors.ServerError),
    ({"choices": [{"error": {"message": "cut off", "code": 502}}]}, errors.ServerError),
]


@both_callers
@pytest.mark.parametrize(("body", "expected"), ERRORS_WITH_STATUS_200)
def test_error_with_status_200_is_raised(caller, body, expected):
    with pytest.raises(RouterError) as raised:
        caller.send(create_client(Script(respond(200, body))), create_call())
    assert type(raised.value) is expected
    assert raised.value.message in json.dumps(body)


@both_callers
@pytest.mark.parametrize("wrap", [b"data: %s\n\n", b"event: error\ndata: %s\n\n"])
@pytest.mark.parametrize(("body", "expected"), ERRORS_WITH_STATUS_200[:-1])
def test_error_within_a_stream_has_the_partial_text(caller, body, expected, wrap):
    script = Script(
        respond_with_stream(
            encode_event("Hel"), encode_event("lo"), wrap % json.dumps(body).encode()
        )
    )
    with pytest.raises(RouterError) as raised:
        caller.stream(create_client(script), create_stream_call())
    assert (type(raised.value), raised.value.partial) == (expected, "Hello")
    assert script.sent == 1


@both_callers
@pytest.mark.parametrize("mode", ["complete", "streamed"])
@pytest.mark.parametrize(
    "failures",
    [b"[" * 300 + b"]" * 300, b"[" * 900 + b"]" * 900, b'["\\ud83d", 1' + b"0" * 30 + b"]"],
    ids=["deep", "deeper", "half a character and a huge number"],
)
def test_deeply_nested_or_invalid_failures_are_read(caller, mode, failures):
    body = b'{"error": {"message": "blocked", "failures": %s}}' % failures
    complete = create_client(lambda _: httpx.Response(400, content=body))
    streamed = create_client(respond_with_stream(b"data: " + body + b"\n\n"))
    with pytest.raises(RouterError, match="blocked"):
        caller.send(complete, create_call()) if mode == "complete" else caller.stream(
            streamed, create_stream_call()
        )


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "input exceeds the context window",
        "input length and `max_tokens` exceed context limit: 190000 + 20000 > 200000",
        "Too many input tokens",
        "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).",
        "Input is too long for requested model.",
        "Please reduce the length of the messages or completion.",
        "This model's maximum prompt length is 131072 but the request contains 140000 tokens.",
    ],
)
def test_context_length_error_is_detected_by_message(status, message):
    """The router passes on the message of the provider, without an error code."""
    assert type(create_error_with(status, message=message)) is errors.ContextLengthError


@pytest.mark.parametrize(
    "message",
    [
        "max_tokens is too large: 20000. This model supports at most 16384 completion tokens",
        "stop: at most 4 texts",
        "tools[0].function.description is too long",
    ],
)
def test_other_limits_are_not_a_context_length_error(message):
    assert type(create_error_with(400, message=message)) is errors.BadRequestError


class Spice(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    grams: int = Field(default=1, ge=1)


def create_validation_error(**fields: object) -> ValidationError:
    with pytest.raises(ValidationError) as raised:
        Spice(**fields)
    return raised.value


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"name": "salt", "grams": 0}, ["grams:", "greater than or equal to 1", "not 0"]),
        ({"name": "salt", "grams": "few"}, ["grams:", "not 'few'"]),
        ({}, ["name: Field required"]),
        ({"name": 7, "grams": -1}, ["name:", "; grams:"]),
        ({"name": "salt", "gram": 1}, ["gram: Extra inputs are not permitted"]),
    ],
)
def test_validation_error_names_each_field(fields, expected):
    error = create_validation_error(**fields)
    message = to_input_error(error).message
    assert all(part in message for part in expected)
    assert "\n" not in message
    assert "pydantic" not in message


def test_missing_field_does_not_show_other_input():
    assert "4111" not in to_input_error(create_validation_error(grams=4111)).message


def test_nested_field_is_named_by_its_path():
    with pytest.raises(ValidationError) as raised:
        RouterControls(retry={"count": 9}, fallbacks=["openai/gpt-4o", "nonsense"])
    message = to_input_error(raised.value).message
    assert "retry.count:" in message
    assert "fallbacks.1.model: Expected 'provider/model'" in message
    assert "Value error" not in message


def test_list_with_invalid_items_is_not_reported_as_too_short():
    with pytest.raises(ValidationError) as raised:
        RouterControls(load_balancer={"models": [{"model": "a/b", "wieght": 1}]})
    expected = "load_balancer.models.0: Unknown argument 'wieght'. Did you mean 'weight'?"
    assert to_input_error(raised.value).message == expected


def test_long_input_is_shortened():
    error = create_validation_error(name="salt", grams="few " * 2500)
    assert len(to_input_error(error).message) < 300


@pytest.mark.parametrize("length", [500, 100_000])
def test_base64_in_a_value_error_is_redacted(length):
    error = to_input_error(ValueError("not an image: " + "A" * length))
    assert "A" * 250 not in error.message


def test_value_error_keeps_its_message():
    error = to_input_error(ValueError("stop: at most 4"), endpoint="/chat/completions")
    assert (error.message, error.endpoint) == ("stop: at most 4", "/chat/completions")
    assert isinstance(error, RouterInputError)
    assert len(str(to_input_error(ValueError("word " * 9999)))) <= MAX_TEXT_CHARS


def test_input_error_is_returned_unchanged():
    error = RouterInputError("n: too many")
    assert to_input_error(error) is error


SUGGESTED_STATUSES = {
    errors.RouterError: 500,
    errors.RouterInputError: 400,
    ToolInputError: 400,
    errors.RouterConnectionError: 502,
    errors.StreamInterruptedError: 502,
    errors.RouterTimeoutError: 504,
    errors.InvalidResponseError: 502,
    errors.SavingError: 500,
    errors.RefusalError: 422,
    errors.FlaggedContentError: 422,
    errors.RouterStatusError: 502,
    errors.RedirectError: 500,
    errors.BadRequestError: 400,
    errors.GuardrailError: 422,
    errors.ContentFilterError: 422,
    errors.ContextLengthError: 413,
    errors.AuthenticationError: 500,
    errors.QuotaExceededError: 503,
    errors.PermissionDeniedError: 500,
    errors.NotFoundError: 404,
    errors.RequestTimeoutError: 504,
    errors.RateLimitError: 429,
    errors.BudgetExceededError: 429,
    errors.ServerError: 502,
}


@pytest.mark.parametrize(("cls", "status"), SUGGESTED_STATUSES.items(), ids=str)
def test_suggested_status_of_each_class(cls, status):
    assert cls("message").suggested_status == status


def test_every_error_has_a_suggested_status():
    classes = {
        value
        for value in vars(errors).values()
        if isinstance(value, type) and issubclass(value, errors.RouterError)
    }
    assert classes <= SUGGESTED_STATUSES.keys()
