"""Proxies from the environment, chosen for each request.

httpx reads the same variables, but rejects some values of ``NO_PROXY`` that Docker and others set
(IPv6 in brackets, networks), and requires the SOCKS package even if no host uses the proxy.
"""

from collections.abc import Mapping
from ipaddress import ip_address, ip_network

import httpx


def select_proxy(url: httpx.URL, proxies: Mapping[str, str]) -> str | None:
    """Select the proxy for a URL from the result of ``getproxies()``; ``None`` means no proxy."""
    proxy = proxies.get(url.scheme) or proxies.get("all")
    no_proxy = proxies.get("no", "")
    if not proxy or any(_matches(url, entry.strip()) for entry in no_proxy.lower().split(",")):
        return None
    return proxy if "://" in proxy else f"http://{proxy}"


def _matches(url: httpx.URL, entry: str) -> bool:
    """Check whether an entry of ``NO_PROXY`` excludes a URL.

    An entry is a host name (which includes its subdomains), an address or a network, each with an
    optional port, or ``*``.
    """
    if entry.count(":") == 1 or "]:" in entry:
        entry = entry.removesuffix(f":{url.port or {'http': 80, 'https': 443}[url.scheme]}")
    entry = entry.removeprefix("[").replace("]", "", 1)
    try:
        return ip_address(url.host) in ip_network(entry, strict=False)
    except ValueError:  # not an address
        return entry == "*" or f".{url.host}".endswith(f".{entry.lstrip('*.')}")
