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
    IMAGE_GENERATIONS,
    RESPONSES,
    SPEECH,
    TRANSCRIPTIONS,
    ControlLocation,
    Dialect,
)
from orq_router_integrations.wire.multipart import iter_parts
from orq_router_integrations.wire.request_encoding import (
    encode_request,
    filter_defaults,
    place_controls,
)

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


def test_json_request_is_encoded():
    encoded = encode(CHAT_COMPLETIONS, {"model": "a/b", "messages": []})
    assert encoded.path == "/chat/completions"
    assert encoded.headers == {"Content-Type": "application/json"}
    assert encoded.body == b'{"model":"a/b","messages":[]}'
    assert encoded.controls == RouterControls()


def test_multipart_request_is_encoded():
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
    assert b"prompt" not in b"".join(encode(TRANSCRIPTIONS, {"prompt": None}).body)


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


def test_effective_controls_leave_out_unsupported_defaults():
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
        contents = [content for _, content, _ in iter_parts({"a": value}, {})]
        assert not reprs & set(contents)


@pytest.mark.parametrize(
    ("controls", "path"),
    [
        ({"variables": {"a": {"b": b"raw"}}}, "a.b: Cannot send bytes"),
        ({"variables": {"a": [object()]}}, "a[0]: Cannot send object"),
        ({"identity": {"id": "u", "metadata": {"a": object()}}}, "a: Cannot send object"),
        ({"variables": circular()}, "Nested too deeply"),
    ],
    ids=short,
)
def test_control_that_is_not_json_raises_when_created(controls, path):
    with pytest.raises(ValueError, match=re.escape(path)):
        RouterControls(**controls)


def test_path_of_deeply_nested_value_is_short():
    with pytest.raises(ValueError, match="Nested too deeply") as raised:
        encode(CHAT_COMPLETIONS, {"a": nest(300)})
    assert len(str(raised.value)) <= 100


V3 = Dialect.V3_ROUTER
FULL = RouterControls(
    fallbacks=["a/b"],
    cache={"ttl": 60},
    identity="u",
    thread="t",
    metadata={"team": "a"},
    guardrails=[{"id": "g", "execute_on": "input"}],
    plugins=[{"id": "pii_redaction"}],
    variables={"city": "Utrecht"},
)


def place_in_headers(**controls) -> dict[str, str]:
    _, headers = place_controls(RouterControls(**controls), TRANSCRIPTIONS, V3)
    return headers


@pytest.mark.parametrize(
    ("endpoint", "dialect", "unsupported"),
    [
        (CHAT_COMPLETIONS, V3, set()),
        (CHAT_COMPLETIONS, Dialect.V2_ROUTER, set()),
        (CHAT_COMPLETIONS, Dialect.V2_GATEWAY, set()),
        (RESPONSES, V3, set()),
        (IMAGE_GENERATIONS, V3, {"thread", "variables"}),
        (IMAGE_EDITS, V3, {"thread", "variables"}),
        (SPEECH, V3, {"cache", "thread", "variables"}),
        (SPEECH, Dialect.V2_ROUTER, {"cache", "variables"}),
        (TRANSCRIPTIONS, V3, {"cache", "thread", "variables"}),
    ],
    ids=lambda value: getattr(value, "path", None),
)
def test_unsupported_defaults_are_dropped(endpoint, dialect, unsupported):
    supported = FULL.model_fields_set - unsupported
    controls = filter_defaults(FULL, endpoint, dialect)
    assert controls == RouterControls(**{name: getattr(FULL, name) for name in supported})
    assert controls.model_fields_set == supported


@pytest.mark.parametrize("name", ["guardrails", "plugins"])
def test_unsupported_protective_default_raises(name):
    controls = filter_defaults(RouterControls(**{name: getattr(FULL, name)}), SPEECH, V3)
    with pytest.raises(ValueError, match=rf"controls\.{name}.*/audio/speech"):
        place_controls(controls, SPEECH, V3)


def test_default_none_is_kept():
    controls = filter_defaults(RouterControls(retry=None, thread=None), SPEECH, V3)
    assert controls.model_fields_set == {"retry"}


def test_empty_defaults_stay_empty():
    assert filter_defaults(RouterControls(), CHAT_COMPLETIONS, V3).model_fields_set == set()


@pytest.mark.parametrize(
    ("control", "endpoint", "dialect", "location"),
    [
        ("retry", CHAT_COMPLETIONS, V3, ControlLocation.TOP),
        ("retry", CHAT_COMPLETIONS, Dialect.V2_PROXY, ControlLocation.NESTED),
        ("identity", SPEECH, V3, ControlLocation.HEADER),
        ("thread", SPEECH, V3, None),
        ("spelling", SPEECH, V3, None),
    ],
)
def test_location_depends_on_endpoint_and_dialect(control, endpoint, dialect, location):
    assert endpoint.locate_control(control, dialect) is location


