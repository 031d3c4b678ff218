"""The default answer: it follows the request's instructions and describes the input.

Equal requests get equal answers. They do not imitate the knowledge of a model.
"""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from itertools import islice
from typing import Any

from orq_router_integrations.testing.answering.prompt import Prompt
from orq_router_integrations.testing.answering.schema_values import create_value, find_quoted
from orq_router_integrations.testing.answering.script import Answer
from orq_router_integrations.testing.routing.response import encode_json, reject_field

MAX_EXCERPT_CHARS = 160  # longest quotation in an answer
MAX_SCHEMA_CANDIDATES = 10  # number of braces to try as the start of a JSON schema

_WORD = re.compile(r"[^\W\d_]{3,}|\d{3,}")
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_COMMON_WORDS = {"and", "for", "from", "get", "give", "the", "use", "what", "who", "with", "you"}


def create_default_answer(prompt: Prompt, model: str) -> Answer:
    """Create the answer of a model before stop sequences and the token limit are applied."""
    reasoning, tool = _create_reasoning(prompt), _choose_tool(prompt)
    if tool is None:
        return Answer(_create_text(prompt, model), reasoning=reasoning)
    args = prompt.last_user_text
    if tool.get("type") != "custom":
        schema = tool.get("parameters") or {"type": "object"}
        args = _create_json(schema, prompt, f"tools ({tool['name']})")
    return Answer(tool_calls=[{"name": tool["name"], "args": args}], reasoning=reasoning)


def _create_reasoning(prompt: Prompt) -> str | None:
    effort = (prompt.body.get("reasoning") or {}).get("effort")
    thinking = (prompt.body.get("thinking") or {}).get("type")
    for setting in (prompt.body.get("reasoning_effort"), effort, thinking):
        if setting not in (None, "none", "disabled"):
            return f"The request asks for reasoning ({setting}). I repeat what I was sent."
    return None


def _choose_tool(prompt: Prompt) -> Mapping[str, Any] | None:
    """Choose the tool whose name shares the most words with the user's text.

    Tools that are named like a class, as for structured output, come last.
    """
    words = extract_words(prompt.last_user_text)
    called = {call.name for message in prompt.current_turn for call in message.calls}
    tools = [tool for tool in prompt.functions if tool["name"] not in called]
    if prompt.forced_tool:
        tools = [tool for tool in prompt.functions if tool["name"] == prompt.forced_tool]
    elif prompt.choice == "required":
        tools = tools or prompt.functions
    elif prompt.choice == "auto":
        tools = [tool for tool in tools if extract_words(tool["name"]) & words]
    else:
        return None
    ranked = sorted(tools, key=lambda tool: -len(extract_words(tool["name"]) & words))
    return min(ranked, key=lambda tool: tool["name"][:1].isupper(), default=None)


def _create_text(prompt: Prompt, model: str) -> str:
    """Create JSON if a field or the text asks for it, otherwise a description of the request."""
    all_text = "\n".join(item.text for item in prompt.messages if item.role in {"system", "user"})
    schema_in_text = find_json_schema(all_text)
    match prompt.body:
        case {"response_format": {"type": "json_schema" | "json_object"} as output}:
            quoted = {key: {"type": "string"} for key in find_quoted(all_text)}
            schema = output.get("json_schema", {}).get("schema") or schema_in_text
            return _create_json(schema or {"properties": quoted}, prompt, "response_format")
        case {"text": {"format": {"type": "json_schema", "schema": schema}}}:
            return _create_json(schema, prompt, "text.format")
    if schema_in_text and "```json" in all_text:
        # Clients without tools ask for a code block, with a schema in the text.
        return f"```json\n{_create_json(schema_in_text, prompt, 'messages')}\n```"
    return _describe_request(prompt, model)


def _create_json(schema: Mapping[str, Any], prompt: Prompt, param: str) -> str:
    try:
        return encode_json(create_value(schema, prompt.last_user_text)).decode()
    except ValueError as error:
        reject_field(param, str(error))


def _describe_request(prompt: Prompt, model: str) -> str:
    sentences = [f"Offline answer from {model} to '{_shorten(prompt.last_user_text)}'."]
    names = {call.id: call.name for message in prompt.messages for call in message.calls}
    if results := [message for message in prompt.current_turn if message.role == "tool"]:
        texts = (f"{names.get(msg.call_id, 'a tool')}: '{_shorten(msg.text)}'" for msg in results)
        sentences.append(f"The tools returned {'; '.join(texts)}.")
    count = sum(message.role == "system" for message in prompt.messages)
    inputs = [f"{count} system message{'s' if count > 1 else ''}"] if count else []
    inputs += [item.description for message in prompt.messages for item in message.attachments]
    if inputs:
        sentences.append(f"I was sent: {'; '.join(inputs)}.")
    return " ".join(sentences)


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_EXCERPT_CHARS else line[:MAX_EXCERPT_CHARS].rstrip() + " ..."


def find_json_schema(text: str) -> dict[str, Any] | None:
    """Return the first JSON schema of an object in a string, as clients without tools send it."""
    for brace in islice(re.finditer(r"\{", text), MAX_SCHEMA_CANDIDATES):
        with suppress(ValueError, RecursionError):
            value, _ = json.JSONDecoder().raw_decode(text, brace.start())
            if isinstance(value.get("properties"), dict):
                return dict(value)
    return None


def extract_words(text: str) -> set[str]:
    """Return the lower-case words of a string or identifier, without short and common words."""
    words = {word.lower() for word in _WORD.findall(_CAMEL.sub(" ", text))}
    return words - _COMMON_WORDS
