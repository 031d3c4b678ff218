"""Values of controls that only some endpoints support (see controls.md for the sources)."""

import pytest
from controls_table import CHAT, DECISIONS, EMBEDDINGS, GENERATION, PATHS, RERANK, RESPONSES, ROUTED
from support.endpoints import ENDPOINTS

from orq_router_integrations.wire.call import Request
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import Dialect
from orq_router_integrations.wire.request_encoding import encode_request


def create_guardrail(**options):
    return [{"id": "g", "execute_on": "input"} | options]


def create_load_balancer(type_):
    return {"type": type_, "models": ["a/b"]}


SUPPORTED_BY = [
    ("retry", {"count": 0}, RESPONSES + EMBEDDINGS + DECISIONS),
    ("retry", {"count": 1}, ROUTED + RESPONSES + DECISIONS),
    ("retry", {"count": 5}, ROUTED + RESPONSES + DECISIONS),
    ("load_balancer", create_load_balancer("weight_based"), ROUTED + RESPONSES),
    ("load_balancer", create_load_balancer("round_robin"), RESPONSES),
    ("load_balancer", create_load_balancer("latency_based"), RESPONSES),
    ("identity", "u1", PATHS),
    ("identity", {"id": "u1", "email": "j@example.com"}, CHAT + RESPONSES + DECISIONS),
    ("identity", {"id": "u1", "logo_url": "https://example.com/a.png"}, CHAT + DECISIONS),
    ("guardrails", create_guardrail(), CHAT + RESPONSES),
    ("guardrails", create_guardrail(execute_on="output"), CHAT + RESPONSES),
    ("guardrails", create_guardrail(execute_on="both"), RESPONSES),
    ("guardrails", create_guardrail(is_guardrail=True), RESPONSES),
    ("guardrails", create_guardrail(is_guardrail=False), RESPONSES),
    ("guardrails", create_guardrail(options={"a": 1}), RESPONSES),
    ("guardrails", create_guardrail(sample_rate=0), RESPONSES),
    ("guardrails", create_guardrail(timeout=1000), RESPONSES),
    ("plugins", [{"id": "pii_redaction"}], CHAT + RESPONSES + GENERATION + RERANK),
    ("plugins", [{"id": "response_healing"}], CHAT + RESPONSES),
    ("plugins", [{"id": "trace_scrubbing", "mask": ["all"]}], CHAT + RESPONSES),
]


def encode(path: str, control: str, value: object) -> None:
    controls = RouterControls(**{control: value})
    request = Request(endpoint=ENDPOINTS[path], body={}, controls=controls)
    encode_request(request, Dialect.V3_ROUTER)


@pytest.mark.parametrize(
    ("control", "value", "path"),
    [(control, value, path) for control, value, paths in SUPPORTED_BY for path in paths],
)
def test_supported_value_is_accepted(control, value, path):
    encode(path, control, value)


@pytest.mark.parametrize(
    ("control", "value", "path"),
    [
        (control, value, path)
        for control, value, paths in SUPPORTED_BY
        for path in PATHS
        if path not in paths
    ],
)
def test_unsupported_value_raises(control, value, path):
    with pytest.raises(ValueError, match=rf"^controls\.{control}\b"):
        encode(path, control, value)
