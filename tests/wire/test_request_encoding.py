"""Encoding of requests: paths, controls, and values that cannot be sent."""

import io
import json
import re
from contextlib import suppress

import pytest

from orq_router_integrations.wire.call import Request, Upload
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import (
    CHAT_COMPLETIONS,
    IMAGE_EDITS,
    RESPONSES,
    SPEECH,
    TRANSCRIPTIONS,
    Dialect,
)
from orq_router_integrations.wire.request_encoding import encode_request

V3 = Dialect.V3_ROUTER
CHAT_DEFAULTS = RouterControls(
    name="default", thread="t", variables={"city": "Utrecht"}, retry={"count": 1, "on_codes": [500]}
)
RETRY = {"count": 1, "on_codes": [500]}


def encode(endpoint, body=(), defaults=None, dialect=V3, **controls):
    request = Request(
        endpoint=endpoint,
        body=dict(body),
        controls=RouterControls(**controls) if controls else None,
    )
    return encode_request(request, dialect, defaults)


def encode_fields(*args, **kwargs) -> dict:
    return json.loads(encode(*args, **kwargs).body)


def test_json_request():
    encoded = encode(CHAT_COMPLETIONS, {"model": "a/b", "messages": []})
    assert encoded.path == "/chat/completions"
    assert encoded.headers == {"Content-Type": "application/json"}
    assert encoded.body == b'{"model":"a/b","messages":[]}'
    assert encoded.controls == RouterControls()


def test_multipart_request():
    file = Upload("a.wav", "audio/wav", 1, lambda: io.BytesIO(b"x"))
    request = Request(endpoint=TRANSCRIPTIONS, body={"model": "a/b"}, files={"file": file})
    encoded = encode_request(request, V3)
    assert encoded.path == "/audio/transcriptions"
    assert encoded.headers == {
        "Content-Type": encoded.body.content_type,
        "Content-Length": str(len(b"".join(encoded.body))),
    }


def test_null_is_sent_in_json_but_not_in_form():
    assert encode(CHAT_COMPLETIONS, {"stop": None}).body == b'{"stop":null}'
    assert encode(TRANSCRIPTIONS, {"prompt": None}).body.parts == ()


def test_supported_defaults_are_sent():
    assert encode_fields(CHAT_COMPLETIONS, defaults=CHAT_DEFAULTS) == CHAT_DEFAULTS.model_dump(
        mode="json", exclude_none=True
    )
    assert encode_fields(SPEECH, defaults=CHAT_DEFAULTS) == {"name": "default", "retry": RETRY}


def test_unsupported_control_of_call_raises():
    with pytest.raises(ValueError, match=r"^controls\.thread: .*/audio/speech under v3/router"):
        encode(SPEECH, thread="t")


def test_controls_of_call_take_precedence():
    controls = {"name": "own", "thread": None, "timeout": {"call_timeout": 5000}}
    assert encode_fields(CHAT_COMPLETIONS, defaults=CHAT_DEFAULTS, **controls) == {
        "retry": RETRY,
        "timeout": {"call_timeout": 5000},
        "name": "own",
        "variables": {"city": "Utrecht"},
    }


def test_none_is_accepted_for_unsupported_control():
    assert encode_fields(SPEECH, thread=None, cache=None) == {}


def test_effective_controls():
    encoded = encode(SPEECH, defaults=CHAT_DEFAULTS, name="own")
    assert encoded.controls == RouterControls(name="own", retry=RETRY)


def test_encoding_does_not_modify_the_request():
    body, controls = {"model": "a/b"}, RouterControls(name="n", identity="u")
    request = Request(endpoint=CHAT_COMPLETIONS, body=body, controls=controls)
    assert (
        encode_request(request, V3, CHAT_DEFAULTS).body
        == encode_request(request, V3, CHAT_DEFAULTS).body
    )
    assert body == {"model": "a/b"}
    assert controls == RouterControls(name="n", identity="u")


@pytest.mark.parametrize("dialect", [d for d in Dialect if d is not V3])
def test_unavailable_endpoint_raises(dialect):
    with pytest.raises(ValueError, match=rf"^base_url: /responses .*{dialect.value}.*v3/router"):
        encode(RESPONSES, dialect=dialect)


