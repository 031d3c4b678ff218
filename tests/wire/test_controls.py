"""Router controls: limits, accepted values, merging and the worst-case duration."""

import re
import warnings
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from orq_router_integrations.wire.controls import (
    DEFAULT_RETRY_STATUSES,
    Control,
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

THREE_DAYS = 3 * 24 * 3600


def guardrail(**fields):
    return {"guardrails": [{"id": "g", "execute_on": "input"} | fields]}


def pii(**fields):
    return {"plugins": [{"id": "pii_redaction"} | fields]}


def load_balancer(weight):
    return {"load_balancer": {"models": [{"model": "a/b", "weight": weight}]}}


def metadata(count):
    return {"metadata": {f"key{n}": "v" for n in range(count)}}


VALID = [
    {"fallbacks": []},
    {"fallbacks": ["a/b"] * 11},
    {"fallback_on_codes": []},
    {"fallback_on_codes": [400, 401, 598, 599]},
    {"fallback_on_codes": range(400, 419)},
    {"fallback_on_codes": range(400, 420)},
    *({"retry": {"count": count}} for count in (0, 1, 4, 5)),
    {"retry": {"on_codes": [400]}},
    {"retry": {"on_codes": [598, 599]}},
    {"retry": {"on_codes": [100]}},  # unlike fallback_on_codes, which starts at 400
    {"retry": {"on_codes": [399]}},
    {"retry": {"on_codes": range(400, 421)}},
    *(load_balancer(weight) for weight in (0.001, 0.0011, 0.999, 1)),
    *({"cache": {"ttl": ttl}} for ttl in (1, 2, THREE_DAYS - 1, THREE_DAYS)),
    *({"timeout": {"call_timeout": ms}} for ms in (1, 2, 3_600_000)),
    {"name": "n"},
    {"identity": {"id": "u"}},
    {"thread": {"id": "t", "tags": []}},
    *(metadata(count) for count in (0, 1, 15, 16)),
    *({"metadata": {"k" * length: "v"}} for length in (1, 63, 64)),
    *({"metadata": {"k": "v" * length}} for length in (0, 511, 512)),
    *(guardrail(sample_rate=rate) for rate in (0, 0.001, 0.999, 1)),
    *(guardrail(timeout=ms) for ms in (1000, 1001, 599_999, 600_000)),
    *(guardrail(execute_on=stage) for stage in ("output", "both")),
    *(pii(threshold=share) for share in (0, 0.001, 0.999, 1)),
    *(pii(entity_thresholds={"EMAIL": share}) for share in (0, 1)),
    *(pii(on_failure=action) for action in ("block", "passthrough")),
    {"plugins": [{"id": "trace_scrubbing", "mask": ["variables"]}]},
]

INVALID = [
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
        (load_balancer(weight), "load_balancer.models.0.weight")
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
    (metadata(17), "metadata"),
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


@pytest.mark.parametrize("fields", VALID, ids=short)
def test_valid_value_is_accepted(fields):
    RouterControls(**fields)


@pytest.mark.parametrize(("fields", "path"), INVALID, ids=short)
def test_invalid_value_raises_with_path(fields, path):
    with pytest.raises(ValidationError) as raised:
        RouterControls(**fields)
    paths = [".".join(map(str, error["loc"])) for error in raised.value.errors()]
    assert any(path in error_path for error_path in paths), paths


@pytest.mark.parametrize(
    ("fields", "path", "name", "suggestion"),
    [
        ({"fallback": ["a/b"]}, "", "fallback", "fallbacks"),
        ({"retry": {"cout": 1}}, "retry", "cout", "count"),
        (
            {"load_balancer": {"models": [{"model": "a/b", "wieght": 1}]}},
            "load_balancer.models.0",
            "wieght",
            "weight",
        ),
        ({"cache": {"tll": 60}}, "cache", "tll", "ttl"),
        ({"timeout": {"calltimeout": 5}}, "timeout", "calltimeout", "call_timeout"),
        (pii(entites=["EMAIL"]), "plugins.0.pii_redaction", "entites", "entities"),
        ({"guardrails": [{"idd": "x", "execute_on": "input"}]}, "guardrails.0", "idd", "id"),
        ({"thread": {"id": "t", "tag": ["x"]}}, "thread", "tag", "tags"),
    ],
    ids=short,
)
def test_unknown_field_raises_with_path_and_suggestion(fields, path, name, suggestion):
    with pytest.raises(ValidationError) as raised:
        RouterControls(**fields)
    error, *_ = raised.value.errors()
    assert ".".join(map(str, error["loc"])) == path
    assert error["msg"].endswith(f"Unknown argument {name!r}. Did you mean {suggestion!r}?")


@pytest.mark.parametrize(
    "fields",
    [
        {"contact": "u"},
        {"fallbacks": [{"model": "a/b", "temperature": 0}]},
        {"cache": {"ttl": 60, "key": "k"}},
        {"identity": {"id": "u", "name": "Jane"}},
    ],
    ids=short,
)
def test_unknown_field_raises(fields):
    with pytest.raises(ValidationError, match="Unknown argument"):
        RouterControls(**fields)


@pytest.mark.parametrize(
    "fields",
    [
        *({name: value} for name, value in [("retry", 3), ("cache", True), ("timeout", 30)]),
        {"load_balancer": ["a/b"]},
        {"identity": 5},
        {"fallbacks": [5]},
        {"guardrails": ["x"]},
    ],
    ids=short,
)
def test_control_must_be_a_dict(fields):
    with pytest.raises(ValidationError, match="Expected a dict"):
        RouterControls(**fields)


@pytest.mark.parametrize("name", sorted(RouterControls.model_fields.keys() - {"name"}))
def test_wrong_container_error_has_an_example(name):
    with pytest.raises(ValidationError) as raised:
        RouterControls(**{name: 5})
    message = raised.value.errors()[0]["msg"]
    assert re.fullmatch(r"Expected a (list such as \[.+\]|dict such as \{.+\})", message)


@pytest.mark.parametrize(
    ("fields", "location", "message"),
    [
        (
            {"guardrails": ["x"]},
            ("guardrails", 0),
            "Expected a dict such as {'id': 'orq_pii_detection', 'execute_on': 'input'}",
        ),
        ({"retry": {"on_codes": 429}}, ("retry", "on_codes"), "Expected a list"),
        (
            {"identity": {"id": "x", "metadata": [5]}},
            ("identity", "metadata", 0),
            "Expected a dict",
        ),
        ({"name": 5}, ("name",), "Input should be a valid string"),
    ],
    ids=short,
)
def test_nested_error_names_the_location(fields, location, message):
    with pytest.raises(ValidationError) as raised:
        RouterControls(**fields)
    [error] = raised.value.errors()
    assert (error["loc"], error["msg"]) == (location, message)


@pytest.mark.parametrize(
    ("arguments", "expected"),
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
        ({"timeout": {"call_timeout": 1000}}, {"timeout": RouterTimeout(call_timeout=1000)}),
        ({"plugins": [{"id": "pii_redaction"}]}, {"plugins": [PiiRedaction()]}),
        ({"plugins": [{"id": "response_healing"}]}, {"plugins": [ResponseHealing()]}),
        (
            {"plugins": [{"id": "trace_scrubbing", "mask": ["all"]}]},
            {"plugins": [TraceScrubbing(mask=["all"])]},
        ),
    ],
    ids=short,
)
def test_plain_values_are_converted(arguments, expected):
    assert RouterControls(**arguments) == RouterControls(**expected)


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [({"team": "a"}, ({"team": "a"},)), ([{"team": "a"}, {"b": 1}], ({"team": "a"}, {"b": 1}))],
)
def test_identity_metadata_becomes_a_list(metadata, expected):
    assert Identity(id="u", metadata=metadata).metadata == expected


