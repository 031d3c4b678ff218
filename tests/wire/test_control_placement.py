"""Which defaults an endpoint keeps, and how controls are written where only headers carry them."""

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


def headers_of(**controls) -> dict[str, str]:
    return place_controls(RouterControls(**controls), TRANSCRIPTIONS, V3).headers


@pytest.mark.parametrize(
    ("endpoint", "dialect", "left_out"),
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
def test_an_endpoint_keeps_the_defaults_that_it_takes(endpoint, dialect, left_out):
    kept = FULL.model_fields_set - left_out
    controls = filter_defaults(FULL, endpoint, dialect)
    assert controls == RouterControls(**{name: getattr(FULL, name) for name in kept})
    assert controls.model_fields_set == kept


@pytest.mark.parametrize("name", ["guardrails", "plugins"])
def test_a_default_that_protects_is_refused_where_it_has_no_place(name):
    kept = filter_defaults(RouterControls(**{name: getattr(FULL, name)}), SPEECH, V3)
    with pytest.raises(ValueError, match=rf"controls\.{name}.*/audio/speech"):
        place_controls(kept, SPEECH, V3)


def test_a_default_that_takes_a_control_away_is_kept():
    controls = filter_defaults(RouterControls(retry=None, thread=None), SPEECH, V3)
    assert controls.model_fields_set == {"retry"}


def test_an_unset_default_stays_unset():
    assert filter_defaults(RouterControls(), CHAT_COMPLETIONS, V3).model_fields_set == set()


@pytest.mark.parametrize(
    ("control", "endpoint", "dialect", "by"),
    [
        ("retry", CHAT_COMPLETIONS, V3, ControlLocation.TOP),
        ("retry", CHAT_COMPLETIONS, Dialect.V2_PROXY, ControlLocation.NESTED),
        ("identity", SPEECH, V3, ControlLocation.HEADER),
        ("thread", SPEECH, V3, None),
        ("spelling", SPEECH, V3, None),
    ],
)
def test_a_control_has_one_carrier_or_none(control, endpoint, dialect, by):
    assert locate_control(control, endpoint, dialect) is by


def test_the_refusal_lists_what_the_endpoint_takes():
    with pytest.raises(ValueError, match="thread") as refused:
        place_controls(RouterControls(thread="t"), TRANSCRIPTIONS, V3)
    taken = "fallbacks, fallback_on_codes, retry, load_balancer, timeout, name, identity, metadata"
    assert f"Supported controls: {taken}." in str(refused.value)


@pytest.mark.parametrize("text", ["u", "user-17", "a b  c", "~!#$%&'()*+,/:;=?@[]", "x" * 500])
def test_ascii_text_goes_in_a_header_as_it_is(text):
    assert headers_of(identity=text) == {"X-ORQ-IDENTITY-ID": text}
    assert headers_of(metadata={"team": text}) == {"X-ORQ-METADATA-TEAM": text}


NOT_FOR_HEADERS = [
    *("José", "Ünal\u2028", "Юрий", "山田", "🎧", "\u0100", "\u0085x"),
    *("a\tb", "a\rb", "a\nb", "a\r\nX-Evil: 1", "a\n", "\na", "a\x00b", "a\x7fb", "a\x1bb"),
    *(" a", "a ", "\ta", "a\t", " "),
]


@pytest.mark.parametrize("text", NOT_FOR_HEADERS, ids=ascii)
def test_other_text_is_refused_where_a_header_would_carry_it(text):
    with pytest.raises(
        ValueError, match=r"(?s)^controls\.identity\.id: .* cannot be sent as a header"
    ):
        headers_of(identity=text)
    with pytest.raises(
        ValueError, match=r"(?s)^controls\.metadata\['team'\]: .* cannot be sent as a header"
    ):
        headers_of(metadata={"team": text})


@pytest.mark.parametrize("text", NOT_FOR_HEADERS, ids=ascii)
def test_any_text_goes_in_a_body(text):
    controls = RouterControls(identity=text, metadata={"team": text})
    placed = place_controls(controls, CHAT_COMPLETIONS, V3)
    assert placed.top == {"identity": {"id": text}, "metadata": {"team": text}}
    assert placed.headers == {}


@pytest.mark.parametrize("key", ["team", "TEAM", "Team", "cost-center", "a_b.c", "7"])
def test_a_metadata_key_becomes_a_header_in_capitals(key):
    assert headers_of(metadata={key: "v"}) == {f"X-ORQ-METADATA-{key.upper()}": "v"}


@pytest.mark.parametrize(
    "key", ["my team", "team:", "é", "a\r\nX-Evil", "a\n", "a/b", '"a"', "(a)"]
)
def test_a_metadata_key_that_is_no_header_name_is_refused(key):
    with pytest.raises(ValueError, match=r"^controls\.metadata: ") as refused:
        headers_of(metadata={key: "v"})
    assert repr(key) in str(refused.value)
    assert "/audio/transcriptions" in str(refused.value)


def test_metadata_keys_that_differ_in_case_only_are_refused():
    with pytest.raises(ValueError, match=r"^controls\.metadata: .*'Team'"):
        headers_of(metadata={"team": "a", "Team": "b"})


def test_metadata_keys_that_differ_in_case_only_fit_in_a_body():
    metadata = {"team": "a", "Team": "b"}
    placed = place_controls(RouterControls(metadata=metadata), CHAT_COMPLETIONS, V3)
    assert placed.top == {"metadata": metadata}


@pytest.mark.parametrize(
    "more",
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
def test_an_identity_of_more_than_an_id_does_not_fit_in_a_header(more):
    (member,) = more
    with pytest.raises(ValueError, match=rf"^controls\.identity\.{member}: /audio/transcriptions"):
        headers_of(identity={"id": "u", **more})


def test_an_identity_of_more_than_an_id_fits_in_a_body():
    identity = {"id": "u", "display_name": "Jane"}
    placed = place_controls(RouterControls(identity=identity), TRANSCRIPTIONS, Dialect.V2_ROUTER)
    assert (placed.nested, placed.headers) == ({"identity": identity}, {})


def test_nothing_to_place_places_nothing():
    placed = place_controls(RouterControls(), CHAT_COMPLETIONS, V3)
    assert (placed.top, placed.nested, placed.headers) == ({}, {}, {})
