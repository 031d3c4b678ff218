"""A reply as a value: its headers read, its body as JSON."""

import dataclasses

import pytest

from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    Response,
    WireError,
)


def reply(content: bytes = b"", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(status=200, headers=named, content=content)


@pytest.mark.parametrize(
    ("header", "media_type"),
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
def test_the_content_type_is_without_parameters_and_in_lower_case(header, media_type):
    assert reply(content_type=header).content_type == media_type


def test_a_reply_need_not_name_its_type_or_its_trace():
    assert (reply().content_type, reply().trace_id) == ("", None)


def test_a_head_is_a_reply_to_one_request_without_a_body():
    head = Response(200, {})
    assert (head.content, head.attempts, head.elapsed_seconds) == (b"", 1, 0)


def test_the_trace_is_a_header():
    assert reply(x_orq_trace_id="01J").trace_id == "01J"


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (b'{"a":[1,null]}', {"a": [1, None]}),
        (b' "caf\xc3\xa9" \n', "café"),
        (b"null", None),
        (b"0.5", 0.5),
    ],
)
def test_a_json_body_is_read(content, value):
    assert reply(content).json() == value


@pytest.mark.parametrize(
    "content",
    [b"", b"<html>", b'{"a":1', b"{'a':1}", b'{"a":1}{', b'"\xff"', b"NaN", b"[" * 2000],
    ids=lambda content: content[:10].decode("latin-1"),
)
def test_a_body_that_is_not_json_is_a_bad_reply(content):
    with pytest.raises(MalformedResponseError, match="the response body is not JSON") as raised:
        reply(content).json()
    assert raised.value.__suppress_context__


def test_an_error_inside_a_reply_keeps_its_body():
    body = {"error": {"message": "no"}}
    assert EmbeddedError(body).body is body
    assert isinstance(EmbeddedError(body), WireError)


def test_a_reply_does_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        reply().status = 500
