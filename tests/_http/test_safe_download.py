"""Downloads of URLs in responses: only from public hosts, by a checked address, with limits."""

import asyncio
import socket
from collections.abc import Callable
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from support.scripted_router import ResponseBody

from orq_router_integrations._http import safe_download
from orq_router_integrations._http.safe_download import adownload, download, is_public
from orq_router_integrations.errors import (
    InvalidResponseError,
    NotFoundError,
    RedirectError,
    RouterConnectionError,
    RouterInputError,
    RouterStatusError,
    RouterTimeoutError,
)

URL = "https://images.example.com/a%20b/c.png?sig=secret"
PUBLIC, OTHER = "93.184.216.34", "93.184.216.35"


class Network:
    """A resolver and a host that responds to every request; records what it receives.

    Attributes:
        addresses: the addresses of every host name.
        answer: creates the response.
        requests: the requests received.
        resolved: the host names looked up.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.addresses: list[str] = [PUBLIC, OTHER]
        self.answer: Callable[[httpx.Request], httpx.Response] = respond(b"data")
        self.requests: list[httpx.Request] = []
        self.resolved: list[str] = []
        monkeypatch.setattr(socket, "getaddrinfo", self.getaddrinfo)
        monkeypatch.setattr(httpx.HTTPTransport, "handle_request", self.handle)
        monkeypatch.setattr(httpx.AsyncHTTPTransport, "handle_async_request", self.ahandle)

    def getaddrinfo(self, host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        self.resolved.append(host)
        if not self.addresses:
            raise socket.gaierror(8, "unknown host")
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in self.addresses
        ]

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        return self.answer(request)

    async def ahandle(self, request: httpx.Request) -> httpx.Response:
        return self.handle(request)


def respond(*chunks: bytes | Exception, status: int = 200, **headers: str) -> Any:
    header_names = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: httpx.Response(status, headers=header_names, stream=ResponseBody(*chunks))


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    return Network(monkeypatch)


def download_sync(url: str, **options: Any) -> bytes:
    return b"".join(download(url, **options))


def download_async(url: str, **options: Any) -> bytes:
    async def fetch() -> bytes:
        return b"".join([data async for data in adownload(url, **options)])

    return asyncio.run(fetch())


sync_and_async = pytest.mark.parametrize(
    "fetch", [download_sync, download_async], ids=["sync", "async"]
)
Fetch = Callable[..., bytes]


@sync_and_async
def test_connects_to_checked_address(network: Network, fetch: Fetch):
    network.answer = respond(b"da", b"ta")
    assert fetch(URL) == b"data"
    (request,) = network.requests
    assert network.resolved == ["images.example.com"]
    assert (request.url.host, request.url.port, request.url.scheme) == (PUBLIC, None, "https")
    assert request.url.raw_path == b"/a%20b/c.png?sig=secret"
    assert request.headers["host"] == "images.example.com"
    assert request.extensions["sni_hostname"] == "images.example.com"
    assert "authorization" not in request.headers
    assert "cookie" not in request.headers


@sync_and_async
@pytest.mark.parametrize("proxy", ["HTTPS_PROXY", "ALL_PROXY"])
def test_proxy_from_environment_is_ignored(network: Network, fetch: Fetch, monkeypatch, proxy):
    monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    assert fetch(URL) == b"data"


PRIVATE = [
    *("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0"),
    *("100.64.0.1", "224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0"),
    *("fd00::1", "ff02::1", "::ffff:10.0.0.1", "64:ff9b::a00:1", "2002:a00:1::", "x"),
    "2001:0:a00:1::f5ff:fffe",
]


@sync_and_async
@pytest.mark.parametrize("address", PRIVATE)
def test_non_public_hosts_are_refused(network: Network, fetch: Fetch, address):
    network.addresses = [PUBLIC, address]
    with pytest.raises(
        RouterInputError, match=r"images\.example\.com resolves to .*, which is not a public"
    ):
        fetch(URL)
    assert not network.requests
    assert not is_public(address)


SPECIAL_PURPOSE_BLOCKS = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/3",
    "64:ff9b:1::/48",
    "100::/64",
    "100:0:0:1::/64",
    "2001::/23",
    "2001:db8::/32",
    "2002::/16",
    "3fff::/20",
    "5f00::/16",
    "fc00::/7",
    "fe80::/10",
    "fec0::/10",
    "ff00::/8",
]
"""The blocks of IANA's registries of special-purpose addresses, tunnels and multicast."""


@pytest.mark.parametrize("block", SPECIAL_PURPOSE_BLOCKS)
def test_first_and_last_address_of_each_block_are_not_public(block: str):
    network = ip_network(block)
    for address in (network[0], network[-1]):
        assert not is_public(str(address))
        if address.version == 4:
            assert not is_public(f"::ffff:{address}")
            assert not is_public(f"64:ff9b::{address}")


