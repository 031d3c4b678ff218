"""Proxies of the environment: which requests use them."""

import os

import httpx
import pytest
from support.local_client import COMPLETION, local_client
from support.loopback_server import Loopback, complete_response
from support.scripted_router import both_doors, create_call

from orq_router_integrations._http.environment_proxies import ProxyTransport, is_bypassed
from orq_router_integrations._http.registry import SENDER_REGISTRY
from orq_router_integrations.errors import RouterInputError


@pytest.mark.parametrize(
    ("url", "no_proxy", "expected"),
    [
        ("https://api.orq.ai", "", False),
        ("https://api.orq.ai", "*", True),
        ("https://api.orq.ai", "orq.ai", True),
        ("https://api.orq.ai", " localhost , .ORQ.ai", True),
        ("https://api.orq.ai", "*.orq.ai", True),
        ("https://notorq.ai", "orq.ai", False),
        ("https://api.orq.ai", "api.orq.ai:443", True),
        ("https://api.orq.ai", "api.orq.ai:8443", False),
        ("https://api.orq.ai", "http://api.orq.ai", False),
        ("http://127.0.0.1:80", "127.0.0.1", True),
        ("http://127.0.0.1", "127.0.0.0/8", True),
        ("http://10.1.2.3", "127.0.0.0/8,,x/y", False),
        ("http://[::1]:8080", "[::1]", True),
        ("http://[::1]:8080", "::1", True),
        ("http://[::1]:8080", "[::1]:8080", True),
        ("http://[::1]:8080", "[::1]:8081", False),
        ("http://[fd07:b51a:cc66:f0::1]", "fd07:b51a:cc66:f0::/64", True),
        ("http://[fd08::1]", "localhost,fd07:b51a:cc66:f0::/64", False),
    ],
)
def test_no_proxy(url, no_proxy, expected):
    assert is_bypassed(httpx.URL(url), no_proxy) is expected


@pytest.fixture(autouse=True)
def environment(monkeypatch):
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    SENDER_REGISTRY.reset_after_fork()
    yield
    SENDER_REGISTRY.close()
    SENDER_REGISTRY.reset_after_fork()


NO_PROXY = ["127.0.0.1,[::1]", "127.0.0.1,fd07:b51a:cc66:f0::/64", "127.0.0.0/8", "*"]


@both_doors
@pytest.mark.parametrize("no_proxy", NO_PROXY)
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
def test_bypassed_proxy_is_not_needed(door, monkeypatch, proxy, no_proxy):
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    with Loopback(complete_response(COMPLETION)) as server:
        door.send(local_client(server), create_call())
        assert len(server.requests) == 1


@both_doors
def test_invalid_proxy_raises_when_it_is_used(door, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "foo://127.0.0.1:9")
    with (
        Loopback(complete_response(COMPLETION)) as server,
        pytest.raises(RouterInputError, match="HTTPS_PROXY"),
    ):
        door.send(local_client(server), create_call())


def test_transport_is_created_once_for_each_proxy(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "direct.example")
    created = []

    class Transport(httpx.HTTPTransport):
        def __init__(self, proxy):
            super().__init__()
            created.append(proxy)

        def handle_request(self, _):
            return httpx.Response(200)

    with httpx.Client(transport=ProxyTransport(Transport)) as client:
        for host in ("direct.example", "api.orq.ai", "www.orq.ai", "direct.example"):
            client.get(f"http://{host}")
    assert created == [None, "http://proxy.example:3128"]
