"""The typed controls: their limits, the plain values they accept, and how two sets are merged."""

from ast import literal_eval

import pytest
from pydantic import ValidationError

from orq_router_integrations.wire.controls import (
    Fallback,
    Guardrail,
    Identity,
    LoadBalancer,
    PiiRedaction,
    ResponseHealing,
    RouterCache,
    RouterControls,
    RouterControlsDict,
    RouterRetry,
    RouterTimeout,
    Thread,
    TraceScrubbing,
    WeightedModel,
)
from orq_router_integrations.wire.retry_defaults import DEFAULT_RETRY_STATUSES

THREE_DAYS = 3 * 24 * 3600


def guardrail(**more):
    return {"guardrails": [{"id": "g", "execute_on": "input"} | more]}


def pii(**more):
    return {"plugins": [{"id": "pii_redaction"} | more]}


def balanced(weight):
    return {"load_balancer": {"models": [{"model": "a/b", "weight": weight}]}}


def pairs(count):
    return {"metadata": {f"key{n}": "v" for n in range(count)}}


WITHIN = [
    {"fallbacks": []},
    {"fallbacks": ["a/b"] * 11},
    {"fallback_on_codes": []},
    {"fallback_on_codes": [400, 401, 598, 599]},
    {"fallback_on_codes": range(400, 419)},
    {"fallback_on_codes": range(400, 420)},
    *({"retry": {"count": count}} for count in (0, 1, 4, 5)),
    {"retry": {"on_codes": [400]}},
    {"retry": {"on_codes": [598, 599]}},
    {"retry": {"on_codes": [100]}},  # contract 4.3: 100..599 here, 400..599 for fallback_on_codes
    {"retry": {"on_codes": [399]}},
    {"retry": {"on_codes": range(400, 421)}},
    *(balanced(weight) for weight in (0.001, 0.0011, 0.999, 1)),
    *({"cache": {"ttl": ttl}} for ttl in (1, 2, THREE_DAYS - 1, THREE_DAYS)),
    *({"timeout": {"call_timeout": ms}} for ms in (1, 2, 3_600_000)),
    {"name": "n"},
    {"identity": {"id": "u"}},
    {"thread": {"id": "t", "tags": []}},
    *(pairs(count) for count in (0, 1, 15, 16)),
    *({"metadata": {"k" * length: "v"}} for length in (1, 63, 64)),
    *({"metadata": {"k": "v" * length}} for length in (0, 511, 512)),
    *(guardrail(sample_rate=rate) for rate in (0, 0.001, 0.999, 1)),
    *(guardrail(timeout=ms) for ms in (1000, 1001, 599_999, 600_000)),
    *(guardrail(execute_on=stage) for stage in ("output", "both")),
    *(pii(threshold=share) for share in (0, 0.001, 0.999, 1)),
    *(pii(entity_thresholds={"EMAIL": share}) for share in (0, 1)),
    *(pii(on_failure=what) for what in ("block", "passthrough")),
    {"plugins": [{"id": "trace_scrubbing", "mask": ["variables"]}]},
]

