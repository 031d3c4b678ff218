"""From a call to what is sent: defaults, collisions, and values that cannot be sent."""

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


def sent(endpoint, body=(), defaults=None, dialect=V3, **controls):
    own = RouterControls(**controls) if controls else None
    request = Request(endpoint=endpoint, body=dict(body), controls=own)
    return encode_request(request, dialect, defaults)


def members(*args, **kwargs) -> dict:
    return json.loads(sent(*args, **kwargs).body)


def test_a_json_call_is_its_path_its_body_and_one_header():
    encoded = sent(CHAT_COMPLETIONS, {"model": "a/b", "messages": []})
    assert encoded.path == "/chat/completions"
    assert encoded.headers == {"Content-Type": "application/json"}
    assert encoded.body == b'{"model":"a/b","messages":[]}'
    assert encoded.controls == RouterControls()


def test_a_form_names_its_boundary_and_its_length():
    file = Upload("a.wav", "audio/wav", 1, lambda: io.BytesIO(b"x"))
    request = Request(endpoint=TRANSCRIPTIONS, body={"model": "a/b"}, files={"file": file})
    encoded = encode_request(request, V3)
    assert encoded.path == "/audio/transcriptions"
    assert encoded.headers == {
        "Content-Type": encoded.body.content_type,
        "Content-Length": str(len(b"".join(encoded.body))),
    }


def test_null_stays_in_json_and_is_left_out_of_a_form():
    assert sent(CHAT_COMPLETIONS, {"stop": None}).body == b'{"stop":null}'
    assert sent(TRANSCRIPTIONS, {"prompt": None}).body.parts == ()


def test_defaults_apply_where_the_endpoint_takes_them():
    assert members(CHAT_COMPLETIONS, defaults=CHAT_DEFAULTS) == CHAT_DEFAULTS.model_dump(
        mode="json", exclude_none=True
    )
    assert members(SPEECH, defaults=CHAT_DEFAULTS) == {"name": "default", "retry": RETRY}


def test_a_calls_own_controls_must_all_fit():
    with pytest.raises(ValueError, match=r"^controls\.thread: .*/audio/speech under v3/router"):
        sent(SPEECH, thread="t")


def test_a_calls_own_controls_win_field_by_field():
    controls = {"name": "own", "thread": None, "timeout": {"call_timeout": 5}}
    assert members(CHAT_COMPLETIONS, defaults=CHAT_DEFAULTS, **controls) == {
        "retry": RETRY,
        "timeout": {"call_timeout": 5},
        "name": "own",
        "variables": {"city": "Utrecht"},
    }


def test_none_takes_away_even_what_the_endpoint_does_not_take():
    assert members(SPEECH, thread=None, cache=None) == {}


def test_the_controls_in_force_are_told():
    encoded = sent(SPEECH, defaults=CHAT_DEFAULTS, name="own")
    assert encoded.controls == RouterControls(name="own", retry=RETRY)


def test_encoding_changes_neither_the_body_nor_the_controls():
    body, controls = {"model": "a/b"}, RouterControls(name="n", identity="u")
    request = Request(endpoint=CHAT_COMPLETIONS, body=body, controls=controls)
    assert (
        encode_request(request, V3, CHAT_DEFAULTS).body
        == encode_request(request, V3, CHAT_DEFAULTS).body
    )
    assert body == {"model": "a/b"}
    assert controls == RouterControls(name="n", identity="u")


@pytest.mark.parametrize("dialect", [d for d in Dialect if d is not V3])
def test_an_endpoint_that_a_base_url_lacks_is_refused(dialect):
    with pytest.raises(ValueError, match=rf"^base_url: /responses .*{dialect.value}.*v3/router"):
        sent(RESPONSES, dialect=dialect)


@pytest.mark.parametrize(
    ("endpoint", "dialect", "body", "controls", "member"),
    [
        (CHAT_COMPLETIONS, V3, {"metadata": {"a": "b"}}, {"metadata": {"c": "d"}}, "metadata"),
        (CHAT_COMPLETIONS, V3, {"retry": None}, {"retry": {"count": 1}}, "retry"),
        (CHAT_COMPLETIONS, Dialect.V2_ROUTER, {"orq": {}}, {"thread": "t"}, "orq"),
        (CHAT_COMPLETIONS, Dialect.V2_PROXY, {"orq": {}}, {"name": "n"}, "orq"),
        (IMAGE_EDITS, V3, {"name": "m"}, {"name": "n"}, "name"),
    ],
)
def test_what_the_body_and_the_controls_both_set_is_refused(
    endpoint, dialect, body, controls, member
):
    with pytest.raises(ValueError, match=rf"^{member}: set in the body and in the controls"):
        sent(endpoint, body, dialect=dialect, **controls)


def test_a_body_may_hold_the_routers_members_itself():
    body = {"orq": {"prompt": {"id": "p", "version": "latest"}}, "metadata": {"a": "b"}}
    assert members(CHAT_COMPLETIONS, body, name="n") == {**body, "name": "n"}


def circular() -> dict:
    loop = {}
    loop["again"] = [loop]
    return loop


def nested(depth: int) -> list:
    value = []
    for _ in range(depth):
        value = [value]
    return value


UNSENDABLE = [
    ({"a": b"raw"}, "a"),
    ({"a": {"b": [1, {"c": b"raw"}]}}, "a.b[1].c"),
    ({"a": [object()]}, "a[0]"),
    ({"a": ({1, 2},)}, "a[0]"),
    ({"a": {"b": "\ud800"}}, "a.b"),
    ({"a": {"b": 2**64}}, "a.b"),
    ({"a": {"b": float("nan")}}, "a.b"),
    ({"a": {"b": {1: "x"}}}, "a.b"),
    ({"a": {"b": {"\ud800": "x"}}}, "a.b"),
    ({"a": nested(300)}, "a[0][0]"),
    ({"a": nested(20_000)}, "a[0][0]"),
    ({"a": circular()}, "a.again[0]"),
    ({"fine": nested(100), "a": {"b": object()}}, "a.b"),
]


def short(value) -> str:
    return value if isinstance(value, str) else type(next(iter(value.values()))).__name__


@pytest.mark.parametrize(("body", "path"), UNSENDABLE, ids=short)
def test_a_value_that_is_not_json_is_named_by_its_path(body, path):
    with pytest.raises(ValueError, match=rf"^{re.escape(path)}"):
        sent(CHAT_COMPLETIONS, body)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        *(case for case in UNSENDABLE if isinstance(case[0]["a"], dict)),
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
def test_a_value_that_no_form_can_hold_is_named_by_its_path(body, path):
    with pytest.raises(ValueError, match=rf"^{re.escape(path)}"):
        sent(TRANSCRIPTIONS, body)


@pytest.mark.parametrize("value", [[None, "b"], [["b"]], [[None]], [("b",), "c"]], ids=repr)
def test_a_form_never_holds_pythons_own_spelling(value):
    spelled = {str(item).encode() for item in value if not isinstance(item, str)}
    with suppress(ValueError):  # to refuse it is as good as to spell it otherwise
        contents = [part.content for part in sent(TRANSCRIPTIONS, {"a": value}).body.parts]
        assert not spelled & set(contents)


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
def test_a_control_that_is_not_json_is_refused_before_there_is_a_call(controls, path):
    with pytest.raises(ValueError, match=re.escape(path)):
        RouterControls(**controls)


def test_the_path_to_a_value_nested_too_deep_is_short():
    with pytest.raises(ValueError, match="nested too deeply") as refused:
        sent(CHAT_COMPLETIONS, {"a": nested(300)})
    assert len(str(refused.value)) <= 100
