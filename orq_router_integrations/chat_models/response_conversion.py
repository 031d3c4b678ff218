"""Convert completions, complete or streamed, to LangChain messages."""

from collections.abc import Callable, Iterator
from typing import Any

from langchain_core.messages import AIMessage, AIMessageChunk, InvalidToolCall, ToolCall
from langchain_core.messages.tool import ToolCallChunk, invalid_tool_call
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult

from orq_router_integrations.chat_models.constants import PROVIDER
from orq_router_integrations.chat_models.content_blocks import detect_base64_type
from orq_router_integrations.chat_models.response_metadata import (
    create_finish_metadata,
    create_response_metadata,
    create_usage_metadata,
)
from orq_router_integrations.chat_models.tool_calls import ToolCalls, may_contain_object
from orq_router_integrations.wire.base64_chunks import Base64Normalizer
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.chat_completions import ChatStreamDecoder, get_first_choice
from orq_router_integrations.wire.event_stream import EventStreamDecoder
from orq_router_integrations.wire.json import as_dict, as_int, as_str, strip_data_prefix
from orq_router_integrations.wire.model_names import ModelCandidates
from orq_router_integrations.wire.reasoning import ITEM_KWARGS, REASONING_FIELDS

_KWARGS: dict[str, tuple[str, tuple[type, ...]]] = {
    **{field.name: (field.kwarg, field.types) for field in REASONING_FIELDS},
    "refusal": ("refusal", (str,)),
    "audio": ("audio", (dict,)),
    "annotations": ("annotations", (list,)),
    **{name: (name, (list,)) for name in ITEM_KWARGS},
    "images": ("images", (list,)),
}
"""Fields of a response message, with their names in ``additional_kwargs`` and their types."""

_LIST_KWARGS = {name for name, types in _KWARGS.values() if list in types}
_AUDIO_TEXTS = ("data", "transcript")


def convert_completion(
    body: dict[str, Any], response: Response, candidates: ModelCandidates
) -> ChatResult:
    metadata = create_response_metadata(body, response, candidates)
    choices = sorted(body["choices"], key=lambda choice: as_int(choice.get("index")) or 0)
    generations = [_create_generation(choice, metadata) for choice in choices]
    first_message: Any = generations[0].message  # its usage counts all choices
    first_message.usage_metadata = create_usage_metadata(body)
    return ChatResult(generations=generations)


def _create_generation(choice: dict[str, Any], metadata: dict[str, Any]) -> ChatGeneration:
    payload = choice["message"]
    kwargs = _extract_kwargs(payload)
    valid_calls: list[ToolCall] = []
    invalid_calls: list[InvalidToolCall] = []
    if payload.get("tool_calls"):
        calls = ToolCalls(payload["tool_calls"])
        valid_calls, invalid_calls = calls.parse()
        kwargs |= calls.get_signature_kwargs()
    reason, has_refusal = choice.get("finish_reason"), "refusal" in kwargs
    finish = create_finish_metadata(
        reason, has_refusal=has_refusal, has_tool_calls=bool(valid_calls)
    )
    message = AIMessage(
        content=payload["content"],
        additional_kwargs=kwargs,
        response_metadata=metadata | finish,
        tool_calls=valid_calls,
        invalid_tool_calls=invalid_calls,
    )
    logprobs = as_dict(choice.get("logprobs"))
    info = {**finish, "logprobs": logprobs} if logprobs else finish
    return ChatGeneration(message=message, generation_info=info)


def _extract_kwargs(payload: dict[str, Any]) -> dict[str, Any]:
    if _KWARGS.keys().isdisjoint(payload):
        return {}
    kwargs = {
        name: payload[key]
        for key, (name, types) in _KWARGS.items()
        if payload.get(key) and isinstance(payload[key], types)
    }
    audio = as_dict(kwargs.get("audio"))
    if data := as_str(audio.get("data")):
        data = strip_data_prefix(data)
        mime_type = detect_base64_type(data, "audio/pcm")
        kwargs["audio"] = {**audio, "data": data, "mime_type": mime_type}
    return kwargs


_EMPTY_CHUNK = AIMessageChunk(content="")
_EMPTY_GENERATION = ChatGenerationChunk(message=_EMPTY_CHUNK)


def _create_chunk(
    text: str, calls: list[ToolCallChunk], kwargs: dict[str, Any], logprobs: dict[str, Any]
) -> ChatGenerationChunk:
    """Create a chunk, skipping validation if its outcome is known.

    Validation parses the arguments of every tool call chunk, which is slow. Arguments that do not
    start with a brace cannot contain an object, so their chunk is an invalid call until it is
    merged.
    """
    fields: dict[str, Any] = {
        "content": text,
        "tool_call_chunks": calls,
        "additional_kwargs": kwargs,
        "response_metadata": {"model_provider": PROVIDER},
    }
    if calls and any(may_contain_object(call["args"]) for call in calls):
        message = AIMessageChunk(**fields)
    else:
        fields["tool_calls"] = []
        fields["invalid_tool_calls"] = [
            invalid_tool_call(name=call["name"], args=call["args"], id=call["id"]) for call in calls
        ]
        message = _EMPTY_CHUNK.model_copy(update=fields)
    info = {"logprobs": logprobs} if logprobs else None
    return _EMPTY_GENERATION.model_copy(
        update={"message": message, "text": text, "generation_info": info}
    )


