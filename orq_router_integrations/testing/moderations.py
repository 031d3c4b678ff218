"""The endpoint POST /moderations, which recognizes a few words in each category."""

import re
from typing import Annotated, Any

from pydantic import Field

from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RouterResponse,
    get_provider_model_name,
)
from orq_router_integrations.wire.endpoints import MODERATIONS

CATEGORIES = {
    "hate": "hate|despise",
    "harassment": "idiot|stupid",
    "self-harm": "suicide|hurt myself",
    "sexual": "sexual|porn",
    "violence": "kill|hurt|attack|murder",
    "illicit": "bomb|cocaine",
}
"""OpenAI's categories, with a pattern of words. Here they are also those of Mistral's models."""


class ModerationRequest(EndpointRequest):
    model: str = "openai/omni-moderation-latest"
    input: str | Annotated[list[str], Field(min_length=1)]


class ModerationEndpoint(EndpointHandler[ModerationRequest]):
    """Flags scripted texts, and texts with certain words.

    A scripted answer names categories, separated by commas; an empty one flags nothing. Answers
    with other texts are meant for a chat model.
    """

    endpoint = MODERATIONS
    schema = ModerationRequest

    def respond(self, request: ModerationRequest, model: str) -> RouterResponse:
        texts = [request.input] if isinstance(request.input, str) else request.input
        body = request.build_provider_body(model)
        results = []
        for text in texts:
            scripted = self._script.take_answer(
                body,
                model,
                text,
                accepts=lambda it: not it.calls and split_names(it.text) <= CATEGORIES.keys(),
            )
            found = {
                name for name, words in CATEGORIES.items() if re.search(words, text, re.IGNORECASE)
            }
            names = split_names(scripted.text) if scripted else found
            result: dict[str, Any] = {
                "categories": {name: name in names for name in CATEGORIES},
                "category_scores": {name: 0.9 if name in names else 0.001 for name in CATEGORIES},
            }
            if not model.startswith("mistral/"):
                result["flagged"] = bool(names)
                result["category_applied_input_types"] = {name: ["text"] for name in CATEGORIES}
            results.append(result)
        return RouterResponse(
            {"id": "modr-offline", "model": get_provider_model_name(model), "results": results}
        )


def find_categories(text: str) -> set[str]:
    return {name for name, words in CATEGORIES.items() if re.search(words, text, re.IGNORECASE)}


def split_names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",")} - {""}
