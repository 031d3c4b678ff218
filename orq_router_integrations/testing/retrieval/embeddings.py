"""The endpoints POST /embeddings and POST /rerank, for which texts that share words are close.

Vectors are deterministic and have unit length. Each model has its own space, so that vectors
of different models are not comparable, as with real models.
"""

import base64
import math
import re
import struct
from collections import Counter
from hashlib import blake2b
from typing import Annotated, Any, Literal

from pydantic import Field

from orq_router_integrations.testing.answering.prompt import estimate_text_tokens
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RouterResponse,
    get_provider_model_name,
)
from orq_router_integrations.testing.routing.error_responses import reject_field
from orq_router_integrations.wire.endpoints import EMBEDDINGS, RERANK
from orq_router_integrations.wire.model_names import get_model_kind

MAX_INPUTS = 2048  # OpenAI's limit
MAX_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
DEFAULT_DIMENSIONS = 1024  # of other models
_STEM_CHARS = 5  # inflected forms share the start of a word

Text = Annotated[str, Field(min_length=1)]
Tokens = Annotated[list[int], Field(min_length=1)]


class EmbeddingsRequest(EndpointRequest):
    input: Text | Annotated[list[Text | Tokens], Field(min_length=1, max_length=MAX_INPUTS)]
    dimensions: Annotated[int, Field(ge=1, le=16_384)] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None


class EmbeddingsEndpoint(EndpointHandler[EmbeddingsRequest]):
    endpoint = EMBEDDINGS
    schema = EmbeddingsRequest

    def respond(self, request: EmbeddingsRequest, model: str) -> RouterResponse:
        name = get_provider_model_name(model)
        if get_model_kind(model) not in {"embedding", None}:
            reject_field("model", f"{model} does not support embeddings")
        maximum = MAX_DIMENSIONS.get(name)
        dimensions = request.dimensions or maximum or DEFAULT_DIMENSIONS
        if maximum and dimensions > maximum:
            reject_field("dimensions", f"{model} has at most {maximum}, not {dimensions}")
        items = [request.input] if isinstance(request.input, str) else request.input
        texts = [item if isinstance(item, str) else " ".join(map(str, item)) for item in items]
        data = []
        for index, text in enumerate(texts):
            embedding: Any = create_vector(text, dimensions, name)
            if request.encoding_format == "base64":
                embedding = base64.b64encode(struct.pack(f"<{dimensions}f", *embedding)).decode()
            data.append({"object": "embedding", "index": index, "embedding": embedding})
        tokens = estimate_text_tokens(*texts)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return RouterResponse({"object": "list", "data": data, "model": name, "usage": usage})


class RerankRequest(EndpointRequest):
    query: str
    documents: Annotated[list[str], Field(max_length=1000)]
    top_n: Annotated[int, Field(ge=1)] | None = None
    return_documents: bool = False
    filename: str | None = None


class RerankEndpoint(EndpointHandler[RerankRequest]):
    endpoint = RERANK
    schema = RerankRequest

    def respond(self, request: RerankRequest, model: str) -> RouterResponse:
        if get_model_kind(model) not in {"rerank", None}:
            reject_field("model", f"{model} does not support rerank")
        results: list[dict[str, Any]] = []
        for index, text in enumerate(request.documents):
            score = compute_similarity(request.query, text)
            document = {"document": {"text": text}} if request.return_documents else {}
            results.append(
                {"object": "rerank", "index": index, "relevance_score": score, **document}
            )
        results.sort(key=lambda result: -result["relevance_score"])
        usage = {"total_tokens": estimate_text_tokens(request.query, *request.documents)}
        return RouterResponse(
            {"object": "list", "results": results[: request.top_n], "usage": usage}
        )


def compute_similarity(text: str, other: str) -> float:
    """Return the cosine of two texts: 0 if they share nothing, 1 if they have the same words."""
    first, second = count_features(text), count_features(other)
    product = sum(weight * second.get(name, 0.0) for name, weight in first.items())
    cosine = product / (math.hypot(*first.values()) * math.hypot(*second.values()))
    return round(min(1.0, cosine), 6)


def create_vector(text: str, dimensions: int, space: str) -> list[float]:
    """Create the unit vector of a text in the space of a model."""
    vector = [0.0] * dimensions
    for name, weight in count_features(text).items():
        digest = blake2b(f"{space}\0{name}".encode(), digest_size=8).digest()
        number = int.from_bytes(digest)
        vector[(number >> 1) % dimensions] += weight if number & 1 else -weight
    length = math.hypot(*vector)
    if not length:  # all features cancel out
        vector[0] = length = 1.0
    return [number / length for number in vector]


def count_features(text: str) -> dict[str, float]:
    """Return the words of a text and their stems, with weights, which are low for short words.

    Words of scripts without spaces are divided into pairs of characters.
    """
    weights: Counter[str] = Counter()
    for word in re.findall(r"\w+", text.casefold()):
        pairs = [] if word.isascii() else [word[i : i + 2] for i in range(len(word) - 1)]
        weights.update(pairs * 10)
        weights[word] += 2 if len(word) <= 3 else 10
        if len(word) > _STEM_CHARS:
            weights[word[:_STEM_CHARS]] += 5
    return {name: math.sqrt(weight) for name, weight in weights.items()} or {text: 1.0}