@pytest.mark.parametrize(
    ("endpoint", "dialect", "body", "controls", "name"),
    [
        (CHAT_COMPLETIONS, V3, {"metadata": {"a": "b"}}, {"metadata": {"c": "d"}}, "metadata"),
        (CHAT_COMPLETIONS, V3, {"retry": None}, {"retry": {"count": 1}}, "retry"),
        (CHAT_COMPLETIONS, Dialect.V2_ROUTER, {"orq": {}}, {"thread": "t"}, "orq"),
        (CHAT_COMPLETIONS, Dialect.V2_PROXY, {"orq": {}}, {"name": "n"}, "orq"),
        (IMAGE_EDITS, V3, {"name": "m"}, {"name": "n"}, "name"),
    ],
)
def test_field_in_body_and_controls_raises(endpoint, dialect, body, controls, name):
    with pytest.raises(ValueError, match=rf"^{name}: Set in the body and in the controls"):
        encode(endpoint, body, dialect=dialect, **controls)


def test_body_may_contain_router_fields():
    body = {"orq": {"prompt": {"id": "p", "version": "latest"}}, "metadata": {"a": "b"}}
    assert encode_fields(CHAT_COMPLETIONS, body, name="n") == {**body, "name": "n"}


def circular() -> dict:
    loop = {}
    loop["loop"] = [loop]
    return loop


def nest(depth: int) -> list:
    value = []
    for _ in range(depth):
        value = [value]
    return value


NOT_JSON = [
    ({"a": b"raw"}, "a"),
    ({"a": {"b": [1, {"c": b"raw"}]}}, "a.b[1].c"),
    ({"a": [object()]}, "a[0]"),
    ({"a": ({1, 2},)}, "a[0]"),
    ({"a": {"b": "\ud800"}}, "a.b"),
    ({"a": {"b": float("nan")}}, "a.b"),
    ({"a": {"b": {1: "x"}}}, "a.b"),
    ({"a": {"b": {"\ud800": "x"}}}, "a.b"),
    ({"a": nest(300)}, "a[0][0]"),
    ({"a": nest(20_000)}, "a[0][0]"),
    ({"a": circular()}, "a.loop[0]"),
    ({"fine": nest(100), "a": {"b": object()}}, "a.b"),
]


def short(value) -> str:
    return value if isinstance(value, str) else type(next(iter(value.values()))).__name__


@pytest.mark.parametrize(("body", "path"), NOT_JSON, ids=short)
def test_value_that_is_not_json_raises(body, path):
    with pytest.raises(ValueError, match=rf"^{re.escape(path)}"):
        encode(CHAT_COMPLETIONS, body)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        *(case for case in NOT_JSON if isinstance(case[0]["a"], dict)),
        ({"a": b"raw"}, "a"),
        ({"a": object()}, "a"),
        ({"a": {1, 2}}, "a"),
        ({"a": "\ud800"}, "a"),
        ({"a": float("inf")}, "a"),
        ({"a": [object()]}, "a"),
        ({"a": [b"raw"]}, "a"),
    ],
    ids=short,
)
def test_value_that_is_not_form_data_raises(body, path):
    with pytest.raises(ValueError, match=rf"^{re.escape(path)}"):
        encode(TRANSCRIPTIONS, body)


@pytest.mark.parametrize("value", [[None, "b"], [["b"]], [[None]], [("b",), "c"]], ids=repr)
def test_form_does_not_contain_python_reprs(value):
    reprs = {str(item).encode() for item in value if not isinstance(item, str)}
    with suppress(ValueError):  # rejecting it would also be correct
        contents = [part.content for part in encode(TRANSCRIPTIONS, {"a": value}).body.parts]
        assert not reprs & set(contents)


@pytest.mark.parametrize(
    ("controls", "path"),
    [
        ({"variables": {"a": {"b": b"raw"}}}, "a.b: bytes cannot be sent"),
        ({"variables": {"a": [object()]}}, "a[0]: object cannot be sent"),
        ({"identity": {"id": "u", "metadata": {"a": object()}}}, "a: object cannot be sent"),
        ({"variables": circular()}, "nested too deeply"),
    ],
    ids=short,
)
def test_control_that_is_not_json_raises_when_created(controls, path):
    with pytest.raises(ValueError, match=re.escape(path)):
        RouterControls(**controls)


def test_path_of_deeply_nested_value_is_short():
    with pytest.raises(ValueError, match="nested too deeply") as raised:
        encode(CHAT_COMPLETIONS, {"a": nest(300)})
    assert len(str(raised.value)) <= 100
