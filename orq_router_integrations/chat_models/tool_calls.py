"""Parse the tool calls of complete responses, and assemble those of streams.

Providers omit or repeat the index, the id or the name of a fragment, and send arguments that are an
object, null or not JSON at all. Here, every call gets a unique id. A call without a name, or whose
arguments are not a JSON object, becomes an invalid tool call.
"""

import re
import reprlib
import uuid
from collections.abc import Container
from dataclasses import dataclass, field
from typing import Any

from langchain_core.messages import InvalidToolCall, ToolCall
from langchain_core.messages.tool import (
    ToolCallChunk,
    invalid_tool_call,
    tool_call,
    tool_call_chunk,
)
from langchain_core.utils.json import parse_partial_json

from orq_router_integrations.wire.json import (
    as_dict,
    as_dicts,
    as_int,
    as_str,
    dumps,
    loads_arguments,
)

_TRUNCATION_MARKS = ('"] (truncated) "]', '"} (truncated) "}')
"""Suffixes that make truncated arguments invalid.

langchain-core does not complete arguments with a bracket that does not match. Each suffix adds one,
whether the arguments end inside a string or not; the second is for those that end inside a list.
"""
_TRUNCATION_MARK = re.compile(r'"([]}]) \(truncated\) "\1\Z')


@dataclass(slots=True)
class _RawToolCall:
    """A tool call, or a fragment of one, without values of the wrong type."""

    id: str | None
    name: str | None
    arguments: str
    index: int | None
    signature: str | None = None

    @classmethod
    def from_payload(cls, payload: Any) -> "_RawToolCall":
        call = as_dict(payload)
        function = as_dict(call.get("function"))
        arguments = function.get("arguments")
        try:
            if not isinstance(arguments, str):
                arguments = "" if arguments is None else dumps(arguments).decode()
        except ValueError:  # nested too deeply
            arguments = reprlib.repr(arguments)
        google = as_dict(as_dict(call.get("extra_content")).get("google"))
        return cls(
            id=as_str(call.get("id")) or None,
            name=as_str(function.get("name")) or None,
            arguments=arguments,
            index=as_int(call.get("index")),
            signature=as_str(google.get("thought_signature"))
            or as_str(call.get("thought_signature"))
            or None,
        )


def _choose_id(call_id: str | None, used_ids: Container[str]) -> str:
    """Return the id of a call, or a new one if it is missing or not unique."""
    return call_id if call_id and call_id not in used_ids else f"call_{uuid.uuid4().hex[:24]}"


@dataclass(frozen=True, slots=True)
class ParsedToolCalls:
    """The tool calls of a complete message.

    Valid calls have a name, and arguments that are a JSON object.
    """

    valid: list[ToolCall] = field(default_factory=list)
    invalid: list[InvalidToolCall] = field(default_factory=list)
    signatures: dict[str, str] = field(default_factory=dict)  # those of Gemini, by call id


def parse_tool_calls(payload: Any) -> ParsedToolCalls:
    calls = ParsedToolCalls()
    used_ids: set[str] = set()
    for item in payload if isinstance(payload, list) else ():
        raw = _RawToolCall.from_payload(item)
        call_id = _choose_id(raw.id, used_ids)
        used_ids.add(call_id)
        args, error = _parse_arguments(raw.arguments)
        if raw.name and args is not None:
            calls.valid.append(tool_call(name=raw.name, args=args, id=call_id))
        else:
            error = error or "The tool call has no name."
            calls.invalid.append(
                invalid_tool_call(name=raw.name, args=raw.arguments, id=call_id, error=error)
            )
        if raw.signature:
            calls.signatures[call_id] = raw.signature
    return calls


def _parse_arguments(
    arguments: str, *, replace_surrogates: bool = True
) -> tuple[dict[str, Any] | None, str]:
    """Return the arguments as a dict, or ``None`` and an error."""
    try:
        args = loads_arguments(arguments or "{}", replace_surrogates=replace_surrogates)
    except ValueError as error:
        return None, f"The arguments are not valid JSON: {error}"
    if args is None:  # some models write null for a tool without arguments
        return {}, ""
    if not isinstance(args, dict):
        return None, f"The arguments must be a JSON object, got {type(args).__name__}."
    return args, ""