@pytest.mark.parametrize(
    ("duration", "milliseconds"),
    [
        (timedelta(seconds=30), 30_000),
        (timedelta(milliseconds=900), 900),
        (timedelta(microseconds=1_500), 2),
        (1000, 1000),
    ],
)
def test_call_timeout_without_warning(duration, milliseconds):
    with warnings.catch_warnings(action="error"):
        controls = RouterControls(timeout={"call_timeout": duration})
    assert controls.timeout.call_timeout == milliseconds
    assert controls.to_wire() == {"timeout": {"call_timeout": milliseconds}}


@pytest.mark.parametrize("milliseconds", [1, 30, 999])
def test_call_timeout_that_looks_like_seconds_warns(milliseconds):
    with pytest.warns(UserWarning, match=rf"timedelta\(seconds={milliseconds}\)") as warned:
        RouterControls(timeout={"call_timeout": milliseconds})
    assert warned[0].filename == __file__


@pytest.mark.parametrize("duration", [timedelta(0), timedelta(seconds=-1)])
def test_call_timeout_must_be_positive(duration):
    with pytest.raises(ValidationError, match="call_timeout"):
        RouterTimeout(call_timeout=duration)


def test_every_field_is_described():
    """The id of a plugin selects its class, and is described with the control."""
    fields_without_description = {
        f"{model.__name__}.{name}"
        for model in Control.__subclasses__()
        for name, field in model.model_fields.items()
        if not field.description
    }
    assert fields_without_description == {
        "PiiRedaction.id",
        "ResponseHealing.id",
        "TraceScrubbing.id",
    }


