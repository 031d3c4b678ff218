"""The offline router: the router's HTTP API in-process, without an API key or a socket.

It implements the documented HTTP API (see ``tests/contract`` in the repository). Its answers prove
nothing about the real router: where the documentation is silent, one behavior was chosen here.
Every response carries ``x-orq-offline: 1``, and successful ones name the answering model in
``x-orq-offline-model``, a header the real router does not have.

Choices where the documentation is silent: input guardrails run after the model lookup and before
the cache lookup; the cache is consulted before the load balancer picks a model; a model of the load
balancer that is not enabled returns the same 404 as the request's own model.
"""

import os
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import httpx

from orq_router_integrations.media.mime import detect_mime_type
from orq_router_integrations.testing.answering.script import Answers, AnswerScript
from orq_router_integrations.testing.chat.endpoint import ChatEndpoint
from orq_router_integrations.testing.decisions import DecisionEndpoint
from orq_router_integrations.testing.images.endpoint import create_image_endpoints
from orq_router_integrations.testing.images.image_host import HOST as IMAGE_HOST
from orq_router_integrations.testing.images.image_host import ImageHost
from orq_router_integrations.testing.moderations import ModerationEndpoint
from orq_router_integrations.testing.responses.compaction import CompactionEndpoint
from orq_router_integrations.testing.responses.endpoint import ResponsesEndpoint
from orq_router_integrations.testing.retrieval.embeddings import EmbeddingsEndpoint
from orq_router_integrations.testing.retrieval.knowledge import KnowledgeBases
from orq_router_integrations.testing.retrieval.ocr import OCREndpoint
from orq_router_integrations.testing.retrieval.rerank import RerankEndpoint
from orq_router_integrations.testing.retrieval.root_endpoints import RootEndpoints
from orq_router_integrations.testing.routing.control_parsing import split_controls
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RouterResponse,
)
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.faults import FaultScript, FaultSequence
from orq_router_integrations.testing.routing.http_adapter import (
    Delay,
    OfflineTransport,
    check_api_key,
    create_response,
    parse_request_body,
    record_request,
)
from orq_router_integrations.testing.routing.model_registry import ModelRegistry
from orq_router_integrations.testing.routing.platform import (
    RateLimit,
    ResponseCache,
    check_guardrails,
    create_cache_key,
)
from orq_router_integrations.testing.routing.request_log import (
    CallLog,
    ProviderCall,
    RecordedRequest,
)
from orq_router_integrations.testing.routing.request_routing import (
    LoadBalancerState,
    RequestRouting,
)
from orq_router_integrations.testing.speech.endpoint import SpeechEndpoint
from orq_router_integrations.testing.transcriptions.endpoint import TranscriptionEndpoint
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import (
    MODELS,
    RESPONSE_COMPACTION,
    RESPONSES,
    TRANSCRIPTIONS,
    TRANSLATIONS,
    Dialect,
)

if TYPE_CHECKING:
    from orq_router_integrations.client import RouterClient

STORED_PATH = RESPONSES.path + "/"

Respond = Callable[[httpx.Request], RouterResponse]


