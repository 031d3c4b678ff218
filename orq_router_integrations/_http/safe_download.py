"""Download the URLs in responses, with protection against SSRF (server-side request forgery).

URLs in responses are untrusted. They are fetched only over https, without the API key, without
redirects, and up to a maximum size. The host is resolved once, all of its addresses must be public,
and the connection goes to a checked address, so that the name cannot point elsewhere later. Proxies
in the environment are ignored, because a proxy would resolve the name again.
"""

import asyncio
import socket
import time
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

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
READ_TIMEOUT_SECONDS = 60.0  # longest wait for the next byte
MAX_DOWNLOAD_SECONDS = 600.0  # longest time for a complete download
IN_PROCESS_SUFFIX = ".invalid"
"""Suffix of host names that never resolve: only a transport inside the process can serve them."""
OFFLINE_CLIENTS: dict[str, Any] = {}  # "sync" and "async" httpx clients, set by pytest_plugin.py

_GLOBAL_UNICAST = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")
_SPECIAL_PURPOSE = tuple(
    ip_network(block)
    for block in ("192.0.0.0/24", "192.88.99.0/24", "2001::/23", "2002::/16", "3fff::/20")
)
"""Protocol assignments, tunnels (6to4, Teredo) and addresses for documentation.

Some versions of ``ipaddress`` consider them global.
"""


def download(url: str, *, http_client: SyncHttpClient = None) -> Generator[bytes]:
    """Download an https URL of a public host and yield its bytes as they arrive.

    ``http_client`` is used only for hosts under ``.invalid``, which no network can resolve. The
    offline router serves its images there.
    """
    state = _Download(url, http_client or OFFLINE_CLIENTS.get("sync"))
    with state.map_errors():
        if state.http_client is None:
            state.pin(socket.getaddrinfo(state.host, 443, type=socket.SOCK_STREAM))
        with state.open_client(httpx.Client) as http, http.stream(**state.request_args) as response:
            state.check_response(response)
            for data in response.iter_bytes():
                state.check_data(data)
                yield data


async def adownload(url: str, *, http_client: AsyncHttpClient = None) -> AsyncGenerator[bytes]:
    """Download a URL and yield its bytes as they arrive; see ``download``."""
    state = _Download(url, http_client or OFFLINE_CLIENTS.get("async"))
    with state.map_errors():
        if state.http_client is None:
            resolve = asyncio.get_running_loop().getaddrinfo
            state.pin(await resolve(state.host, 443, type=socket.SOCK_STREAM))
        async with (
            state.open_client(httpx.AsyncClient) as http,
            http.stream(**state.request_args) as response,
        ):
            state.check_response(response)
            async for data in response.aiter_bytes():
                state.check_data(data)
                yield data


class _Download:
    """The URL, the checked address, and the limits of one download. Does no I/O."""

    def __init__(self, url: str, http_client: Any) -> None:
        try:
            self._url = parsed = httpx.URL(url)
        except (httpx.InvalidURL, TypeError, UnicodeError) as error:
            raise RouterInputError(f"url: {str(url)[:200]!r} is not a URL: {error}") from None
        # Errors must not contain what may be secret.
        shown_url = parsed.copy_with(query=None, fragment=None, username=None, password=None)
        self._shown_url = str(shown_url)[:200]
        is_https = parsed.scheme == "https" and parsed.host
        if not is_https or parsed.userinfo or parsed.port not in {None, 443}:
            raise RouterInputError(
                f"url: {self._shown_url!r} cannot be fetched. "
                "Use an https URL without a user and a port."
            )
        self.host = parsed.host.rstrip(".").lower()
        is_local = self.host.endswith(IN_PROCESS_SUFFIX)
        if is_local and http_client is None:
            fix = "Use the client of the offline router that created it: router.client()."
            raise RouterInputError(f"url: {self._shown_url!r} cannot be fetched. {fix}")
        self.http_client = http_client if is_local else None
        self._address: str | None = None
        self._received_bytes = 0
        self._expires_at = time.monotonic() + MAX_DOWNLOAD_SECONDS

    def pin(self, results: Iterable[Any]) -> None:
        """Check the results of ``getaddrinfo``, and pin the download to the first address."""
        addresses = [str(socket_address[0]) for *_, socket_address in results]
        for address in addresses:
            if not is_public(address):
                raise RouterInputError(
                    f"url: {self.host} resolves to {address}, which is not a public address. "
                    "Use a URL of a public host."
                )
        self._address = addresses[0]

    def open_client(self, client_class: Any) -> Any:
        """Return a context manager for the client that fetches the URL."""
        if self.http_client is not None:
            return nullcontext(self.http_client)
        return client_class(trust_env=False, timeout=READ_TIMEOUT_SECONDS)

    @property
    def request_args(self) -> dict[str, Any]:
        """Arguments of ``httpx.Client.stream``, which connect to the checked address."""
        return {
            "method": "GET",
            "url": str(self._url.copy_with(host=self._address) if self._address else self._url),
            "headers": {"host": self._url.netloc.decode(), "accept-encoding": "identity"},
            "extensions": {"sni_hostname": self.host} if self._address else {},
            "follow_redirects": False,
            "auth": None,
        }

    def check_response(self, response: httpx.Response) -> None:
        """Check that a response is successful and not compressed."""
        status = response.status_code
        if 300 <= status < 400:
            raise RedirectError(
                f"{self._shown_url} redirects, and redirects are not followed", status_code=status
            )
        if status != 200:
            error_class = NotFoundError if status in {404, 410} else RouterStatusError
            raise error_class(f"{self._shown_url} is not available", status_code=status)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise InvalidResponseError(f"{self._shown_url} is compressed, which was not requested")

    def check_data(self, data: bytes) -> None:
        """Count bytes and check the limits."""
        self._received_bytes += len(data)
        if self._received_bytes > MAX_DOWNLOAD_BYTES:
            raise InvalidResponseError(
                f"{self._shown_url} is larger than {MAX_DOWNLOAD_BYTES} bytes"
            )
        if time.monotonic() > self._expires_at:
            raise RouterTimeoutError(
                f"Downloading {self._shown_url} took longer than {MAX_DOWNLOAD_SECONDS:g} s. Try "
                "again, or download it with your own client."
            )

    @contextmanager
    def map_errors(self) -> Iterator[None]:
        """Map httpx and resolver errors to the package's own errors."""
        try:
            yield
        except httpx.TimeoutException:
            raise RouterTimeoutError(f"{self._shown_url} did not respond in time") from None
        except (httpx.HTTPError, httpx.StreamError, OSError, UnicodeError) as error:
            raise RouterConnectionError(
                f"Cannot fetch {self._shown_url}: {type(error).__name__}"
            ) from error


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
        if ip in _NAT64:
            return is_public(str(IPv4Address(int(ip) & 0xFFFFFFFF)))
        if ip not in _GLOBAL_UNICAST:
            return False
    is_special = ip.is_multicast or any(ip in block for block in _SPECIAL_PURPOSE)
    return ip.is_global and not is_special
