"""Download the URLs in responses, with protection against SSRF (server-side request forgery).

URLs in responses are untrusted. They are fetched only over https, without the API key, without
redirects, and up to a maximum size. The host is resolved once, all of its addresses must be public,
and the connection goes to a checked address, so that the name cannot point elsewhere later. Proxies
of the environment are not used, because a proxy would resolve the name again.
"""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    aclosing,
    closing,
    contextmanager,
    nullcontext,
)
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Any, NamedTuple

import httpx

from orq_router_integrations._http.http_clients import AsyncHttpClient, SyncHttpClient
from orq_router_integrations.errors import (
    InvalidResponseError,
    NotFoundError,
    RedirectError,
    RouterConnectionError,
    RouterInputError,
    RouterStatusError,
    RouterTimeoutError,
)

MAX_DOWNLOAD_BYTES = 256 * 1024 * 1024

READ_TIMEOUT_SECONDS = 60.0
"""Longest wait for the next byte."""

MAX_DOWNLOAD_SECONDS = 600.0
"""Longest time for a complete download."""

IN_PROCESS_SUFFIX = ".invalid"
"""Suffix of host names that never resolve: only a transport inside the process can serve them."""

_NAT64_PREFIX = IPv6Network("64:ff9b::/96")

ADDRESS_BLOCKS: dict[IPv4Network | IPv6Network, bool] = {
    ip_network(block): is_reachable
    for is_reachable, blocks in {
        True: (
            "0.0.0.0/0 192.0.0.9/32 192.0.0.10/32 192.31.196.0/24 192.52.193.0/24 192.175.48.0/24 "
            "2000::/3 2001:1::1/128 2001:1::2/128 2001:1::3/128 2001:3::/32 2001:4:112::/48 "
            "2001:20::/28 2001:30::/28 2620:4f:8000::/48"
        ),
        False: (
            "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 "
            "192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 "
            "198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 "
            "::/0 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001:db8::/32 2002::/16 "
            "3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8"
        ),
    }.items()
    for block in blocks.split()
}
"""Whether an address is globally reachable, by IANA's registries of special-purpose addresses.

The longest block that contains an address decides. Blocks of tunnels (Teredo, 6to4), multicast, and
IPv6 outside of global unicast are not in the registries, or not decided there; they are not public.
"""

_SEND_OPTIONS: dict[str, Any] = {"stream": True, "follow_redirects": False, "auth": None}


def download(
    url: str,
    *,
    max_bytes: int = MAX_DOWNLOAD_BYTES,
    http_client: SyncHttpClient = None,
) -> Generator[bytes]:
    """Download a URL and yield its bytes as they arrive.

    Args:
        url: An https URL of a public host.
        max_bytes: Maximum size of the download.
        http_client: Used only for hosts under ``.invalid``, which no network can resolve; the
            offline router serves its images there.

    Raises:
        RouterInputError: The URL is not https or its host is not public; nothing was sent.
        RouterError: The URL cannot be fetched, redirects, or is too large.
    """
    target = _Target.parse(url)
    with target.map_errors():
        if target.is_resolvable:
            target = target.pin(socket.getaddrinfo(target.host, 443, type=socket.SOCK_STREAM))
        opened: AbstractContextManager[httpx.Client] = (
            httpx.Client(trust_env=False, timeout=READ_TIMEOUT_SECONDS)
            if target.is_resolvable
            else nullcontext(target.require_client(http_client))
        )
        with opened as http:
            request = http.build_request(**target.request_args)
            with closing(http.send(request, **_SEND_OPTIONS)) as response:
                limits = _DownloadLimits(target, response, max_bytes)
                for data in response.iter_bytes():
                    limits.check(data)
                    yield data


async def adownload(
    url: str,
    *,
    max_bytes: int = MAX_DOWNLOAD_BYTES,
    http_client: AsyncHttpClient = None,
) -> AsyncGenerator[bytes]:
    """Download a URL and yield its bytes as they arrive; see ``download``."""
    target = _Target.parse(url)
    with target.map_errors():
        if target.is_resolvable:
            resolve = asyncio.get_running_loop().getaddrinfo
            target = target.pin(await resolve(target.host, 443, type=socket.SOCK_STREAM))
        opened: AbstractAsyncContextManager[httpx.AsyncClient] = (
            httpx.AsyncClient(trust_env=False, timeout=READ_TIMEOUT_SECONDS)
            if target.is_resolvable
            else nullcontext(target.require_client(http_client))
        )
        async with opened as http:
            request = http.build_request(**target.request_args)
            async with aclosing(await http.send(request, **_SEND_OPTIONS)) as response:
                limits = _DownloadLimits(target, response, max_bytes)
                async for data in response.aiter_bytes():
                    limits.check(data)
                    yield data


