"""TLS settings from the environment, and explanations of failed handshakes."""

import os
import re
import ssl
from collections.abc import Iterable
from functools import cache

import httpx

from orq_router_integrations.errors import RouterInputError

_ADVICE = {
    "local issuer certificate|self.signed certificate": (
        "If the server or a proxy uses its own certificate authority, set SSL_CERT_FILE to a file, "
        "or SSL_CERT_DIR to a directory prepared by `openssl rehash`, with the certificate of that "
        "authority. Certificates are currently loaded from {source}."
    ),
    "handshake failure|certificate required|bad certificate|unknown ca": (
        "The server may require a client certificate. Pass an httpx client with one as "
        "http_client= and http_async_client=."
    ),
    "": (
        "Check the scheme, host and port of base_url, the clock of this machine, and the "
        "certificate and TLS versions of the server."
    ),
}
"""What to change, by a pattern of OpenSSL's error message in lower case. The first match counts."""


@cache
def get_tls_context() -> ssl.SSLContext:
    """Return the TLS context of all connections, with certificates set by the environment."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # includes SSLError
        raise RouterInputError(
            f"Cannot load certificates from {_describe_source()} ({error}). Set SSL_CERT_FILE to "
            "a file with certificates in PEM format. If it is unset, the package certifi is used."
        ) from None


def _describe_source() -> str:
    """Describe where httpx loads certificates from."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        if path := os.environ.get(name):
            return f"{name}={path!r}"
    return "the package certifi"


def explain_tls_error(error: Exception, causes: Iterable[BaseException]) -> str | None:
    """Explain a handshake that fails in the same way every time, or return ``None``.

    A server that closes the connection during the handshake may be restarting, so that is not one
    of these errors. With TLS 1.3, the client only learns when it reads that its certificate was
    rejected.
    """
    for cause in causes:
        if type(cause) in {ssl.SSLError, ssl.SSLCertVerificationError}:
            text = str(cause).lower().replace("_", " ")
            if isinstance(error, httpx.ConnectError) or "alert" in text:
                advice = next(_ADVICE[pattern] for pattern in _ADVICE if re.search(pattern, text))
                return advice.format(source=_describe_source())
    return None
