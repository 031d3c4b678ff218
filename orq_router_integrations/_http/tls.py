"""TLS settings of the environment, and explanations of failed handshakes."""

import os
import ssl
from collections.abc import Iterable
from functools import cache

import httpx

from orq_router_integrations.errors import RouterInputError

_PATH_CHECKS = {"SSL_CERT_FILE": os.path.isfile, "SSL_CERT_DIR": os.path.isdir}
"""Environment variables that name trusted certificates. The first one that is set is used."""

_ADVICE = {
    ("hostname mismatch", "ip address mismatch"): "Check the host in base_url.",
    ("certificate has expired", "certificate is not yet valid"): (
        "Check the clock of this machine. If it is right, the server needs a new certificate."
    ),
    ("certificate verify failed",): (
        "If the server or a proxy uses its own certificate authority, set SSL_CERT_FILE to a file "
        "with the certificate of that authority."
    ),
    ("protocol version", "unsupported protocol", "no protocols available"): (
        "The server and this Python installation have no TLS version in common. "
        "Update the older one."
    ),
    ("no application protocol",): "The server does not support HTTP/1.1. Check base_url.",
    ("wrong version number", "record layer failure", "packet length too long"): (
        "The server does not use TLS on this port. Check the scheme and port of base_url."
    ),
    ("unrecognized name",): "The server does not know this host name. Check base_url.",
    ("handshake failure", "certificate required", "bad certificate", "unknown ca"): (
        "The server may require a client certificate. Pass an httpx client with one as "
        "http_client= and http_async_client=."
    ),
}
"""What to change, by a part of OpenSSL's error message in lower case."""


def create_tls_context() -> ssl.SSLContext:
    """Create a TLS context with the trusted certificates of the environment, or certifi's.

    Raises:
        RouterInputError: ``SSL_CERT_FILE`` or ``SSL_CERT_DIR`` contains no usable certificate.
    """
    name = next((name for name in _PATH_CHECKS if os.environ.get(name)), "")
    path = os.environ.get(name, "")
    if name and not any(map(_PATH_CHECKS[name], path.split(os.pathsep))):
        raise RouterInputError(
            f"{name}: {path!r} does not exist. Set {name} to an existing path, or unset it."
        )
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # includes SSLError
        raise RouterInputError(
            f"{name or 'certifi'}: cannot load certificates from {path!r} ({error}). "
            "It must contain certificates in PEM format."
        ) from None


get_tls_context = cache(create_tls_context)
"""Return the TLS context that all connections share. Loading its certificates is slow."""


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
                return next(
                    (advice for parts, advice in _ADVICE.items() if any(p in text for p in parts)),
                    "The TLS settings of the server and of this machine are incompatible.",
                )
    return None
