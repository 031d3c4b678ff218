"""``OrqKnowledgeRetriever``, a LangChain retriever over knowledge bases of the platform."""

import logging
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, ClassVar

from langchain_core.callbacks import (
    AsyncCallbackManagerForRetrieverRun,
    CallbackManagerForRetrieverRun,
)
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import Field, StringConstraints, TypeAdapter

from orq_router_integrations._integration import (
    ARGUMENT_HINTS,
    INTEGRATION_CONFIG,
    RouterIntegration,
)
from orq_router_integrations.errors import raise_input_errors, to_input_error
from orq_router_integrations.wire.arguments import check_text, reject_unknown_arguments
from orq_router_integrations.wire.call import Call
from orq_router_integrations.wire.controls import Share
from orq_router_integrations.wire.deferred_model import CoercedField, optional
from orq_router_integrations.wire.endpoints import KNOWLEDGE_SEARCH
from orq_router_integrations.wire.knowledge import (
    Filter,
    KnowledgeMatch,
    KnowledgeRerank,
    ResultCount,
    SearchType,
    parse_matches,
)

_LOG = logging.getLogger(__name__)

_OVERRIDES: Mapping[str, Any] = {
    "k": ResultCount | None,
    "filter": Filter | None,
    "search_type": SearchType | None,
    "threshold": Share | None,
    "rerank": KnowledgeRerank | None,
}
"""Arguments that a single call may set, and their types."""

_OPTIONS = {"include_metadata": True, "include_scores": True}
"""The router leaves out metadata and scores unless they are requested."""


class OrqKnowledgeRetriever(RouterIntegration, BaseRetriever):
    """Retrieve Documents from a knowledge base of the orq.ai platform.

    The metadata of a Document contains the metadata of the chunk, ``search_score``, and
    ``rerank_score`` if the results were reranked. A single call may set ``k``, ``filter``,
    ``search_type``, ``threshold`` and ``rerank``: ``retriever.invoke("Why?", k=3)``.

    Knowledge bases are below the root of the host, which is ``base_url`` without its API version:
    ``https://my.orq.ai/v2/knowledge/...`` for ``https://my.orq.ai/v3/router``.

    Raises:
        pydantic.ValidationError: An argument is invalid.

    >>> from orq_router_integrations.testing import OfflineRouter
    >>> router = OfflineRouter(knowledge_bases={"manual": ["Press the red button to stop."]})
    >>> retriever = OrqKnowledgeRetriever("manual", k=1, client=router.client())
    >>> retriever.invoke("Which button stops it?")[0].page_content
    'Press the red button to stop.'
    """

    model_config = INTEGRATION_CONFIG

    positional_field: ClassVar[str | None] = "knowledge_base"
    argument_hints: ClassVar[Mapping[str, str]] = {
        **ARGUMENT_HINTS,
        "top_k": "k",
        "knowledge_id": "knowledge_base",
        "key": "knowledge_base",
        "filter_by": "filter",
        "rerank_config": "rerank",
        "score_threshold": "threshold",
        "search_kwargs": "Use 'k', 'filter' and 'threshold'.",
    }

    knowledge_base: Annotated[
        str, StringConstraints(strict=True, strip_whitespace=True, min_length=1)
    ] = Field(kw_only=False, description="Id or key of the knowledge base")
    k: ResultCount | None = optional(
        "How many Documents to return, 1 to 100. By default as set on the knowledge base"
    )
    search_type: SearchType | None = optional(
        "`vector_search`, `keyword_search` or `hybrid_search`. By default hybrid"
    )
    threshold: Share | None = optional(
        "Minimum score from 0 to 1. By default as set on the knowledge base"
    )
    filter: Filter | None = optional(
        "Conditions on the metadata: `{field: {operator: value}}` with the operators `eq`, `ne`, "
        "`gt`, `gte`, `lt`, `lte`, `in`, `nin` and `exists`, combined by `and` and `or`"
    )
    rerank: CoercedField[KnowledgeRerank | Mapping[str, Any] | None, KnowledgeRerank | None] = (
        optional(
            "Rerank the results: a dict with `model`, and optionally `threshold` and `top_k`. By "
            "default as set on the knowledge base"
        )
    )

    def _get_relevant_documents(
        self,
        query: str,
        *,
        run_manager: CallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain's interface
        **kwargs: Any,
    ) -> list[Document]:
        call = self._build_call(query, kwargs)
        matches = self.resolved_client.send(call)
        return _create_documents(matches, call)

    async def _aget_relevant_documents(
        self,
        query: str,
        *,
        run_manager: AsyncCallbackManagerForRetrieverRun,  # noqa: ARG002 - LangChain's interface
        **kwargs: Any,
    ) -> list[Document]:
        call = self._build_call(query, kwargs)
        matches = await self.resolved_client.asend(call)
        return _create_documents(matches, call)

    def _build_call(self, query: Any, overrides: Mapping[str, Any]) -> Call[list[KnowledgeMatch]]:
        with raise_input_errors(KNOWLEDGE_SEARCH.path):
            check_text(query, "query")
            reject_unknown_arguments(overrides, _OVERRIDES, self.argument_hints)
            options = {name: getattr(self, name) for name in _OVERRIDES}
            options |= {name: _validate(name, value) for name, value in overrides.items()}
            controls = self.merge_controls()
        rerank = options["rerank"]
        body = {
            "query": query,
            "top_k": options["k"],
            "threshold": options["threshold"],
            "search_type": options["search_type"],
            "filter_by": options["filter"],
            "rerank_config": rerank.to_wire() if rerank else None,
            "search_options": _OPTIONS,
        }
        return Call(
            endpoint=KNOWLEDGE_SEARCH,
            resource_id=self.knowledge_base,
            body={name: value for name, value in body.items() if value is not None},
            controls=controls,
            parse=parse_matches,
        )


def _validate(name: str, value: Any) -> Any:
    """Validate an argument of a single call like the field of the same name.

    Raises:
        ValueError: The value is invalid. The message starts with the name.
    """
    adapter: TypeAdapter[Any] = TypeAdapter(_OVERRIDES[name])
    try:
        return adapter.validate_python(value)
    except ValueError as error:
        message = to_input_error(error).message
        raise ValueError(f"{name}: {message}") from None


def _create_documents(
    matches: Sequence[KnowledgeMatch], call: Call[list[KnowledgeMatch]]
) -> list[Document]:
    """Convert the results to Documents, and warn if they were not reranked as requested."""
    if (
        "rerank_config" in call.body
        and matches
        and all(match.rerank_score is None for match in matches)
    ):
        _LOG.warning(
            "rerank: The router did not rerank the results of knowledge base %r. Check that the "
            "model %r is enabled in the workspace.",
            call.resource_id,
            call.body["rerank_config"]["model"],
        )
    return [_create_document(match) for match in matches]


def _create_document(match: KnowledgeMatch) -> Document:
    scores = {"search_score": match.search_score, "rerank_score": match.rerank_score}
    known_scores = {name: score for name, score in scores.items() if score is not None}
    return Document(match.text, id=match.id, metadata={**match.metadata, **known_scores})
