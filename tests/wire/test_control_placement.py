"""Controls that defaults keep, and controls that are sent as headers."""

import pytest

from orq_router_integrations.wire.control_placement import (
    ControlLocation,
    filter_defaults,
    locate_control,
    place_controls,
)
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import (
    CHAT_COMPLETIONS,
    IMAGE_EDITS,
    IMAGE_GENERATIONS,
    RESPONSES,
    SPEECH,
    TRANSCRIPTIONS,
    Dialect,
)

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


def test_empty_defaults():
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
def test_location(control, endpoint, dialect, location):
    assert locate_control(control, endpoint, dialect) is location


def test_error_lists_supported_controls():
    with pytest.raises(ValueError, match="thread") as raised:
        place_controls(RouterControls(thread="t"), TRANSCRIPTIONS, V3)
    supported = (
        "fallbacks, fallback_on_codes, retry, load_balancer, timeout, name, identity, metadata"
    )
    assert f"Supported controls: {supported}." in str(raised.value)


@pytest.mark.parametrize("value", ["u", "user-17", "a b  c", "~!#$%&'()*+,/:;=?@[]", "x" * 500])
def test_ascii_header_value(value):
    assert place_in_headers(identity=value) == {"X-ORQ-IDENTITY-ID": value}
    assert place_in_headers(metadata={"team": value}) == {"X-ORQ-METADATA-TEAM": value}


INVALID_HEADER_VALUES = [
    *("José", "Ünal\u2028", "Юрий", "山田", "🎧", "\u0100", "\u0085x"),
    *("a\tb", "a\rb", "a\nb", "a\r\nX-Evil: 1", "a\n", "\na", "a\x00b", "a\x7fb", "a\x1bb"),
    *(" a", "a ", "\ta", "a\t", " "),
]


@pytest.mark.parametrize("value", INVALID_HEADER_VALUES, ids=ascii)
def test_invalid_header_value_raises(value):
    with pytest.raises(
        ValueError, match=r"(?s)^controls\.identity\.id: .* cannot be sent as a header"
    ):
        place_in_headers(identity=value)
    with pytest.raises(
        ValueError, match=r"(?s)^controls\.metadata\['team'\]: .* cannot be sent as a header"
    ):
        place_in_headers(metadata={"team": value})


@pytest.mark.parametrize("value", INVALID_HEADER_VALUES, ids=ascii)
def test_any_value_in_body(value):
    controls = RouterControls(identity=value, metadata={"team": value})
    fields = {"identity": {"id": value}, "metadata": {"team": value}}
    assert place_controls(controls, CHAT_COMPLETIONS, V3) == (fields, {})


@pytest.mark.parametrize("key", ["team", "TEAM", "Team", "cost-center", "a_b.c", "7"])
def test_metadata_header_name(key):
    assert place_in_headers(metadata={key: "v"}) == {f"X-ORQ-METADATA-{key.upper()}": "v"}


@pytest.mark.parametrize(
    "key", ["my team", "team:", "é", "a\r\nX-Evil", "a\n", "a/b", '"a"', "(a)"]
)
def test_invalid_metadata_header_name_raises(key):
    with pytest.raises(ValueError, match=r"^controls\.metadata: ") as raised:
        place_in_headers(metadata={key: "v"})
    assert repr(key) in str(raised.value)
    assert "/audio/transcriptions" in str(raised.value)


def test_metadata_keys_that_differ_in_case_raise_in_headers():
    with pytest.raises(ValueError, match=r"^controls\.metadata: .*'Team'"):
        place_in_headers(metadata={"team": "a", "Team": "b"})


def test_metadata_keys_that_differ_in_case_in_body():
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


def test_identity_with_other_fields_in_body():
    identity = {"id": "u", "display_name": "Jane"}
    placed = place_controls(RouterControls(identity=identity), TRANSCRIPTIONS, Dialect.V2_ROUTER)
    assert placed == ({"orq": {"identity": identity}}, {})


def test_no_controls():
    assert place_controls(RouterControls(), CHAT_COMPLETIONS, V3) == ({}, {})
