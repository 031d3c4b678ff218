"""The packages: how each chat model is pointed at a router, by its documented arguments."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.metadata import version
from typing import Any
from unittest.mock import patch

from orq_router_integrations import OfflineRouter
from peers.findings import outcome
from peers.stage import Stage

KEY = "sk-orq-nobodys-key"


class Package:
    """A package and its chat model; retries are off unless a check turns them on."""

    distribution = ""
    module = ""
    chat_model = ""
    key_variable = ""
    model_prefix = ""
    base_url_argument = "base_url"
    headers_argument = "default_headers"
    one_attempt: dict[str, Any] = {"max_retries": 0}
    responses: dict[str, Any] | None = None
    """The arguments that choose the Responses API; ``None`` where it does not speak that."""
    idle_limit: dict[str, Any] = {}
    """The argument that limits how long a stream may bring nothing new: 0.4 seconds."""
    drawing: tuple[dict[str, Any], dict[str, Any]] | None = None
    """A built-in tool that draws, and the arguments that it needs."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    @classmethod
    def release(cls) -> str:
        return f"{cls.distribution} {version(cls.distribution)}"

    @property
    def cls(self) -> Any:
        return getattr(import_module(self.module), self.chat_model)

    def model(
        self,
        router: Any,
        *,
        model: str = "openai/gpt-4o",
        prefix: str = "v3/router",
        controls: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        **options: Any,
    ) -> Any:
        """A chat model of the package, pointed at this router."""
        given = {
            "model": self.model_prefix + model,
            self.base_url_argument: self._stage.url(router, prefix),
            "api_key": KEY,
            **self.one_attempt,
            **({self.headers_argument: headers} if headers else {}),
            **(self.controls(controls) if controls else {}),
            **options,
        }
        return self.cls(**given)

    def ask(self, router: Any, **options: Any) -> Any:
        """The message with which such a model answers, or what is raised instead."""
        return outcome(lambda: self.model(router, **options).invoke("Hi"))

    def controls(self, controls: dict[str, Any]) -> dict[str, Any]:
        """The argument that carries the router's controls."""
        return {"extra_body": controls}

    def offline(self, answer: str | None = None, fails: bool = False) -> Any:
        """A model that answers so, or fails, without a server; ``None`` where there is no such."""
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
    drawing = ({"type": "orq:image_generation"}, {"api": "responses"})

    def controls(self, controls: dict[str, Any]) -> dict[str, Any]:
        return {"controls": controls}

    def offline(self, answer: str | None = None, fails: bool = False) -> Any:
        answers = {"openai/gpt-4o": answer} if answer else None
        router = OfflineRouter(answers=answers, faults={"openai/gpt-4o": 503} if fails else None)
        return self.cls(model="openai/gpt-4o", client=router.client(max_retries=0))


class OpenAI(Package):
    distribution, module = "langchain-openai", "langchain_openai"
    chat_model = "ChatOpenAI"
    key_variable = "OPENAI_API_KEY"
    responses = {"use_responses_api": True}
    idle_limit = {"stream_chunk_timeout": 0.4}
    drawing = ({"type": "image_generation"}, {"use_responses_api": True})


class OpenRouter(Package):
    distribution, module = "langchain-openrouter", "langchain_openrouter"
    chat_model = "ChatOpenRouter"
    key_variable = "OPENROUTER_API_KEY"
    idle_limit = {"timeout": 400}  # it counts milliseconds

    def controls(self, controls: dict[str, Any]) -> dict[str, Any]:
        return {"model_kwargs": controls}


class LiteLLM(Package):
    distribution, module = "langchain-litellm", "langchain_litellm"
    chat_model = "ChatLiteLLM"
    key_variable = "OPENAI_API_KEY"
    model_prefix = "openai/"  # LiteLLM's word for a server that speaks OpenAI's wire
    base_url_argument = "api_base"
    headers_argument = "extra_headers"
    idle_limit = {"model_kwargs": {"stream_timeout": 0.4}}
    one_attempt = {"max_retries": 1}  # it counts attempts
    responses = {"use_responses_api": True}

    def controls(self, controls: dict[str, Any]) -> dict[str, Any]:
        return {"model_kwargs": {"extra_body": controls}}

    def offline(self, answer: str | None = None, fails: bool = False) -> Any:
        said = "litellm.InternalServerError" if fails else answer or "Mocked."
        return self.cls(model="openai/gpt-4o", model_kwargs={"mock_response": said})


PACKAGES: tuple[type[Package], ...] = (Orq, OpenAI, OpenRouter, LiteLLM)
