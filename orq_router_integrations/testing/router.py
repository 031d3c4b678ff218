"""The offline router: the router's HTTP API in-process, without an API key or a socket.

It implements the documented HTTP API (see ``tests/contract`` in the repository). Where the
documentation is silent, one behavior was chosen, so the real router may behave differently.
Every response carries ``x-orq-offline: 1``, and successful ones name the answering model in
``x-orq-offline-model``, a header that the real router does not send.

Choices where the documentation is silent: guardrails never block a request; streams are not cached;
the cache is consulted before the load balancer picks a model; a model of the load balancer that is
not enabled returns the same 404 as the request's own model.
"""

import json
import os
import random
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any
from urllib.parse import unquote

import httpx
from pydantic import NonNegativeFloat, PositiveInt, PrivateAttr

from orq_router_integrations.client import RouterClient
from orq_router_integrations.media.mime import detect_mime_type
from orq_router_integrations.testing import chat, classification, images, retrieval, speech
from orq_router_integrations.testing.answering.script import Answers, AnswerScript
from orq_router_integrations.testing.argument_checks import check_arguments
from orq_router_integrations.testing.responses.endpoint import ResponsesEndpoint
from orq_router_integrations.testing.routing import http_adapter, platform
from orq_router_integrations.testing.routing.control_parsing import split_controls
from orq_router_integrations.testing.routing.endpoint import EndpointHandler
from orq_router_integrations.testing.routing.request_routing import (
    CallLog,
    Faults,
    FaultScript,
    ProviderCall,
    RequestRouting,
)
from orq_router_integrations.testing.routing.response import HTTPError, RouterResponse
from orq_router_integrations.wire.endpoints import Dialect

Route = tuple[str, str, Callable[..., Any]]
"""Method, pattern of the path, and a function that creates the response.

The function takes the body of a POST request, or the query of a GET request, and the groups of the
pattern, and returns JSON or a ``RouterResponse``.
"""


