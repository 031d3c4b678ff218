"""Rows about the model as an object, and about the rest of its package."""

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
from langchain_core.embeddings import Embeddings
from langchain_core.load import dumps
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.tools import BaseTool
from pydantic import BaseModel

from orq_router_integrations import OfflineRouter
from peers.findings import Finding, all_of, no, outcome, row, told, yes
from peers.packages import KEY, Package

HEADER = "header-nobodys-secret"


class City(BaseModel):
    """A city."""

    name: str


@contextmanager
def no_network() -> Iterator[None]:
    """Nothing is connected to, and no name is looked up."""

    def refused(*_: Any) -> None:
        raise OSError("there is no network here")

    with (
        patch.object(socket.socket, "connect", refused),
        patch.object(socket, "getaddrinfo", refused),
    ):
        yield


@row("`openai/gpt-4o` has a profile, and agents use its own structured output")
def profile(package: Package) -> Finding:
    router = OfflineRouter()
    model = package.model(router)
    known = (model.profile or {}).get("structured_output") is True
    agent = create_agent(model, [], response_format=City)
    outcome(lambda: agent.invoke({"messages": [("user", "Tell me of 'Utrecht'.")]}))
    native = bool(router.requests) and "response_format" in router.requests[0].body
    return all_of({"profile": known, "native structured output": native})


@row("Tokens for `openai/gpt-4o` are counted, without a download")
def tokens(package: Package) -> Finding:
    model = package.model(OfflineRouter())
    with no_network():
        counted = outcome(model.get_num_tokens_from_messages, [HumanMessage("What is a router?")])
    return yes() if isinstance(counted, int) and counted > 3 else no(told(counted))


@row("`pickle` and `deepcopy`, after a call too")
def copies(package: Package) -> Finding:
    model = package.model(OfflineRouter())
    model.invoke("Hi")
    with package.key_in_environment():
        made = {
            "pickle": outcome(lambda: pickle.loads(pickle.dumps(model)).invoke("Hi")),
            "deepcopy": outcome(lambda: copy.deepcopy(model).invoke("Hi")),
        }
    return all_of({name: isinstance(answer, AIMessage) for name, answer in made.items()})


@row("The key and your headers are in no repr, dump or serialisation")
def secrets(package: Package) -> Finding:
    model = package.model(OfflineRouter(), headers={"X-Team-Key": HEADER})
    shown = {"repr": repr(model), "dumps": dumps(model), "model_dump": str(model.model_dump())}
    secrets = {"key": KEY, "header": HEADER}
    return all_of(
        {
            f"{name} in {place}": secret not in text
            for place, text in shown.items()
            for name, secret in secrets.items()
        }
    )


@row("An offline router or model for your tests")
def offline(package: Package) -> Finding:
    """Without a server or a key: scripted answers, failures, answers that fit a schema."""
    if package.offline() is None:
        return no("the package has nothing of the kind", read=True)
    with no_network():
        said = outcome(lambda: package.offline(answer="Hello!").invoke("Hi"))
        failed = outcome(lambda: package.offline(fails=True).invoke("Hi"))
        city = outcome(lambda: package.offline().with_structured_output(City).invoke("Hi"))
    return all_of(
        {
            "answers": getattr(said, "text", "") == "Hello!",
            "failures": isinstance(failed, Exception),
            "schemas": isinstance(city, City),
        }
    )


def _has(package: Package, kind: Any, *words: str) -> bool:
    """Whether the package has a class of this kind, with one of these words in its name."""
    root = import_module(package.module)
    names = [package.module]
    names += [found.name for found in walk_packages(root.__path__, f"{package.module}.")]
    return any(
        issubclass(cls, kind) and cls.__module__.startswith(package.module)
        for name in names
        if not name.endswith("__main__")
        for title, cls in inspect.getmembers(import_module(name), inspect.isclass)
        if any(word in title.lower() for word in words)
    )


@row("In the same package: images, speech, transcription")
def faces(package: Package) -> Finding:
    """A tool that draws (or a chat in which the server's does), one that speaks, a loader."""
    return all_of(
        {
            "draws": _has(package, BaseTool, "image") or _draws_in_a_chat(package),
            "speaks": _has(package, BaseTool, "speech", "speak"),
            "transcribes": _has(package, (BaseLoader, BaseBlobParser), "transcri", "audio"),
        }
    )


def _draws_in_a_chat(package: Package) -> bool:
    if package.drawing is None:
        return False
    built_in, options = package.drawing
    router = OfflineRouter(lenient=True)
    model = package.model(router, **options)
    outcome(lambda: model.bind_tools([built_in]).invoke("Draw a cat"))
    return bool(router.requests) and built_in in router.requests[0].body.get("tools", ())


@row("In the same package: embeddings, and a loader that reads scans (OCR)")
def others(package: Package) -> Finding:
    return all_of(
        {
            "embeddings": _has(package, Embeddings, "embeddings"),
            "scans": _has(package, (BaseLoader, BaseBlobParser), "ocr"),
        }
    )
