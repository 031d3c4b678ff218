"""Parse the tool calls of complete responses, and assemble those of streams.

Providers omit or repeat the index, the id or the name of a fragment, and send arguments that are an
object, null or not JSON at all. Here, every call gets a unique id. A call without a name, or whose
arguments are not a JSON object, becomes an invalid tool call.
"""

import reprlib
import uuid
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
from orq_router_integrations.wire.reasoning import THOUGHT_SIGNATURES_KWARG
from orq_router_integrations.wire.responses_stream import FINISHED, STARTED

_TRUNCATION_MARK = '"{] (truncated) "{]'
"""Suffix that makes truncated arguments invalid.

langchain-core completes truncated arguments, unless a bracket outside strings does not match.
Both halves of the mark have one, because the arguments may end inside or outside of a string.
"""


@dataclass(slots=True)
class _ObjectScanner:
    """Finds the end of a JSON object in fragments, without parsing it again for each of them."""

    depth: int = 0  # number of open braces outside strings
    is_complete: bool = False
    is_in_string: bool = False
    backslash: str = ""  # ends the last fragment, and escapes the start of the next one

    def feed(self, fragment: str) -> None:
        text = (self.backslash + fragment).replace(r"\\", "").replace(r"\"", "")
        self.backslash = "\\" if text.endswith("\\") else ""
        sections = text.split('"')  # alternately outside and inside strings
        outside = "".join(sections[self.is_in_string :: 2])
        self.depth += outside.count("{") - outside.count("}")
        self.is_complete |= self.depth <= 0 and "}" in outside
        self.is_in_string ^= len(sections) % 2 == 0  # toggled by an odd number of quotes


@dataclass(slots=True, eq=False)
class _RawToolCall:
    """A tool call, or a fragment of one, without values of the wrong type."""

    id: str | None  # from the provider
    name: str | None
    argument_parts: list[str]  # the JSON of the arguments is their concatenation
    index: int | None
    signature: str | None
    item_id: str | None  # in the Responses API
    item_stage: int  # in the Responses API; 0 in chat completions
    unique_id: str = ""
    position: int = 0  # among the calls of the answer
    scanner: _ObjectScanner = field(default_factory=_ObjectScanner)  # fed with each fragment

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
            argument_parts=[arguments],
            index=as_int(call.get("index")),
            signature=signature or None,
            item_id=as_str(call.get("item_id")) or None,
            item_stage=as_int(call.get("item_stage")) or 0,
        )

    @property
    def arguments(self) -> str:
        return "".join(self.argument_parts)

    def get_missing_arguments(self, arguments: str) -> str | None:
        """Return what complete arguments have beyond those received, or ``None`` if they differ."""
        received = self.arguments
        if arguments.startswith(received):
            return arguments[len(received) :]
        is_equal = not arguments or _parse_arguments(arguments) == _parse_arguments(received)
        return "" if is_equal else None

    def is_valid(self) -> bool:
        args, _ = _parse_arguments(self.arguments, replace_surrogates=False)
        has_arguments = self.item_stage != STARTED  # they follow the start of an item
        return bool(self.name) and args is not None and has_arguments

    def is_continued_by(self, fragment: "_RawToolCall") -> bool:
        """Return whether a fragment belongs to this call, and does not start another one."""
        if fragment.id and self.id and fragment.id != self.id:
            # Some providers send a new id with each fragment, but not a new name.
            return bool(self.name) and not fragment.name and fragment.index is not None
        if not (fragment.name and self.name):
            return True
        # Some providers repeat the name in each fragment. It is another call of the same tool if
        # this one is valid, the arguments start over, and no id or index says otherwise.
        is_identified = fragment.id is not None and fragment.index in {None, self.index}
        restarts = fragment.arguments.startswith("{") and not is_identified and self.is_valid()
        return fragment.name == self.name and not restarts

    def rank_for_item(self, fragment: "_RawToolCall") -> int:
        """Return how well a fragment fits the item of this call, or 0 if it belongs to another.

        Some providers send one id for all items, or change the id or the index of an item. But an
        item starts and finishes once, and contains all its fragments when it is finished.
        """
        same_index = _is_equal(self.index, fragment.index)
        same_item = _is_equal(self.item_id, fragment.item_id)
        same_id, same_name = _is_equal(self.id, fragment.id), _is_equal(self.name, fragment.name)
        is_second_start = fragment.item_stage == STARTED and bool(self.name)
        if same_id is False or same_name is False or is_second_start:
            return 0
        match_count = [same_index, same_item, same_id, same_name].count(True)
        rank = 1 + 2 * match_count + any(self.argument_parts)
        if fragment.item_stage >= FINISHED:
            if self.get_missing_arguments(fragment.arguments) is not None:
                return rank + 2
            return rank if same_id and same_item else 0
        # Nothing follows complete arguments, so an object after them belongs to another item.
        restarts = self.scanner.is_complete and may_contain_object(fragment.arguments)
        return 0 if same_index is False or restarts else rank


def _is_equal(value: Any, fragment_value: Any) -> bool | None:
    """Compare two values; the result is ``None`` if one of them is unknown."""
    return None if value is None or fragment_value is None else bool(value == fragment_value)