OUTSIDE = [
    *(
        ({"fallbacks": [name]}, "fallbacks.0")
        for name in ("gpt-4o", "/gpt-4o", "openai/", " / ", "", "a/\nb", "a/b c")
    ),
    ({"fallbacks": "openai/gpt-4o"}, "fallbacks"),
    ({"fallback_on_codes": [399]}, "fallback_on_codes.0"),
    ({"fallback_on_codes": [600]}, "fallback_on_codes.0"),
    ({"fallback_on_codes": ["500"]}, "fallback_on_codes.0"),
    ({"fallback_on_codes": range(400, 421)}, "fallback_on_codes"),
    ({"fallback_on_codes": [500, 429, 500]}, "fallback_on_codes"),
    *(({"retry": {"count": count}}, "retry.count") for count in (-1, 6, 2.0, "2", True)),
    ({"retry": {"on_codes": []}}, "retry.on_codes"),
    ({"retry": {"on_codes": [99]}}, "retry.on_codes.0"),
    ({"retry": {"on_codes": [600]}}, "retry.on_codes.0"),
    ({"load_balancer": {"models": []}}, "load_balancer.models"),
    ({"load_balancer": {"models": ["gpt-4o"]}}, "load_balancer.models.0.model"),
    ({"load_balancer": {"type": "random", "models": ["a/b"]}}, "load_balancer.type"),
    *(
        (balanced(weight), "load_balancer.models.0.weight")
        for weight in (-1, 0, 0.0009, 1.001, float("nan"), float("inf"))
    ),
    *(({"cache": {"ttl": ttl}}, "cache.ttl") for ttl in (-1, 0, THREE_DAYS + 1, 60.0, "60")),
    ({"cache": {"type": "semantic"}}, "cache.type"),
    ({"timeout": {}}, "timeout.call_timeout"),
    *(({"timeout": {"call_timeout": ms}}, "timeout.call_timeout") for ms in (-1, 0, 1.0, "1")),
    ({"name": ""}, "name"),
    ({"identity": ""}, "identity.id"),
    ({"identity": {"display_name": "Jane"}}, "identity.id"),
    ({"thread": ""}, "thread.id"),
    (pairs(17), "metadata"),
    ({"metadata": {"": "v"}}, "metadata"),
    ({"metadata": {"k" * 65: "v"}}, "metadata"),
    ({"metadata": {"k": "v" * 513}}, "metadata.k"),
    *(({"metadata": {"k": value}}, "metadata.k") for value in (1, True, None, b"v")),
    *((guardrail(sample_rate=rate), "sample_rate") for rate in (-0.001, 1.001, float("nan"))),
    *((guardrail(timeout=ms), "guardrails.0.timeout") for ms in (0, 999, 600_001)),
    (guardrail(execute_on="stream"), "guardrails.0.execute_on"),
    ({"guardrails": [{"id": "g"}]}, "guardrails.0.execute_on"),
    ({"guardrails": [{"id": "", "execute_on": "input"}]}, "guardrails.0.id"),
    *((pii(threshold=share), "threshold") for share in (-0.001, 1.001, float("nan"))),
    (pii(entity_thresholds={"EMAIL": 1.001}), "entity_thresholds.EMAIL"),
    (pii(on_failure="ignore"), "on_failure"),
    ({"plugins": [{"id": "spellcheck"}]}, "plugins.0"),
    ({"plugins": [{"id": "trace_scrubbing"}]}, "mask"),
    ({"plugins": [{"id": "trace_scrubbing", "mask": []}]}, "mask"),
    ({"plugins": [{"id": "trace_scrubbing", "mask": ["names"]}]}, "mask.0"),
]


def short(value) -> str:
    return str(value)[:60]


@pytest.mark.parametrize("fields", WITHIN, ids=short)
def test_a_value_within_its_limits_is_taken(fields):
    RouterControls(**fields)


@pytest.mark.parametrize(("fields", "named"), OUTSIDE, ids=short)
def test_a_value_outside_its_limits_is_refused_by_name(fields, named):
    with pytest.raises(ValidationError) as refused:
        RouterControls(**fields)
    places = [".".join(map(str, error["loc"])) for error in refused.value.errors()]
    assert any(named in place for place in places), places


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"fallback": ["a/b"]}, "fallback"),
        ({"retry": {"cuont": 2}}, "retry.cuont"),
        ({"retries": {"count": 2}}, "retries"),
        ({"fallbacks": [{"model": "a/b", "temperature": 0}]}, "temperature"),
        ({"cache": {"ttl": 60, "key": "k"}}, "cache.key"),
        ({"identity": {"id": "u", "name": "Jane"}}, "identity.name"),
        ({"contact": "u"}, "contact"),
    ],
)
def test_an_unknown_member_is_named(fields, named):
    refused = rf"{named}\n +unknown field"
    with pytest.raises(ValidationError, match=refused):
        RouterControls(**fields)