@dataclass(slots=True)
class _PendingCall:
    """A streamed call that may not be complete yet."""

    index: int  # position among the calls of the stream
    id: str  # unique
    first_index: int | None  # in the first fragment
    provider_id: str | None = None  # the first one received, unique or not
    name: str | None = None
    fragments: list[str] = field(default_factory=list)  # arguments received so far

    @property
    def arguments(self) -> str:
        return "".join(self.fragments)

    def is_complete(self) -> bool:
        args, _ = _parse_arguments(self.arguments, replace_surrogates=False)
        return bool(self.name) and args is not None

    def is_continued_by(self, raw: _RawToolCall) -> bool:
        """Return whether a fragment belongs to this call, and does not start another one."""
        has_other_id = raw.id and self.provider_id and raw.id != self.provider_id
        if has_other_id and (raw.name or not self.name or raw.index is None):
            return False  # some providers send a new id with each fragment, but not a new name
        if not (raw.name and self.name):
            return True
        # Some providers repeat the name in each fragment. It is another call of the same tool if
        # this one is complete, the arguments start over, and no id or index says otherwise.
        is_identified = raw.id is not None and raw.index in {None, self.first_index}
        restarts = raw.arguments.startswith("{") and not is_identified and self.is_complete()
        return raw.name == self.name and not (restarts and self.fragments)


class ToolCallAccumulator:
    """Converts the fragments of streamed calls to chunks that langchain-core merges correctly.

    langchain-core merges chunks by index and concatenates their ids and names. So each chunk needs
    the index of its call, and only the first chunk of a call may have the id and the name.
    """

    def __init__(self) -> None:
        self._calls: list[_PendingCall] = []
        self.signatures: dict[str, str] = {}  # those of Gemini received so far, by call id

    @property
    def has_calls(self) -> bool:
        """Whether a complete call was received."""
        return any(call.is_complete() for call in self._calls)

    def convert_deltas(self, deltas: Any) -> list[ToolCallChunk]:
        """Return one chunk for each call. langchain-core only merges chunks of several messages."""
        chunks: dict[int | None, ToolCallChunk] = {}
        for delta in as_dicts(deltas):
            chunk = self._convert_fragment(_RawToolCall.from_payload(delta))
            first = chunks.setdefault(chunk["index"], chunk)
            if first is not chunk:
                first["name"] = first["name"] or chunk["name"]
                first["args"] = f"{first['args']}{chunk['args']}"
        return list(chunks.values())

    def _convert_fragment(self, raw: _RawToolCall) -> ToolCallChunk:
        call = self._find_call(raw)
        first_id = None
        if call is None or not call.is_continued_by(raw):
            first_id = _choose_id(raw.id, {call.id for call in self._calls})
            call = _PendingCall(len(self._calls), first_id, raw.index)
            self._calls.append(call)
        name = raw.name if call.name is None else None
        call.name = call.name or name
        call.provider_id = call.provider_id or raw.id
        call.fragments.append(raw.arguments)
        if raw.signature:
            self.signatures[call.id] = raw.signature
        return tool_call_chunk(name=name, args=raw.arguments, id=first_id, index=call.index)

    def _find_call(self, raw: _RawToolCall) -> _PendingCall | None:
        """Return the last call with the id or the index of a fragment."""
        candidates = self._calls
        same_id = [call for call in candidates if call.provider_id == raw.id] if raw.id else []
        candidates = same_id or candidates
        if raw.index is not None:
            # Some providers use one id for several calls; then the index identifies the call.
            candidates = [call for call in candidates if call.first_index == raw.index] or same_id
        return candidates[-1] if candidates else None

    def invalidate_truncated_calls(self) -> list[ToolCallChunk]:
        """Return final chunks that make truncated calls invalid, so that no agent runs them.

        langchain-core completes truncated arguments, and accepts unpaired surrogates, which cannot
        be sent back. The chunks append a mark that prevents both. ``strip_truncation_mark``
        removes it.
        """
        incomplete = [call for call in self._calls if not call.is_complete()]
        return [
            tool_call_chunk(name=None, args=mark, id=None, index=call.index)
            for call in incomplete
            if (mark := _choose_truncation_mark(call.arguments))
        ]


def may_contain_object(chunk: ToolCallChunk) -> bool:
    """Return whether langchain-core may find an object in the arguments of a chunk."""
    arguments = chunk["args"]
    return not arguments or arguments.lstrip().startswith("{")


def _choose_truncation_mark(arguments: str) -> str:
    """Return the mark that hides an object from langchain-core; empty if none is needed."""
    for mark in ("", *_TRUNCATION_MARKS):
        try:
            if not isinstance(parse_partial_json(arguments + mark), dict):
                return mark
        except ValueError:
            return mark
    return _TRUNCATION_MARKS[0]


def strip_truncation_mark(arguments: str) -> str:
    """Return the arguments of an invalid call as the provider sent them."""
    return _TRUNCATION_MARK.sub("", arguments)