@pytest.mark.parametrize(
    "address",
    [
        "1.0.0.0",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "169.255.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.0",
        "192.0.3.0",
        "192.88.98.255",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2000::",
        "2001:200::",
        "2001:db7:ffff::",
        "2001:db9::",
        "2003::",
        "3ffe:ffff::",
    ],
)
def test_addresses_next_to_a_block_are_public(address: str):
    assert is_public(address)


SPECIAL = [
    *("192.0.0.192", "192.0.0.170", "192.88.99.1", "198.19.255.255", "203.0.113.9", "240.0.0.1"),
    *("64:ff9b:1::1", "64:ff9b:1::808:808", "fec0::1", "100::1", "100:0:0:1::1", "2001:db8::1"),
    *("3fff::1", "5f00::1", "2001:2::1", "2001:10::1", "::7f00:1", "::808:808", "4000::1"),
    *("::ffff:192.0.0.192", "64:ff9b::a9fe:a9fe", "2002:808:808::1", "2001::1", "ff0e::1", ""),
]


@pytest.mark.parametrize("address", SPECIAL)
def test_special_purpose_addresses_are_not_public(address: str):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", [PUBLIC, "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_accepted(address):
    assert is_public(address)


@sync_and_async
@pytest.mark.parametrize(
    "url",
    [
        *("http://images.example.com/a.png", "ftp://example.com/a", "file:///etc/passwd"),
        *("https://user:pw@example.com/a", "https://example.com:8443/a", "https:///a", ""),
        *("//example.com/a", "img.png", "data:image/png;base64,AAAA", "https://exa\0mple.com/"),
        None,
    ],
)
def test_only_plain_https_urls_are_accepted(network: Network, fetch: Fetch, url):
    with pytest.raises(RouterInputError, match="url: "):
        fetch(url)
    assert not network.resolved


@sync_and_async
@pytest.mark.parametrize("url", ["https://127.0.0.1/", "https://[::1]/", "https://2130706433/"])
def test_ip_addresses_in_urls_are_checked(network: Network, fetch: Fetch, url):
    network.addresses = ["127.0.0.1"]
    with pytest.raises(RouterInputError, match="not a public"):
        fetch(url)


@sync_and_async
@pytest.mark.parametrize(
    ("answer", "error_class", "message"),
    [
        (respond(status=302, location="https://10.0.0.1/"), RedirectError, "redirects"),
        (respond(status=404), NotFoundError, "is not available"),
        (respond(status=410), NotFoundError, "is not available"),
        (respond(status=403), RouterStatusError, "is not available"),
        (respond(status=204), RouterStatusError, "is not available"),
        (respond(b"half", status=206), RouterStatusError, "is not available"),
        (respond(b"x", content_encoding="gzip"), InvalidResponseError, "is compressed"),
        (respond(b"x" * 60, b"x" * 60), InvalidResponseError, "larger than 100 bytes"),
        (respond(b"x", httpx.ReadError("reset")), RouterConnectionError, "ReadError"),
        (respond(b"x", httpx.ReadTimeout("late")), RouterTimeoutError, "did not respond in time"),
    ],
)
def test_download_errors_are_typed_and_hide_query(
    network: Network, fetch: Fetch, monkeypatch, answer, error_class, message
):
    monkeypatch.setattr(safe_download, "MAX_DOWNLOAD_BYTES", 100)
    network.answer = answer
    with pytest.raises(error_class, match=message) as raised:
        fetch(URL)
    assert "https://images.example.com/a%20b/c.png" in str(raised.value)
    assert "secret" not in str(raised.value)
    assert len(network.requests) == 1


@sync_and_async
def test_unresolvable_host_raises_connection_error(network: Network, fetch: Fetch):
    network.addresses = []
    with pytest.raises(RouterConnectionError, match="gaierror"):
        fetch(URL)


@sync_and_async
def test_slow_download_times_out(network: Network, fetch: Fetch, monkeypatch):
    monkeypatch.setattr(safe_download, "MAX_DOWNLOAD_SECONDS", -1.0)
    with pytest.raises(RouterTimeoutError, match="took longer"):
        fetch(URL)


@sync_and_async
def test_http_client_serves_only_unresolvable_hosts(network: Network, fetch: Fetch):
    classes = {download_sync: httpx.Client, download_async: httpx.AsyncClient}
    http = classes[fetch](
        transport=httpx.MockTransport(lambda _: httpx.Response(200, text="local"))
    )
    assert fetch("https://x.invalid/a", http_client=http) == b"local"
    assert not network.resolved
    assert fetch(URL, http_client=http) == b"data"


@sync_and_async
def test_image_of_offline_router_needs_its_client(network: Network, fetch: Fetch):
    with pytest.raises(RouterInputError, match=r"offline router .*: router\.client\(\)"):
        fetch("https://images.offline.invalid/a.png")
    assert not network.resolved


def test_stopping_early_closes_connection(network: Network):
    body = ResponseBody(b"a", b"b")
    network.answer = lambda _: httpx.Response(200, stream=body)
    chunks = download(URL)
    assert next(chunks) == b"a"
    chunks.close()
    assert body.closed
