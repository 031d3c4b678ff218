"""Chat models that receive fixed responses, and helpers that compare their messages."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import httpx
import orjson
from langchain_core.messages import AIMessage, AIMessageChunk, message_chunk_to_message
from langchain_core.outputs import ChatGenerationChunk

from orq_router_integrations import ChatOrq, RouterClient
from orq_router_integrations.chat_models.response_conversion import StreamConverter
from orq_router_integrations.chat_models.tool_calls import strip_truncation_mark
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.chat_completions import ChatStreamDecoder
from orq_router_integrations.wire.event_stream import EventStreamDecoder
from orq_router_integrations.wire.model_names import ModelCandidates

GPT = "openai/gpt-4o"
EVENT_STREAM = "text/event-stream"
STOP: dict[str, Any] = {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def create_model(content: bytes, content_type: str = "application/json", **kwargs: Any) -> ChatOrq:
    """Create a model that gets this response body, with status 200, to every request."""

    def handle(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=content, headers={"content-type": content_type})

    http_client = httpx.Client(transport=httpx.MockTransport(handle))
    client = RouterClient(api_key="k", http_client=http_client, max_retries=0)
    return ChatOrq(**{"model": GPT, "client": client} | kwargs)


def invoke_with_message(**fields: Any) -> AIMessage:
    """Return the answer to a completion whose only choice has this message."""
    message = {"role": "assistant", **fields}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    answer = create_model(orjson.dumps({"choices": [choice]})).invoke("Hi")
    assert isinstance(answer, AIMessage)
    return answer


def encode_event(data: Any) -> bytes:
    """Encode a JSON value, or bytes that are sent unchanged, as a server-sent event."""
    return b"data: " + (data if isinstance(data, bytes) else orjson.dumps(data)) + b"\n\n"


DONE = encode_event(b"[DONE]")


def create_delta(finish_reason: str | None = None, **delta: Any) -> dict[str, Any]:
    """Create a chunk of a streamed completion with one choice."""
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish_reason}]}


def create_tool_delta(arguments: Any = None, name: str | None = None, **fields: Any) -> Any:
    """Create a tool call, or a fragment of one; a name or arguments of ``None`` are left out."""
    function = {"name": name, "arguments": arguments}
    return {**fields, "function": {k: v for k, v in function.items() if v is not None}}


def create_call(name: str, args: Any = None, call_id: str | None = None) -> dict[str, Any]:
    """Create a tool call for ``Answer.tool_calls``; arguments may be a str that is not JSON."""
    return {"name": name, "args": {} if args is None else args, "id": call_id}


def convert_stream(
    *data: bytes, create_decoder: Callable[[], EventStreamDecoder] = ChatStreamDecoder
) -> list[ChatGenerationChunk]:
    """Convert the bytes of a stream to chunks."""
    response = Response(200, {"content-type": EVENT_STREAM})
    converter = StreamConverter(response, ModelCandidates(GPT, (GPT,)), create_decoder)
    chunks = [chunk for item in data for chunk in converter.feed(item)]
    return chunks if converter.done else [*chunks, *converter.finish()]


def merge_generations(chunks: Sequence[ChatGenerationChunk]) -> ChatGenerationChunk:
    """Add up the chunks of a stream."""
    merged, *later_chunks = chunks
    for chunk in later_chunks:
        merged += chunk
    assert isinstance(merged.message, AIMessageChunk)
    return merged


def merge_deltas(*deltas: Any) -> AIMessageChunk:
    """Return the message of a stream of these chunks of a completion."""
    message = merge_generations(convert_stream(*map(encode_event, deltas), DONE)).message
    assert isinstance(message, AIMessageChunk)
    return message


def merge_chunks(chunks: Iterable[Any]) -> Any:
    """Add up streamed message chunks to a complete message."""
    merged, *later_chunks = chunks
    for chunk in later_chunks:
        merged += chunk
    return message_chunk_to_message(merged)


def comparable(message: Any) -> dict[str, Any]:
    """Return the fields of a message that do not depend on how it was received."""
    fields: dict[str, Any] = message.model_dump(exclude={"id"})
    fields["response_metadata"].pop("latency")
    return {**_comparable(fields), "blocks": _comparable(message.content_blocks)}


def _comparable(value: Any) -> Any:
    """Remove indices, texts of parsing errors, and marks of truncated tool calls.

    In ``content``, a streamed invalid call stays a chunk.
    """
    if isinstance(value, list):
        return [_comparable(item) for item in value]
    if isinstance(value, dict):
        return {k: _comparable(v) for k, v in value.items() if k not in {"index", "error"}}
    if isinstance(value, str):
        value = "invalid_tool_call" if value == "tool_call_chunk" else value
        return strip_truncation_mark(value)
    return value


def drop_index(blocks: Iterable[Any]) -> list[dict[str, Any]]:
    """Return content blocks without the indices that only streamed blocks have."""
    return [{k: v for k, v in block.items() if k != "index"} for block in blocks]
