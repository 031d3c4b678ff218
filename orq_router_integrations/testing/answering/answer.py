"""An answer, as a test or a demo scripts it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from orq_router_integrations.testing.written import json_bytes

FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool.

    Attributes:
        name: the tool.
        arguments: an object, or text that is sent as it is, be it JSON or not.
        id: made up from the conversation by default.

    >>> ToolCall("add", {"a": 2, "b": 2}).json
    '{"a":2,"b":2}'
    """

    name: str
    arguments: Mapping[str, Any] | str = ""
    id: str | None = None

    @property
    def json(self) -> str:
        """The arguments as they go on the wire."""
        if isinstance(self.arguments, str):
            return self.arguments or "{}"
        return json_bytes(dict(self.arguments)).decode()


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model answers.

    Attributes:
        text: the text, subject to the request's stop sequences and token limit.
        tool_calls: the calls it makes, subject to the token limit behind the text.
        reasoning: what it thought.
        reasoning_signature: the provider's seal on it.
        refusal: a refusal in place of a text.
        finish_reason: follows from the rest by default.
        usage: members that replace or extend the counted usage.
        audio: the bytes of a spoken answer whose transcript is the text; on /audio/speech, the
            speech.
        logprobs: the items of ``logprobs.content``; made up by default when asked for.
        annotations: what the text rests on, as /responses has it: ``{"type": "url_citation",
            "url": ..., "title": ..., "start_index": ..., "end_index": ...}``.

    Raises:
        ValueError: ``tool_calls`` is no tuple of them.

    >>> from orq_router_integrations import ChatOrq, OfflineRouter
    >>> router = OfflineRouter(answers={"Why?": Answer("Because.", reasoning="Hm.")})
    >>> message = ChatOrq(model="openai/gpt-4o", client=router.client()).invoke("Why?")
    >>> [block["type"] for block in message.content_blocks]
    ['reasoning', 'text']
    """

    text: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    reasoning: str | None = None
    reasoning_signature: str | None = None
    refusal: str | None = None
    finish_reason: FinishReason | None = None
    usage: Mapping[str, Any] | None = None
    audio: bytes | None = None
    logprobs: tuple[Mapping[str, Any], ...] | None = None
    annotations: Sequence[Mapping[str, Any]] = ()

    def __post_init__(self) -> None:
        calls: object = self.tool_calls
        if not isinstance(calls, tuple) or not all(isinstance(call, ToolCall) for call in calls):
            raise ValueError(f"tool_calls: a tuple of ToolCalls, not {calls!r:.80}")
