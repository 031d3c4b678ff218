"""Tool calls in replies: whole ones, and fragments of streamed ones.

Upstreams leave out the index of a fragment, repeat it, repeat or omit id and name, or send
arguments that are an object, null, or not JSON at all. Every call comes out with one id of its
own; one without a name, or whose arguments are no JSON object, comes out as an invalid call.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson
from langchain_core.messages import InvalidToolCall, ToolCall
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call
from langchain_core.messages.tool import tool_call_chunk as call_chunk
from langchain_core.utils.json import parse_partial_json

from orq_router_integrations.wire.json import loads

_SPOILERS = tuple(
    ending + blanks * " "
    for blanks, ending in enumerate(("]", "}]", '"]', '"}]', "]}", '"]}', '""]', '""}]'))
)
"""Endings that no JSON object has; by the blanks behind it each can be told from the others."""


@dataclass(slots=True)
class Read:
    """A tool call, or a fragment of one, as far as the wire says something usable."""

    id: str | None
    name: str | None
    arguments: str
    index: int | None
    signature: str | None = None

    @classmethod
    def of(cls, wire: Any) -> "Read":
        """Read leniently: what is of the wrong type is not there."""
        call = wire if isinstance(wire, dict) else {}
        function = call.get("function")
        function = function if isinstance(function, dict) else {}
        arguments, index = function.get("arguments"), call.get("index")
        if not isinstance(arguments, str):
            arguments = "" if arguments is None else orjson.dumps(arguments).decode()
        return cls(
            id=_text(call.get("id")),
            name=_text(function.get("name")),
            arguments=arguments,
            index=index if isinstance(index, int) else None,
            signature=_signature(call),
        )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) and value else None


def _signature(call: dict[str, Any]) -> str | None:
    """Gemini's signature of the thought behind a call, in the place that wins if both are used."""
    extra = call.get("extra_content")
    google = extra.get("google") if isinstance(extra, dict) else None
    inner = google.get("thought_signature") if isinstance(google, dict) else None
    return _text(inner) or _text(call.get("thought_signature"))


def create_call_id() -> str:
    """An id for a tool call that came without one of its own."""
    return f"call_{uuid.uuid4().hex[:24]}"


@dataclass(frozen=True, slots=True)
class Calls:
    """The calls of a whole message: valid ones, invalid ones, and signatures by call id."""

    valid: list[ToolCall] = field(default_factory=list)
    invalid: list[InvalidToolCall] = field(default_factory=list)
    signatures: dict[str, str] = field(default_factory=dict)


def parse_tool_calls(wire: Any) -> Calls:
    """The calls of a whole message."""
    calls = Calls()
    taken: set[str] = set()
    for item in wire if isinstance(wire, list) else ():
        read = Read.of(item)
        call_id = read.id if read.id and read.id not in taken else create_call_id()
        taken.add(call_id)
        args, error = _parsed(read, loads)
        if read.name and args is not None:
            calls.valid.append(tool_call(name=read.name, args=args, id=call_id))
        else:
            bad = invalid_tool_call(name=read.name, args=read.arguments, id=call_id, error=error)
            calls.invalid.append(bad)
        if read.signature:
            calls.signatures[call_id] = read.signature
    return calls


def _parsed(
    read: Read, reader: Callable[[str], Any] = orjson.loads
) -> tuple[dict[str, Any] | None, str]:
    args, error = _object_in(read.arguments, reader)
    return args, error or ("" if read.name else "the call names no tool")


def _object_in(
    arguments: str, reader: Callable[[str], Any] = orjson.loads
) -> tuple[dict[str, Any] | None, str]:
    """The object that arguments are; half a character is read by ``wire.json.loads`` alone."""
    try:
        args = reader(arguments or "{}")
    except ValueError as error:
        return None, f"the arguments are not JSON: {error}"
    return (args, "") if isinstance(args, dict) else (None, "the arguments are not a JSON object")


@dataclass(slots=True)
class _Slot:
    """One streamed call: what has been told of it so far."""

    number: int
    id: str
    given: str | None
    wire_id: str | None = None  # not its own where two calls came with one
    index: int | None = None
    name: str | None = None
    arguments: list[str] = field(default_factory=list)

    @property
    def whole(self) -> Read:
        return Read(self.id, self.name, "".join(self.arguments), self.number)


