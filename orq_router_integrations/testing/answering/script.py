"""Scripted answers, and the selection of the answer to a request."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import Any, Literal, get_args

from langchain_core.messages import AIMessage, BaseMessage
from pydantic import BaseModel

from orq_router_integrations.testing.answering.prompt import FunctionCall, Prompt
from orq_router_integrations.testing.argument_checks import check_arguments
from orq_router_integrations.testing.routing.response import HTTPError, encode_json, reject_field

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]

_TOOL_CALL_KEYS = {"name", "args", "id", "type", "error"}
_EXAMPLE = "Write answers={'What is 2 + 2?': '4'} or answers={re.compile('weather'): ['Sunny.']}."


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a model to one request.

    Args:
        text: The text. Stop sequences and the token limit of the request apply to it.
        tool_calls: Tool calls as LangChain writes them: dicts with ``name``, ``args`` (a dict, or
            a string that is sent unchanged, valid JSON or not) and an optional ``id``. The token
            limit that is left after the text applies to their arguments.
        reasoning: Reasoning text.
        reasoning_signature: The provider's signature of the reasoning.
        refusal: A refusal, sent instead of text.
        finish_reason: Derived from the other values by default.
        usage: Usage fields that replace or extend the counted ones.
        audio: Audio bytes: a spoken answer whose transcript is ``text``, or the audio returned by
            ``/audio/speech``.
        logprobs: Items of ``logprobs.content``, sent if the request asks for them.
        annotations: Annotations of the text in the format of ``/responses``, such as
            ``{"type": "url_citation", "url": ..., "title": ..., "start_index": 0, ...}``.

    Raises:
        ValueError: ``text`` is not a str, or ``tool_calls`` contains anything but tool calls.

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> router = OfflineRouter(answers={"Why?": Answer("Because.", reasoning="Hm.")})
    >>> message = ChatOrq(model="openai/gpt-4o", client=router.client()).invoke("Why?")
    >>> [block["type"] for block in message.content_blocks]
    ['reasoning', 'text']
    """

    text: str = ""
    tool_calls: Sequence[Mapping[str, Any]] = ()
    reasoning: str | None = None
    reasoning_signature: str | None = None
    refusal: str | None = None
    finish_reason: FinishReason | None = None
    usage: Mapping[str, Any] | None = None
    audio: bytes | None = None
    logprobs: Sequence[Mapping[str, Any]] = ()
    annotations: Sequence[Mapping[str, Any]] = ()
    calls: tuple[FunctionCall, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_arguments(self, "tool_calls")
        calls = self.tool_calls if isinstance(self.tool_calls, list | tuple) else [self.tool_calls]
        object.__setattr__(self, "calls", tuple(map(_parse_tool_call, calls)))


def _parse_tool_call(call: Any) -> FunctionCall:
    match call:
        case {"name": str(name)} if call.keys() <= _TOOL_CALL_KEYS:
            args = call.get("args") or {}
            with suppress(TypeError):  # the arguments cannot be sent as JSON
                arguments = args if isinstance(args, str) else encode_json(dict(args)).decode()
                return FunctionCall(call.get("id"), name, arguments)
    raise ValueError(
        "tool_calls: expected a list of dicts with 'name', 'args' and 'id', such as "
        f"[{{'name': 'add', 'args': {{'a': 2}}}}], got an item {call!r:.80}"
    )


AnswerValue = str | Answer | AIMessage | BaseModel | Mapping[str, Any] | Exception


def to_answer(value: Any, name: str, forced_tool: str | None = None) -> Answer | HTTPError:
    """Convert a scripted value to an answer, or to the error that an exception causes.

    If the request forces a tool, a dict or a pydantic object becomes its arguments.

    Raises:
        ValueError: ``value`` cannot be an answer. The message starts with ``name``.
    """
    try:
        match value:
            case Answer():
                return value
            case str():
                return Answer(value)
            case AIMessage():
                return _convert_message(value)
            case Exception():
                return _convert_exception(value)
            case BaseModel() if not isinstance(value, BaseMessage):
                return _convert_dict(value.model_dump(mode="json"), forced_tool)
            case Mapping():
                return _convert_dict(dict(value), forced_tool)
    except TypeError as error:  # a dict cannot be sent as JSON
        raise ValueError(f"{name}: {error}. {_EXAMPLE}") from None
    raise ValueError(
        f"{name}: expected a str, an Answer, an AIMessage, a tool call, a dict, a pydantic object "
        f"or an exception, or a list of these, got {value!r:.80}. {_EXAMPLE}"
    )


def _convert_dict(value: dict[str, Any], forced_tool: str | None) -> Answer:
    if {"name", "args"} <= value.keys() <= _TOOL_CALL_KEYS:
        return Answer(tool_calls=[value])
    if forced_tool is not None:
        return Answer(tool_calls=[{"name": forced_tool, "args": value}])
    return Answer(encode_json(value).decode())


def _convert_message(message: AIMessage) -> Answer:
    blocks = [block for block in message.content_blocks if block["type"] == "reasoning"]
    usage: Mapping[str, Any] = message.usage_metadata or {}
    reason = message.response_metadata.get("finish_reason")
    return Answer(
        str(message.text),
        tool_calls=[*message.tool_calls, *message.invalid_tool_calls],
        reasoning="\n".join(block.get("reasoning", "") for block in blocks) or None,
        refusal=message.additional_kwargs.get("refusal"),
        finish_reason=reason if reason in get_args(FinishReason) else None,
        # The details have other names in the responses of providers.
        usage={name: usage[name] for name in usage if not name.endswith("_details")} or None,
    )


def _convert_exception(error: Exception) -> HTTPError:
    status = getattr(error, "status_code", None)
    if not (isinstance(status, int) and 400 <= status <= 599):
        status = 408 if isinstance(error, TimeoutError) else 500
    retry_after = getattr(error, "retry_after", None)
    headers = {} if retry_after is None else {"retry-after": str(retry_after)}
    return HTTPError(status, str(error) or type(error).__name__, headers=headers)


Answers = (
    Mapping[Any, AnswerValue | Sequence[AnswerValue]]
    | Callable[[dict[str, Any]], AnswerValue | None]
)


class AnswerScript:
    """Scripted answers, found by text, then by pattern or function, then by model.

    Its functions run in a block of ``release_lock``, so that they can send requests to the router.
    """

    def __init__(
        self, answers: Answers | None, release_lock: Callable[[], AbstractContextManager[None]]
    ) -> None:
        self._release_lock = release_lock
        self.load(answers)

    def load(self, answers: Answers | None) -> None:
        """Replace all answers."""
        entries = {} if answers is None or callable(answers) else answers
        if not isinstance(entries, Mapping):
            raise ValueError(
                f"answers: expected a dict or a function, got {answers!r:.80}. {_EXAMPLE}"
            )
        if any(map(iscoroutinefunction, (answers, *entries))):
            raise ValueError("answers: expected a sync function, got an async one")
        self._answers = {key: _list_values(key, value) for key, value in entries.items()}
        self._function = answers if callable(answers) else None
        self._used_keys: set[Any] = set()

    @property
    def unused(self) -> list[Any]:
        """Keys with answers that no request has used."""
        return [key for key in self._answers if key not in self._used_keys]

    def take_answer(
        self,
        body: dict[str, Any],
        model: str,
        text: str,
        prompt: Prompt | None = None,
        *,
        accepts: Callable[[Answer], object] = lambda _: True,
    ) -> Answer | None:
        """Return the next answer or raise its exception. Return ``None`` if nothing is scripted.

        ``prompt`` is set if the model may call tools. Answers that the endpoint does not accept are
        left for a later call: a text that is moderated or spoken may be the key of a chat answer.
        """
        body = {**body, "model": model}  # functions receive the full id, with the provider
        with self._release_lock():
            key = self._find_key(body, text)
            values = [self._function(body)] if self._function else self._answers.get(key, [None])
        if values[0] is None:
            return None
        answer = to_answer(values[0], "answers", prompt.forced_tool if prompt else None)
        if isinstance(answer, Answer) and not accepts(answer):
            return None
        if len(values) > 1:  # the last one repeats
            del values[0]
        else:
            self._used_keys.add(key)
        if isinstance(answer, HTTPError):
            raise answer
        if prompt is not None and self._function is None:
            _check_tools(answer, prompt)
        return answer

    def _find_key(self, body: dict[str, Any], text: str) -> Any:
        if text in self._answers:
            return text
        for key in self._answers:
            if isinstance(key, re.Pattern) and key.search(text):
                return key
            if callable(key) and key(body):
                return key
        return body["model"]


def _list_values(key: Any, value: Any) -> list[Any]:
    """Return the answers of a key after checking them."""
    name = f"answers[{key!r}]"
    if not isinstance(key, str | re.Pattern) and not callable(key):
        raise ValueError(f"{name}: expected a str, a re.Pattern or a function as key. {_EXAMPLE}")
    values = list(value) if isinstance(value, list | tuple) else [value]
    if not values:
        raise ValueError(f"{name}: the list is empty. Add at least one answer.")
    for item in values:
        to_answer(item, name)
    return values


def _check_tools(answer: Answer, prompt: Prompt) -> None:
    """Check that the request offers the called tools."""
    offered = [function["name"] for function in prompt.functions]
    for call in answer.calls:
        if call.name not in offered:
            reject_field(
                "answers",
                f"the scripted answer calls the tool {call.name!r}, but the request offers "
                f"{offered or 'no tools'}. Bind the tool. To simulate a model that invents tools, "
                "answer with a function.",
            )
