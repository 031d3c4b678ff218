"""Proxies of the environment, chosen for each request.

httpx reads the same variables, but rejects some values of ``NO_PROXY`` that Docker and others set
(IPv6 in brackets, networks), and requires the SOCKS package even if no host uses the proxy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from ipaddress import ip_address, ip_network
from ssl import SSLContext
from typing import TYPE_CHECKING, Any
from urllib.request import getproxies

import httpx

from orq_router_integrations.errors import RouterInputError

if TYPE_CHECKING:
    import httpcore


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


def create_proxy(url: str, create_context: Callable[[], SSLContext]) -> "httpcore.Proxy":
    """Create httpcore's proxy for a URL.

    Raises:
        RouterInputError: The URL is invalid, or the package for SOCKS is not installed.
    """
    # The 37 modules of httpcore are a third of the time to import ChatOrq.
    import httpcore  # noqa: PLC0415

    try:
        proxy = httpx.Proxy(url)
    except (ValueError, httpx.InvalidURL):
        raise RouterInputError(
            f"The proxy {format_proxy(url)!r} in the environment is invalid. Set HTTPS_PROXY, "
            "HTTP_PROXY or ALL_PROXY to a URL such as http://proxy.example:3128."
        ) from None
    if proxy.url.scheme.startswith("socks") and not find_spec("socksio"):
        raise RouterInputError(
            f"The proxy {format_proxy(url)} needs a package for SOCKS. Run pip install socksio, "
            "or add the host of the router to NO_PROXY."
        )
    context = create_context() if proxy.url.scheme == "https" else None
    return httpcore.Proxy(str(proxy.url), auth=proxy.raw_auth, ssl_context=context)


def format_proxy(url: str) -> str:
    """Return the URL of a proxy without its credentials."""
    scheme, _, rest = url.rpartition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}"


def is_bypassed(url: httpx.URL, no_proxy: str) -> bool:
    """Check whether ``NO_PROXY`` excludes a URL.

    Entries are host names (with their subdomains), addresses and networks, optionally with a port,
    or ``*``.

    >>> is_bypassed(httpx.URL("https://api.orq.ai"), "localhost, orq.ai")
    True
    """
    return any(_matches(url, entry) for entry in no_proxy.lower().replace(" ", "").split(","))


def _matches(url: httpx.URL, entry: str) -> bool:
    host, port = entry, ""
    if entry.count(":") == 1 or "]:" in entry:
        host, _, port = entry.rpartition(":")
    if port not in {"", str(url.port or {"http": 80, "https": 443}[url.scheme])}:
        return False
    host = host.removeprefix("[").replace("]", "")
    try:
        return ip_address(url.host) in ip_network(host, strict=False)
    except ValueError:  # not an address
        return host == "*" or f".{url.host}".endswith(f".{host.lstrip('*.')}")
