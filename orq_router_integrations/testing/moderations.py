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
    "hate|despise": ("hate", "hate_and_discrimination"),
    "idiot|stupid": ("harassment", None),
    "suicide|hurt myself": ("self-harm", "selfharm"),
    "sexual|porn": ("sexual", "sexual"),
    "kill|hurt|attack|murder": ("violence", "violence_and_threats"),
    "bomb|cocaine": ("illicit", "dangerous_and_criminal_content"),
    r"\S+@\S+": (None, "pii"),
}
"""Names of categories at OpenAI and at Mistral, by the pattern of their words."""


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
        is_mistral = model.startswith("mistral/")
        words = {
            name: pattern for pattern, names in CATEGORIES.items() if (name := names[is_mistral])
        }
        results = []
        for text in texts:
            scripted = self._script.take_answer(
                body,
                model,
                text,
                accepts=lambda it: not it.calls and split_names(it.text) <= words.keys(),
            )
            found = {name for name in words if re.search(words[name], text, re.IGNORECASE)}
            names = split_names(scripted.text) if scripted else found
            categories = {name: name in names for name in sorted(words)}
            scores = {name: 0.9 if name in names else 0.001 for name in categories}
            result: dict[str, Any] = {"categories": categories, "category_scores": scores}
            if not is_mistral:
                result["flagged"] = bool(names)
                result["category_applied_input_types"] = {name: ["text"] for name in words}
            results.append(result)
        return RouterResponse(
            {"id": "modr-offline", "model": get_provider_model_name(model), "results": results}
        )


def split_names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",")} - {""}
