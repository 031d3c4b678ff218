"""Dialects of base URLs, and the endpoints."""

import pytest
from support.endpoints import ENDPOINTS

from orq_router_integrations.wire.endpoints import Dialect, get_root_url


@pytest.mark.parametrize(
    ("base_url", "dialect"),
    [
        ("https://api.orq.ai/v3/router", Dialect.V3_ROUTER),
        ("https://my.orq.ai/v3/router", Dialect.V3_ROUTER),
        ("https://my.orq.ai/v3/router/", Dialect.V3_ROUTER),
        ("https://my.orq.ai/v3/router//", Dialect.V3_ROUTER),
        ("https://api.orq.ai/v2/router", Dialect.V2_ROUTER),
        ("https://api.orq.ai/v2/gateway", Dialect.V2_GATEWAY),
        ("https://api.orq.ai/v2/gateway/", Dialect.V2_GATEWAY),
        ("https://api.orq.ai/v2/proxy", Dialect.V2_PROXY),
        ("http://localhost:8080/v3/router", Dialect.V3_ROUTER),
        ("http://[::1]:8080/v2/router", Dialect.V2_ROUTER),
        ("https://llm.example.com/orq/eu/v3/router", Dialect.V3_ROUTER),
        ("https://example.com/v2/proxy/v3/router", Dialect.V3_ROUTER),
        ("https://v2.proxy.example.com/v3/router/", Dialect.V3_ROUTER),
        ("https://user:secret@example.com/v2/gateway", Dialect.V2_GATEWAY),
        ("https://my.orq.ai/v3/router?region=eu", Dialect.V3_ROUTER),
        ("https://my.orq.ai/v3/router/?next=/v2/proxy", Dialect.V3_ROUTER),
        ("https://my.orq.ai/v3/router#/v2/proxy", Dialect.V3_ROUTER),
    ],
)
def test_base_url_determines_the_dialect(base_url, dialect):
    assert Dialect.from_base_url(base_url) is dialect


@pytest.mark.parametrize(
    ("base_url", "path"),
    [
        ("https://my.orq.ai", "/"),
        ("https://my.orq.ai/", "/"),
        ("https://my.orq.ai/v3", "/v3"),
        ("https://my.orq.ai/router", "/router"),
        ("https://my.orq.ai/v1/router", "/v1/router"),
        ("https://my.orq.ai/v4/router", "/v4/router"),
        ("https://my.orq.ai/v3/gateway", "/v3/gateway"),
        ("https://my.orq.ai/v3/anthropic", "/v3/anthropic"),
        ("https://my.orq.ai/v3/router/v1", "/v3/router/v1"),
        ("https://my.orq.ai/v3/router/chat/completions", "/v3/router/chat/completions"),
        ("https://my.orq.ai/xv3/router", "/xv3/router"),
        ("https://my.orq.ai/v3/router2", "/v3/router2"),
        ("https://my.orq.ai/?to=/v3/router", "/"),
        ("", "/"),
    ],
)
def test_unknown_path_raises(base_url, path):
    with pytest.raises(ValueError, match="base_url") as raised:
        Dialect.from_base_url(base_url)
    assert f"Unknown path {path!r}" in str(raised.value)
    assert all(dialect.value in str(raised.value) for dialect in Dialect)


def test_endpoints_are_listed_by_path():
    assert all(endpoint.path == path for path, endpoint in ENDPOINTS.items())


def test_responses_and_decisions_require_v3():
    limited = {path for path, endpoint in ENDPOINTS.items() if endpoint.dialects != set(Dialect)}
    assert limited == {"/responses", "/decisions"}
    assert all(ENDPOINTS[path].dialects == {Dialect.V3_ROUTER} for path in limited)


@pytest.mark.parametrize(
    ("base_url", "root"),
    [
        ("https://my.orq.ai/v3/router", "https://my.orq.ai"),
        ("https://my.orq.ai/v2/gateway/", "https://my.orq.ai"),
        ("https://llm.example.com/orq/eu/v2/proxy", "https://llm.example.com/orq/eu"),
    ],
)
def test_base_url_determines_the_root_of_the_platform(base_url, root):
    assert get_root_url(base_url) == root


def test_unknown_path_has_no_root():
    with pytest.raises(ValueError, match="Unknown path '/v1'"):
        get_root_url("https://my.orq.ai/v1")
