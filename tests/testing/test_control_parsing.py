"""The location of controls under each prefix, and errors of misplaced and invalid controls."""

import pytest

from orq_router_integrations.testing import Fault

CLAUDE = "anthropic/claude-sonnet-4-5"
FALLBACKS = [{"model": CLAUDE}]
FAULTS = {"openai/gpt-4o": 503}
IDENTITY = {"id": "user-17"}


class TestControlLocations:
    @pytest.mark.parametrize("prefix", ["v3/router", "v2/router"])
    def test_controls_at_top_level_are_read(self, create_chat, prefix):
        assert create_chat(faults=FAULTS).complete(prefix=prefix, fallbacks=FALLBACKS)

    @pytest.mark.parametrize("prefix", ["v2/router", "v2/gateway", "v2/proxy"])
    def test_controls_within_orq_are_read(self, create_chat, prefix):
        assert create_chat(faults=FAULTS).complete(prefix=prefix, orq={"fallbacks": FALLBACKS})

    @pytest.mark.parametrize(
        ("prefix", "fields"),
        [
            ("v3/router", {"identity": IDENTITY, "thread": {"id": "t"}}),
            ("v2/router", {"orq": {"identity": IDENTITY, "thread": {"id": "t"}}}),
            ("v2/router", {"orq": {"contact": IDENTITY}}),
            ("v2/gateway", {"orq": {"contact": IDENTITY, "name": "n"}}),
            ("v2/proxy", {"orq": {"identity": IDENTITY, "cache": {"type": "exact_match"}}}),
            ("v2/gateway", {"metadata": {"a": "b"}}),
        ],
    )
    def test_controls_are_removed_from_provider_body(self, create_chat, prefix, fields):
        chat = create_chat()
        assert chat.complete(prefix=prefix, **fields)
        assert set(chat.router.log[0].body) == {"model", "messages"}

    def test_gateway_load_balancer_is_list(self, create_chat):
        models = [{"model": CLAUDE, "weight": 1}]
        chat = create_chat()
        assert (
            chat.complete(prefix="v2/gateway", orq={"load_balancer": models})["model"] != "gpt-4o"
        )
        as_dict = {"load_balancer": {"type": "weight_based", "models": models}}
        error = chat.get_error(400, prefix="v2/gateway", orq=as_dict)
        assert error["param"] == "load_balancer"
        assert chat.complete(prefix="v2/proxy", orq=as_dict)

    def test_fallbacks_may_be_strings(self, create_chat):
        assert create_chat(faults=FAULTS).complete(fallbacks=[CLAUDE])


class TestVariables:
    @pytest.mark.parametrize(
        ("prefix", "fields"),
        [
            ("v3/router", {"variables": {"name": "Ada"}}),
            ("v2/router", {"variables": {"name": "Ada"}}),
            ("v2/router", {"orq": {"inputs": {"name": "Ada"}}}),
            ("v2/gateway", {"orq": {"inputs": {"name": "Ada"}}}),
            ("v2/proxy", {"orq": {"inputs": {"name": "Ada"}}}),
        ],
    )
    def test_variables_are_substituted(self, create_chat, prefix, fields):
        chat = create_chat()
        text = "I am {{name}}, {{ name }}, {{unknown}}."
        chat.complete(prefix=prefix, text=text, **fields)
        content = chat.router.log[0].body["messages"][0]["content"]
        assert content == "I am Ada, Ada, {{unknown}}."

    def test_variables_in_text_parts_are_substituted(self, create_chat):
        chat = create_chat()
        part = {"type": "text", "text": "{{a}}"}
        chat.complete(messages=[{"role": "user", "content": [part]}], variables={"a": 1})
        assert chat.router.log[0].body["messages"][0]["content"] == [part | {"text": "1"}]


MISPLACED = [
    ("v3/router", {"orq": {"identity": IDENTITY}}, "orq.identity", "identity,"),
    ("v3/router", {"orq": {"retry": {"count": 1}}}, "orq.retry", "retry,"),
    ("v3/router", {"orq": {"prompt": {"id": "p"}}}, "orq.prompt", "retry,"),
    ("v2/router", {"identity": IDENTITY}, "identity", "orq.identity,"),
    ("v2/router", {"thread": {"id": "t"}}, "thread", "orq.thread,"),
    ("v2/router", {"orq": {"guardrails": []}}, "orq.guardrails", "guardrails,"),
    ("v2/router", {"orq": {"prompt": {"id": "p"}}}, "orq.prompt", "orq.thread,"),
    ("v2/router", {"orq": {"variables": {}}}, "orq.variables", "variables,"),
    ("v2/gateway", {"fallbacks": FALLBACKS}, "fallbacks", "orq.fallbacks,"),
    ("v2/gateway", {"orq": {"identity": IDENTITY}}, "orq.identity", "orq.contact,"),
    ("v2/gateway", {"variables": {"a": 1}}, "variables", "orq.inputs,"),
    ("v2/proxy", {"retry": {"count": 1}}, "retry", "orq.retry,"),
    ("v2/proxy", {"orq": {"retries": {"count": 1}}}, "orq.retries", "orq.retry,"),
    ("v2/proxy", {"guardrails": []}, "guardrails", "orq.retry,"),
]


