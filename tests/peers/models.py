"""Checks of the model as an object, and of the rest of its package."""

import copy
import inspect
import pickle
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pkgutil import walk_packages
from typing import Any
from unittest.mock import patch

from langchain.agents import create_agent
from langchain_core.document_loaders import BaseBlobParser, BaseLoader
from langchain_core.documents import BaseDocumentCompressor
from langchain_core.embeddings import Embeddings
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from orq_router_integrations import OfflineRouter
from peers.findings import Finding, combine, describe_outcome, get_outcome, no, row, yes
from peers.packages import KEY, Package

HEADER = "header-secret"


class City(BaseModel):
    """A city."""

    name: str


@contextmanager
def disable_network() -> Iterator[None]:
    """Make all connections and name lookups fail."""

    def fail(*_: Any) -> None:
        raise OSError("network access is disabled")

    with (
        patch.object(socket.socket, "connect", fail),
        patch.object(socket, "getaddrinfo", fail),
    ):
        yield


@row("`openai/gpt-4o` has a profile, so agents use native structured output")
def check_profile(package: Package) -> Finding:
    router = OfflineRouter()
    model = package.create_model(router)
    has_profile = (model.profile or {}).get("structured_output") is True
    agent = create_agent(model, [], response_format=City)
    get_outcome(lambda: agent.invoke({"messages": [("user", "Tell me about 'Utrecht'.")]}))
    is_native = bool(router.requests) and "response_format" in router.requests[0].body
    return combine({"profile": has_profile, "native structured output": is_native})


@row("Tokens for `openai/gpt-4o` are counted without a download")
def check_tokens(package: Package) -> Finding:
    model = package.create_model(OfflineRouter())
    with disable_network():
        count = get_outcome(model.get_num_tokens_from_messages, [HumanMessage("What is a router?")])
    return yes() if isinstance(count, int) and count > 3 else no(describe_outcome(count))


@row("`pickle` and `deepcopy` work, also after a call")
def check_copies(package: Package) -> Finding:
    model = package.create_model(OfflineRouter())
    model.invoke("Hi")
    with package.key_in_environment():
        answers = {
            "pickle": get_outcome(lambda: pickle.loads(pickle.dumps(model)).invoke("Hi")),
            "deepcopy": get_outcome(lambda: copy.deepcopy(model).invoke("Hi")),
        }
    return combine({name: isinstance(answer, AIMessage) for name, answer in answers.items()})


@row("API key and headers never appear in reprs, dumps or serialization")
def check_secrets(package: Package) -> Finding:
    model = package.create_model(OfflineRouter(), headers={"X-Team-Key": HEADER})
    dumps_ = {"repr": repr(model), "dumps": dumps(model), "model_dump": str(model.model_dump())}
    secrets = {"key": KEY, "header": HEADER}
    return combine(
        {
            f"{name} in {dump}": secret not in text
            for dump, text in dumps_.items()
            for name, secret in secrets.items()
        }
    )


@row("An offline router or model for tests")
def check_offline_model(package: Package) -> Finding:
    """Scripted answers, failures and structured output, without a server or a key."""
    if package.create_offline_model() is None:
        return no("the package has none", read=True)
    with disable_network():
        answer = get_outcome(lambda: package.create_offline_model(answer="Hello!").invoke("Hi"))
        failure = get_outcome(lambda: package.create_offline_model(fails=True).invoke("Hi"))
        city = get_outcome(
            lambda: package.create_offline_model().with_structured_output(City).invoke("Hi")
        )
    return combine(
        {
            "answers": getattr(answer, "text", "") == "Hello!",
            "failures": isinstance(failure, Exception),
            "schemas": isinstance(city, City),
        }
    )


def _has_class(package: Package, base: Any, *words: str) -> bool:
    """Return whether the package has a subclass with one of these words in its name."""
    root = import_module(package.module)
    names = [package.module]
    names += [module.name for module in walk_packages(root.__path__, f"{package.module}.")]
    return any(
        issubclass(cls, base) and cls.__module__.startswith(package.module)
        for name in names
        if not name.endswith("__main__")
        for class_name, cls in inspect.getmembers(import_module(name), inspect.isclass)
        if any(word in class_name.lower() for word in words)
    )


@row("Same package: images, speech, transcription")
def check_media_tools(package: Package) -> Finding:
    """An image tool (or a chat with a built-in one), a speech tool, and a loader."""
    return combine(
        {
            "images": _has_class(package, BaseTool, "image") or _generates_images_in_chat(package),
            "speech": _has_class(package, BaseTool, "speech", "speak"),
            "transcription": _has_class(package, (BaseLoader, BaseBlobParser), "transcri", "audio"),
        }
    )


def _generates_images_in_chat(package: Package) -> bool:
    if package.image_tool is None:
        return False
    image_tool, options = package.image_tool
    router = OfflineRouter(lenient=True)
    model = package.create_model(router, **options)
    get_outcome(lambda: model.bind_tools([image_tool]).invoke("Draw a cat"))
    return bool(router.requests) and image_tool in router.requests[0].body.get("tools", ())


@row("Same package: embeddings, OCR loader")
def check_embeddings_and_ocr(package: Package) -> Finding:
    return combine(
        {
            "embeddings": _has_class(package, Embeddings, "embeddings"),
            "scans": _has_class(package, (BaseLoader, BaseBlobParser), "ocr"),
        }
    )


@row("Same package: rerank")
def check_rerank(package: Package) -> Finding:
    if _has_class(package, BaseDocumentCompressor, "rerank"):
        return yes()
    return no("no document compressor that reranks")
