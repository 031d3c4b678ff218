"""The floor: a minimal but sound integration."""

from collections.abc import AsyncIterator, Iterator
from functools import cached_property
from typing import Any

import httpx
import orjson
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, AIMessageChunk, BaseMessage
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.utils.function_calling import convert_to_openai_tool

_ROLES = {"human": "user", "ai": "assistant", "system": "system", "tool": "tool"}
_LIMITS = httpx.Limits(max_connections=None, max_keepalive_connections=None)


class MinimalChatModel(BaseChatModel):
    """A chat model with the bare minimum."""

    base_url: str
    model: str = "openai/gpt-4o"
    api_key: str = "sk-orq-example"

    @property
    def _llm_type(self) -> str:
        return "floor"

    @cached_property
    def _http(self) -> httpx.Client:
        return httpx.Client(limits=_LIMITS, timeout=600)

    @cached_property
    def _ahttp(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(limits=_LIMITS, timeout=600)

    def bind_tools(self, tools: Any, **kwargs: Any) -> Any:
        return self.bind(tools=[convert_to_openai_tool(tool) for tool in tools], **kwargs)

    def _request(self, messages: list[BaseMessage], **fields: Any) -> dict[str, Any]:
        body = {"model": self.model, "messages": [_convert_message(m) for m in messages], **fields}
        return {
            "url": f"{self.base_url}/chat/completions",
            "content": orjson.dumps(body),
            "headers": {
                "authorization": f"Bearer {self.api_key}",
                "content-type": "application/json",
            },
        }

    def _generate(self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any):
        response = self._http.post(**self._request(messages, **kwargs))
        response.raise_for_status()
        return _create_result(orjson.loads(response.content))

    async def _agenerate(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ):
        response = await self._ahttp.post(**self._request(messages, **kwargs))
        response.raise_for_status()
        return _create_result(orjson.loads(response.content))

    def _stream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> Iterator[ChatGenerationChunk]:
        request = self._request(messages, stream=True, **kwargs)
        with self._http.stream("POST", **request) as response:
            response.raise_for_status()
            events = _EventDecoder()
            for data in response.iter_bytes():
                for chunk in events.feed(data):
                    if run_manager:
                        run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk

    async def _astream(
        self, messages: Any, stop: Any = None, run_manager: Any = None, **kwargs: Any
    ) -> AsyncIterator[ChatGenerationChunk]:
        request = self._request(messages, stream=True, **kwargs)
        async with self._ahttp.stream("POST", **request) as response:
            response.raise_for_status()
            events = _EventDecoder()
            async for data in response.aiter_bytes():
                for chunk in events.feed(data):
                    if run_manager:
                        await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                    yield chunk


def _convert_message(message: BaseMessage) -> dict[str, Any]:
    wire: dict[str, Any] = {"role": _ROLES[message.type], "content": message.content}
    if message.type == "tool":
        wire["tool_call_id"] = message.tool_call_id
    elif message.type == "ai" and message.tool_calls:
        wire["tool_calls"] = [
            {
                "id": call["id"],
                "type": "function",
                "function": {
                    "name": call["name"],
                    "arguments": orjson.dumps(call["args"]).decode(),
                },
            }
            for call in message.tool_calls
        ]
    return wire


def _create_result(body: dict[str, Any]) -> ChatResult:
    choice, usage = body["choices"][0], body["usage"]
    message = AIMessage(
        content=choice["message"]["content"] or "",
        usage_metadata={
            "input_tokens": usage["prompt_tokens"],
            "output_tokens": usage["completion_tokens"],
            "total_tokens": usage["total_tokens"],
        },
        response_metadata={"model_name": body["model"], "id": body["id"]},
    )
    info = {"finish_reason": choice["finish_reason"]}
    return ChatResult(generations=[ChatGeneration(message=message, generation_info=info)])


class _EventDecoder:
    """Split events at blank lines, which is enough for this server."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[ChatGenerationChunk]:
        *events, self._rest = (self._rest + data).split(b"\n\n")
        for event in events:
            if event.startswith(b"data: ") and event != b"data: [DONE]":
                yield _create_chunk(orjson.loads(event[6:]))


def _create_chunk(body: dict[str, Any]) -> ChatGenerationChunk:
    choice = body["choices"][0]
    delta = choice["delta"]
    calls = [
        tool_call_chunk(
            id=call.get("id"),
            name=call["function"].get("name"),
            args=call["function"].get("arguments"),
            index=call["index"],
        )
        for call in delta.get("tool_calls") or ()
    ]
    message = AIMessageChunk(content=delta.get("content") or "", tool_call_chunks=calls)
    info = {"finish_reason": choice["finish_reason"]} if choice["finish_reason"] else None
    return ChatGenerationChunk(message=message, generation_info=info)