@pytest.mark.parametrize(("prefix", "fields", "param", "supported"), MISPLACED)
def test_misplaced_control_returns_400(create_chat, prefix, fields, param, supported):
    error = create_chat().get_error(400, prefix=prefix, **fields)
    assert error["param"] == param
    assert "ignore it silently" in error["message"]
    assert supported in error["message"].partition("Supported are ")[2]


@pytest.mark.parametrize(("prefix", "fields", "param", "supported"), MISPLACED)
def test_lenient_router_ignores_misplaced_control(create_chat, prefix, fields, param, supported):
    chat = create_chat(lenient=True, faults={"openai/gpt-4o": [200, 503]})
    chat.complete(prefix=prefix, **fields)
    chat.get_error(503, prefix=prefix, **fields)
    assert len(chat.router.log) == 2  # neither retries nor fallbacks apply


def test_top_level_replaces_nested_control(create_chat):
    chat = create_chat(faults=FAULTS)
    controls = {"retry": {"count": 1}, "orq": {"retry": {"count": 2}}}
    chat.get_error(503, prefix="v2/router", **controls)
    assert len(chat.router.log) == 2


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"orq": "x"}, "orq"),
        ({"orq": []}, "orq"),
        ({"retry": 3}, "retry"),
        ({"retry": {"count": 0}}, "retry.count"),
        ({"retry": {"count": 6}}, "retry.count"),
        ({"retry": {"count": 1.5}}, "retry.count"),
        ({"retry": {"count": 1, "on_codes": []}}, "retry.on_codes"),
        ({"retry": {"count": 1, "backoff": 2}}, "retry.backoff"),
        ({"fallbacks": [{"model": "bare"}]}, "fallbacks[0].model"),
        ({"fallbacks": [{"model": CLAUDE, "weight": 1}]}, "fallbacks[0].weight"),
        ({"fallback_on_codes": [200]}, "fallback_on_codes[0]"),
        ({"fallback_on_codes": [429, 429]}, "fallback_on_codes"),
        ({"fallback_on_codes": list(range(400, 421))}, "fallback_on_codes"),
        ({"load_balancer": [{"model": CLAUDE}]}, "load_balancer"),
        ({"load_balancer": {"type": "weight_based", "models": []}}, "load_balancer.models"),
        ({"cache": {"type": "exact_match", "ttl": 0}}, "cache.ttl"),
        ({"cache": {"type": "exact_match", "ttl": 259_201}}, "cache.ttl"),
        ({"timeout": {"call_timeout": 0}}, "timeout.call_timeout"),
        ({"timeout": {"call_timeout": "900"}}, "timeout.call_timeout"),
        ({"timeout": {}}, "timeout.call_timeout"),
        ({"identity": "user-17"}, "identity"),
        ({"identity": {"email": "a@b.co"}}, "identity.id"),
        ({"metadata": {"a": 1}}, "metadata.a"),
        ({"metadata": {f"k{n}": "v" for n in range(17)}}, "metadata"),
        ({"guardrails": [{"id": "g", "execute_on": "both"}]}, "guardrails"),
        ({"guardrails": [{"id": "g"}]}, "guardrails[0].execute_on"),
        ({"plugins": [{"id": "unknown"}]}, "plugins[0]"),
        ({"plugins": [{"id": "trace_scrubbing", "mask": []}]}, "plugins[0].mask"),
    ],
)
def test_invalid_value_returns_400(create_chat, fields, param):
    error = create_chat().get_error(400, **fields)
    assert error["param"] == param
    assert error["message"].startswith(param)


@pytest.mark.filterwarnings("error")
def test_short_call_timeout_does_not_warn_again(create_chat):
    chat = create_chat(faults={"openai/gpt-4o": Fault(seconds=0.6, status=200)})
    error = chat.get_error(408, timeout={"call_timeout": 500})
    assert "call_timeout of 0.5 seconds" in error["message"]


def test_load_balancer_of_v2_router_is_not_a_list(create_chat):
    models = [{"model": CLAUDE, "weight": 1}]
    error = create_chat().get_error(400, prefix="v2/router", orq={"load_balancer": models})
    assert error["param"] == "load_balancer"


def test_error_of_a_nested_control_names_its_path(create_chat):
    error = create_chat().get_error(400, prefix="v2/gateway", orq={"retry": {"count": 9}})
    assert error["param"] == "retry.count"


def test_integral_float_is_accepted(create_chat):
    """The vendor's SDK writes integers of ``retry`` as floats, which JSON does not distinguish."""
    chat = create_chat(faults={"openai/gpt-4o": [429]})
    chat.complete(retry={"count": 1.0, "on_codes": [429.0]}, n=1.0, seed=7.0)
    assert chat.provider_calls == [("openai/gpt-4o", 429), ("openai/gpt-4o", 200)]
    error = create_chat(lenient=True).get_error(400, retry={"count": 9.0, "colour": 1})
    assert error["param"] == "retry.count"
