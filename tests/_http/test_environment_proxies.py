"""Proxies of the environment: which requests use them, and their errors."""

import importlib.util
import os
import pickle
import socket
from pathlib import Path

import httpx
import pytest
from faults.certificate import CERTIFICATE, create_untrusted_context, to_pem
from faults.server import get_refusing_port
from support.local_client import COMPLETION, local_client
from support.loopback_server import Loopback, complete_response
from support.proxy_server import Proxy, SocksProxy
from support.scripted_router import ANSWER, KEY, both_callers, create_call

from orq_router_integrations import RouterClient
from orq_router_integrations._http import pool
from orq_router_integrations._http.environment_proxies import select_proxy
from orq_router_integrations.errors import RouterConnectionError, RouterError, RouterInputError

HOST = "nobody.invalid"
"""The host of the test certificate; no real resolver knows it, so only a proxy can reach it."""


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
def test_no_proxy_lists_hosts_without_a_proxy(url, no_proxy, expected):
    proxy = select_proxy(httpx.URL(url), {"all": "http://proxy:3128", "no": no_proxy})
    assert proxy == (None if expected else "http://proxy:3128")


@pytest.fixture(autouse=True)
def environment(monkeypatch, tmp_path: Path) -> None:
    """No proxies, and trust in the test certificate."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    path = tmp_path / "trusted.pem"
    path.write_text(to_pem("CERTIFICATE", CERTIFICATE))
    monkeypatch.setenv("SSL_CERT_FILE", str(path))


def create_client(url: str, max_retries: int = 0) -> RouterClient:
    return RouterClient(
        api_key=KEY, base_url=url, max_retries=max_retries, allow_insecure=True, deadline=20
    )


@both_callers
@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_tunnel_is_opened_and_reused(caller, monkeypatch, name):
    with (
        Loopback(complete_response(COMPLETION), tls=create_untrusted_context()) as server,
        Proxy(credentials="user:p@ss") as proxy,
    ):
        monkeypatch.setenv(name, proxy.url.replace("://", "://user:p%40ss@"))
        client = create_client(server.url.replace("127.0.0.1", HOST))
        assert caller.send(client, create_call(), times=3) == ANSWER
        assert proxy.requests[0].startswith(f"CONNECT {HOST}:".encode())
        assert proxy.accepted == server.accepted == 1


@both_callers
def test_plain_http_is_forwarded(caller, monkeypatch):
    with Loopback(complete_response(COMPLETION)) as server, Proxy() as proxy:
        monkeypatch.setenv("HTTP_PROXY", proxy.url.removeprefix("http://"))
        url = server.url.replace("127.0.0.1", HOST)
        assert caller.send(create_client(url), create_call(), times=3) == ANSWER
        assert proxy.requests[0].startswith(f"POST {url}/".encode())
        assert proxy.accepted == server.accepted == 1


@both_callers
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_proxy_may_use_tls(caller, monkeypatch, tls):
    """The connection to an https router is encrypted within that to the proxy."""
    getaddrinfo = socket.getaddrinfo
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda _, *args, **kwargs: getaddrinfo("127.0.0.1", *args, **kwargs)
    )
    context = create_untrusted_context()
    with (
        Loopback(complete_response(COMPLETION), tls=context if tls else None) as server,
        Proxy(tls=context) as proxy,
    ):
        monkeypatch.setenv("ALL_PROXY", proxy.url.replace("127.0.0.1", HOST))
        client = create_client(server.url.replace("127.0.0.1", HOST))
        assert caller.send(client, create_call(), times=3) == ANSWER
        assert proxy.accepted == server.accepted == 1


@both_callers
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_ipv6_address_is_sent_to_proxy_in_brackets(caller, monkeypatch, tls):
    context = create_untrusted_context() if tls else None
    with Loopback(complete_response(COMPLETION), tls=context) as server, Proxy() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        client = create_client(server.url.replace("127.0.0.1", "[::1]"))
        if tls:
            with pytest.raises(RouterConnectionError, match=r"not valid for '::1'"):
                caller.send(client, create_call())
        else:
            assert caller.send(client, create_call(), times=3) == ANSWER
        target = b" [::1]:" if tls else b" http://[::1]:"
        assert target in proxy.requests[0]


@both_callers
def test_certificate_of_proxy_is_verified(caller, monkeypatch):
    tls = create_untrusted_context()
    with Loopback(complete_response(COMPLETION), tls=tls) as server, Proxy(tls=tls) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("127.0.0.1", "localhost"))
        with pytest.raises(RouterConnectionError, match=r"proxy https://localhost.*[Hh]ostname"):
            caller.send(create_client(server.url.replace("127.0.0.1", HOST)), create_call())


@both_callers
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_socks_proxy_resolves_host_and_connection_is_reused(caller, monkeypatch, tls):
    context = create_untrusted_context() if tls else None
    with (
        Loopback(complete_response(COMPLETION), tls=context) as server,
        SocksProxy(credentials="user:secret") as proxy,
    ):
        monkeypatch.setenv("ALL_PROXY", proxy.url.replace("http://", "socks5h://user:secret@"))
        client = create_client(server.url.replace("127.0.0.1", HOST))
        assert caller.send(client, create_call(), times=3) == ANSWER
        assert proxy.requests == [HOST.encode()]
        assert proxy.accepted == server.accepted == 1


@both_callers
@pytest.mark.parametrize("proxy_class", [Proxy, SocksProxy])
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_error_of_proxy_names_proxy_without_password(caller, monkeypatch, proxy_class, scheme):
    with proxy_class(status="403 Forbidden") as proxy:
        kind = "http" if proxy_class is Proxy else "socks5"
        url = proxy.url.replace("http", kind)
        monkeypatch.setenv("ALL_PROXY", url.replace("://", "://user:secret@"))
        with pytest.raises(RouterError) as raised:
            caller.send(create_client(f"{scheme}://{HOST}"), create_call())
    if (kind, scheme) == ("http", "http"):  # cannot be told apart from a response of the router
        assert raised.value.status_code == 403
    else:
        assert f"proxy {url}" in str(raised.value)
        assert isinstance(raised.value, RouterConnectionError)
        assert not raised.value.ambiguous
    assert "secret" not in str(raised.value)


@both_callers
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_missing_credentials_name_proxy(caller, monkeypatch, scheme):
    with Proxy(credentials="user:secret") as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        message = f"proxy {proxy.url}: 407 Proxy Authentication Required. Check the proxy"
        with pytest.raises(RouterConnectionError, match=message):
            caller.send(create_client(f"{scheme}://{HOST}", max_retries=2), create_call())
        assert len(proxy.requests) == 1  # the same credentials would fail again


@both_callers
@pytest.mark.parametrize("credentials", ["", "user:wrong@"])
def test_missing_credentials_of_socks_proxy_are_not_retried(caller, monkeypatch, credentials):
    with SocksProxy(credentials="user:secret") as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url.replace("http://", f"socks5://{credentials}"))
        client = create_client(f"https://{HOST}", max_retries=2)
        with pytest.raises(
            RouterConnectionError, match="Check the proxy and its user name and password"
        ):
            caller.send(client, create_call())
        assert proxy.accepted == 1


@both_callers
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", ["http", "https", "socks5"])
def test_refusing_proxy_is_named(caller, monkeypatch, scheme, kind):
    url = f"{kind}://127.0.0.1:{get_refusing_port()}"
    monkeypatch.setenv("ALL_PROXY", url)
    with pytest.raises(RouterConnectionError, match=f"proxy {url}: .*(refused|failed)"):
        caller.send(create_client(f"{scheme}://{HOST}"), create_call())


@both_callers
def test_certificate_of_router_is_verified_through_proxy(caller, monkeypatch):
    monkeypatch.delenv("SSL_CERT_FILE")
    with (
        Loopback(complete_response(COMPLETION), tls=create_untrusted_context()) as server,
        Proxy() as proxy,
    ):
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(RouterConnectionError, match="certificate") as raised:
            caller.send(create_client(server.url.replace("127.0.0.1", HOST)), create_call())
    assert "proxy http" not in str(raised.value)


NO_PROXY = ["127.0.0.1,[::1]", "127.0.0.1,fd07:b51a:cc66:f0::/64", "127.0.0.0/8", "*"]


@both_callers
@pytest.mark.parametrize("no_proxy", NO_PROXY)
@pytest.mark.parametrize("proxy", ["http://127.0.0.1:9", "socks5://127.0.0.1:9"])
def test_bypassed_proxy_is_not_needed(caller, monkeypatch, proxy, no_proxy):
    monkeypatch.setenv("ALL_PROXY", proxy)
    monkeypatch.setenv("NO_PROXY", no_proxy)
    monkeypatch.setattr(pool, "find_spec", lambda _: None)
    with Loopback(complete_response(COMPLETION)) as server:
        caller.send(local_client(server), create_call())
        assert len(server.requests) == 1


@both_callers
def test_missing_socks_package_raises_input_error(caller, monkeypatch):
    monkeypatch.setenv("ALL_PROXY", "socks5://user:secret@127.0.0.1:9")
    monkeypatch.setattr(pool, "find_spec", lambda _: None)
    with pytest.raises(RouterInputError, match=r"pip install socksio.*NO_PROXY") as raised:
        caller.send(create_client("http://127.0.0.1:9"), create_call())
    assert "secret" not in str(raised.value)


def test_socks_package_is_found_if_installed():
    assert importlib.util.find_spec("socksio"), "needed by the tests of SOCKS proxies"


@both_callers
@pytest.mark.parametrize("url", ["foo://user:secret@127.0.0.1:9", "http://user:secret@h:port"])
def test_invalid_proxy_raises_when_it_is_used(caller, monkeypatch, url):
    monkeypatch.setenv("ALL_PROXY", url)
    with pytest.raises(RouterInputError, match=r"proxy '.*HTTPS_PROXY") as raised:
        caller.send(create_client("http://127.0.0.1:9"), create_call())
    assert "secret" not in str(raised.value)


def test_environment_is_read_once_per_client(monkeypatch):
    with Loopback(complete_response(COMPLETION)) as server:
        first, second = local_client(server), local_client(server)
        assert first.send(create_call()) == ANSWER
        monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
        assert first.send(create_call()) == ANSWER
        with pytest.raises(RouterConnectionError, match=r"proxy http://127.0.0.1:9"):
            second.send(create_call())


def test_clients_with_the_same_proxy_share_its_connections(monkeypatch):
    with Loopback(complete_response(COMPLETION)) as server, Proxy() as proxy:
        monkeypatch.setenv("ALL_PROXY", proxy.url)
        for _ in range(3):
            local_client(server).send(create_call())
        assert proxy.accepted == 1


def test_proxies_do_not_affect_client_equality(monkeypatch):
    client, equal_client = RouterClient(api_key=KEY), RouterClient(api_key=KEY)
    monkeypatch.setenv("ORQ_API_KEY", KEY)
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    url = httpx.URL("http://a")
    assert select_proxy(url, client._state.proxies) == "http://127.0.0.1:9"
    assert client == equal_client
    monkeypatch.delenv("ALL_PROXY")
    assert select_proxy(url, pickle.loads(pickle.dumps(client))._state.proxies) is None
