"""The endpoints at the root of the host: the model catalog and the search of knowledge bases."""

import re
from collections.abc import Callable
from functools import partial
from urllib.parse import parse_qs, unquote

import httpx

from orq_router_integrations.testing.retrieval.catalog import list_catalog
from orq_router_integrations.testing.retrieval.knowledge import KnowledgeBaseIndex, KnowledgeBases
from orq_router_integrations.testing.routing.endpoint import RouterResponse
from orq_router_integrations.testing.routing.http_adapter import parse_request_body
from orq_router_integrations.testing.routing.model_registry import ModelRegistry
from orq_router_integrations.wire.endpoints import KNOWLEDGE_SEARCH

Respond = Callable[[httpx.Request], RouterResponse]

_CATALOG = re.compile(r"/v2/model-catalog")
_SEARCH = re.compile(r"/v2/knowledge/([^/]+)/search")


class RootEndpoints:
    """Responds to requests for paths at the root of the host."""

    def __init__(
        self, models: ModelRegistry, bases: KnowledgeBases | None, *, lenient: bool
    ) -> None:
        self._models = models
        self._knowledge = KnowledgeBaseIndex(bases, models)
        self._lenient = lenient

    def find_route(self, request: httpx.Request) -> Respond | None:
        """Return the function that responds, or ``None`` for a path of the router."""
        path = request.url.raw_path.decode().partition("?")[0]
        if request.method == "GET" and _ends_with(_CATALOG, path):
            return self._list_catalog
        if request.method == "POST" and (match := _ends_with(_SEARCH, path)):
            return partial(self._search, unquote(match[1]))
        return None

    def _list_catalog(self, request: httpx.Request) -> RouterResponse:
        query = parse_qs(request.url.query.decode(), keep_blank_values=True)
        return RouterResponse(list_catalog(self._models.listed, query))

    def _search(self, id_: str, request: httpx.Request) -> RouterResponse:
        body = parse_request_body(request, KNOWLEDGE_SEARCH)
        return RouterResponse(self._knowledge.search(id_, body, lenient=self._lenient))


def _ends_with(pattern: re.Pattern[str], path: str) -> re.Match[str] | None:
    return next((match for match in pattern.finditer(path) if match.end() == len(path)), None)
