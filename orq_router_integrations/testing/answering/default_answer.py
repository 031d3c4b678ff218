"""The answer when none is scripted: it obeys the request and says what arrived.

The same request has the same answer. Nothing here imitates a model's knowledge.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.conversation import Conversation
from orq_router_integrations.testing.answering.prompt import Prompt, ToolSpec
from orq_router_integrations.testing.answering.schema_values import create_value
from orq_router_integrations.testing.answering.text_facts import extract_words, find_quoted
from orq_router_integrations.testing.media.describe import iter_descriptions
from orq_router_integrations.testing.routing.error_responses import HTTPError

MAX_EXCERPT_CHARS = 160
"""Characters of the user's text that an answer quotes."""

_KEY = re.compile(r"[A-Za-z_]\w*")


def create_default_answer(prompt: Prompt, model: str) -> Answer:
    """What the model answers, before the request's limits are applied to it."""
    conversation = prompt.conversation
    reasoning = _create_reasoning(prompt.reasoning) if prompt.reasoning else None
    offer = _choose_tool(prompt, conversation)
    if offer is not None:
        call = {"name": offer.name, "args": _create_arguments(offer, conversation)}
        return Answer(tool_calls=(call,), reasoning=reasoning)
    return Answer(_create_text(prompt, conversation, model), reasoning=reasoning)


def _create_reasoning(wanted: str) -> str:
    return f"The request asks for reasoning ({wanted}). I repeat what I was sent."


def _choose_tool(prompt: Prompt, conversation: Conversation) -> ToolSpec | None:
    waiting = [offer for offer in prompt.tool_specs if offer.name not in conversation.called_tools]
    if prompt.forced_tool is not None:
        return next(offer for offer in prompt.tool_specs if offer.name == prompt.forced_tool)
    if prompt.choice == "required":
        offers = waiting or prompt.tool_specs
        return _find_most_relevant(offers, conversation) if offers else None
    if prompt.choice == "auto":
        text = extract_words(conversation.last_user_text)
        meant = [offer for offer in waiting if extract_words(offer.name) & text]
        return _find_most_relevant(meant, conversation) if meant else None
    return None


def _find_most_relevant(offers: Sequence[ToolSpec], conversation: Conversation) -> ToolSpec:
    """By overlap with what the user said; a structured output, named like a class, comes last."""
    text = extract_words(conversation.last_user_text)

    def rank(offer: ToolSpec) -> tuple[bool, int]:
        overlap = 2 * len(extract_words(offer.name) & text) + len(
            extract_words(offer.description) & text
        )
        return offer.name[:1].isupper() or offer.name.startswith("response_format"), -overlap

    return min(offers, key=rank)


def _create_arguments(offer: ToolSpec, conversation: Conversation) -> Any:
    if offer.schema is None:
        return conversation.last_user_text
    return _create_value(offer.schema, conversation, f"tools ({offer.name})")


def _create_text(prompt: Prompt, conversation: Conversation, model: str) -> str:
    if prompt.json_output is None:
        return _describe_request(conversation, model)
    if prompt.json_output.schema is not None:
        return _to_json(
            _create_value(prompt.json_output.schema, conversation, prompt.json_output.param)
        )
    keys = [key for key in find_quoted(conversation.all_text) if _KEY.fullmatch(key)]
    return _to_json({key: f"offline {key}" for key in keys} or {"answer": model})


def _create_value(schema: Mapping[str, Any], conversation: Conversation, param: str) -> Any:
    try:
        return create_value(schema, conversation.last_user_text)
    except ValueError as error:
        raise HTTPError(400, f"{param}: {error}", param=param) from None


def _to_json(value: object) -> str:
    return orjson.dumps(value).decode()


def _describe_request(conversation: Conversation, model: str) -> str:
    text = _shorten(conversation.last_user_text)
    sentences = [f"Offline answer from {model} to '{text}'."]
    if results := conversation.tool_results:
        told = "; ".join(f"{result.tool}: {_shorten(result.text)}" for result in results)
        sentences.append(_end_sentence(f"The tools said: {told}"))
    count = conversation.system_message_count
    system = [f"{count} system message{'' if count == 1 else 's'}"] if count else []
    if sent := [*system, *iter_descriptions(conversation.messages)]:
        sentences.append(f"I was sent: {'; '.join(sent)}.")
    return " ".join(sentences)


def _end_sentence(sentence: str) -> str:
    """The sentence with a full stop, unless what it quotes has ended it."""
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def _shorten(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= MAX_EXCERPT_CHARS else flat[:MAX_EXCERPT_CHARS].rstrip() + " ..."
