"""The default answer: it follows the request's instructions and describes the input.

Equal requests get equal answers. Nothing here imitates a model's knowledge.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from orq_router_integrations.testing.answering.answer import Answer
from orq_router_integrations.testing.answering.prompt import Prompt, ToolSpec
from orq_router_integrations.testing.answering.schema_values import create_value
from orq_router_integrations.testing.answering.text_facts import (
    extract_words,
    find_json_schema,
    find_quoted,
)
from orq_router_integrations.testing.chat.messages import SystemMessage
from orq_router_integrations.testing.media.describe import iter_descriptions
from orq_router_integrations.testing.routing.error_responses import HTTPError

MAX_EXCERPT_CHARS = 160
"""Maximum number of characters of the user's text that an answer quotes."""

_KEY = re.compile(r"[A-Za-z_]\w*")


def create_default_answer(prompt: Prompt, model: str) -> Answer:
    """Create the answer of a model before stop sequences and the token limit are applied."""
    reasoning = _create_reasoning(prompt.reasoning) if prompt.reasoning else None
    tool = _choose_tool(prompt)
    if tool is not None:
        call = {"name": tool.name, "args": _create_arguments(tool, prompt)}
        return Answer(tool_calls=(call,), reasoning=reasoning)
    return Answer(_create_text(prompt, model), reasoning=reasoning)


def _create_reasoning(setting: str) -> str:
    return f"The request asks for reasoning ({setting}). I repeat what I was sent."


def _choose_tool(prompt: Prompt) -> ToolSpec | None:
    uncalled = [tool for tool in prompt.tool_specs if tool.name not in prompt.called_tools]
    if prompt.forced_tool is not None:
        return next(tool for tool in prompt.tool_specs if tool.name == prompt.forced_tool)
    if prompt.choice == "required":
        tools = uncalled or prompt.tool_specs
        return _find_most_relevant(tools, prompt) if tools else None
    if prompt.choice == "auto":
        words = extract_words(prompt.last_user_text)
        named = [tool for tool in uncalled if extract_words(tool.name) & words]
        return _find_most_relevant(named, prompt) if named else None
    return None


def _find_most_relevant(tools: Sequence[ToolSpec], prompt: Prompt) -> ToolSpec:
    """Return the tool whose name and description share most words with the user's text.

    Tools that look like structured output (named like a class) come last.
    """
    words = extract_words(prompt.last_user_text)

    def rank(tool: ToolSpec) -> tuple[bool, int]:
        name_overlap = len(extract_words(tool.name) & words)
        description_overlap = len(extract_words(tool.description) & words)
        is_output = tool.name[:1].isupper() or tool.name.startswith("response_format")
        return is_output, -2 * name_overlap - description_overlap

    return min(tools, key=rank)


def _create_arguments(tool: ToolSpec, prompt: Prompt) -> Any:
    if tool.schema is None:
        return prompt.last_user_text
    return _create_value(tool.schema, prompt, f"tools ({tool.name})")


def _create_text(prompt: Prompt, model: str) -> str:
    if prompt.json_output is None:
        return _create_code_block(prompt) or _describe_request(prompt, model)
    schema = prompt.json_output.schema or find_json_schema(prompt.all_text)
    if schema is not None:
        return _to_json(_create_value(schema, prompt, prompt.json_output.param))
    keys = [key for key in find_quoted(prompt.all_text) if _KEY.fullmatch(key)]
    return _to_json({key: f"offline {key}" for key in keys} or {"answer": model})


def _create_code_block(prompt: Prompt) -> str | None:
    """Create the JSON code block that clients without tools ask for, with a schema in the text."""
    schema = find_json_schema(prompt.all_text) if "```json" in prompt.all_text else None
    return (
        f"```json\n{_to_json(_create_value(schema, prompt, 'messages'))}\n```" if schema else None
    )


def _create_value(schema: Mapping[str, Any], prompt: Prompt, param: str) -> Any:
    try:
        return create_value(schema, prompt.last_user_text)
    except ValueError as error:
        raise HTTPError(400, f"{param}: {error}", param=param) from None


def _to_json(value: object) -> str:
    return orjson.dumps(value).decode()


def _describe_request(prompt: Prompt, model: str) -> str:
    text = _shorten(prompt.last_user_text)
    sentences = [f"Offline answer from {model} to '{text}'."]
    if results := prompt.tool_results:
        results_text = "; ".join(f"{tool}: {_shorten(result)}" for tool, result in results)
        sentences.append(_end_sentence(f"The tools said: {results_text}"))
    count = sum(isinstance(message, SystemMessage) for message in prompt.messages)
    counts = [f"{count} system message{'' if count == 1 else 's'}"] if count else []
    if inputs := [*counts, *iter_descriptions(prompt.messages)]:
        sentences.append(f"I was sent: {'; '.join(inputs)}.")
    return " ".join(sentences)


def _end_sentence(sentence: str) -> str:
    """Add a full stop unless the quoted text already ends the sentence."""
    return sentence if sentence.endswith((".", "!", "?")) else f"{sentence}."


def _shorten(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_EXCERPT_CHARS else line[:MAX_EXCERPT_CHARS].rstrip() + " ..."
