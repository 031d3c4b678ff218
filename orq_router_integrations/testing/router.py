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

from orq_router_integrations.testing.answering.script import Answers, AnswerScript
from orq_router_integrations.testing.chat.endpoint import ChatEndpoint
from orq_router_integrations.testing.images.endpoint import create_image_endpoints
from orq_router_integrations.testing.images.image_host import HOST as IMAGE_HOST
from orq_router_integrations.testing.images.image_host import ImageHost
from orq_router_integrations.testing.responses.endpoint import ResponsesEndpoint
from orq_router_integrations.testing.routing.cache import ResponseCache, create_cache_key
from orq_router_integrations.testing.routing.control_parsing import split_controls
from orq_router_integrations.testing.routing.endpoint import (
    EndpointCall,
    EndpointHandler,
    RouterResponse,
)
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.fallback_routing import (
    RequestRouting,
    format_model_not_found,
)
from orq_router_integrations.testing.routing.faults import FaultScript, FaultSequence
from orq_router_integrations.testing.routing.guardrails import check_input
from orq_router_integrations.testing.routing.http_adapter import (
    check_api_key,
    create_response,
    parse_request_body,
    record_request,
)
from orq_router_integrations.testing.routing.load_balancing import LoadBalancerState
from orq_router_integrations.testing.routing.model_registry import ModelRegistry, check_model_id
from orq_router_integrations.testing.routing.provider_stub import ProviderStub
from orq_router_integrations.testing.routing.rate_limit import RateLimit
from orq_router_integrations.testing.routing.request_log import ProviderCall, RecordedRequest
from orq_router_integrations.testing.speech.endpoint import SpeechEndpoint
from orq_router_integrations.testing.transcriptions.endpoint import TranscriptionEndpoint
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import (
    RESPONSES,
    TRANSCRIPTIONS,
    TRANSLATIONS,
    Dialect,
)

if TYPE_CHECKING:
    from orq_router_integrations.client import RouterClient

BASE_URL = "https://offline.invalid/v3/router"
"""Base URL of the clients created here. No request is ever sent to it."""

MODELS_PATH = "/models"
STORED_PATH = RESPONSES.path + "/"

Handler = Callable[[httpx.Request], RouterResponse]


