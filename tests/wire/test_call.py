"""Response headers and bodies, and errors inside responses."""

import dataclasses

import pytest

from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    Response,
    WireError,
    raise_for_error,
)


def create_response(content: bytes = b"", **headers: str) -> Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=200, headers=names, content=content)


@pytest.mark.parametrize(
    ("header", "content_type"),
    [
        ("application/json", "application/json"),
        ("application/json; charset=utf-8", "application/json"),
        ("Text/Event-Stream;charset=UTF-8", "text/event-stream"),
        ("  audio/mpeg  ", "audio/mpeg"),
        ("audio/L16 ; rate=24000; channels=1", "audio/l16"),
        ("", ""),
        (";", ""),
    ],
)
def test_content_type_is_lower_case_without_parameters(header, content_type):
    assert create_response(content_type=header).content_type == content_type


def test_trace_id_is_read_from_its_header():
    assert create_response(x_orq_trace_id="01J").trace_id == "01J"


def test_missing_headers_are_empty_or_none():
    response = create_response()
    assert (response.content_type, response.trace_id) == ("", None)


def test_fields_of_a_response_have_defaults():
    response = Response(200, {})
    assert (response.content, response.attempts, response.elapsed_seconds) == (b"", 1, 0)


@pytest.mark.parametrize(
    ("content", "value"),
    [(b'{"a":[1,null]}', {"a": [1, None]}), (b' {"a":"caf\xc3\xa9"} \n', {"a": "café"})],
)
def test_json_object_is_parsed(content, value):
    assert create_response(content).json_object() == value


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b'{"a":1', b"{'a':1}", b'{"a":1}{', b'"\xff"', b"[" * 2000],
    ids=lambda content: content[:10].decode("latin-1"),
)
def test_invalid_json_body_raises(content):
    with pytest.raises(MalformedResponseError, match="the response is not JSON") as raised:
        create_response(content).json_object()
    assert raised.value.__suppress_context__


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "no"}},
        {"error": "no"},
        {"code": 400, "message": "no"},
        {"choices": [], "error": {"message": "no"}},
    ],
    ids=str,
)
def test_error_in_response_raises(body):
    with pytest.raises(EmbeddedError) as raised:
        raise_for_error(body, b"text")
    assert raised.value.body == b"text"
    assert isinstance(raised.value, WireError)


@pytest.mark.parametrize(
    "body",
    [{}, {"error": None}, {"code": 1, "message": "m", "choices": []}, {"code": 1}, [1], None],
    ids=str,
)
def test_other_responses_are_not_errors(body):
    raise_for_error(body, b"text")


def test_response_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        create_response().status = 500