def create_invalid_call(name: str | None, arguments: str, call_id: str | None) -> InvalidToolCall:
    """Create an invalid call whose error explains what is wrong; removes a truncation mark."""
    arguments = strip_truncation_mark(arguments)
    _, error = _parse_arguments(arguments, replace_surrogates=False)
    error = error or f"The tool call has no {'arguments' if name else 'name'}."
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


class ToolCalls:
    """The tool calls of a complete message, or those of a stream that were received so far.

    In streams, langchain-core merges chunks by index and concatenates their ids and names. So each
    chunk needs the index of its call, and only the first one may have the id and the name.
    """

    def __init__(self, payloads: Any = None) -> None:
        self._calls: list[_RawToolCall] = []
        for payload in payloads if isinstance(payloads, list) else ():
            self._append(_RawToolCall.from_payload(payload))

    def _append(self, call: _RawToolCall) -> None:
        is_unique = call.id and all(call.id != earlier.unique_id for earlier in self._calls)
        call.unique_id = str(call.id) if is_unique else f"call_{uuid.uuid4().hex[:24]}"
        call.position = len(self._calls)
        self._calls.append(call)

    def get_signature_kwargs(self) -> dict[str, dict[str, str]]:
        """Return the ``additional_kwargs`` with Gemini's signatures, if there are any."""
        signatures = {call.unique_id: call.signature for call in self._calls if call.signature}
        return {THOUGHT_SIGNATURES_KWARG: signatures} if signatures else {}

    @property
    def has_valid_calls(self) -> bool:
        return any(call.is_valid() for call in self._calls)

    def parse(self) -> tuple[list[ToolCall], list[InvalidToolCall]]:
        """Return the calls with a name and a JSON object as arguments, and the invalid ones."""
        valid, invalid = [], []
        for call in self._calls:
            args, _ = _parse_arguments(call.arguments)
            if call.name and args is not None:
                valid.append(tool_call(name=call.name, args=args, id=call.unique_id))
            else:
                invalid.append(create_invalid_call(call.name, call.arguments, call.unique_id))
        return valid, invalid

    def convert_deltas(self, deltas: Any) -> list[ToolCallChunk]:
        """Return one chunk for each call, because langchain-core only merges across messages."""
        chunks: dict[int | None, ToolCallChunk] = {}
        for delta in as_dicts(deltas):
            chunk = self._convert_fragment(_RawToolCall.from_payload(delta))
            first = chunks.setdefault(chunk["index"], chunk)
            if first is not chunk:
                first["name"] = first["name"] or chunk["name"]
                first["args"] = f"{first['args']}{chunk['args']}"
        return [chunk for chunk in chunks.values() if chunk["args"] or chunk["name"] or chunk["id"]]

    def _convert_fragment(self, fragment: _RawToolCall) -> ToolCallChunk:
        call = self._find_call(fragment)
        if call and fragment.item_stage >= FINISHED:
            fragment.argument_parts = [call.get_missing_arguments(fragment.arguments) or ""]
        if fragment.argument_parts == ["null"] and not (call and any(call.argument_parts)):
            fragment.argument_parts = [""]  # some models write null for a tool without arguments
        if call is None:
            self._append(fragment)
            call, name, call_id = fragment, fragment.name, fragment.unique_id
        else:
            name, call_id = None if call.name else fragment.name, None
            call.name = call.name or fragment.name
            call.id = call.id or fragment.id
            call.item_id = fragment.item_id or call.item_id
            call.item_stage = max(call.item_stage, fragment.item_stage)
            call.argument_parts += fragment.argument_parts
            call.signature = fragment.signature or call.signature
        call.scanner.feed(fragment.arguments)
        return tool_call_chunk(name=name, args=fragment.arguments, id=call_id, index=call.position)

    def _find_call(self, fragment: _RawToolCall) -> _RawToolCall | None:
        """Return the call that a fragment continues: the last one with its id or its index."""
        if fragment.item_stage:
            # Only the finished response repeats an item after it has finished.
            end = max(fragment.item_stage, FINISHED)
            calls = [call for call in reversed(self._calls) if call.item_stage < end]
            ranks = [call.rank_for_item(fragment) for call in calls]
            return calls[ranks.index(max(ranks))] if any(ranks) else None
        same_id = [call for call in self._calls if fragment.id and call.id == fragment.id]
        candidates = same_id or self._calls
        if fragment.index is not None:
            # Some providers use one id for several calls; then the index identifies the call.
            candidates = [call for call in candidates if call.index == fragment.index] or same_id
        return candidates[-1] if candidates and candidates[-1].is_continued_by(fragment) else None

    def invalidate_truncated_calls(self) -> list[ToolCallChunk]:
        """Return final chunks that make truncated calls invalid, so that no agent runs them.

        langchain-core completes truncated arguments, and accepts unpaired surrogates, which UTF-8
        cannot encode. The chunks append a mark that prevents both. ``strip_truncation_mark``
        removes it.
        """
        return [
            tool_call_chunk(name=None, args=_TRUNCATION_MARK, id=None, index=call.position)
            for call in self._calls
            if may_contain_object(call.arguments) and not call.is_valid()
        ]


def may_contain_object(arguments: str | None) -> bool:
    """Return whether langchain-core may find an object in arguments, which may be incomplete."""
    return not arguments or arguments.lstrip().startswith("{")


def strip_truncation_mark(arguments: str) -> str:
    """Return the arguments of an invalid call as the provider sent them."""
    return arguments.removesuffix(_TRUNCATION_MARK)
