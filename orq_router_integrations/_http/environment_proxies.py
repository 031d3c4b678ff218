"""Proxies of the environment, chosen for each request.

httpx reads the same variables, but rejects some values of ``NO_PROXY`` that Docker and others set
(IPv6 in brackets, networks), and requires the SOCKS package even if no host uses the proxy.
"""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

import httpx


def select_proxy(url: httpx.URL, proxies: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy for a request, or ``None`` for a direct connection.

    ``proxies`` are those of ``urllib.request.getproxies``.
    """
    proxy = proxies.get(url.scheme) or proxies.get("all")
    if not proxy or is_bypassed(url, proxies.get("no", "")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


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
