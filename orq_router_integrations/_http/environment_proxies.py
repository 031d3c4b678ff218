"""Proxies of the environment, chosen for each request.

httpx reads the same variables, but rejects some values of ``NO_PROXY`` that Docker and others set
(IPv6 in brackets, networks), and requires the SOCKS package even if no host uses the proxy.
"""

from dataclasses import dataclass
from functools import cached_property
from ipaddress import ip_address, ip_network
from typing import Any
from urllib.request import getproxies

import httpx


@dataclass(frozen=True)
class EnvironmentProxies:
    """The proxies of one client, which are read from the environment by its first call.

    Two of them are always equal, so they do not affect whether two clients are.
    """

    @cached_property
    def urls(self) -> dict[str, str]:
        """The proxies by the scheme that they are for, and those to bypass as ``no``."""
        return getproxies()

    def select(self, url: httpx.URL) -> str | None:
        """Return the URL of the proxy for a request, or ``None`` for a direct connection."""
        proxy = self.urls.get(url.scheme) or self.urls.get("all")
        if not proxy or is_bypassed(url, self.urls.get("no", "")):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"

    def __reduce__(self) -> Any:
        return EnvironmentProxies, ()  # an unpickled client reads its own environment


def is_bypassed(url: httpx.URL, no_proxy: str) -> bool:
    """Check whether ``NO_PROXY`` excludes a URL.

    Entries are host names (with their subdomains), addresses and networks, optionally with a port,
    or ``*``.
    """
    return any(_matches(url, entry) for entry in no_proxy.lower().replace(" ", "").split(","))


def _matches(url: httpx.URL, entry: str) -> bool:
    if entry.count(":") == 1 or "]:" in entry:
        entry = entry.removesuffix(f":{url.port or {'http': 80, 'https': 443}[url.scheme]}")
    entry = entry.removeprefix("[").replace("]", "", 1)
    try:
        return ip_address(url.host) in ip_network(entry, strict=False)
    except ValueError:  # not an address
        return entry == "*" or f".{url.host}".endswith(f".{entry.lstrip('*.')}")
