"""The endpoint POST /embeddings."""

import base64
import struct
from typing import Annotated, Any, Literal

from pydantic import Field

from orq_router_integrations.testing.answering.prompt import estimate_text_tokens
from orq_router_integrations.testing.retrieval.similarity import create_vector
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RouterResponse,
    get_provider_model_name,
)
from orq_router_integrations.testing.routing.error_responses import reject_field
from orq_router_integrations.wire.endpoints import EMBEDDINGS
from orq_router_integrations.wire.model_kinds import get_model_kind

MAX_INPUTS = 2048  # OpenAI's limit

MAX_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
"""Length of a vector by model. Other models have 1,024 dimensions by default."""

Text = Annotated[str, Field(min_length=1)]
Tokens = Annotated[list[int], Field(min_length=1)]


class EmbeddingsRequest(EndpointRequest):
    input: Text | Annotated[list[Text | Tokens], Field(min_length=1, max_length=MAX_INPUTS)]
    dimensions: Annotated[int, Field(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None


class EmbeddingsEndpoint(EndpointHandler[EmbeddingsRequest]):
    """Embeds texts so that those which share words are close."""

    endpoint = EMBEDDINGS
    schema = EmbeddingsRequest

    def respond(self, request: EmbeddingsRequest, model: str) -> RouterResponse:
        name = get_provider_model_name(model)
        if get_model_kind(model) not in {"embedding", None}:
            reject_field("model", f"{model} does not support embeddings")
        maximum = MAX_DIMENSIONS.get(name)
        dimensions = request.dimensions or maximum or 1024
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
        tokens = sum(map(estimate_text_tokens, texts))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return RouterResponse({"object": "list", "data": data, "model": name, "usage": usage})
