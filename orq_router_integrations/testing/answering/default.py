"""The answer when none is scripted: it obeys the request and says what arrived.

The same request has the same answer. Nothing here imitates a model's knowledge.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from orq_router_integrations.testing.answering.answer import Answer, ToolCall
from orq_router_integrations.testing.answering.conversation import Conversation
from orq_router_integrations.testing.answering.facts import quoted, words
from orq_router_integrations.testing.answering.from_schema import value_for
from orq_router_integrations.testing.answering.prompt import Offer, Prompt
from orq_router_integrations.testing.media.describe import descriptions
from orq_router_integrations.testing.routing.refusals import Refusal

EXCERPT = 160
"""Characters of the user's text that an answer quotes."""

_KEY = re.compile(r"[A-Za-z_]\w*")


def default_answer(prompt: Prompt, model: str) -> Answer:
    """What the model answers, before the request's limits are applied to it."""
    conversation = prompt.conversation
    reasoning = _reasoning(prompt.reasoning) if prompt.reasoning else None
    offer = _called(prompt, conversation)
    if offer is not None:
        call = ToolCall(offer.name, _arguments(offer, conversation))
        return Answer(tool_calls=(call,), reasoning=reasoning)
    return Answer(_text(prompt, conversation, model), reasoning=reasoning)


def _reasoning(wanted: str) -> str:
    return f"The request asks for reasoning ({wanted}). I repeat what I was sent."


def _called(prompt: Prompt, conversation: Conversation) -> Offer | None:
    waiting = [offer for offer in prompt.offers if offer.name not in conversation.called]
    if prompt.forced is not None:
        return next(offer for offer in prompt.offers if offer.name == prompt.forced)
    if prompt.choice == "required":
        offers = waiting or prompt.offers
        return _most_relevant(offers, conversation) if offers else None
    if prompt.choice == "auto":
        text = words(conversation.last_user_text)
        meant = [offer for offer in waiting if words(offer.name) & text]
        return _most_relevant(meant, conversation) if meant else None
    return None


def _most_relevant(offers: Sequence[Offer], conversation: Conversation) -> Offer:
    """By overlap with what the user said; a structured output, named like a class, comes last."""
    text = words(conversation.last_user_text)

    def rank(offer: Offer) -> tuple[bool, int]:
        overlap = 2 * len(words(offer.name) & text) + len(words(offer.description) & text)
        return offer.name[:1].isupper() or offer.name.startswith("response_format"), -overlap

    return min(offers, key=rank)


def _arguments(offer: Offer, conversation: Conversation) -> Any:
    if offer.schema is None:
        return conversation.last_user_text
    return _value(offer.schema, conversation, f"tools ({offer.name})")


def _text(prompt: Prompt, conversation: Conversation, model: str) -> str:
    if prompt.output is None:
        return _described(conversation, model)
    if prompt.output.schema is not None:
        return _json(_value(prompt.output.schema, conversation, prompt.output.param))
    keys = [key for key in quoted(conversation.all_text) if _KEY.fullmatch(key)]
    return _json({key: f"offline {key}" for key in keys} or {"answer": model})


def _value(schema: Mapping[str, Any], conversation: Conversation, param: str) -> Any:
    try:
        return value_for(schema, conversation.last_user_text)
    except ValueError as error:
        raise Refusal(400, f"{param}: {error}", param=param) from None


def _json(value: object) -> str:
    return orjson.dumps(value).decode()


def _described(conversation: Conversation, model: str) -> str:
    text = _excerpt(conversation.last_user_text)
    sentences = [f"Offline answer from {model} to '{text}'."]
    if results := conversation.results:
        told = "; ".join(f"{result.tool}: {_excerpt(result.text)}" for result in results)
        sentences.append(_ended(f"The tools said: {told}"))
    count = conversation.system_messages
    system = [f"{count} system message{'' if count == 1 else 's'}"] if count else []
    if sent := [*system, *descriptions(conversation.messages)]:
        sentences.append(f"I was sent: {'; '.join(sent)}.")
    return " ".join(sentences)


def _ended(sentence: str) -> str:
    """The sentence with a full stop, unless what it quotes has ended it."""
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def _excerpt(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= EXCERPT else flat[:EXCERPT].rstrip() + " ..."