class OfflineRouter:
    """Emulates the AI Router in-process, for tests, demos and documentation.

    Endpoints under every router prefix: POST /chat/completions, /audio/speech (WAV or raw PCM with
    tones that encode the text), /audio/transcriptions and /audio/translations (which decode those
    tones), /images/generations, /images/edits and /images/variations (PNGs that show their prompt).
    Under v3/router only: POST /responses, GET /responses/{id} and GET /models. Image URLs point to
    ``images.offline.invalid``, which the router's transport serves.

    Args:
        answers: scripted answers. Either a dict whose keys are the last user text or a model id,
            and whose values are an answer (``str`` or ``Answer``) or a list of answers, used in
            order, with the last one repeating; or a function that takes the request body and
            returns an answer or ``None``. Requests without a scripted answer get a deterministic
            default answer.
        faults: scripted faults by model id: an HTTP status or a ``Fault`` that applies to every
            call, or a list with one entry per provider call, after which the model is healthy.
        models: ids of the enabled models; by default every model of the known providers.
        api_keys: accepted API keys; any key by default.
        requests_per_minute: rate limit over a rolling window of 60 seconds; unlimited by default.
        lenient: ignore undocumented request fields instead of rejecting them with a 400.
        seed: seed of the load balancer's random picks.
        clock: returns the time in seconds, used by the cache and the rate limit.

    Attributes:
        log: calls to providers, in order.
        requests: requests received by the router, in order.

    >>> router = OfflineRouter(answers={"openai/gpt-4o": "Hello!"})
    >>> client = httpx.Client(transport=router.transport, base_url="https://any.host/v3/router")
    >>> body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
    >>> headers = {"Authorization": "Bearer any"}
    >>> response = client.post("/chat/completions", json=body, headers=headers).json()
    >>> response["choices"][0]["message"]["content"]
    'Hello!'
    """

    def __init__(
        self,
        *,
        answers: Answers | None = None,
        faults: Mapping[str, FaultSequence] | None = None,
        models: Collection[str] | None = None,
        api_keys: Collection[str] | None = None,
        requests_per_minute: int | None = None,
        lenient: bool = False,
        seed: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.log: list[ProviderCall] = []
        self.requests: list[RecordedRequest] = []
        self._lock = threading.RLock()
        _ROUTERS.add(self)
        self._models = ModelRegistry(enabled=models)
        self._keys = None if api_keys is None else tuple(api_keys)
        self._limit = RateLimit(limit=requests_per_minute, clock=clock)
        self._lenient = lenient
        self._balancer = LoadBalancerState(seed=seed, log=self.log)
        self._cache, self._links = ResponseCache(clock=clock), ImageHost(clock=clock)
        self._faults, self._answers = FaultScript(faults), AnswerScript(answers)
        self._responses = ResponsesEndpoint(script=self._answers, trace_id=self._create_trace_id)
        other_services = (*_create_endpoints(self._answers), *create_image_endpoints(self._links))
        self._services = (self._responses, *other_services)

    @property
    def unused(self) -> list[str]:
        """Scripted answers and faults that no call has used yet, usually a mistake in the test.

        >>> OfflineRouter(answers={"Hi": "Hello!"}, faults={"openai/gpt-4o": 503}).unused
        ["answers: 'Hi'", "faults: 'openai/gpt-4o'"]
        """
        scripts = {"answers": self._answers.unused, "faults": self._faults.unused}
        return [f"{name}: {key!r}" for name, keys in scripts.items() for key in keys]

    @property
    def transport(self) -> httpx.MockTransport:
        """Transport for ``httpx.Client`` and ``httpx.AsyncClient``. It opens no socket."""
        return httpx.MockTransport(self.handle)

    def client(self, **kwargs: Any) -> "RouterClient":
        """Create a ``RouterClient`` that sends its requests to this router.

        Args:
            **kwargs: further arguments of ``RouterClient``, such as ``max_retries`` or
                ``controls``.
        """
        from orq_router_integrations.client import RouterClient  # noqa: PLC0415 - not needed with plain httpx

        settings: dict[str, Any] = {
            "api_key": self._keys[0] if self._keys else "offline-no-key-needed",
            "base_url": BASE_URL,
            "http_client": httpx.Client(transport=self.transport),
            "http_async_client": httpx.AsyncClient(transport=self.transport),
        }
        return RouterClient(**settings | kwargs)

    def handle(self, request: httpx.Request) -> httpx.Response:
        """Answer one HTTP request."""
        with self._lock:
            request.read()
            self.requests.append(record_request(request))
            headers = {"x-orq-offline": "1", "x-orq-trace-id": self._create_trace_id()}
            try:
                outcome = self._dispatch(request)
            except HTTPError as error:
                outcome = RouterResponse(
                    status=error.status,
                    body=error.to_body(),
                    headers=dict(error.headers),
                )
            return create_response(outcome, headers | self._limit.get_headers())

    def _create_trace_id(self) -> str:
        return f"{len(self.requests):032x}"

    def _dispatch(self, request: httpx.Request) -> RouterResponse:
        """Check address, API key and rate limit in this order, then call the handler."""
        if request.url.host == IMAGE_HOST and request.method == "GET":
            data = self._links.fetch(request.url.path)
            return RouterResponse(status=200, body=data, headers={"content-type": "image/png"})
        dialect, path = _split_path(request.url.path)
        handler = self._find_handler(request.method, path, dialect)
        check_api_key(request, self._keys)
        self._limit.acquire()
        return handler(request)

    def _find_handler(self, method: str, path: str, dialect: Dialect) -> Handler:
        if method == "GET" and dialect is Dialect.V3_ROUTER:
            if path == MODELS_PATH:
                return self._list_models
            if path.startswith(STORED_PATH) and len(path) > len(STORED_PATH):
                return partial(self._get_stored_response, path.removeprefix(STORED_PATH))
        for service in self._services:
            endpoint = service.endpoint
            if (method, path) == ("POST", endpoint.path) and dialect in endpoint.dialects:
                return partial(self._handle_post, service, dialect)
        raise HTTPError(404, self._describe_endpoints(method, path, dialect))

    def _describe_endpoints(self, method: str, path: str, dialect: Dialect) -> str:
        """Describe the available endpoints for a request to any other path."""
        only_v3 = path == MODELS_PATH or f"{path}/".startswith(STORED_PATH)
        if only_v3 and dialect is not Dialect.V3_ROUTER:
            return f"{path} does not exist under {dialect.value}. Use v3/router."
        posts = ", ".join(f"POST {service.endpoint.path}" for service in self._services)
        served = f"{posts}, GET {STORED_PATH}{{id}} and GET {MODELS_PATH}"
        return f"{method} {path} is not an endpoint. Under v3/router, use {served}."

    def _list_models(self, _: httpx.Request) -> RouterResponse:
        return RouterResponse(status=200, body=self._models.list_models())

    def _get_stored_response(self, id_: str, request: httpx.Request) -> RouterResponse:
        if request.url.query and not self._lenient:
            raise HTTPError(400, f"{STORED_PATH}{{id}} does not take query parameters")
        return RouterResponse(status=200, body=self._responses.get_stored(id_))

    def _handle_post(
        self, service: EndpointHandler, dialect: Dialect, request: httpx.Request
    ) -> RouterResponse:
        body = parse_request_body(request, service.endpoint)
        try:
            parsed = split_controls(body, service.endpoint, dialect, lenient=self._lenient)
            call = service.parse(parsed.endpoint_fields, parsed.controls, lenient=self._lenient)
        except RecursionError:
            raise HTTPError(400, "the body is nested too deeply") from None
        self._check_models(call, parsed.controls)
        if call.guarded_text is not None:
            check_input(parsed.controls.guardrails or (), call.guarded_text)
        key = create_cache_key(request.url.path, body)
        return call.finalize(self._answer_from_cache(key, call, parsed.controls, service))

    def _check_models(self, call: EndpointCall, controls: RouterControls) -> None:
        """Check the requested model, or the load balancer's models, which replace it."""
        balancer = controls.load_balancer
        models = [item.model for item in balancer.models] if balancer else [call.model]
        for model in models:
            check_model_id(model)
            if not self._models.is_enabled(model):
                raise HTTPError(404, format_model_not_found(model), param="model")

    def _answer_from_cache(
        self, key: str, call: EndpointCall, controls: RouterControls, service: EndpointHandler
    ) -> RouterResponse:
        """Return the cached response, or route the request and cache its response."""
        if controls.cache is None or not call.is_cacheable:
            return self._route(call, controls, service)
        cached = self._cache.get(key)
        if cached is not None:
            return replace(cached, headers=cached.headers | {"x-orq-offline-cache": "hit"})
        outcome = self._route(call, controls, service)
        self._cache.put(key, outcome, controls.cache)
        return outcome

    def _route(
        self, call: EndpointCall, controls: RouterControls, service: EndpointHandler
    ) -> RouterResponse:
        balancer = controls.load_balancer
        primary = self._balancer.pick(balancer) if balancer else call.model
        providers = ProviderStub(faults=self._faults, path=service.endpoint.path, log=self.log)
        route = RequestRouting(
            call=call,
            controls=controls,
            default_retry=service.default_retry,
            enabled=self._models.is_enabled,
            providers=providers,
        )
        return route.run(primary)


def _create_endpoints(script: AnswerScript) -> tuple[EndpointHandler, ...]:
    return (
        ChatEndpoint(script=script),
        SpeechEndpoint(script=script),
        TranscriptionEndpoint(TRANSCRIPTIONS, script=script),
        TranscriptionEndpoint(TRANSLATIONS, script=script),
    )


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
