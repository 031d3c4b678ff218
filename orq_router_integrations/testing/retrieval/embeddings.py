"""The endpoint POST /embeddings."""

import base64
import struct
from typing import Annotated, Any, Literal

from pydantic import Field

from orq_router_integrations.testing.answering.message import estimate_tokens
from orq_router_integrations.testing.retrieval.similarity import create_vector
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RouterResponse,
)
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.model_registry import get_provider_model_name
from orq_router_integrations.wire.endpoints import EMBEDDINGS
from orq_router_integrations.wire.model_kinds import get_model_kind

MAX_INPUTS = 2048
"""Maximum number of texts in a request, which is OpenAI's limit."""

DEFAULT_DIMENSIONS = {"text-embedding-3-small": 1536, "text-embedding-3-large": 3072}
"""Length of a vector by model. Other models have 1,024 dimensions here."""

Text = Annotated[str, Field(min_length=1)]
Tokens = Annotated[list[int], Field(min_length=1)]


class EmbeddingsRequest(EndpointRequest):
    input: Text | Annotated[list[Text | Tokens], Field(min_length=1, max_length=MAX_INPUTS)]
    dimensions: Annotated[int, Field(ge=1)] | None = None
    encoding_format: Literal["float", "base64"] = "float"
    user: str | None = None

    @property
    def is_cacheable(self) -> bool:
        return True

    @property
    def texts(self) -> list[str]:
        """The texts; token arrays are embedded by their numbers."""
        items = [self.input] if isinstance(self.input, str) else self.input
        return [item if isinstance(item, str) else " ".join(map(str, item)) for item in items]


class EmbeddingsEndpoint(EndpointHandler[EmbeddingsRequest]):
    """Embeds texts so that those which share words are close."""

    endpoint = EMBEDDINGS
    schema = EmbeddingsRequest

    def respond(self, request: EmbeddingsRequest, model: str) -> RouterResponse:
        name = get_provider_model_name(model)
        if get_model_kind(model) not in {"embedding", None}:
            raise HTTPError(400, f"{model} does not support embeddings", param="model")
        maximum = DEFAULT_DIMENSIONS.get(name, 1024)
        dimensions = request.dimensions or maximum
        if dimensions > maximum and name in DEFAULT_DIMENSIONS:
            message = f"{model} has at most {maximum} dimensions, not {dimensions}"
            raise HTTPError(400, message, param="dimensions")
        data = [
            _create_item(index, create_vector(text, dimensions, name), request.encoding_format)
            for index, text in enumerate(request.texts)
        ]
        tokens = sum(map(estimate_tokens, request.texts))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return RouterResponse({"object": "list", "data": data, "model": name, "usage": usage})


def _create_item(index: int, vector: list[float], encoding_format: str) -> dict[str, Any]:
    embedding: Any = vector
    if encoding_format == "base64":
        embedding = base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
    return {"object": "embedding", "index": index, "embedding": embedding}
