"""Proxies of the environment, chosen for each request.

httpx reads the same variables, but rejects some values of ``NO_PROXY`` that Docker and others set
(IPv6 in brackets, networks), and requires the SOCKS package even if no host uses the proxy.
"""

from collections.abc import Callable
from ipaddress import ip_address, ip_network
from typing import Generic, TypeVar
from urllib.request import getproxies

import httpx

T = TypeVar("T", httpx.HTTPTransport, httpx.AsyncHTTPTransport)


class ProxySelector(Generic[T]):
    """Creates one transport for each proxy when it is first needed.

    Args:
        create: creates a transport for the URL of a proxy, or for direct connections.
    """

    def __init__(self, create: Callable[[str | None], T]) -> None:
        self._create: Callable[[str | None], T] = create
        self._proxies = getproxies()
        self._by_proxy: dict[str | None, T] = {}

    @property
    def transports(self) -> list[T]:
        """The transports created so far."""
        return list(self._by_proxy.values())

    def select(self, url: httpx.URL) -> T:
        """Return the transport for a URL."""
        proxy = self._proxies.get(url.scheme) or self._proxies.get("all")
        if proxy and is_bypassed(url, self._proxies.get("no", "")):
            proxy = None
        elif proxy and "://" not in proxy:
            proxy = f"http://{proxy}"
        if proxy not in self._by_proxy:
            self._by_proxy.setdefault(proxy, self._create(proxy))
        return self._by_proxy[proxy]


class ProxyTransport(httpx.BaseTransport):
    """Sends each request over the proxy that the environment names for its host."""

    def __init__(self, create: Callable[[str | None], httpx.HTTPTransport]) -> None:
        self._selector = ProxySelector(create)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        return self._selector.select(request.url).handle_request(request)

    def close(self) -> None:
        """Close all connections."""
        for transport in self._selector.transports:
            transport.close()


class AsyncProxyTransport(httpx.AsyncBaseTransport):
    """Async version of ``ProxyTransport``."""

    def __init__(self, create: Callable[[str | None], httpx.AsyncHTTPTransport]) -> None:
        self._selector = ProxySelector(create)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request."""
        return await self._selector.select(request.url).handle_async_request(request)

    async def aclose(self) -> None:
        """Close all connections."""
        for transport in self._selector.transports:
            await transport.aclose()


def is_bypassed(url: httpx.URL, no_proxy: str) -> bool:
    """Check whether ``NO_PROXY`` excludes a URL.

    Entries are host names (with their subdomains), addresses and networks, optionally with a scheme
    or a port, or ``*``.

    >>> is_bypassed(httpx.URL("https://api.orq.ai"), "localhost, orq.ai")
    True
    """
    return any(
        _matches(url, entry.strip().lower()) for entry in no_proxy.split(",") if entry.strip()
    )


def _matches(url: httpx.URL, entry: str) -> bool:
    scheme, _, rest = entry.rpartition("://")
    host, port = rest, ""
    if rest.count(":") == 1 or "]:" in rest:
        host, _, port = rest.rpartition(":")
    if scheme not in {"", "all", url.scheme} or port not in {"", str(_get_port(url))}:
        return False
    host = host.removeprefix("[").replace("]", "")
    try:
        return ip_address(url.host) in ip_network(host, strict=False)
    except ValueError:  # not an address
        return host == "*" or f".{url.host}".endswith(f".{host.lstrip('*.')}")


def _get_port(url: httpx.URL) -> int | None:
    return url.port or {"http": 80, "https": 443}.get(url.scheme)