@pytest.mark.parametrize(
    ("fields", "meant"),
    [
        ({"fallback": ["a/b"]}, "fallbacks"),
        ({"retry": {"cout": 1}}, "count"),
        ({"load_balancer": {"models": [{"model": "a/b", "wieght": 1}]}}, "weight"),
        ({"cache": {"tll": 60}}, "ttl"),
        ({"timeout": {"calltimeout": 5}}, "call_timeout"),
        ({"plugins": [{"id": "pii_redaction", "entites": ["EMAIL"]}]}, "entities"),
        ({"guardrails": [{"idd": "x", "execute_on": "input"}]}, "id"),
        ({"thread": {"id": "t", "tag": ["x"]}}, "tags"),
    ],
)
def test_the_name_that_was_meant_is_told(fields, meant):
    with pytest.raises(ValidationError, match=f"unknown field. Did you mean '{meant}'"):
        RouterControls(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        {"retry": 3},
        {"cache": True},
        {"timeout": 30},
        {"load_balancer": ["a/b"]},
        {"identity": 5},
        {"thread": 5},
        {"fallbacks": [5]},
        {"guardrails": ["x"]},
    ],
)
def test_a_wrong_shape_is_told_with_a_right_one(fields):
    with pytest.raises(ValidationError) as told:
        RouterControls(**fields)
    (error,) = told.value.errors()
    right = literal_eval(error["msg"].removeprefix("Expected a dict such as "))
    (name, given) = next(iter(fields.items()))
    listed = isinstance(given, list) and "models" not in right
    RouterControls(**{name: [right] if listed else right})


def test_one_mistake_is_told_once():
    with pytest.raises(ValidationError) as told:
        RouterControls(load_balancer={"models": [{"model": "a/b", "weight": 50}]})
    assert told.value.error_count() == 1


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"plugins": ["pii_redaction"]}, {"plugins": (PiiRedaction(),)}),
        ({"fallbacks": ["a/b"]}, {"fallbacks": (Fallback(model="a/b"),)}),
        ({"fallbacks": ("a/b", {"model": "c/d"})}, {"fallbacks": [{"model": "a/b"}, "c/d"]}),
        ({"fallbacks": [" a/b "]}, {"fallbacks": ["a/b"]}),
        ({"fallbacks": ["acme@orq/router"]}, {"fallbacks": [Fallback(model="acme@orq/router")]}),
        ({"retry": {"count": 2}}, {"retry": RouterRetry(count=2, on_codes=DEFAULT_RETRY_STATUSES)}),
        ({"retry": {}}, {"retry": RouterRetry(count=2, on_codes=DEFAULT_RETRY_STATUSES)}),
        ({"cache": {}}, {"cache": RouterCache(ttl=3600)}),
        (
            {"load_balancer": {"models": ["a/b"]}},
            {"load_balancer": LoadBalancer(models=[WeightedModel(model="a/b", weight=0.5)])},
        ),
        ({"identity": "u"}, {"identity": Identity(id="u")}),
        ({"identity": {"id": "u"}}, {"identity": Identity(id="u")}),
        ({"thread": "t"}, {"thread": Thread(id="t")}),
        ({"timeout": {"call_timeout": 1}}, {"timeout": RouterTimeout(call_timeout=1)}),
        ({"plugins": [{"id": "pii_redaction"}]}, {"plugins": [PiiRedaction()]}),
        ({"plugins": [{"id": "response_healing"}]}, {"plugins": [ResponseHealing()]}),
        (
            {"plugins": [{"id": "trace_scrubbing", "mask": ["all"]}]},
            {"plugins": [TraceScrubbing(mask=["all"])]},
        ),
    ],
    ids=short,
)
def test_plain_values_are_read_as_objects(given, read):
    assert RouterControls(**given) == RouterControls(**read)


@pytest.mark.parametrize(
    ("given", "read"),
    [({"team": "a"}, ({"team": "a"},)), ([{"team": "a"}, {"b": 1}], ({"team": "a"}, {"b": 1}))],
)
def test_the_metadata_of_an_identity_is_a_list_of_objects(given, read):
    assert Identity(id="u", metadata=given).metadata == read


def test_the_typed_arguments_name_every_control():
    assert RouterControlsDict.__annotations__.keys() == RouterControls.model_fields.keys()