def test_typed_dict_has_every_control():
    assert RouterControlsDict.__annotations__.keys() == RouterControls.model_fields.keys()


def test_default_retry_statuses():
    assert DEFAULT_RETRY_STATUSES == (408, 429, 500, 502, 503, 504, 529)


def test_only_set_fields_are_serialized():
    assert RouterControls().to_wire() == {}
    assert RouterControls(name=None, identity="u").to_wire() == {"identity": {"id": "u"}}


def test_null_in_variables_is_serialized():
    variables = {"a": None, "b": {"c": None}, "d": [None]}
    assert RouterControls(variables=variables).to_wire() == {"variables": variables}


@pytest.mark.parametrize(
    ("control", "field", "value"),
    [
        (RouterControls(name="n"), "name", "m"),
        (RouterControls(), "cache", None),
        (RouterRetry(), "count", 1),
        (Guardrail(id="g", execute_on="input"), "id", "h"),
    ],
    ids=short,
)
def test_controls_are_immutable(control, field, value):
    with pytest.raises(ValidationError, match="frozen"):
        setattr(control, field, value)


def test_values_are_copied():
    models, variables = ["a/b"], {"a": 1}
    controls = RouterControls(fallbacks=models, variables=variables)
    models.append("c/d")
    variables["b"] = 2
    assert controls.to_wire() == {"fallbacks": ({"model": "a/b"},), "variables": {"a": 1}}


BASE = RouterControls(name="base", retry={"count": 3, "on_codes": [500]}, metadata={"a": "b"})


def test_merge_replaces_set_fields():
    overrides = RouterControls(retry={"count": 1}, identity="u")
    merged = RouterControls(name="base", retry={"count": 1}, metadata={"a": "b"}, identity="u")
    assert BASE.merge(overrides) == merged


def test_merging_none_removes_a_control():
    merged = BASE.merge(RouterControls(retry=None))
    assert merged == RouterControls(name="base", metadata={"a": "b"})
    assert merged.merge(RouterControls(name="overrides")).retry is None


@pytest.mark.parametrize("overrides", [None, RouterControls()])
def test_merging_nothing_changes_nothing(overrides):
    assert BASE.merge(overrides) == BASE


def test_merge_does_not_modify_its_inputs():
    overrides = RouterControls(name="overrides")
    BASE.merge(overrides)
    assert (BASE.name, overrides) == ("base", RouterControls(name="overrides"))


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, False),
        ({"timeout": {"call_timeout": 1000}}, False),
        ({"retry": {"count": 0}}, False),
        ({"fallbacks": []}, False),
        ({"retry": {"count": 1}}, True),
        ({"fallbacks": ["a/b"]}, True),
        ({"retry": {"count": 0}, "fallbacks": ["a/b"]}, True),
    ],
    ids=short,
)
def test_has_router_retries(fields, expected):
    assert RouterControls(**fields).has_router_retries is expected


@pytest.mark.parametrize(
    ("call_timeout", "retries", "fallbacks", "seconds"),
    [
        (30_000, 0, 0, 30),
        (30_000, 0, 2, 3 * 30),
        (30_000, 1, 0, 2 * 30 + 1.25),
        (30_000, 3, 0, 4 * 30 + 1.25 * (1 + 2 + 4)),
        (10_000, 5, 1, 2 * (6 * 10 + 1.25 * (1 + 2 + 4 + 8 + 16))),
        (1_000, 0, 0, 1),
    ],
)
def test_worst_case_counts_models_retries_and_pauses(call_timeout, retries, fallbacks, seconds):
    controls = RouterControls(
        timeout={"call_timeout": call_timeout},
        retry={"count": retries},
        fallbacks=["a/b"] * fallbacks,
    )
    assert controls.worst_case_seconds == pytest.approx(seconds)


def test_worst_case_with_default_retries():
    controls = RouterControls(timeout={"call_timeout": 1000})
    assert controls.worst_case_seconds == pytest.approx(3 * 1 + 1.25 * (1 + 2))


def test_worst_case_without_timeout_is_unknown():
    assert RouterControls(retry={"count": 1}, fallbacks=["a/b"]).worst_case_seconds is None


@pytest.mark.parametrize(
    "fields",
    [
        {"variables": {"password": "hunter2"}, "retries": 1},
        {"identity": {"id": "x", "email": "hunter2", "foo": 1}},
        {"variables": {"password": "hunter2"}, "cache": {"ttl": 0}},
    ],
    ids=["unknown", "nested", "invalid"],
)
def test_errors_do_not_show_other_values(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as raised:
        RouterControls(**fields)
    assert "hunter2" not in str(raised.value)
