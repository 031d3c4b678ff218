"""The answer when none is scripted: it obeys the request and says what arrived.

The same request has the same answer. Nothing here imitates a model's knowledge.
"""

import re
from collections.abc import Sequence
from typing import Any

import orjson

from orq_router_integrations.offline.answer import Answer, ToolCall
from orq_router_integrations.offline.chat_schema import (
    ChatRequest,
    ChosenTool,
    Function,
    JsonObjectFormat,
    JsonSchemaFormat,
)
from orq_router_integrations.offline.conversation import Conversation
from orq_router_integrations.offline.facts import quoted, words
from orq_router_integrations.offline.from_schema import value_for
from orq_router_integrations.offline.media import descriptions
from orq_router_integrations.offline.refusals import Refusal

EXCERPT = 160
"""Characters of the user's text that an answer quotes."""

_KEY = re.compile(r"[A-Za-z_]\w*")


def default_answer(request: ChatRequest, model: str) -> Answer:
    """What the model answers, before the request's limits are applied to it."""
    conversation = Conversation(request.messages)
    reasoning = _reasoning(request) if request.reasons else None
    function = _function(request, conversation)
    if function is not None:
        schema = function.parameters or {"type": "object"}
        arguments = _value(schema, conversation, f"tools ({function.name})")
        return Answer(tool_calls=(ToolCall(function.name, arguments),), reasoning=reasoning)
    return Answer(_text(request, conversation, model), reasoning=reasoning)


def _reasoning(request: ChatRequest) -> str:
    wanted = request.reasoning_effort or (request.thinking.type if request.thinking else "")
    return f"The request asks for reasoning ({wanted}). I repeat what I was sent."


def _function(request: ChatRequest, conversation: Conversation) -> Function | None:
    functions = [tool.function for tool in request.tools or ()]
    waiting = [function for function in functions if function.name not in conversation.called]
    match request.tool_choice:
        case ChosenTool(function=chosen):
            return next(function for function in functions if function.name == chosen.name)
        case "required":
            return _most_relevant(waiting or functions, conversation)
        case "auto" | None:
            text = words(conversation.last_user_text)
            meant = [function for function in waiting if words(function.name) & text]
            return _most_relevant(meant, conversation) if meant else None
    return None


def _most_relevant(functions: Sequence[Function], conversation: Conversation) -> Function:
    """By overlap with what the user said; a structured output, named like a class, comes last."""
    text = words(conversation.last_user_text)

    def rank(function: Function) -> tuple[bool, int]:
        overlap = 2 * len(words(function.name) & text) + len(
            words(function.description or "") & text
        )
        return function.name[:1].isupper() or function.name.startswith("response_format"), -overlap

    return min(functions, key=rank)


def _text(request: ChatRequest, conversation: Conversation, model: str) -> str:
    match request.response_format:
        case JsonSchemaFormat(json_schema=wanted):
            return _json(_value(wanted.schema_, conversation, "response_format"))
        case JsonObjectFormat():
            keys = [key for key in quoted(conversation.all_text) if _KEY.fullmatch(key)]
            return _json({key: f"offline {key}" for key in keys} or {"answer": model})
    return _described(conversation, model)


def _value(schema: dict[str, Any], conversation: Conversation, param: str) -> Any:
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
        sentences.append(f"The tools said: {told}.")
    count = conversation.system_messages
    system = [f"{count} system message{'' if count == 1 else 's'}"] if count else []
    if sent := [*system, *descriptions(list(conversation.messages))]:
        sentences.append(f"I was sent: {'; '.join(sent)}.")
    return " ".join(sentences)


def _excerpt(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= EXCERPT else flat[:EXCERPT].rstrip() + " ..."
