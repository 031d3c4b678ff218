"""Values that one endpoint takes and another does not, as a table from sections 2, 4 and 6."""

import pytest

from orq_router_integrations.wire.call import Request
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import ENDPOINTS, Dialect
from orq_router_integrations.wire.request_encoding import encode_request

ALL = set(ENDPOINTS)
RESPONSES = {"/responses"}
CHAT = {"/chat/completions"}
PAINT = {"/images/generations"}

TAKEN_BY = [
    # section 6, retry.count: 0..5 on responses, 1..5 elsewhere
    ("retry", {"count": 0}, RESPONSES),
    ("retry", {"count": 1}, ALL),
    ("retry", {"count": 5}, ALL),
    # section 4.4: other balancers on responses only [sdk]
    ("load_balancer", {"type": "weight_based", "models": ["a/b"]}, ALL),
    ("load_balancer", {"type": "round_robin", "models": ["a/b"]}, RESPONSES),
    ("load_balancer", {"type": "latency_based", "models": ["a/b"]}, RESPONSES),
    # section 4.7, identity: no logo_url in the Go schemas [sdk]; a header holds an id only
    ("identity", "u1", ALL),
    ("identity", {"id": "u1", "email": "j@example.com"}, CHAT | RESPONSES),
    ("identity", {"id": "u1", "logo_url": "https://example.com/a.png"}, CHAT),
    # section 4.7, guardrails: two spellings [sdk] [oas]
    ("guardrails", [{"id": "g", "execute_on": "input"}], CHAT | RESPONSES),
    ("guardrails", [{"id": "g", "execute_on": "output"}], CHAT | RESPONSES),
    ("guardrails", [{"id": "g", "execute_on": "both"}], RESPONSES),
    ("guardrails", [{"id": "g", "execute_on": "input", "is_guardrail": True}], RESPONSES),
    ("guardrails", [{"id": "g", "execute_on": "input", "is_guardrail": False}], RESPONSES),
    ("guardrails", [{"id": "g", "execute_on": "input", "options": {"a": 1}}], RESPONSES),
    ("guardrails", [{"id": "g", "execute_on": "input", "sample_rate": 0}], RESPONSES),
    ("guardrails", [{"id": "g", "execute_on": "input", "timeout": 1000}], RESPONSES),
    # section 4.1, plugins: T all 3, or T pii
    ("plugins", [{"id": "pii_redaction"}], CHAT | RESPONSES | PAINT),
    ("plugins", [{"id": "response_healing"}], CHAT | RESPONSES),
    ("plugins", [{"id": "trace_scrubbing", "mask": ["all"]}], CHAT | RESPONSES),
]


def send(path: str, control: str, value: object) -> None:
    request = Request(
        endpoint=ENDPOINTS[path], body={}, controls=RouterControls(**{control: value})
    )
    encode_request(request, Dialect.V3_ROUTER)


@pytest.mark.parametrize(
    ("control", "value", "path"),
    [(c, v, path) for c, v, taken in TAKEN_BY for path in sorted(taken)],
)
def test_the_endpoint_takes_the_value(control, value, path):
    send(path, control, value)


@pytest.mark.parametrize(
    ("control", "value", "path"),
    [(c, v, path) for c, v, taken in TAKEN_BY for path in sorted(ALL - taken)],
)
def test_the_endpoint_refuses_the_value_and_names_the_control(control, value, path):
    with pytest.raises(ValueError, match=rf"^controls\.{control}\b"):
        send(path, control, value)
