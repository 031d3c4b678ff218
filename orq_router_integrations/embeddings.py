"""``OrqEmbeddings``, LangChain embeddings for the AI Router."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

from langchain_core.embeddings import Embeddings
from pydantic import Field, model_validator

from orq_router_integrations._concurrency import asend_all, send_all
from orq_router_integrations._integration import (
    ARGUMENT_HINTS,
    INTEGRATION_CONFIG,
    RouterIntegration,
)
from orq_router_integrations.errors import InvalidResponseError, raise_input_errors
from orq_router_integrations.wire.arguments import check_text, validate_texts
from orq_router_integrations.wire.call import Call
from orq_router_integrations.wire.controls import ModelId, RouterControls
from orq_router_integrations.wire.deferred_model import optional
from orq_router_integrations.wire.embeddings import (
    MAX_DIMENSIONS,
    EmbeddingsResponse,
    EncodingFormat,
    Vector,
    check_dimensions,
    parse_embeddings,
    split_batches,
)
from orq_router_integrations.wire.endpoints import EMBEDDINGS
from orq_router_integrations.wire.html_table import format_table
from orq_router_integrations.wire.model_kinds import check_model_kind
from orq_router_integrations.wire.model_names import ModelCandidates, get_base_name

if TYPE_CHECKING:
    from orq_router_integrations.wire.controls import RouterControlsDict

DEFAULT_CHUNK_SIZE = 96  # the limit of Cohere, the lowest one known
DEFAULT_BATCH_TOKENS = 16_000  # below the limit of Mistral (16,384), the lowest one known
PositiveInt = Annotated[int, Field(strict=True, ge=1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingsResult:
    """Vectors and how they were created.

    Attributes:
        vectors: One vector per text, in the order of the texts.
        model: The requested model.
        answering_models: The models that answered, including their provider if it is certain.
        tokens: Number of input tokens according to the router. ``None`` if it is unknown.
        requests: Number of batches.
        attempts: Number of requests that the client sent, including retries.
        trace_ids: The router's trace ids, one for each batch that has one.
        offline: Whether the vectors came from the offline router.
    """

    vectors: list[Vector] = field(repr=False)
    model: str
    answering_models: tuple[str, ...] = ()
    tokens: int | None = None
    requests: int = 0
    attempts: int = 0
    trace_ids: tuple[str, ...] = ()
    offline: bool = False

    def _repr_html_(self) -> str:
        """Return a table for notebooks, with the sizes of the vectors instead of their values."""
        dimensions = len(self.vectors[0]) if self.vectors else 0
        rows = [
            ("vectors", f"{len(self.vectors)} x {dimensions}"),
            ("answering models", ", ".join(self.answering_models)),
            ("tokens", self.tokens),
            ("requests", self.requests),
        ]
        return format_table(("", self.model), rows)


class OrqEmbeddings(RouterIntegration, Embeddings):
    """Embed texts with a model of the orq.ai AI Router.

    Texts are sent in batches of at most ``chunk_size`` texts and ``max_batch_tokens`` tokens,
    several at a time. The vectors are returned in the order of the texts, as lists of floats.

    Vectors of different models are not comparable, even if their lengths are equal. Fallbacks and
    load balancing are therefore limited to one model at several providers (such as
    ``openai/text-embedding-3-small`` and ``azure/text-embedding-3-small``), unless
    ``allow_model_mix=True``.

    Raises:
        pydantic.ValidationError: An argument is invalid.

    >>> from orq_router_integrations.testing import OfflineRouter
    >>> embeddings = OrqEmbeddings(
    ...     "openai/text-embedding-3-small", dimensions=256, client=OfflineRouter().client()
    ... )
    >>> vectors = embeddings.embed_documents(["A red boat", "A blue car"])
    >>> len(vectors), len(vectors[0])
    (2, 256)
    """

    model_config = INTEGRATION_CONFIG

    positional_field: ClassVar[str | None] = "model"
    argument_hints: ClassVar[Mapping[str, str]] = {
        **ARGUMENT_HINTS,
        "deployment": "model",
        "batch_size": "chunk_size",
        "user": "controls={'identity': ...}",
        "skip_empty": "Remove empty texts from the list.",
        **dict.fromkeys(
            ("check_embedding_ctx_length", "embedding_ctx_length", "tiktoken_enabled"),
            "Texts are sent as they are. Split them first, or set 'max_batch_tokens'.",
        ),
        **dict.fromkeys(
            ("input_type", "task"),
            "The router does not distinguish queries from documents.",
        ),
    }

    model: ModelId = Field(kw_only=False, description="The embedding model, as `provider/model`")
    dimensions: Annotated[int, Field(strict=True, ge=1, le=MAX_DIMENSIONS)] | None = optional(
        "Length of the vectors. Only some models support it, such as "
        "`openai/text-embedding-3-small`. By default the model's own"
    )
    encoding_format: EncodingFormat = Field(
        default="base64",
        description="How the router sends vectors: `base64`, which is a third of the size, or "
        "`float` for models that support nothing else. Responses in either format are accepted",
    )
    chunk_size: PositiveInt = Field(
        default=DEFAULT_CHUNK_SIZE,
        description="Maximum number of texts in a request. OpenAI accepts 2,048, Cohere 96",
    )
    max_batch_tokens: PositiveInt = Field(
        default=DEFAULT_BATCH_TOKENS,
        description="Maximum number of tokens in a request of several texts, with a cautious "
        "estimate. OpenAI accepts 300,000, Mistral 16,384",
    )
    max_concurrency: Annotated[int, Field(strict=True, ge=1, le=64)] = Field(
        default=4, description="Maximum number of concurrent requests of one call"
    )
    allow_model_mix: bool = Field(
        default=False,
        description="Allow fallbacks and load balancing across different models, although their "
        "vectors are not comparable",
    )

    @model_validator(mode="after")
    def _check_settings(self) -> Self:
        check_model_kind(self.model, "embedding", "openai/text-embedding-3-small")
        check_dimensions(self.model, self.dimensions)
        self._validate_candidates(self.merge_controls())
        return self

    def embed_documents(self, texts: list[str]) -> list[Vector]:
        """Embed texts, and return one vector for each of them in the same order.

        Args:
            texts: The texts. None of them may be empty. An empty list makes no request.

        Raises:
            RouterInputError: ``texts`` is not a list of non-empty strings.
            RouterError: A request failed. The others are cancelled.
        """
        return self.embed(texts).vectors

    async def aembed_documents(self, texts: list[str]) -> list[Vector]:
        """Embed texts; see ``embed_documents``."""
        return (await self.aembed(texts)).vectors

    def embed_query(self, text: str) -> Vector:
        """Embed one text. The router does not distinguish queries from documents.

        Args:
            text: The text, not empty.

        Raises:
            RouterInputError: ``text`` is not a non-empty string.
            RouterError: The request failed.
        """
        return self.embed(self._validate_query(text)).vectors[0]

    async def aembed_query(self, text: str) -> Vector:
        """Embed one text; see ``embed_query``."""
        return (await self.aembed(self._validate_query(text))).vectors[0]

    def embed(
        self,
        texts: Sequence[str],
        *,
        controls: "RouterControls | RouterControlsDict | None" = None,
    ) -> EmbeddingsResult:
        """Embed texts, and return the vectors with tokens, models and trace ids.

        Args:
            texts: The texts. None of them may be empty.
            controls: Router controls of this call, which take precedence field by field.

        Raises:
            RouterInputError: An argument is invalid. Nothing was sent.
            RouterError: A request failed.
        """
        calls, candidates = self._build_calls(texts, controls)
        responses = send_all(self.resolved_client, calls, self.max_concurrency)
        return _build_result(responses, candidates)

    async def aembed(
        self,
        texts: Sequence[str],
        *,
        controls: "RouterControls | RouterControlsDict | None" = None,
    ) -> EmbeddingsResult:
        """Embed texts, and return the vectors with their provenance; see ``embed``."""
        calls, candidates = self._build_calls(texts, controls)
        responses = await asend_all(self.resolved_client, calls, self.max_concurrency)
        return _build_result(responses, candidates)

    def _validate_query(self, text: Any) -> list[str]:
        with raise_input_errors(EMBEDDINGS.path):
            check_text(text, "text")
        return [text]

    def _build_calls(
        self, texts: Sequence[str], overrides: Any
    ) -> tuple[list[Call[EmbeddingsResponse]], ModelCandidates]:
        with raise_input_errors(EMBEDDINGS.path):
            controls = self.merge_controls(overrides)
            candidates = self._validate_candidates(controls)
            batches = split_batches(validate_texts(texts), self.chunk_size, self.max_batch_tokens)
        params = {"model": self.model, "encoding_format": self.encoding_format}
        dimensions = {"dimensions": self.dimensions} if self.dimensions else {}
        calls = [
            Call(
                endpoint=EMBEDDINGS,
                body={**params, **dimensions, "input": batch},
                controls=controls,
                parse=partial(parse_embeddings, count=len(batch), dimensions=self.dimensions),
            )
            for batch in batches
        ]
        return calls, candidates

    def _validate_candidates(self, controls: RouterControls) -> ModelCandidates:
        """Return the models that may answer, if their vectors are comparable.

        Raises:
            ValueError: One of them is another model, and ``allow_model_mix`` is not set.
        """
        candidates = self.collect_candidates(self.model, controls)
        name = get_base_name(self.model)
        for model in () if self.allow_model_mix else candidates.candidates:
            if get_base_name(model) != name:
                control = "fallbacks" if model in candidates.fallbacks else "load_balancer"
                raise ValueError(
                    f"controls.{control}: {model} is not the same model as {self.model}, so their "
                    "vectors are not comparable. Remove it, or set allow_model_mix=True. If it "
                    f"comes from the client, pass controls={{{control!r}: None}} here."
                )
        return candidates


def _build_result(
    responses: Sequence[EmbeddingsResponse], candidates: ModelCandidates
) -> EmbeddingsResult:
    """Join the batches of one call.

    Raises:
        InvalidResponseError: The vectors of two batches have different lengths.
    """
    lengths = {len(item.vectors[0]) for item in responses}
    if len(lengths) > 1:
        raise InvalidResponseError(
            f"The batches have vectors of different lengths: {sorted(lengths)}. Different models "
            "may have answered.",
            endpoint=EMBEDDINGS.path,
        )
    models = [candidates.resolve_model(item.model, item.response.headers) for item in responses]
    tokens = [item.tokens for item in responses if item.tokens is not None]
    return EmbeddingsResult(
        vectors=[vector for item in responses for vector in item.vectors],
        model=candidates.model,
        answering_models=tuple(dict.fromkeys(model for model in models if model)),
        tokens=sum(tokens) if len(tokens) == len(responses) else None,
        requests=len(responses),
        attempts=sum(item.response.attempts for item in responses),
        trace_ids=tuple(
            item.response.trace_id for item in responses if item.response.trace_id is not None
        ),
        offline=any(item.response.is_offline for item in responses),
    )
