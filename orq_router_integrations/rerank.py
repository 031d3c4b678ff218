"""``OrqRerank``, a LangChain document compressor that sorts documents by relevance."""

import logging
from collections.abc import Mapping, Sequence
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from langchain_core.callbacks import Callbacks
from langchain_core.documents import BaseDocumentCompressor, Document
from pydantic import Field, model_validator

from orq_router_integrations._concurrency import asend_all, send_all
from orq_router_integrations._integration import (
    ARGUMENT_HINTS,
    INTEGRATION_CONFIG,
    RouterIntegration,
)
from orq_router_integrations.errors import RouterInputError, raise_input_errors
from orq_router_integrations.wire.arguments import check_text, validate_list
from orq_router_integrations.wire.call import Call
from orq_router_integrations.wire.controls import ModelId, RouterControls
from orq_router_integrations.wire.deferred_model import optional
from orq_router_integrations.wire.endpoints import RERANK
from orq_router_integrations.wire.model_kinds import check_model_kind
from orq_router_integrations.wire.rerank import (
    RerankScore,
    parse_scores,
    sort_scores,
    split_documents,
)

if TYPE_CHECKING:
    from orq_router_integrations.wire.controls import RouterControlsDict


_LOG = logging.getLogger(__name__)


class OrqRerank(RouterIntegration, BaseDocumentCompressor):
    """Sort documents by their relevance to a query, with a model of the orq.ai AI Router.

    Use it in LangChain's ``ContextualCompressionRetriever``, or call ``compress_documents`` with
    Documents or ``rerank`` with strings. The metadata of the returned Documents is a copy with
    ``relevance_score`` added.

    A request contains up to 1,000 documents. More are only accepted if a single model can answer,
    because scores of different models are not comparable.

    Raises:
        pydantic.ValidationError: An argument is invalid.

    >>> from orq_router_integrations.testing import OfflineRouter
    >>> rerank = OrqRerank("cohere/rerank-v3.5", top_n=1, client=OfflineRouter().client())
    >>> rerank.rerank("Which boat is red?", ["A blue car", "A red boat"])[0].index
    1
    """

    model_config = INTEGRATION_CONFIG

    positional_field: ClassVar[str | None] = "model"
    argument_hints: ClassVar[Mapping[str, str]] = {
        **ARGUMENT_HINTS,
        "k": "top_n",
        "top_k": "top_n",
        "user": "controls={'identity': ...}",
    }

    model: ModelId = Field(kw_only=False, description="The rerank model, as `provider/model`")
    top_n: Annotated[int, Field(strict=True, ge=1)] | None = optional(
        "How many documents to return. By default all of them"
    )
    max_concurrency: Annotated[int, Field(strict=True, ge=1, le=64)] = Field(
        default=4,
        description="Maximum number of concurrent requests if there are more than 1,000 documents",
    )

    @model_validator(mode="after")
    def _check_model(self) -> Self:
        check_model_kind(self.model, "rerank", "cohere/rerank-v3.5")
        return self

    def rerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        controls: "RouterControls | RouterControlsDict | None" = None,
    ) -> list[RerankScore]:
        """Score texts by their relevance to a query.

        Args:
            query: The query, not empty.
            documents: The texts. An empty list makes no request.
            top_n: How many scores to return. By default as set on the object, otherwise all.
            controls: Router controls of this call, which take precedence field by field.

        Returns:
            The position and the score of each document, the most relevant one first.

        Raises:
            RouterInputError: An argument is invalid. Nothing was sent.
            RouterError: A request failed, or its response contains an invalid index.
        """
        limit = self._resolve_top_n(top_n)
        calls = self._build_calls(query, documents, limit, controls)
        groups = send_all(self.resolved_client, calls, self.max_concurrency)
        return _merge(groups, len(documents), limit)

    async def arerank(
        self,
        query: str,
        documents: Sequence[str],
        *,
        top_n: int | None = None,
        controls: "RouterControls | RouterControlsDict | None" = None,
    ) -> list[RerankScore]:
        """Score texts by their relevance to a query; see ``rerank``."""
        limit = self._resolve_top_n(top_n)
        calls = self._build_calls(query, documents, limit, controls)
        groups = await asend_all(self.resolved_client, calls, self.max_concurrency)
        return _merge(groups, len(documents), limit)

    def compress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,  # noqa: ARG002 - LangChain's interface
    ) -> list[Document]:
        """Return the most relevant documents with ``relevance_score`` in their metadata.

        Args:
            documents: The documents. They are not modified.
            query: The query, not empty.
            callbacks: Not used.

        Raises:
            RouterInputError: An argument is invalid. Nothing was sent.
            RouterError: A request failed.
        """
        scores = self.rerank(query, _get_texts(documents))
        return [_add_score(documents[item.index], item.score) for item in scores]

    async def acompress_documents(
        self,
        documents: Sequence[Document],
        query: str,
        callbacks: Callbacks | None = None,  # noqa: ARG002 - LangChain's interface
    ) -> list[Document]:
        """Return the most relevant documents; see ``compress_documents``."""
        scores = await self.arerank(query, _get_texts(documents))
        return [_add_score(documents[item.index], item.score) for item in scores]

    def _resolve_top_n(self, top_n: Any) -> int | None:
        if top_n is None:
            return self.top_n
        if not isinstance(top_n, int) or isinstance(top_n, bool) or top_n < 1:
            message = f"top_n: Expected an int of at least 1, got {top_n!r:.40}."
            raise RouterInputError(message, endpoint=RERANK.path)
        return top_n

    def _build_calls(
        self, query: str, documents: Sequence[str], top_n: int | None, overrides: Any
    ) -> list[Call[list[RerankScore]]]:
        with raise_input_errors(RERANK.path):
            check_text(query, "query")
            texts = validate_list(documents, str, "documents")
            controls = self.merge_controls(overrides)
            groups = split_documents(
                texts, self.model, self.resolved_client.controls.merge(controls)
            )
        calls, offset = [], 0
        for group in groups:
            limit = {} if top_n is None else {"top_n": min(top_n, len(group))}
            body = {"model": self.model, "query": query, "documents": group, **limit}
            parse = partial(parse_scores, count=len(group), top_n=top_n, offset=offset)
            calls.append(
                Call(
                    endpoint=RERANK,
                    body={**body, "return_documents": False},  # saves sending them back
                    controls=controls,
                    parse=parse,
                )
            )
            offset += len(group)
        return calls


def _get_texts(documents: Any) -> list[str]:
    with raise_input_errors(RERANK.path):
        checked = validate_list(documents, Document, "documents")
    return [document.page_content for document in checked]


def _add_score(document: Document, score: float) -> Document:
    metadata = {**deepcopy(document.metadata), "relevance_score": score}
    return document.model_copy(update={"metadata": metadata})


def _merge(groups: Sequence[list[RerankScore]], count: int, top_n: int | None) -> list[RerankScore]:
    """Merge the scores of all requests, and warn if the model did not score all documents."""
    scores = groups[0] if len(groups) == 1 else sort_scores(item for g in groups for item in g)
    expected = min(count, top_n or count)
    if len(scores) < expected:
        _LOG.warning(
            "rerank: The model returned %d instead of %d documents.", len(scores), expected
        )
    return scores[:top_n]