class ToolCallAccumulator:
    """Gives the fragments of streamed calls one index and one id per call.

    LangChain merges fragments by index and joins equal names, so each fragment must carry a right
    index, and only the first of a call its id and name.
    """

    def __init__(self) -> None:
        self._slots: list[_Slot] = []
        self._by_id: dict[str, _Slot] = {}
        self._by_index: dict[int, _Slot] = {}
        self.signatures: dict[str, str] = {}

    def convert_deltas(self, deltas: Any) -> list[ToolCallChunk]:
        """The chunks for the ``tool_calls`` of one delta."""
        deltas = deltas if isinstance(deltas, list) else []
        return [self._fragment(Read.of(delta)) for delta in deltas if isinstance(delta, dict)]

    def _fragment(self, read: Read) -> ToolCallChunk:
        slot = self._found(read)
        new = slot is None
        slot = slot or self._opened(read)
        if read.id and slot.given is None:
            slot.given = read.id
            self._by_id[read.id] = slot
        name = read.name if slot.name is None else None
        slot.name = slot.name or name
        slot.arguments.append(read.arguments)
        if read.signature:
            self.signatures[slot.id] = read.signature
        call_id = slot.id if new else None
        return call_chunk(name=name, args=read.arguments, id=call_id, index=slot.number)

    def _found(self, read: Read) -> _Slot | None:
        """The call that a fragment continues, if it continues one."""
        slot = self._by_id.get(read.id or "")
        if read.index is not None:
            placed = self._by_index.get(read.index)
            if slot is None or (placed is not None and placed.wire_id == read.id):
                slot = placed
        elif slot is None and self._slots:
            slot = self._slots[-1]
        return None if slot is None or _is_another(slot, read) else slot

    def _opened(self, read: Read) -> _Slot:
        call_id = read.id if read.id and read.id not in self._by_id else create_call_id()
        given = read.id if read.id == call_id else None
        slot = _Slot(len(self._slots), call_id, given, read.id, read.index)
        self._slots.append(slot)
        self._by_id[call_id] = slot
        if read.index is not None:
            self._by_index[read.index] = slot
        return slot

    def invalidate_truncated_calls(self) -> list[ToolCallChunk]:
        """Last fragments for the calls that must not count as valid.

        LangChain completes streamed arguments that were cut off, and an agent would then run a
        tool on half of them; and it hands on half characters, which nobody can send. What follows
        here makes them unmistakably not JSON.
        """
        bad = (slot for slot in self._slots if not slot.name or _parsed(slot.whole)[0] is None)
        endings = ((slot, _spoiler(slot.whole.arguments)) for slot in bad)
        return [
            call_chunk(name=None, args=ending, id=None, index=slot.number)
            for slot, ending in endings
            if ending
        ]


def _is_another(slot: _Slot, read: Read) -> bool:
    """Whether a fragment begins another call than the one it seems to belong to."""
    if read.id and slot.given and read.id != slot.given:
        return True
    if read.name and slot.name:
        again = read.arguments.startswith("{") and _parsed(slot.whole)[0] is not None
        apart = read.id is None or read.index not in {None, slot.index}
        return read.name != slot.name or (apart and bool(slot.arguments) and again)
    return False


def may_start_object(fragment: ToolCallChunk) -> bool:
    """Whether there may be an object in the arguments of a fragment, an empty one included."""
    arguments = fragment["args"]
    return not arguments or arguments.lstrip().startswith("{")


def _spoiler(arguments: str) -> str:
    for ending in ("", *_SPOILERS):
        try:
            if not isinstance(parse_partial_json(arguments + ending), dict):
                return ending
        except ValueError:
            return ending
    return "]"


def strip_invalid_suffix(arguments: str) -> str:
    """The arguments of an invalid call as they came: without the ending that ``spoiled`` added."""
    for ending in reversed(_SPOILERS):
        came = arguments.removesuffix(ending)
        if came != arguments and _spoiler(came) == ending and _object_in(came)[0] is None:
            return came
    return arguments
