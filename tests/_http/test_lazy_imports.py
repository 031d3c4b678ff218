"""The transport and other integrations are imported only when they are needed."""

import subprocess
import sys

import pytest

IMPORT_PACKAGE = """
import ssl, sys
ssl.SSLContext = None
import orq_router_integrations
assert "httpx" not in sys.modules
orq_router_integrations.RouterClient(api_key="k")
loaded = {n for n in sys.modules if n.startswith("orq_router_integrations._http.")}
wrong = {n for n in loaded if n.endswith((".sender", ".pool", ".exchange"))}
assert not wrong, wrong
"""
IMPORT_CHAT_MODEL = """
import sys
from langchain_core.language_models import BaseChatModel
core = set(sys.modules)
import httpx
from orq_router_integrations import ChatOrq, RouterClient
response = {"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}
mock = httpx.MockTransport(lambda _: httpx.Response(200, json=response))
client = RouterClient(api_key="k", http_client=httpx.Client(transport=mock))
assert ChatOrq(model="a/b", client=client).invoke("Hi").text == "Hi"
names = set(sys.modules) - core
root = "orq_router_integrations."
loaded = {name.removeprefix(root) for name in names if name.startswith(root)}
wrong = loaded & {"tools", "document_loaders", "testing", "demo", "media.content_block"}
wrong |= {name.split(".")[0] for name in names} & {"openai", "aiohttp", "tiktoken", "numpy", "av"}
assert not wrong, wrong
"""


@pytest.mark.slow
@pytest.mark.parametrize("code", [IMPORT_PACKAGE, IMPORT_CHAT_MODEL], ids=["package", "chat model"])
def test_import_loads_only_what_is_needed(code):
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
