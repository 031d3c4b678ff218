"""The endpoints POST /moderations, which recognizes a few words, and POST /decisions."""

import json
import re
from typing import Annotated, Any, Literal

from pydantic import Field

from orq_router_integrations.testing.answering.script import Answer
from orq_router_integrations.testing.routing.endpoint import EndpointHandler, EndpointRequest
from orq_router_integrations.testing.routing.json_shapes import OneOf, Shape, Shapes
from orq_router_integrations.testing.routing.response import HTTPError, reject_field
from orq_router_integrations.wire.controls import RouterRetry
from orq_router_integrations.wire.endpoints import DECISIONS, MODERATIONS

CATEGORIES = {
    "harassment": "idiot|stupid",
    "hate": "hate|despise",
    "illicit": "bomb|cocaine",
    "self-harm": "suicide|hurt myself",
    "sexual": "sexual|porn",
    "violence": "kill|hurt|attack|murder",
}
"""OpenAI's categories, each with a pattern of words. Mistral's models use them here, too."""


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

    def respond(self, request: ModerationRequest, model: str) -> dict[str, Any]:
        texts = [request.input] if isinstance(request.input, str) else request.input
        body = request.build_provider_body(model)
        results = []
        for text in texts:
            scripted = self._script.take_answer(body, model, text, accepts=_names_categories)
            names = {name for name, words in CATEGORIES.items() if re.search(words, text.lower())}
            if scripted:
                names = split_names(scripted.text)
            result: dict[str, Any] = {
                "categories": {name: name in names for name in CATEGORIES},
                "category_scores": {name: 0.9 if name in names else 0.001 for name in CATEGORIES},
            }
            if not model.startswith("mistral/"):
                result["flagged"] = bool(names)
                result["category_applied_input_types"] = {name: ["text"] for name in CATEGORIES}
            results.append(result)
        return {"id": "modr-offline", "model": model.partition("/")[2], "results": results}


def _names_categories(answer: Answer) -> bool:
    return not answer.calls and split_names(answer.text) <= CATEGORIES.keys()


def split_names(text: str) -> set[str]:
    return {name.strip() for name in text.split(",")} - {""}


MAX_IMAGES = 128
DEFAULT_VALUES = {
    "noul": 0.5,
    "score": 0,
    "box": {"top": 0.25, "bottom": 0.75, "left": 0.25, "right": 0.75},
}

Content = str | dict[str, Any] | list[Any]
Outcomes = dict[Literal["true", "false"], Any]
Labels = Annotated[dict[str, Any], Field(min_length=1)]
Levels = Annotated[list[Any], Field(min_length=2)]
QUESTIONS: Shapes = {
    "noul": {"instructions": Content, "criteria?": Outcomes | None},
    "choice": {"instructions": Content, "criteria": Labels},
    "score": {"instructions": Content, "criteria": Levels},
    "box": {"instructions": Content},
}
Question = Annotated[Any, OneOf("type", QUESTIONS)]
ImageFormat = Literal["png", "jpg", "jpeg"]
Asset = Shape({"type": Literal["image"], "format": ImageFormat, "data_base64": str})


class DecisionRequest(EndpointRequest):
    state: Content
    questions: Annotated[dict[str, Question], Field(min_length=1)]
    assets: dict[str, Annotated[Any, Asset]] | None = None


class DecisionEndpoint(EndpointHandler[DecisionRequest]):
    """Answers questions with scripted or fixed values.

    A scripted answer is a dict from question ids to values: a probability, a label, a level, a box,
    or ``"refusal"``.
    """

    endpoint = DECISIONS
    schema = DecisionRequest
    default_retry = RouterRetry(count=2)

    def respond(self, request: DecisionRequest, model: str) -> dict[str, Any]:
        body = request.build_provider_body(model)
        check_media(request, model, json.dumps(body))
        text = request.state if isinstance(request.state, str) else json.dumps(request.state)
        scripted = self._script.take_answer(body, model, text)
        script = scripted.text if scripted else "{}"
        try:
            values = dict(json.loads(script))
            answers = {
                name: build_answer(question, values.get(name))
                for name, question in request.questions.items()
            }
        except (TypeError, ValueError):
            message = f"The scripted answer of a decision does not fit its questions: {script:.80}"
            raise HTTPError(500, message) from None
        tokens = len(json.dumps(body["questions"])) // 4 + len(text) // 4
        usage = {
            "input_tokens": tokens,
            "output_tokens": len(answers),
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "total_cost": tokens / 1_000_000,
        }
        return {"answers": answers, "model": model, "usage": usage}


def check_media(request: DecisionRequest, model: str, text: str) -> None:
    """Reject media that the documentation excludes. ``text`` is the JSON of the request."""
    if not model.startswith("typesafe/"):
        if request.assets:
            reject_field("assets", f"not supported by {model}")
        if any(question["type"] == "box" for question in request.questions.values()):
            reject_field("questions", f"box questions are not supported by {model}")
        if '"image_url": "http' in text:
            reject_field("state", "remote images are not supported")
        if text.count('"type": "input_image"') > MAX_IMAGES:
            reject_field("state", f"more than {MAX_IMAGES} images")
    for name in request.assets or ():
        if text.count(f'"{name}"') < 2:
            raise HTTPError(400, f"assets.{name}: not used by the state", param="assets")


def build_answer(question: dict[str, Any], value: Any) -> dict[str, Any]:
    """Build an answer. Its value gets most of the probability; the other values share the rest.

    Without a scripted value, the first label or the lowest level is selected.
    """
    if value == "refusal":
        return {"type": "refusal"}
    type_ = question["type"]
    criteria: Any = question.get("criteria")
    if value is None:
        value = next(iter(criteria)) if type_ == "choice" else DEFAULT_VALUES[type_]
    answer = {"type": type_, type_: value}
    if type_ == "score":
        criteria = answer["legend"] = {str(level): text for level, text in enumerate(criteria)}
        value = str(round(value))
    if type_ in {"choice", "score"}:
        others = round(0.2 / max(1, len(criteria) - 1), 4)
        top = 0.8 if len(criteria) > 1 else 1.0
        answer["probabilities"] = {name: top if name == value else others for name in criteria}
        answer["confidence"] = answer["probabilities"].get(value, 0.0)
    return answer
