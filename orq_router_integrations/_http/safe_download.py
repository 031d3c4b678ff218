"""Fetching what a reply links to: only when asked, only from public hosts, and bounded.

A URL in a reply is a stranger's word. It is fetched over https alone, from an address that was
looked up once, found to be public and then connected to (so that a name cannot point elsewhere in
between), without the key, without redirects, and never more than a bounded number of bytes.
Proxies of the environment are not used, for behind one the address could not be pinned.
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
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, NamedTuple

import httpx

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
"""Bytes of one download."""

READ_TIMEOUT_SECONDS = 60.0
MAX_DOWNLOAD_SECONDS = 600.0
"""Seconds between two bytes, and for all of them."""

NOWHERE = ".invalid"
"""The end of names that no resolver knows: only a transport in this process can serve them."""

_TRANSLATED = IPv6Network("64:ff9b::/96")


def download(
    url: str, *, max_bytes: int = MAX_DOWNLOAD_BYTES, http_client: httpx.Client | None = None
) -> Generator[bytes]:
    """Yield the bytes behind a URL as they arrive.

    Args:
        url: an https URL of a public host.
        max_bytes: bytes after which it is refused.
        http_client: asked only for hosts under ``.invalid``, which no network has; the offline
            router serves its images there.

    Raises:
        RouterInputError: the URL is not https, or its host is not public; nothing was sent.
        RouterError: it cannot be fetched, redirects, or is too large.
    """
    target = _Target.of(url)
    with target.told():
        if target.resolves:
            target = target.pinned(socket.getaddrinfo(target.host, 443, type=socket.SOCK_STREAM))
        opened: AbstractContextManager[httpx.Client] = (
            httpx.Client(trust_env=False, timeout=READ_TIMEOUT_SECONDS)
            if target.resolves
            else nullcontext(target.served_by(http_client))
        )
        with opened as http:
            sent = http.send(http.build_request(**target.request), stream=True, **_PLAIN)
            with closing(sent) as response:
                limits = _Limits(target, response, max_bytes)
                for data in response.iter_bytes():
                    yield limits.passed(data)


async def adownload(
    url: str, *, max_bytes: int = MAX_DOWNLOAD_BYTES, http_client: httpx.AsyncClient | None = None
) -> AsyncGenerator[bytes]:
    """Yield the bytes behind a URL as they arrive; see ``download``."""
    target = _Target.of(url)
    with target.told():
        if target.resolves:
            look_up = asyncio.get_running_loop().getaddrinfo
            target = target.pinned(await look_up(target.host, 443, type=socket.SOCK_STREAM))
        opened: AbstractAsyncContextManager[httpx.AsyncClient] = (
            httpx.AsyncClient(trust_env=False, timeout=READ_TIMEOUT_SECONDS)
            if target.resolves
            else nullcontext(target.served_by(http_client))
        )
        async with opened as http:
            sent = await http.send(http.build_request(**target.request), stream=True, **_PLAIN)
            async with aclosing(sent) as response:
                limits = _Limits(target, response, max_bytes)
                async for data in response.aiter_bytes():
                    yield limits.passed(data)


_PLAIN: dict[str, Any] = {"follow_redirects": False, "auth": None}


class _Target(NamedTuple):
    """What to fetch, and from where."""

    url: httpx.URL
    address: str | None = None

    @classmethod
    def of(cls, text: str) -> "_Target":
        """The target that a URL names.

        Raises:
            RouterInputError: it is not a plain https URL.
        """
        try:
            url = httpx.URL(text)
        except (httpx.InvalidURL, TypeError, UnicodeError) as error:
            raise RouterInputError(f"url: {str(text)[:200]!r} is none: {error}") from None
        if url.scheme != "https" or not url.host:
            raise RouterInputError(f"url: only https URLs are fetched, not {_short(url)}")
        if url.userinfo or url.port not in {None, 443}:
            raise RouterInputError(f"url: {_short(url)} has a user or a port of its own")
        return cls(url)

    @property
    def host(self) -> str:
        return self.url.host.rstrip(".").lower()

    @property
    def resolves(self) -> bool:
        """Whether its name is one that a network may know."""
        return not self.host.endswith(NOWHERE)

    @property
    def request(self) -> dict[str, Any]:
        """The arguments of ``httpx.Client.build_request``: an address, and the name beside."""
        headers = {"host": self.url.netloc.decode(), "accept-encoding": "identity"}
        url = self.url.copy_with(host=self.address) if self.address else self.url
        named = {"sni_hostname": self.host} if self.address else {}
        return {"method": "GET", "url": url, "headers": headers, "extensions": named}

    def pinned(self, found: Iterable[Any]) -> "_Target":
        """The same, at the first address of its name.

        Raises:
            RouterInputError: one of its addresses is not public.
        """
        addresses = [str(item[4][0]) for item in found]
        for address in addresses:
            if not is_public(address):
                raise RouterInputError(f"url: {self.host} is at {address}, which is not public")
        if not addresses:
            raise RouterConnectionError(f"{self.host} has no address")
        return self._replace(address=addresses[0])

    def served_by(self, http_client: Any) -> Any:
        """The client that serves a name of no network.

        Raises:
            RouterInputError: there is none.
        """
        if http_client is None:
            raise RouterInputError(f"url: {self.host} exists in no network; give its http_client")
        return http_client

    @contextmanager
    def told(self) -> Iterator[None]:
        """Errors of httpx and of the resolver as ours; queries, which may hold keys, not shown."""
        try:
            yield
        except httpx.TimeoutException:
            raise RouterTimeoutError(f"{_short(self.url)} did not answer in time") from None
        except (httpx.HTTPError, httpx.StreamError, OSError, UnicodeError) as error:
            raise RouterConnectionError(
                f"cannot fetch {_short(self.url)}: {type(error).__name__}"
            ) from error


class _Limits:
    """What a reply may be: a good one, not packed, not too large, not too slow."""

    def __init__(self, target: _Target, response: httpx.Response, largest: int) -> None:
        status, shown = response.status_code, _short(target.url)
        if 300 <= status < 400:
            raise RedirectError(f"{shown} redirects; that is not followed", status_code=status)
        if status != 200:
            kind = NotFoundError if status in {404, 410} else RouterStatusError
            raise kind(f"{shown} cannot be had, or no longer", status_code=status)
        if response.headers.get("content-encoding", "identity") != "identity":
            raise InvalidResponseError(f"{shown} is packed, which was not asked for")
        self._shown, self._largest, self._left = shown, largest, largest
        self._until = time.monotonic() + MAX_DOWNLOAD_SECONDS

    def passed(self, data: bytes) -> bytes:
        """The next bytes, if they are still within the limits."""
        self._left -= len(data)
        if self._left < 0:
            raise InvalidResponseError(f"{self._shown} has more than {self._largest} bytes")
        if time.monotonic() > self._until:
            raise RouterTimeoutError(
                f"{self._shown} takes longer than {MAX_DOWNLOAD_SECONDS:g} seconds"
            )
        return data


def is_public(address: str) -> bool:
    """Whether an IP address, and every one it stands for, is reachable from everywhere.

    >>> is_public("8.8.8.8"), is_public("10.0.0.1"), is_public("::ffff:169.254.169.254")
    (True, False, False)
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    inner: list[IPv4Address | None] = []
    if isinstance(found, IPv6Address):
        if found.ipv4_mapped:
            return is_public(str(found.ipv4_mapped))
        translated = IPv4Address(int(found) & 0xFFFFFFFF) if found in _TRANSLATED else None
        inner = [found.sixtofour, translated, *(found.teredo or ())]
    own = found.is_global and not found.is_multicast
    return own and all(is_public(str(other)) for other in inner if other is not None)


def _short(url: httpx.URL) -> str:
    return str(url.copy_with(query=None, fragment=None, username=None, password=None))[:200]