@dataclass(kw_only=True, eq=False, repr=False)
class OfflineRouter:
    """Emulates the AI Router in-process, for tests, demos and documentation.

    Endpoints under every router prefix: POST /chat/completions, /audio/speech (tones that encode
    the text), /audio/transcriptions and /audio/translations (which decode those tones),
    /images/generations, /images/edits and /images/variations (images that show their prompt),
    /embeddings and /rerank (texts that share words are close), and /moderations. Under v3/router
    and v2/router: GET /models and GET /models/{model}. Under v3/router only: POST /responses, GET
    /responses/{id} and POST /decisions. Under v2/router only: POST /ocr. At the root of the host:
    GET /v2/model-catalog (with invented features and prices), POST /v2/knowledge/{id}/search and
    POST /v1/responses/compact. Image URLs point to ``images.offline.invalid``, which the router's
    transport serves.

    A router can be pickled, and so can the clients and models that use it. A copy starts with an
    empty log and with its script from the beginning.

    Args:
        answers: Scripted answers. Either a dict or a function that takes the request body and
            returns an answer or ``None``. The keys of the dict are the last user text, a
            ``re.Pattern`` that is searched in it, a model id, or a function that takes the request
            body and returns whether it matches; the most specific key is used: text, then patterns
            and functions in order, then model. The values are an answer or a list of answers, used
            in order, with the last one repeating. An answer is a ``str``, an ``Answer``, a
            LangChain ``AIMessage`` or tool call, a dict or pydantic object (sent as JSON), or an
            exception, which makes the provider fail. A call of a tool that the request does not
            offer is rejected, unless a function returned it. Requests without a scripted answer
            get a deterministic default answer.
        faults: Scripted faults by model id: an HTTP status or a ``Fault`` that applies to every
            call, or a list with one entry per provider call, after which the model is healthy.
        models: Ids of the enabled models; by default every model of the known providers.
        knowledge_bases: Texts or Documents of each knowledge base, by its id.
        api_keys: Accepted API keys; any key by default.
        requests_per_minute: Rate limit over a rolling window of 60 seconds; unlimited by default.
        lenient: Ignore undocumented request fields instead of rejecting them with a 400.
        latency: Real delay in seconds before each response starts. By default nothing sleeps.
        chunk_latency: Real delay in seconds before each chunk of a stream.
        seed: Seed of the load balancer's random picks.
        clock: Returns the time in seconds, used by the cache and the rate limit.

    Attributes:
        log: Calls to providers, in order.
        requests: Requests received by the router, in order.

    >>> router = OfflineRouter(answers={"openai/gpt-4o": "Hello!"})
    >>> client = httpx.Client(transport=router.transport, base_url="https://any.host/v3/router")
    >>> body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
    >>> headers = {"Authorization": "Bearer any"}
    >>> response = client.post("/chat/completions", json=body, headers=headers).json()
    >>> response["choices"][0]["message"]["content"]
    'Hello!'
    """

    answers: Answers | None = None
    faults: Faults | None = None
    models: Collection[str] | None = None
    knowledge_bases: retrieval.KnowledgeBases | None = None
    api_keys: Collection[str] | None = None
    requests_per_minute: PositiveInt | None = None
    lenient: bool = False
    latency: NonNegativeFloat = 0.0
    chunk_latency: NonNegativeFloat = 0.0
    seed: int = 0
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        check_arguments(self, "answers", "faults")  # these are checked with the script
        for name, value in (("models", self.models), ("api_keys", self.api_keys)):
            if isinstance(value, str | bytes):
                raise ValueError(f"{name}: expected a list of str, got {type(value).__name__}")
        self.log: list[ProviderCall] = CallLog()
        self.requests: list[http_adapter.RecordedRequest] = []
        self._request_count = 0  # counted here, because a server drops old requests
        self._locks: dict[int, threading.RLock] = {}
        self._answers = AnswerScript(self.answers, self._release_lock)
        self._faults = FaultScript(self.faults)
        self._models = platform.ModelRegistry(self.models)
        self._limit = platform.RateLimit(self.requests_per_minute, self.clock)
        self._random = random.Random(self.seed)  # noqa: S311 - picks must be reproducible
        self._cache = platform.ExpiringDict[RouterResponse](self.clock)
        self._images = platform.ExpiringDict[bytes](self.clock)
        self._responses = ResponsesEndpoint(self._answers, self._models)
        self._handlers: list[EndpointHandler[Any]] = [
            self._responses,
            chat.ChatEndpoint(self._answers),
            classification.DecisionEndpoint(self._answers),
            classification.ModerationEndpoint(self._answers),
            speech.SpeechEndpoint(self._answers),
            speech.TranscriptionEndpoint(self._answers),
            speech.TranslationEndpoint(self._answers),
            *(images.ImageEndpoint(e, self._answers, self._images) for e in images.IMAGE_SCHEMAS),
            retrieval.EmbeddingsEndpoint(self._answers),
            retrieval.RerankEndpoint(self._answers),
            retrieval.OCREndpoint(self._answers),
        ]
        self._routes = self._create_routes()

    def __repr__(self) -> str:
        answers = "function" if callable(self.answers) else len(self.answers or ())
        faults, requests = len(self.faults or ()), self._request_count
        return f"OfflineRouter(answers={answers}, faults={faults}, requests={requests})"

    def __reduce__(self) -> Any:
        settings = {field.name: getattr(self, field.name) for field in fields(self)}
        return partial(OfflineRouter, **settings), ()

    @property
    def unused(self) -> list[str]:
        """Scripted answers and faults that no call has used yet, usually a mistake in the test.

        A function as ``answers`` is not listed, because it may have nothing to answer.

        >>> OfflineRouter(answers={"Hi": "Hello!"}, faults={"openai/gpt-4o": 503}).unused
        ["answers: 'Hi'", "faults: 'openai/gpt-4o'"]
        """
        scripts = {"answers": self._answers.unused, "faults": self._faults.unused}
        return [f"{name}: {key!r}" for name, keys in scripts.items() for key in keys]

    def script(self, *, answers: Answers | None = None, faults: Faults | None = None) -> None:
        """Replace the scripted answers and faults, for example those of the pytest fixture.

        Args:
            answers: Scripted answers, as in the constructor.
            faults: Scripted faults, as in the constructor.
        """
        with self._lock:
            fault_script = FaultScript(faults)  # raises before anything is replaced
            self._answers.load(answers)
            self._faults = fault_script
            self.answers, self.faults = answers, faults

    def assert_all_used(self) -> None:
        """Check that every scripted answer and fault has been used.

        Raises:
            AssertionError: Some are unused; the message lists them.
        """
        if unused := self.unused:
            raise AssertionError(f"The script was not used completely: {', '.join(unused)}")

    @property
    def transport(self) -> http_adapter.OfflineTransport:
        """Transport for ``httpx.Client`` and ``httpx.AsyncClient``. It opens no socket."""
        return http_adapter.OfflineTransport(self.handle, self.latency)

    def client(self, **kwargs: Any) -> RouterClient:
        """Create a ``RouterClient`` that sends its requests to this router.

        It can be pickled together with the router, for example by multiprocessing, Ray or joblib.

        Args:
            **kwargs: Further arguments of ``RouterClient``, such as ``max_retries`` or
                ``controls``.
        """
        defaults: dict[str, Any] = {
            "api_key": next(iter(self.api_keys or ()), "offline-no-key-needed"),
            "base_url": "https://offline.invalid/v3/router",  # no request is ever sent to it
            "http_client": httpx.Client(transport=self.transport),
            "http_async_client": httpx.AsyncClient(transport=self.transport),
        }
        client = OfflineClient(**defaults | kwargs)
        client._router = self  # noqa: SLF001 - pydantic sets private attributes after the creation
        return client

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one HTTP request. The transport, not this method, waits for ``latency``."""
        request.read()
        body = http_adapter.parse_request_body(request)
        with self._lock:
            self._request_count += 1
            headers = {"x-orq-offline": "1", "x-orq-trace-id": f"{self._request_count:032x}"}
            self.requests.append(http_adapter.record_request(request, body))
            try:
                response = self._dispatch(request, body)
            except HTTPError as error:
                response = error.to_response()
            except RecursionError:
                response = HTTPError(400, "nested too deeply").to_response()
            headers |= self._limit.headers
            return http_adapter.create_response(request, response, headers, self.chunk_latency)

    @property
    def _lock(self) -> threading.RLock:
        """A lock per process: threads that hold it do not exist in a forked child."""
        return self._locks.setdefault(os.getpid(), threading.RLock())

    @contextmanager
    def _release_lock(self) -> Iterator[None]:  # scripted functions may send requests
        limit_headers = self._limit.headers  # before other requests change them
        self._lock.release()
        try:
            yield
        finally:
            self._lock.acquire()
            self._limit.headers = limit_headers

    def _create_routes(self) -> list[Route]:
        models, responses = self._models, self._responses
        search = retrieval.KnowledgeBaseIndex(self.knowledge_bases, models).search
        return [
            ("GET", "/v2/model-catalog", models.list_catalog),
            ("POST", "/v2/knowledge/([^/]+)/search", partial(search, lenient=self.lenient)),
            ("POST", "/v1/responses/compact", partial(responses.compact, lenient=self.lenient)),
            ("GET", "/v[23]/router/models", lambda _: models.list_models()),
            ("GET", "/v[23]/router/models/(.+)", lambda _, id_: models.describe_model(id_)),
            ("GET", "/v3/router/responses/(.+)", lambda _, id_: responses.get_stored(id_)),
            *map(self._create_route, self._handlers),
        ]

    def _create_route(self, handler: EndpointHandler[Any]) -> Route:
        dialects = "|".join(dialect.value for dialect in handler.endpoint.dialects)
        return "POST", f"/({dialects}){handler.endpoint.path}", partial(self._handle_post, handler)

    def _dispatch(self, request: httpx.Request, body: dict[str, Any] | HTTPError) -> RouterResponse:
        """Check address, API key and rate limit in this order, then respond."""
        path = request.url.raw_path.decode().partition("?")[0]
        if request.url.host == images.IMAGE_HOST:
            if (data := self._images.get(path)) is None:
                raise HTTPError(404, f"the image {path} is unknown, or its URL has expired")
            return RouterResponse(data, headers={"content-type": detect_mime_type(data[:16]) or ""})
        for method, pattern, respond in self._routes:
            match = re.search(rf"{pattern}\Z", path)
            if match and request.method == method:
                platform.check_api_key(request, self.api_keys)
                self._limit.acquire()
                if method == "POST" and isinstance(body, HTTPError):
                    raise body
                values = body if method == "POST" else request.url.params
                result = respond(values, *map(unquote, match.groups()))
                return result if isinstance(result, RouterResponse) else RouterResponse(result)
        endpoints = [handler.endpoint for handler in self._handlers]
        paths = ", ".join(item.path for item in endpoints if Dialect.V3_ROUTER in item.dialects)
        raise HTTPError(404, f"Unknown: {request.method} {path}. Use v3/router with POST {paths}.")

    def _handle_post(
        self, handler: EndpointHandler[Any], body: dict[str, Any], dialect: str
    ) -> RouterResponse:
        endpoint = handler.endpoint
        controls, fields = split_controls(body, endpoint, Dialect(dialect), lenient=self.lenient)
        request = handler.parse(fields, controls, lenient=self.lenient)
        weights = {request.model: 1.0}
        if controls.load_balancer:  # its models replace the requested one
            weights = {item.model: item.weight for item in controls.load_balancer.models}
        for model in weights:
            self._models.check_enabled(model)
        cache = None if request.is_streamed else controls.cache
        if cache:
            params = {**request.build_provider_body(request.model), **controls.to_wire()}
            key = json.dumps([dialect, endpoint.path, request.model, params], sort_keys=True)
            if cached := self._cache.get(key):
                headers = {**cached.headers, "x-orq-offline-cache": "hit"}
                return handler.finalize(request, replace(cached, headers=headers))
        routing = RequestRouting(handler, request, controls, self._models, self._faults, self.log)
        (primary,) = self._random.choices(list(weights), list(weights.values()))
        response = routing.run(primary)
        if cache and response.status == 200:
            self._cache.put(key, response, seconds=cache.ttl)
        return handler.finalize(request, response)


class OfflineClient(RouterClient):
    """A ``RouterClient`` that can be pickled together with its offline router."""

    _router: OfflineRouter = PrivateAttr()

    def __reduce__(self) -> Any:
        names = self.model_fields_set - {"http_client", "http_async_client"}
        return partial(self._router.client, **{name: getattr(self, name) for name in names}), ()
