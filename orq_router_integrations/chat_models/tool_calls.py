"""Parse the tool calls of complete responses, and assemble those of streams.

Providers omit or repeat the index, the id or the name of a fragment, and send arguments that are an
object, null or not JSON at all. Here, every call gets a unique id. A call without a name, or whose
arguments are not a JSON object, becomes an invalid tool call.
"""

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

from orq_router_integrations.wire.json import (
    as_dict,
    as_dicts,
    as_int,
    as_str,
    dumps,
    loads_arguments,
)

_TRUNCATION_MARK = '"{] (truncated) "{]'
"""Suffix that makes truncated arguments invalid.

langchain-core completes truncated arguments, unless they have a bracket that does not match. One of
the two is outside of a string, whether the arguments end inside a string or not.
"""


@dataclass(slots=True, eq=False)
class _RawToolCall:
    """A tool call, or a fragment of one, without values of the wrong type."""

    id: str | None  # from the provider
    name: str | None
    fragments: list[str]  # of the arguments
    index: int | None
    signature: str | None
    unique_id: str = ""

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
        signature = as_str(google.get("thought_signature")) or as_str(call.get("thought_signature"))
        return cls(
            id=as_str(call.get("id")) or None,
            name=as_str(function.get("name")) or None,
            fragments=[arguments],
            index=as_int(call.get("index")),
            signature=signature or None,
        )

    @property
    def arguments(self) -> str:
        return "".join(self.fragments)

    def is_complete(self) -> bool:
        args, _ = _parse_arguments(self.arguments, replace_surrogates=False)
        return bool(self.name) and args is not None

    def is_continued_by(self, part: "_RawToolCall") -> bool:
        """Return whether a fragment belongs to this call, and does not start another one."""
        if part.id and self.id and part.id != self.id:
            # Some providers send a new id with each fragment, but not a new name.
            return bool(self.name) and not part.name and part.index is not None
        if not (part.name and self.name):
            return True
        # Some providers repeat the name in each fragment. It is another call of the same tool if
        # this one is complete, the arguments start over, and no id or index says otherwise.
        is_identified = part.id is not None and part.index in {None, self.index}
        restarts = part.arguments.startswith("{") and not is_identified and self.is_complete()
        return part.name == self.name and not restarts


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
        args, _ = _parse_arguments(raw.arguments)
        if raw.name and args is not None:
            calls.valid.append(tool_call(name=raw.name, args=args, id=call_id))
        else:
            calls.invalid.append(create_invalid_call(raw.name, raw.arguments, call_id))
        if raw.signature:
            calls.signatures[call_id] = raw.signature
    return calls


def create_invalid_call(name: str | None, arguments: str, call_id: str | None) -> InvalidToolCall:
    """Create an invalid call with the error of its arguments, which may have a truncation mark."""
    arguments = strip_truncation_mark(arguments)
    error = _parse_arguments(arguments)[1] or "The tool call has no name."
    return invalid_tool_call(name=name, args=arguments, id=call_id, error=error)


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


class ToolCallAccumulator:
    """Converts the fragments of streamed calls to chunks that langchain-core merges correctly.

    langchain-core merges chunks by index and concatenates their ids and names. So each chunk needs
    the index of its call, and only the first chunk of a call may have the id and the name.
    """

    def __init__(self) -> None:
        self._calls: list[_RawToolCall] = []  # each with everything received of it so far

    @property
    def has_calls(self) -> bool:
        """Whether a complete call was received."""
        return any(call.is_complete() for call in self._calls)

    @property
    def signatures(self) -> dict[str, str]:
        """Gemini's signatures by call id."""
        return {call.unique_id: call.signature for call in self._calls if call.signature}

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

    def _convert_fragment(self, part: _RawToolCall) -> ToolCallChunk:
        arguments = part.arguments
        index = self._find_call(part)
        if index is None or not self._calls[index].is_continued_by(part):
            part.unique_id = _choose_id(part.id, {call.unique_id for call in self._calls})
            self._calls.append(part)
            index = len(self._calls) - 1
            return tool_call_chunk(name=part.name, args=arguments, id=part.unique_id, index=index)
        call = self._calls[index]
        name = None if call.name else part.name
        call.name = call.name or part.name
        call.id = call.id or part.id
        call.fragments.append(arguments)
        call.signature = part.signature or call.signature
        return tool_call_chunk(name=name, args=arguments, id=None, index=index)

    def _find_call(self, part: _RawToolCall) -> int | None:
        """Return the position of the last call with the id or the index of a fragment."""
        positions = range(len(self._calls))
        same_id = [i for i in positions if part.id and self._calls[i].id == part.id]
        candidates = same_id or list(positions)
        if part.index is not None:
            # Some providers use one id for several calls; then the index identifies the call.
            candidates = [i for i in candidates if self._calls[i].index == part.index] or same_id
        return candidates[-1] if candidates else None

    def invalidate_truncated_calls(self) -> list[ToolCallChunk]:
        """Return final chunks that make truncated calls invalid, so that no agent runs them.

        langchain-core completes truncated arguments, and accepts unpaired surrogates, which cannot
        be sent back. The chunks append a mark that prevents both. ``strip_truncation_mark``
        removes it.
        """
        return [
            tool_call_chunk(name=None, args=_TRUNCATION_MARK, id=None, index=index)
            for index, call in enumerate(self._calls)
            if may_contain_object(call.arguments) and not call.is_complete()
        ]


def may_contain_object(arguments: str | None) -> bool:
    """Return whether langchain-core may find an object in arguments, which may be incomplete."""
    return not arguments or arguments.lstrip().startswith("{")


def strip_truncation_mark(arguments: str) -> str:
    """Return the arguments of an invalid call as the provider sent them."""
    return arguments.removesuffix(_TRUNCATION_MARK)
