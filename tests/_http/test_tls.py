"""Certificates named by the environment, and failed TLS handshakes."""

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from faults.certificate import CERTIFICATE, create_untrusted_context, to_pem
from support.loopback_server import Loopback, complete_response
from support.scripted_router import KEY, both_callers, create_call

from orq_router_integrations import RouterClient
from orq_router_integrations._http.tls import explain_tls_error, get_tls_context
from orq_router_integrations.errors import RouterConnectionError, RouterInputError

MISSING = "/no/such/path"


@pytest.fixture(autouse=True)
def unset_paths(monkeypatch) -> Iterator[None]:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("SSL_CERT_DIR", raising=False)
    get_tls_context.cache_clear()
    yield
    get_tls_context.cache_clear()


def test_missing_file_of_certificates_is_named(monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", MISSING)
    with pytest.raises(RouterInputError, match=f"from SSL_CERT_FILE='{MISSING}'.*No such file"):
        get_tls_context()


def test_file_without_certificates_is_named(monkeypatch, tmp_path: Path):
    path = tmp_path / "empty.pem"
    path.write_text("not a certificate")
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    with pytest.raises(RouterInputError, match=r"from SSL_CERT_FILE=.*empty\.pem.*PEM format"):
        get_tls_context()


def test_missing_file_of_certifi_is_named(monkeypatch):
    monkeypatch.setattr("certifi.where", lambda: MISSING)
    with pytest.raises(RouterInputError, match=r"from the package certifi .*No such file"):
        get_tls_context()


def test_file_takes_precedence_over_directory(monkeypatch, tmp_path: Path):
    path = tmp_path / "trusted.pem"
    path.write_text(to_pem("CERTIFICATE", CERTIFICATE))
    monkeypatch.setenv("SSL_CERT_DIR", MISSING)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    assert get_tls_context().cert_store_stats()["x509"] == 1


def test_one_directory_of_several_may_be_missing(monkeypatch, tmp_path: Path):
    monkeypatch.setenv("SSL_CERT_DIR", f"{MISSING}:{tmp_path}")
    assert isinstance(get_tls_context(), ssl.SSLContext)


def encode_alert(number: int) -> bytes:
    """Encode a fatal TLS alert."""
    return bytes((0x15, 3, 3, 0, 2, 2, number))


class HandshakeServer(Loopback):
    """Answers the first bytes of each connection with fixed bytes, then closes it."""

    def __init__(self, response: bytes) -> None:
        super().__init__(complete_response(b""))
        self._response = response

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(65536)
        writer.write(self._response)
        writer.close()


REJECTED_HANDSHAKES = {
    "old version": (encode_alert(70), "and TLS versions of the server"),
    "other protocol": (encode_alert(120), "Check the scheme, host and port of base_url"),
    "handshake failure": (encode_alert(40), "may require a client certificate"),
    "unknown name": (encode_alert(112), "Check the scheme, host and port of base_url"),
    "unexplained": (encode_alert(80), "Check the scheme, host and port of base_url"),
    "plain HTTP": (b"HTTP/1.1 400 Bad Request\r\n\r\n", "Check the scheme, host and port"),
    "mail server": (b"220 mail.example ESMTP\r\n", "Check the scheme, host and port"),
}


def send_over_tls(caller: Any, server: Loopback, **clients: Any) -> RouterConnectionError:
    url = server.url.replace("http:", "https:")
    client = RouterClient(api_key=KEY, base_url=url, deadline=20.0, **clients)
    with pytest.raises(RouterConnectionError) as raised:
        caller.send(client, create_call())
    assert url.removeprefix("https://") in str(raised.value)
    return raised.value


@both_callers
@pytest.mark.parametrize(
    ("response", "advice"), REJECTED_HANDSHAKES.values(), ids=REJECTED_HANDSHAKES
)
@pytest.mark.parametrize("is_injected", [False, True], ids=["own", "injected"])
def test_rejected_handshake_is_final_and_explained(caller, response, advice, is_injected):
    clients = {}
    if is_injected:
        clients = {"http_client": httpx.Client(), "http_async_client": httpx.AsyncClient()}
    with HandshakeServer(response) as server:
        error = send_over_tls(caller, server, **clients)
    assert advice in str(error)
    assert (error.attempts, error.is_retryable, error.ambiguous) == (1, False, False)


@both_callers
def test_untrusted_certificate_is_final_and_explained(caller):
    with Loopback(complete_response(b""), create_untrusted_context()) as server:
        error = send_over_tls(caller, server)
    assert "set SSL_CERT_FILE to a file" in str(error)
    assert "Certificates are currently loaded from the package certifi." in str(error)
    assert (error.attempts, error.is_retryable) == (1, False)


@both_callers
def test_directory_without_the_certificate_is_named(caller, monkeypatch, tmp_path: Path):
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    with Loopback(complete_response(b""), create_untrusted_context()) as server:
        error = send_over_tls(caller, server)
    assert f"Certificates are currently loaded from SSL_CERT_DIR='{tmp_path}'." in str(error)


@pytest.mark.slow
@both_callers
def test_connection_closed_during_handshake_is_retried(caller):
    """The server may be restarting."""
    with HandshakeServer(b"") as server:
        error = send_over_tls(caller, server)
    assert (error.attempts, error.is_retryable) == (3, True)


CERTIFICATE_ERRORS = {
    "Hostname mismatch, certificate is not valid for 'a.b'": "host and port of base_url",
    "IP address mismatch, certificate is not valid for '1.2.3.4'": "host and port of base_url",
    "certificate has expired": "the clock of this machine",
    "certificate is not yet valid": "the clock of this machine",
    "unable to get local issuer certificate": "set SSL_CERT_FILE",
}


@pytest.mark.parametrize(("reason", "advice"), CERTIFICATE_ERRORS.items(), ids=CERTIFICATE_ERRORS)
def test_certificate_errors_are_explained(reason, advice):
    cause = ssl.SSLCertVerificationError(1, f"certificate verify failed: {reason} (_ssl.c:1)")
    assert advice in (explain_tls_error(httpx.ConnectError(""), [cause]) or "")


def test_certificate_required_after_handshake_is_explained():
    """With TLS 1.3, a missing client certificate is only noticed when the client reads."""
    cause = ssl.SSLError(1, "[SSL: TLSV13_ALERT_CERTIFICATE_REQUIRED] tlsv13 alert")
    assert "client certificate" in (explain_tls_error(httpx.ReadError(""), [cause]) or "")


def test_tls_error_within_response_is_not_a_failed_handshake():
    cause = ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC]")
    assert explain_tls_error(httpx.ReadError(""), [cause]) is None
