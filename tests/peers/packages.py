"""The packages, and the documented arguments that point their chat models at a router."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any
from unittest.mock import patch

from orq_router_integrations import OfflineRouter
from peers.findings import get_outcome
from peers.server import RouterServer

KEY = "sk-orq-test-key"


class Package:
    """A package and its chat model, with retries turned off."""

    distribution = ""
    module = ""
    chat_model = ""
    key_variable = ""
    model_prefix = ""
    base_url_argument = "base_url"
    headers_argument = "default_headers"
    no_retries: dict[str, Any] = {"max_retries": 0}
    responses: dict[str, Any] | None = None
    """Arguments that select the Responses API; ``None`` if it is not supported."""
    idle_limit: dict[str, Any] = {}
    """Arguments that limit the time without new content in a stream to 0.4 seconds."""
    image_tool: tuple[dict[str, Any], dict[str, Any]] | None = None
    """A built-in tool that generates images, and the model arguments that it needs."""

    def __init__(self, server: RouterServer) -> None:
        self._server = server

    @classmethod
    def release(cls) -> str:
        return f"{cls.distribution} {version(cls.distribution)}"

    @property
    def cls(self) -> Any:
        return getattr(import_module(self.module), self.chat_model)

    def create_model(
        self,
        router: Any,
        *,
        model: str = "openai/gpt-4o",
        prefix: str = "v3/router",
        controls: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Any:
        """Create a chat model whose requests go to ``router``."""
        kwargs = {
            "model": self.model_prefix + model,
            self.base_url_argument: self._server.add(router, prefix),
            "api_key": KEY,
            **self.no_retries,
            **({self.headers_argument: headers} if headers else {}),
            **(self.build_controls_args(controls) if controls else {}),
            **options,
        }
        return self.cls(**kwargs)

    def ask(self, router: Any, **options: Any) -> Any:
        """Return the answer of such a model to "Hi", or the exception it raises."""
        return get_outcome(lambda: self.create_model(router, **options).invoke("Hi"))

    def build_controls_args(self, controls: dict[str, Any]) -> dict[str, Any]:
        """Return the model arguments for router controls."""
        return {"extra_body": controls}

    def create_offline_model(self, answer: str | None = None, fails: bool = False) -> Any:
        """Create a model that needs no server, if the package has one."""
        return None

    @contextmanager
    def key_in_environment(self) -> Iterator[None]:
        with patch.dict(os.environ, {self.key_variable: KEY}):
            yield


class Orq(Package):
    distribution = module = "orq_router_integrations"
    chat_model = "ChatOrq"
    key_variable = "ORQ_API_KEY"
    responses = {"api": "responses"}
    idle_limit = {"stream_chunk_timeout": 0.4}
    image_tool = ({"type": "orq:image_generation"}, {"api": "responses"})

    def build_controls_args(self, controls: dict[str, Any]) -> dict[str, Any]:
        return {"controls": controls}

    def create_offline_model(self, answer: str | None = None, fails: bool = False) -> Any:
        answers = {"openai/gpt-4o": answer} if answer else None
        router = OfflineRouter(answers=answers, faults={"openai/gpt-4o": 503} if fails else None)
        return self.cls(model="openai/gpt-4o", client=router.client(max_retries=0))


class OpenAI(Package):
    distribution, module = "langchain-openai", "langchain_openai"
    chat_model = "ChatOpenAI"
    key_variable = "OPENAI_API_KEY"
    responses = {"use_responses_api": True}
    idle_limit = {"stream_chunk_timeout": 0.4}
    image_tool = ({"type": "image_generation"}, {"use_responses_api": True})


class OpenRouter(Package):
    distribution, module = "langchain-openrouter", "langchain_openrouter"
    chat_model = "ChatOpenRouter"
    key_variable = "OPENROUTER_API_KEY"
    idle_limit = {"timeout": 400}  # in milliseconds

    def build_controls_args(self, controls: dict[str, Any]) -> dict[str, Any]:
        return {"model_kwargs": controls}


class LiteLLM(Package):
    distribution, module = "langchain-litellm", "langchain_litellm"
    chat_model = "ChatLiteLLM"
    key_variable = "OPENAI_API_KEY"
    model_prefix = "openai/"  # LiteLLM's name for OpenAI-compatible servers
    base_url_argument = "api_base"
    headers_argument = "extra_headers"
    idle_limit = {"model_kwargs": {"stream_timeout": 0.4}}
    no_retries = {"max_retries": 1}  # counts attempts
    responses = {"use_responses_api": True}

    def build_controls_args(self, controls: dict[str, Any]) -> dict[str, Any]:
        return {"model_kwargs": {"extra_body": controls}}

    def create_offline_model(self, answer: str | None = None, fails: bool = False) -> Any:
        response = "litellm.InternalServerError" if fails else answer or "Mocked."
        return self.cls(model="openai/gpt-4o", model_kwargs={"mock_response": response})


PACKAGES: tuple[type[Package], ...] = (Orq, OpenAI, OpenRouter, LiteLLM)