class _Target(NamedTuple):
    """The URL to download, and the address to connect to.

    Attributes:
        url: The URL.
        address: IP address of the host, once it has been resolved and checked.
    """

    url: httpx.URL
    address: str | None = None

    @classmethod
    def parse(cls, text: str) -> "_Target":
        """Parse a URL.

        Raises:
            RouterInputError: It is not a plain https URL.
        """
        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, TypeError, UnicodeError) as error:
            raise RouterInputError(f"url: {str(text)[:200]!r} is not a URL: {error}") from None
        if url.scheme != "https" or not url.host:
            raise RouterInputError(f"url: {_shorten(url)!r} cannot be fetched. Use an https URL.")
        if url.userinfo or url.port not in {None, 443}:
            raise RouterInputError(
                f"url: {_shorten(url)!r} contains a user or a port. Use a URL without them."
            )
        return cls(url)

    @property
    def host(self) -> str:
        return self.url.host.rstrip(".").lower()

    @property
    def is_resolvable(self) -> bool:
        """Whether the host can exist in a network."""
        return not self.host.endswith(IN_PROCESS_SUFFIX)

    @property
    def request_args(self) -> dict[str, Any]:
        """Arguments of ``httpx.Client.build_request``, which connect to the checked address."""
        headers = {"host": self.url.netloc.decode(), "accept-encoding": "identity"}
        url = str(self.url.copy_with(host=self.address) if self.address else self.url)
        extensions = {"sni_hostname": self.host} if self.address else {}
        return {"method": "GET", "url": url, "headers": headers, "extensions": extensions}

    def pin(self, results: Iterable[Any]) -> "_Target":
        """Select the address to connect to from the results of ``getaddrinfo``.

        Raises:
            RouterInputError: One of the addresses is not public.
        """
        addresses = [str(result[4][0]) for result in results]
        for address in addresses:
            if not is_public(address):
                raise RouterInputError(
                    f"url: {self.host} resolves to {address}, which is not a public address. "
                    "Use a URL of a public host."
                )
        if not addresses:
            raise RouterConnectionError(f"{self.host} does not resolve to any address")
        return self._replace(address=addresses[0])

    def require_client(self, http_client: Any) -> Any:
        """Return the client that serves a host inside the process.

        Raises:
            RouterInputError: The client is missing.
        """
        if http_client is None:
            raise RouterInputError(
                f"url: {self.host} does not exist in any network. Pass the http_client that "
                "serves it."
            )
        return http_client

    @contextmanager
    def map_errors(self) -> Iterator[None]:
        """Map errors of httpx and of the resolver, without the query, which may contain keys."""
        try:
            yield
        except httpx.TimeoutException:
            raise RouterTimeoutError(f"{_shorten(self.url)} did not respond in time") from None
        except (httpx.HTTPError, httpx.StreamError, OSError, UnicodeError) as error:
            raise RouterConnectionError(
                f"Cannot fetch {_shorten(self.url)}: {type(error).__name__}"
            ) from error


class _DownloadLimits:
    """Checks that a response is successful, uncompressed, and within the size and time limits."""

    def __init__(self, target: _Target, response: httpx.Response, max_bytes: int) -> None:
        status, url = response.status_code, _shorten(target.url)
        if 300 <= status < 400:
            raise RedirectError(
                f"{url} redirects, and redirects are not followed", status_code=status
            )
        if status != 200:
            error_class = NotFoundError if status in {404, 410} else RouterStatusError
            raise error_class(f"{url} is not available", status_code=status)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise InvalidResponseError(f"{url} is compressed, which was not requested")
        self._url, self._max_bytes, self._remaining_bytes = url, max_bytes, max_bytes
        self._expires_at = time.monotonic() + MAX_DOWNLOAD_SECONDS

    def check(self, data: bytes) -> None:
        """Count bytes and check the limits."""
        self._remaining_bytes -= len(data)
        if self._remaining_bytes < 0:
            raise InvalidResponseError(f"{self._url} is larger than {self._max_bytes} bytes")
        if time.monotonic() > self._expires_at:
            raise RouterTimeoutError(f"{self._url} takes longer than {MAX_DOWNLOAD_SECONDS:g} s")


def is_public(address: str) -> bool:
    """Check whether an IP address, or the IPv4 address embedded in it, is public.

    >>> is_public("8.8.8.8"), is_public("10.0.0.1"), is_public("::ffff:169.254.169.254")
    (True, False, False)
    """
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if isinstance(ip, IPv6Address):
        if ip.ipv4_mapped:
            return is_public(str(ip.ipv4_mapped))
        if ip in _NAT64_PREFIX:
            return is_public(str(IPv4Address(int(ip) & 0xFFFFFFFF)))
    matches = [network for network in ADDRESS_BLOCKS if ip in network]
    return ADDRESS_BLOCKS[max(matches, key=lambda network: network.prefixlen)]


def _shorten(url: httpx.URL) -> str:
    """Format a URL for an error message, without anything that may be secret."""
    return str(url.copy_with(query=None, fragment=None, username=None, password=None))[:200]
