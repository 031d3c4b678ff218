"""Row 22: many calls behind an HTTPS proxy."""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

from orq_router_integrations import ChatOrq
from tests.benchmarks.calls import run_batch
from tests.benchmarks.contenders import KEY, build_base_url
from tests.benchmarks.measuring import OURS, Case, Row, Sample
from tests.benchmarks.server import HOST, Addresses
from tests.faults.certificate import CERTIFICATE, to_pem

DIRECT = "direct"
_getaddrinfo = socket.getaddrinfo


def iter_cases(addresses: Addresses) -> Iterator[Case]:
    """Yield the case; the environment is changed until the next one is requested."""
    with trust_server():
        url = build_base_url(addresses.https, "late")
        models = {
            OURS: create_model(url, {"HTTPS_PROXY": addresses.proxy}),
            DIRECT: create_model(url, {}),
        }
        runs = {name: lambda m=model: measure(m) for name, model in models.items()}
        row = Row("22", "abatch, 50 concurrent, behind an HTTPS proxy", {DIRECT: 1.5})
        yield Case([row], runs, rounds=5)


def measure(model: Any) -> Sample:
    return run_batch(model, 50, 300)


def create_model(url: str, proxies: dict[str, str]) -> ChatOrq:
    """Create a model whose client has read the proxies of the environment, in its first call."""
    model = ChatOrq(model="openai/gpt-4o", base_url=url, api_key=KEY)
    with patch.dict(os.environ, proxies):
        model.invoke("Hi")
    return model


@contextmanager
def trust_server() -> Iterator[None]:
    """Trust the certificate of the server, and let its host resolve to this machine."""

    def resolve(host: Any, *args: Any, **kwargs: Any) -> Any:
        local = "127.0.0.1" if host in {HOST, HOST.encode()} else host
        return _getaddrinfo(local, *args, **kwargs)

    proxies = [name for name in os.environ if name.lower().endswith("_proxy")]
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ):
        path = Path(folder, "trusted.pem")
        path.write_text(to_pem("CERTIFICATE", CERTIFICATE))
        for name in proxies:
            del os.environ[name]
        os.environ["SSL_CERT_FILE"] = str(path)
        with patch("socket.getaddrinfo", resolve):
            yield