class StreamConverter:
    """Converts the bytes of one stream to LangChain chunks.

    Text and fragments of tool calls are yielded as they arrive. The final chunk has everything that
    must be merged only once: usage, finish reason and provenance.
    """

    def __init__(
        self,
        response: Response,
        candidates: ModelCandidates,
        create_decoder: Callable[[], EventStreamDecoder] = ChatStreamDecoder,
    ) -> None:
        self._response = response
        self._candidates = candidates
        self._decoder = create_decoder()
        self._tool_calls = ToolCalls()
        self._text: list[str] = []
        self._body: dict[str, Any] = {}
        self._finish_reason: str | None = None
        self._deferred: dict[str, list[Any]] = {}
        self._sent_kwargs: set[str] = set()
        self._sent_audio_fields: set[str] = set()
        self._audio_data = Base64Normalizer()
        self.done = False

    @property
    def partial(self) -> str:
        return "".join(self._text)

    def feed(self, data: bytes) -> Iterator[ChatGenerationChunk]:
        for event in self._decoder.feed(data):
            self._body.update((k, value) for k, value in event.items() if value is not None)
            choice = get_first_choice(event)
            self._finish_reason = choice.get("finish_reason") or self._finish_reason
            delta = choice.get("delta") or {}
            text, logprobs = delta.get("content") or "", as_dict(choice.get("logprobs"))
            self._text.append(text)
            deltas = delta.get("tool_calls")
            calls = self._tool_calls.convert_deltas(deltas) if deltas else []
            if kwargs := _extract_kwargs(delta):
                self._defer_unmergeable(kwargs)
            if text or calls or kwargs or logprobs:
                yield _create_chunk(text, calls, kwargs, logprobs)
        if self._decoder.done:
            self.done = True
            yield self._create_final_chunk()

    def finish(self) -> Iterator[ChatGenerationChunk]:
        """Yield the final chunk of a stream that ended without ``[DONE]``."""
        self._decoder.finish()
        if not self._decoder.done:
            yield self._create_final_chunk()

    def _defer_unmergeable(self, kwargs: dict[str, Any]) -> None:
        """Defer lists to the final chunk, because langchain-core does not merge them reliably.

        It merges items that have the same ``index``, and raises if a number in them differs.
        """
        for name in _LIST_KWARGS & kwargs.keys():
            if not isinstance(kwargs[name], str):  # strings can be merged
                self._deferred.setdefault(name, []).extend(kwargs.pop(name))
        self._sent_kwargs |= kwargs.keys()
        if audio := kwargs.get("audio"):
            kwargs["audio"] = self._convert_audio_delta(audio)

    def _convert_audio_delta(self, audio: dict[str, Any]) -> dict[str, Any]:
        """Drop repeated values, and align base64 data so that deltas can be concatenated."""
        texts = {name: audio[name] for name in _AUDIO_TEXTS if isinstance(audio.get(name), str)}
        if "data" in texts:
            texts["data"] = self._audio_data.feed(texts["data"])
        sent = self._sent_audio_fields.union(_AUDIO_TEXTS)
        new_fields = {name: value for name, value in audio.items() if name not in sent}
        self._sent_audio_fields |= new_fields.keys()
        return new_fields | texts

    def _create_final_chunk(self) -> ChatGenerationChunk:
        kwargs: dict[str, Any] = {  # a list cannot be merged with a string that was sent before
            name: items for name, items in self._deferred.items() if name not in self._sent_kwargs
        }
        if data := self._audio_data.finish():
            kwargs["audio"] = {"data": data}
        kwargs |= self._tool_calls.get_signature_kwargs()
        finish = create_finish_metadata(
            self._finish_reason,
            has_refusal="refusal" in self._sent_kwargs,
            has_tool_calls=self._tool_calls.has_valid_calls,
        )
        metadata = create_response_metadata(self._body, self._response, self._candidates)
        message = AIMessageChunk(
            content=self._decoder.pending_text,
            tool_call_chunks=self._tool_calls.invalidate_truncated_calls(),
            additional_kwargs=kwargs,
            chunk_position="last",
            usage_metadata=create_usage_metadata(self._body),
            response_metadata={**metadata, **finish},
        )
        return ChatGenerationChunk(message=message, generation_info=finish or None)
