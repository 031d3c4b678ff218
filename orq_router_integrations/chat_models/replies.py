"""Chat completions as LangChain messages: whole replies and streams end in the same message."""

import uuid
from collections.abc import Iterator
from typing import Any

import orjson
from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall, ToolCall
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call, tool_call
from langchain_core.messages.tool import tool_call_chunk as call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from orq_router_integrations.chat_models.provenance import Asked, provenance
from orq_router_integrations.wire.call import Reply
from orq_router_integrations.wire.chat_completions import (
    ChunkDecoder,
    count,
    first_choice,
    read_completion,
)


def result(reply: Reply, asked: Asked) -> ChatResult:
    """The result in a whole reply.

    Raises:
        BadReply: the reply has no answer in it.
        ErrorInReply: it is an error after all.
    """
    body = read_completion(reply)
    metadata = provenance(body, reply, asked)
    generations = []
    for index, choice in enumerate(body["choices"]):
        message = _message(choice["message"])
        message.response_metadata = dict(metadata)
        if index == 0:
            message.usage_metadata = usage(body.get("usage"))
        info = {"finish_reason": choice.get("finish_reason"), "logprobs": choice.get("logprobs")}
        generations.append(
            ChatGeneration(
                message=message,
                generation_info={name: value for name, value in info.items() if value is not None},
            )
        )
    return ChatResult(generations=generations)


def usage(wire: Any) -> UsageMetadata | None:
    """Token counts with all their details, or ``None`` where the router gave none."""
    if not isinstance(wire, dict):
        return None
    given, made = count(wire.get("prompt_tokens")), count(wire.get("completion_tokens"))
    metadata = UsageMetadata(
        input_tokens=given,
        output_tokens=made,
        total_tokens=count(wire.get("total_tokens")) or given + made,
    )
    inputs = _details(
        wire.get("prompt_tokens_details"),
        {"cached_tokens": "cache_read", "cache_creation_tokens": "cache_creation"},
    )
    outputs = _details(wire.get("completion_tokens_details"), {"reasoning_tokens": "reasoning"})
    if inputs:
        metadata["input_token_details"] = InputTokenDetails(**inputs)  # type: ignore[typeddict-item]
    if outputs:
        metadata["output_token_details"] = OutputTokenDetails(**outputs)  # type: ignore[typeddict-item]
    return metadata


def _details(wire: Any, names: dict[str, str]) -> dict[str, int]:
    if not isinstance(wire, dict):
        return {}
    names = {**names, "audio_tokens": "audio"}
    return {ours: count(wire[n]) for n, ours in names.items() if wire.get(n) is not None}


def _message(wire: dict[str, Any]) -> AIMessage:
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for call in wire.get("tool_calls") or ():
        made = _call(call if isinstance(call, dict) else {})
        (calls if made["type"] == "tool_call" else invalid).append(made)  # type: ignore[arg-type]
    return AIMessage(
        content=text_of(wire.get("content")),
        tool_calls=calls,
        invalid_tool_calls=invalid,
        additional_kwargs=_extras(wire),
    )


def text_of(content: Any) -> str:
    """The text of a message or delta, also where an upstream sends it in parts."""
    if isinstance(content, list):
        return "".join(p.get("text") or "" for p in content if isinstance(p, dict))
    return content if isinstance(content, str) else ""


def _extras(wire: dict[str, Any]) -> dict[str, Any]:
    """What an answer holds beside text and tool calls, under LangChain's names."""
    found = {
        "reasoning_content": wire.get("reasoning") or wire.get("reasoning_content"),
        "reasoning_signature": wire.get("reasoning_signature"),
        "redacted_reasoning": wire.get("redacted_reasoning"),
        "refusal": wire.get("refusal"),
        "audio": wire.get("audio"),
        "annotations": wire.get("annotations"),
        "images": wire.get("images"),
    }
    return {name: value for name, value in found.items() if value}


def _call(wire: dict[str, Any]) -> ToolCall | InvalidToolCall:
    function = wire.get("function") or {}
    name, arguments = function.get("name") or "", _arguments(function)
    call_id = wire.get("id") or new_call_id()
    try:
        args = orjson.loads(arguments or "{}")
    except orjson.JSONDecodeError as error:
        return invalid_tool_call(name=name, args=arguments, id=call_id, error=f"not JSON: {error}")
    if not isinstance(args, dict):
        return invalid_tool_call(name=name, args=arguments, id=call_id, error="not a JSON object")
    return tool_call(name=name, args=args, id=call_id)


def _arguments(function: dict[str, Any]) -> str:
    """Arguments as JSON text; some upstreams send the object itself, or null."""
    arguments = function.get("arguments")
    if isinstance(arguments, str):
        return arguments
    return "" if arguments is None else orjson.dumps(arguments).decode()