def test_the_router_retries_and_falls_back_on_these_codes():
    assert DEFAULT_RETRY_STATUSES == (408, 429, 500, 502, 503, 504, 529)


def test_only_what_was_set_goes_on_the_wire():
    assert RouterControls().to_wire() == {}
    assert RouterControls(name=None, identity="u").to_wire() == {"identity": {"id": "u"}}


def test_a_null_of_the_users_own_stays():
    variables = {"a": None, "b": {"c": None}, "d": [None]}
    assert RouterControls(variables=variables).to_wire() == {"variables": variables}


@pytest.mark.parametrize(
    ("control", "member", "value"),
    [
        (RouterControls(name="n"), "name", "m"),
        (RouterControls(), "cache", None),
        (RouterRetry(), "count", 1),
        (Guardrail(id="g", execute_on="input"), "id", "h"),
    ],
    ids=short,
)
def test_controls_do_not_change(control, member, value):
    with pytest.raises(ValidationError, match="frozen"):
        setattr(control, member, value)


def test_lists_are_kept_as_tuples_and_dicts_as_copies():
    models, variables = ["a/b"], {"a": 1}
    controls = RouterControls(fallbacks=models, variables=variables)
    models.append("c/d")
    variables["b"] = 2
    assert controls.to_wire() == {"fallbacks": ({"model": "a/b"},), "variables": {"a": 1}}


BASE = RouterControls(name="base", retry={"count": 3, "on_codes": [500]}, metadata={"a": "b"})


def test_merged_takes_each_field_whole_from_the_later_one():
    over = RouterControls(retry={"count": 1}, identity="u")
    merged = RouterControls(name="base", retry={"count": 1}, metadata={"a": "b"}, identity="u")
    assert BASE.merge(over) == merged


def test_none_takes_a_field_away():
    merged = BASE.merge(RouterControls(retry=None))
    assert merged == RouterControls(name="base", metadata={"a": "b"})
    assert merged.merge(RouterControls(name="over")).retry is None


@pytest.mark.parametrize("over", [None, RouterControls()])
def test_merging_nothing_changes_nothing(over):
    assert BASE.merge(over) == BASE


def test_merging_changes_neither_side():
    over = RouterControls(name="over")
    BASE.merge(over)
    assert (BASE.name, over) == ("base", RouterControls(name="over"))


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        ({}, False),
        ({"timeout": {"call_timeout": 1}}, False),
        ({"retry": {"count": 0}}, False),
        ({"fallbacks": []}, False),
        ({"retry": {"count": 1}}, True),
        ({"fallbacks": ["a/b"]}, True),
        ({"retry": {"count": 0}, "fallbacks": ["a/b"]}, True),
    ],
    ids=short,
)
def test_router_retries_says_whether_the_router_was_asked_to_try_again(fields, asked):
    assert RouterControls(**fields).has_router_retries is asked


@pytest.mark.parametrize(
    ("call_timeout", "retries", "fallbacks", "seconds"),
    [
        (30_000, 0, 0, 30),
        (30_000, 0, 2, 3 * 30),
        (30_000, 1, 0, 2 * 30 + 1.25),
        (30_000, 3, 0, 4 * 30 + 1.25 * (1 + 2 + 4)),
        (10_000, 5, 1, 2 * (6 * 10 + 1.25 * (1 + 2 + 4 + 8 + 16))),
        (1, 0, 0, 0.001),
    ],
)
def test_the_worst_case_counts_every_model_every_try_and_every_pause(
    call_timeout, retries, fallbacks, seconds
):
    controls = RouterControls(
        timeout={"call_timeout": call_timeout},
        retry={"count": retries},
        fallbacks=["a/b"] * fallbacks,
    )
    assert controls.worst_case_seconds == pytest.approx(seconds)


def test_the_worst_case_counts_two_retries_where_none_are_asked_for():
    controls = RouterControls(timeout={"call_timeout": 1000})
    assert controls.worst_case_seconds == pytest.approx(3 * 1 + 1.25 * (1 + 2))


def test_without_a_timeout_there_is_no_worst_case():
    assert RouterControls(retry={"count": 1}, fallbacks=["a/b"]).worst_case_seconds is None