class OfflineRouter:
    """Emulates the AI Router in-process, for tests, demos and documentation.

    Endpoints under every router prefix: POST /chat/completions, /audio/speech (WAV or raw PCM with
    tones that encode the text), /audio/transcriptions and /audio/translations (which decode those
    tones), /images/generations, /images/edits and /images/variations (PNGs that show their prompt),
    /embeddings and /rerank (texts that share words are close), /moderations, and GET /models.
    Under v3/router only: POST /responses, GET /responses/{id}, POST /decisions and GET
    /models/{model}. At the root of the host: GET /v2/model-catalog (with invented features and
    prices) and POST /v2/knowledge/{id}/search. Image URLs point to ``images.offline.invalid``,
    which the router's transport serves.

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

    def __init__(  # noqa: PLR0913 - independent settings, all optional
        self,
        *,
        answers: Answers | None = None,
        faults: Mapping[str, FaultSequence] | None = None,
        models: Collection[str] | None = None,
        knowledge_bases: KnowledgeBases | None = None,
        api_keys: Collection[str] | None = None,
        requests_per_minute: int | None = None,
        lenient: bool = False,
        latency: float = 0.0,
        chunk_latency: float = 0.0,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        if latency < 0 or chunk_latency < 0:
            raise ValueError("latency and chunk_latency must be at least 0 seconds.")
        workspace = {"models": models, "knowledge_bases": knowledge_bases, "api_keys": api_keys}
        limits = {"requests_per_minute": requests_per_minute}
        times = {"latency": latency, "chunk_latency": chunk_latency, "clock": clock}
        script = {"answers": answers, "faults": faults, "lenient": lenient, "seed": seed}
        self._settings: dict[str, Any] = {**workspace, **limits, **times, **script}
        self.log: list[ProviderCall] = CallLog()
        self.requests: list[RecordedRequest] = []
        self.latency, self._chunk_latency = latency, chunk_latency
        self._lock = threading.RLock()
        _ROUTERS.add(self)
        self._models = ModelRegistry(enabled=models)
        self._root_endpoints = RootEndpoints(self._models, knowledge_bases, lenient=lenient)
        self._keys = None if api_keys is None else tuple(api_keys)
        self._limit = RateLimit(limit=requests_per_minute, clock=clock)
        self._lenient = lenient
        self._balancer = LoadBalancerState(seed=seed, log=self.log)
        self._cache, self._images = ResponseCache(clock=clock), ImageHost(clock=clock)
        self._faults, self._answers = FaultScript(faults), AnswerScript(answers)
        self._responses = ResponsesEndpoint(self._answers, trace_id=self._create_trace_id)
        self._compaction = CompactionEndpoint(self._responses, self._models)
        self._endpoints = self._create_endpoints()

    def _create_endpoints(self) -> tuple[EndpointHandler[Any], ...]:
        return (
            self._responses,
            ChatEndpoint(self._answers),
            DecisionEndpoint(self._answers),
            ModerationEndpoint(self._answers),
            SpeechEndpoint(self._answers),
            TranscriptionEndpoint(TRANSCRIPTIONS, self._answers),
            TranscriptionEndpoint(TRANSLATIONS, self._answers),
            *create_image_endpoints(self._images, lenient=self._lenient),
            EmbeddingsEndpoint(),
            RerankEndpoint(),
            OCREndpoint(),
        )

    def __repr__(self) -> str:
        return f"OfflineRouter(requests={len(self.requests)}, calls={len(self.log)})"

    def __reduce__(self) -> Any:
        return partial(OfflineRouter, **self._settings), ()

    @property
    def unused(self) -> list[str]:
        """Scripted answers and faults that no call has used yet, usually a mistake in the test.

        >>> OfflineRouter(answers={"Hi": "Hello!"}, faults={"openai/gpt-4o": 503}).unused
        ["answers: 'Hi'", "faults: 'openai/gpt-4o'"]
        """
        scripts = {"answers": self._answers.unused, "faults": self._faults.unused}
        return [f"{name}: {key!r}" for name, keys in scripts.items() for key in keys]

    def script(
        self,
        *,
        answers: Answers | None = None,
        faults: Mapping[str, FaultSequence] | None = None,
    ) -> None:
        """Replace the scripted answers and faults, for example those of the pytest fixture.

        Args:
            answers: Scripted answers, as in the constructor.
            faults: Scripted faults, as in the constructor.
        """
        with self._lock:
            self._answers.load(answers)
            self._faults.load(faults)
            self._settings |= {"answers": answers, "faults": faults}

    def assert_all_used(self) -> None:
        """Check that every scripted answer and fault has been used.

        Raises:
            AssertionError: Some are unused; the message lists them.
        """
        if unused := self.unused:
            raise AssertionError(f"The script was not used completely: {', '.join(unused)}")

    @property
    def transport(self) -> OfflineTransport:
        """Transport for ``httpx.Client`` and ``httpx.AsyncClient``. It opens no socket."""
        return OfflineTransport(self.handle, self.latency)

    def client(self, **kwargs: Any) -> "RouterClient":
        """Create a ``RouterClient`` that sends its requests to this router.

        The client can be pickled, for example by multiprocessing, Ray or joblib. The copy uses a
        copy of the router, which starts with an empty log and with its script from the beginning.

        Args:
            **kwargs: Further arguments of ``RouterClient``, such as ``max_retries`` or
                ``controls``.
        """
        from orq_router_integrations.testing.client import create_client  # noqa: PLC0415 - not needed with plain httpx

        key = self._keys[0] if self._keys else "offline-no-key-needed"
        return create_client(self, {"api_key": key, **kwargs})

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one HTTP request. The transport, not this method, waits for ``latency``."""
        with self._lock:
            request.read()
            self.requests.append(record_request(request))
            headers = {"x-orq-offline": "1", "x-orq-trace-id": self._create_trace_id()}
            try:
                response = self._dispatch(request)
            except HTTPError as error:
                response = RouterResponse(error.to_body(), error.status, error.headers)
            delay = Delay(self._chunk_latency, request)
            return create_response(response, headers | self._limit.get_headers(), delay)

    def _create_trace_id(self) -> str:
        return f"{len(self.requests):032x}"

    def _dispatch(self, request: httpx.Request) -> RouterResponse:
        """Check address, API key and rate limit in this order, then respond."""
        if request.url.host == IMAGE_HOST and request.method == "GET":
            data = self._images.fetch(request.url.path)
            return RouterResponse(
                data, headers={"content-type": detect_mime_type(data[:16]) or "image/png"}
            )
        respond = self._root_endpoints.find_route(request) or self._find_route(request)
        check_api_key(request, self._keys)
        self._limit.acquire()
        return respond(request)

    def _find_route(self, request: httpx.Request) -> Respond:
        if request.method == "POST" and request.url.path.endswith(RESPONSE_COMPACTION.path):
            return partial(self._compaction.respond, lenient=self._lenient)
        dialect, path = _split_path(request.url.path)
        method = request.method
        if method == "GET" and dialect in MODELS.dialects:
            if path == MODELS.path:
                return lambda _: RouterResponse(self._models.list_models())
            if model := path.removeprefix(MODELS.path + "/").removeprefix(path):
                return lambda _: RouterResponse(self._models.get_model(model))
        id_ = path.removeprefix(STORED_PATH).removeprefix(path)
        if method == "GET" and id_ and dialect in RESPONSES.dialects:
            return partial(self._get_stored_response, id_)
        for handler in self._endpoints:
            endpoint = handler.endpoint
            if (method, path) == ("POST", endpoint.path) and dialect in endpoint.dialects:
                return partial(self._handle_post, handler, dialect)
        raise HTTPError(404, self._describe_endpoints(method, path, dialect))

    def _describe_endpoints(self, method: str, path: str, dialect: Dialect) -> str:
        """Describe the available endpoints for a request to any other path."""
        if f"{path}/".startswith(STORED_PATH) and dialect is not Dialect.V3_ROUTER:
            return f"{path} does not exist under {dialect.value}. Use v3/router."
        posts = ", ".join(f"POST {handler.endpoint.path}" for handler in self._endpoints)
        served = f"{posts}, GET {STORED_PATH}{{id}}, GET {MODELS.path} and GET {MODELS.path}/{{id}}"
        return f"{method} {path} is not an endpoint. Under v3/router, use {served}."

    def _get_stored_response(self, id_: str, request: httpx.Request) -> RouterResponse:
        if request.url.query and not self._lenient:
            raise HTTPError(400, f"{STORED_PATH}{{id}} does not take query parameters")
        return RouterResponse(self._responses.store.poll(id_))

    def _handle_post(
        self, handler: EndpointHandler[Any], dialect: Dialect, http_request: httpx.Request
    ) -> RouterResponse:
        body = parse_request_body(http_request, handler.endpoint)
        try:
            parsed = split_controls(body, handler.endpoint, dialect, lenient=self._lenient)
            controls = parsed.controls
            request = handler.parse(parsed.endpoint_fields, controls, lenient=self._lenient)
        except RecursionError:
            raise HTTPError(400, "the body is nested too deeply") from None
        balancer = controls.load_balancer  # its models replace the requested one
        for model in [item.model for item in balancer.models] if balancer else [request.model]:
            self._models.check_enabled(model)
        if request.guarded_text is not None:
            check_guardrails(controls.guardrails or (), request.guarded_text)
        key = create_cache_key(http_request.url.path, body)
        return handler.finalize(request, self._respond_from_cache(key, handler, request, controls))

    def _respond_from_cache(
        self,
        key: str,
        handler: EndpointHandler[Any],
        request: EndpointRequest,
        controls: RouterControls,
    ) -> RouterResponse:
        """Return the cached response, or route the request and cache its response."""
        if controls.cache is None or not request.is_cacheable:
            return self._route(handler, request, controls)
        if cached := self._cache.get(key):
            return replace(cached, headers={**cached.headers, "x-orq-offline-cache": "hit"})
        response = self._route(handler, request, controls)
        self._cache.put(key, response, controls.cache)
        return response

    def _route(
        self, handler: EndpointHandler[Any], request: EndpointRequest, controls: RouterControls
    ) -> RouterResponse:
        balancer = controls.load_balancer
        routing = RequestRouting(
            handler=handler,
            request=request,
            controls=controls,
            models=self._models,
            faults=self._faults,
            log=self.log,
        )
        return routing.run(self._balancer.pick(balancer) if balancer else request.model)


def _split_path(path: str) -> tuple[Dialect, str]:
    """Split a URL path into the dialect and the endpoint path.

    Raises:
        HTTPError: 404, the path contains no router prefix.
    """
    for dialect in Dialect:
        _, prefix, endpoint_path = path.partition(f"/{dialect.value}/")
        if prefix:
            return dialect, "/" + endpoint_path
    prefixes = ", ".join(f"/{dialect.value}" for dialect in Dialect)
    raise HTTPError(404, f"{path} does not contain a prefix of the router ({prefixes})")


_ROUTERS: WeakSet[OfflineRouter] = WeakSet()


def _reset_after_fork() -> None:
    """Replace the locks, which other threads of the parent process may hold."""
    for router in _ROUTERS:
        router._lock = threading.RLock()  # noqa: SLF001


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_reset_after_fork)