def new_call_id() -> str:
    """An id for a tool call that came without one."""
    return f"call_{uuid.uuid4().hex[:24]}"


class CallRepair:
    """Gives the fragments of streamed tool calls one index and one id per call.

    Upstreams leave out the index, repeat it, repeat or omit id and name. LangChain merges
    fragments by index and joins equal names, so each fragment must carry a right index, and only
    the first of a call its id and name.
    """

    def __init__(self) -> None:
        self._names: list[bool] = []  # one entry per call: whether its name has been told
        self._by_id: dict[str, int] = {}
        self._by_index: dict[Any, int] = {}

    def fragments(self, deltas: Any) -> list[ToolCallChunk]:
        """The chunks for the ``tool_calls`` of one delta."""
        deltas = deltas if isinstance(deltas, list) else []
        return [self._fragment(delta) for delta in deltas if isinstance(delta, dict)]

    def _fragment(self, delta: dict[str, Any]) -> ToolCallChunk:
        function = delta.get("function") or {}
        slot, new_id = self._slot(delta, function)
        name = function.get("name") or None
        if name and self._names[slot]:
            name = None
        self._names[slot] = self._names[slot] or bool(name)
        return call_chunk(name=name, args=_arguments(function), id=new_id, index=slot)

    def _slot(self, delta: dict[str, Any], function: dict[str, Any]) -> tuple[int, str | None]:
        """The call that a delta belongs to, and its id if the call begins here."""
        call_id, index = delta.get("id") or None, delta.get("index")
        if call_id in self._by_id:
            return self._by_id[call_id], None
        if call_id is None and index is not None and index in self._by_index:
            return self._by_index[index], None
        if call_id is None and index is None and self._names and not function.get("name"):
            return len(self._names) - 1, None
        call_id = call_id or new_call_id()
        slot = len(self._names)
        self._names.append(False)
        self._by_id[call_id] = slot
        if index is not None:
            self._by_index[index] = slot
        return slot, call_id


class ChunkReader:
    """Bytes of one chat stream in, LangChain chunks out.

    Text and fragments pass as they come; everything that is said once for the whole answer
    (usage, finish reason, provenance) is kept for the last chunk, where it counts once.
    """

    def __init__(self, head: Reply, asked: Asked) -> None:
        self._head = head
        self._asked = asked
        self._decoder = ChunkDecoder()
        self._calls = CallRepair()
        self._body: dict[str, Any] = {}
        self._finish_reason: str | None = None
        self._told: set[str] = set()  # members of an audio answer that must not be merged twice

    @property
    def done(self) -> bool:
        """Whether the stream said that it is complete."""
        return self._decoder.done

    @property
    def partial(self) -> str:
        """The text received so far."""
        return self._decoder.partial

    def feed(self, data: bytes) -> Iterator[ChatGenerationChunk]:
        """Take bytes, yield the chunks they complete."""
        for wire in self._decoder.feed(data):
            self._body.update({k: v for k, v in wire.items() if k != "choices" and v is not None})
            choice = first_choice(wire)
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
            if chunk := self._chunk(choice):
                yield chunk
        if self._decoder.done:
            yield self._last()

    def finish(self) -> Iterator[ChatGenerationChunk]:
        """The last chunk of a stream that ended without ``[DONE]``."""
        self._decoder.finish()
        if not self._decoder.done:
            yield self._last()

    def _chunk(self, choice: dict[str, Any]) -> ChatGenerationChunk | None:
        delta = choice.get("delta") or {}
        text, logprobs = text_of(delta.get("content")), choice.get("logprobs")
        calls = self._calls.fragments(delta.get("tool_calls"))
        extras = _extras(delta)
        if isinstance(audio := extras.get("audio"), dict):
            extras["audio"] = {k: v for k, v in audio.items() if k not in self._told}
            self._told |= audio.keys() & {"id", "expires_at"}
        if not (text or calls or extras or logprobs):
            return None
        message = AIMessageChunk(content=text, tool_call_chunks=calls, additional_kwargs=extras)
        info = {"logprobs": logprobs} if logprobs else None
        return ChatGenerationChunk(message=message, generation_info=info)

    def _last(self) -> ChatGenerationChunk:
        message = AIMessageChunk(
            content="",
            chunk_position="last",
            usage_metadata=usage(self._body.get("usage")),
            response_metadata=provenance(self._body, self._head, self._asked),
        )
        info = {"finish_reason": self._finish_reason} if self._finish_reason else None
        return ChatGenerationChunk(message=message, generation_info=info)