def test_error_lists_supported_controls():
    with pytest.raises(ValueError, match="thread") as raised:
        place_controls(RouterControls(thread="t"), TRANSCRIPTIONS, V3)
    supported = (
        "fallbacks, fallback_on_codes, retry, load_balancer, timeout, name, identity, metadata"
    )
    assert f"Supported controls: {supported}." in str(raised.value)


@pytest.mark.parametrize("value", ["u", "user-17", "a b  c", "~!#$%&'()*+,/:;=?@[]", "x" * 500])
def test_ascii_value_is_accepted_in_headers(value):
    assert place_in_headers(identity=value) == {"X-ORQ-IDENTITY-ID": value}
    assert place_in_headers(metadata={"team": value}) == {"X-ORQ-METADATA-TEAM": value}


INVALID_HEADER_VALUES = [
    *("José", "Ünal\u2028", "Юрий", "山田", "🎧", "\u0100", "\u0085x"),
    *("a\rb", "a\nb", "a\r\nX-Evil: 1", "a\n", "\na", "a\x00b", "a\x7fb", "a\x1bb"),
    *(" a", "a ", "\ta", "a\t", " "),
]


@pytest.mark.parametrize("value", INVALID_HEADER_VALUES, ids=ascii)
def test_invalid_header_value_raises(value):
    with pytest.raises(ValueError, match=r"^controls\.identity: .* must be printable ASCII"):
        place_in_headers(identity=value)
    with pytest.raises(ValueError, match=r"^controls\.metadata: .*-team must be printable ASCII"):
        place_in_headers(metadata={"team": value})


@pytest.mark.parametrize("value", INVALID_HEADER_VALUES, ids=ascii)
def test_any_value_is_accepted_in_the_body(value):
    controls = RouterControls(identity=value, metadata={"team": value})
    fields = {"identity": {"id": value}, "metadata": {"team": value}}
    assert place_controls(controls, CHAT_COMPLETIONS, V3) == (fields, {})


@pytest.mark.parametrize("key", ["team", "TEAM", "Team", "cost-center", "a_b.c", "7"])
def test_metadata_key_is_part_of_the_header_name(key):
    assert place_in_headers(metadata={key: "v"}) == {f"X-ORQ-METADATA-{key.upper()}": "v"}


@pytest.mark.parametrize(
    "key", ["my team", "team:", "é", "ß", "a\r\nX-Evil", "a\n", "a/b", '"a"', "(a)"]
)
def test_invalid_metadata_header_name_raises(key):
    with pytest.raises(ValueError, match=r"^controls\.metadata: ") as raised:
        place_in_headers(metadata={key: "v"})
    assert repr(f"X-ORQ-METADATA-{key}") in str(raised.value)
    assert "/audio/transcriptions" in str(raised.value)


def test_metadata_keys_that_differ_in_case_raise_in_headers():
    with pytest.raises(ValueError, match=r"^controls\.metadata: .*'Team'"):
        place_in_headers(metadata={"team": "a", "Team": "b"})


def test_metadata_keys_that_differ_in_case_are_accepted_in_the_body():
    metadata = {"team": "a", "Team": "b"}
    fields, _ = place_controls(RouterControls(metadata=metadata), CHAT_COMPLETIONS, V3)
    assert fields == {"metadata": metadata}


@pytest.mark.parametrize(
    "fields",
    [
        {"display_name": "Jane"},
        {"email": "j@example.com"},
        {"metadata": {"team": "a"}},
        {"logo_url": "https://example.com/a.png"},
        {"tags": ["hr"]},
        {"tags": []},
    ],
    ids=str,
)
def test_identity_with_other_fields_raises_in_header(fields):
    (name,) = fields
    with pytest.raises(ValueError, match=rf"^controls\.identity\.{name}: /audio/transcriptions"):
        place_in_headers(identity={"id": "u", **fields})


def test_identity_with_other_fields_is_accepted_in_the_body():
    identity = {"id": "u", "display_name": "Jane"}
    placed = place_controls(RouterControls(identity=identity), TRANSCRIPTIONS, Dialect.V2_ROUTER)
    assert placed == ({"orq": {"identity": identity}}, {})


def test_empty_controls_are_not_placed():
    assert place_controls(RouterControls(), CHAT_COMPLETIONS, V3) == ({}, {})
