"""``ChatOrq``, the chat model of the orq.ai AI Router."""

import asyncio
import time
from collections.abc import Sequence
from contextlib import closing
from inspect import signature
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult, LLMResult
from langchain_core.prompt_values import ChatPromptValue, PromptValue
from langchain_core.runnables import Runnable
from langchain_core.utils.utils import LC_ID_PREFIX
from pydantic import BaseModel
from typing_extensions import AsyncGenerator, Generator

from orq_router_integrations._http.async_generators import ScopedAsyncGenerator
from orq_router_integrations._integration import CacheClaims
from orq_router_integrations.chat_models.constants import ENDPOINTS
from orq_router_integrations.chat_models.fields import ChatOrqFields
from orq_router_integrations.chat_models.tool_schemas import (
    OutputSchema,
    StructuredOutputMethod,
    ToolChoice,
    ToolLike,
)
from orq_router_integrations.errors import raise_input_errors, to_input_error
from orq_router_integrations.wire.call import Call

# Importing ChatOrq should be fast, so modules that only calls need are imported in the methods.


class ChatOrq(ChatOrqFields):
    """Chat model for all providers that the orq.ai AI Router supports.

    Parameters such as ``temperature`` can be set for all calls in the constructor, or for single
    calls with ``model.invoke(..., temperature=0)`` or ``model.bind(temperature=0)``. This includes
    ``model`` and ``controls``, which configures the router: fallbacks, retries, load balancing,
    caching, timeouts and attribution.

    Raises:
        pydantic.ValidationError: A constructor argument is invalid.
        RouterError: A call failed. The subclasses are in ``orq_router_integrations.errors``.

    >>> from orq_router_integrations import OfflineRouter
    >>> router = OfflineRouter(answers={"Hi": "Hello!"})
    >>> ChatOrq("openai/gpt-4o", client=router.client()).invoke("Hi").text
    'Hello!'
    """

    def _convert_input(self, model_input: LanguageModelInput) -> PromptValue:
        """Convert the input to messages that LangChain can trace and pass to ``_generate``."""
        from orq_router_integrations.chat_models import message_conversion  # noqa: PLC0415

        try:
            messages = super()._convert_input(model_input).to_messages()
            normalized = message_conversion.normalize_for_tracing(messages)
        except (ValueError, KeyError, TypeError, NotImplementedError) as error:
            if not isinstance(error, ValueError):
                problem = f"{type(error).__name__}: {error}"
                error = ValueError(f"LangChain cannot read the input: {problem}")
            raise to_input_error(error, endpoint=ENDPOINTS[self.api].path) from None
        return ChatPromptValue(messages=normalized)

    def _should_stream(self, **kwargs: Any) -> bool:
        return super()._should_stream(**kwargs) and self._can_stream(kwargs)

    def _should_use_protocol_streaming(self, **kwargs: Any) -> bool:
        return super()._should_use_protocol_streaming(**kwargs) and self._can_stream(kwargs)

    def _can_stream(self, kwargs: dict[str, Any]) -> bool:
        """Return whether ``invoke`` may use a stream; see ``streaming``.

        An explicit ``stream=True`` counts as streamable here and raises an error later.
        """
        params = {"n": self.n, "background": self.background, **kwargs}
        return bool(params.get("stream")) or (params["n"] in (None, 1) and not params["background"])

    def generate(self, *args: Any, **kwargs: Any) -> LLMResult:
        """Answer lists of messages; see ``BaseChatModel.generate``."""
        with CacheClaims():
            return super().generate(*args, **kwargs)

    async def agenerate(self, *args: Any, **kwargs: Any) -> LLMResult:
        """Answer lists of messages; see ``BaseChatModel.agenerate``."""
        with CacheClaims():
            return await super().agenerate(*args, **kwargs)

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        from orq_router_integrations.chat_models import request_builder  # noqa: PLC0415

        call = request_builder.build_call(self, messages, {"stop": stop, **kwargs})
        result = self.resolved_client.send(call)
        while not isinstance(result, ChatResult):
            poll, delay = request_builder.build_poll(call, result)
            time.sleep(delay)
            result = self.resolved_client.send(poll)
        return result

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        from orq_router_integrations.chat_models import request_builder  # noqa: PLC0415

        call = request_builder.build_call(self, messages, {"stop": stop, **kwargs})
        result = await self.resolved_client.asend(call)
        while not isinstance(result, ChatResult):
            poll, delay = request_builder.build_poll(call, result)
            await asyncio.sleep(delay)
            result = await self.resolved_client.asend(poll)
        return result

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Generator[ChatGenerationChunk]:
        from orq_router_integrations.chat_models import request_builder  # noqa: PLC0415

        call = request_builder.build_stream_call(self, messages, {"stop": stop, **kwargs})
        with closing(self.resolved_client.stream(call)) as chunks:
            for chunk in chunks:
                if run_manager:
                    run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    async def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> AsyncGenerator[ChatGenerationChunk]:
        from orq_router_integrations.chat_models import request_builder  # noqa: PLC0415

        call = request_builder.build_stream_call(self, messages, {"stop": stop, **kwargs})
        async with ScopedAsyncGenerator(self.resolved_client.astream(call)) as chunks:
            async for chunk in chunks:
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    def _stream_chat_model_events(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        *,
        run_manager: CallbackManagerForLLMRun,
        **kwargs: Any,
    ) -> Generator[dict[str, Any]]:
        """Yield the events of ``stream_events(version="v3")``."""
        from orq_router_integrations.chat_models import stream_events  # noqa: PLC0415

        builder = stream_events.StreamEventBuilder(f"{LC_ID_PREFIX}-{run_manager.run_id}")
        with closing(self._stream(messages, stop, run_manager, **kwargs)) as chunks:
            for chunk in chunks:
                yield from builder.iter_events(chunk)

    async def _astream_chat_model_events(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        *,
        run_manager: AsyncCallbackManagerForLLMRun,
        **kwargs: Any,
    ) -> AsyncGenerator[dict[str, Any]]:
        from orq_router_integrations.chat_models import stream_events  # noqa: PLC0415

        builder = stream_events.StreamEventBuilder(f"{LC_ID_PREFIX}-{run_manager.run_id}")
        stream = self._astream(messages, stop, run_manager, **kwargs)
        async with ScopedAsyncGenerator(stream) as chunks:
            async for chunk in chunks:
                for event in builder.iter_events(chunk):
                    yield event

    def compact(self, conversation: LanguageModelInput, **kwargs: Any) -> list[BaseMessage]:
        """Compact a conversation with the Responses API, and return the messages that replace it.

        The first message contains the compaction item, an encrypted summary that only the provider
        can read, and the usage of this call. The newest messages follow. Pass them all to
        ``invoke`` with the next message, without ``previous_response_id``. Router controls such as
        fallbacks do not apply.

        Args:
            conversation: The conversation, as for ``invoke``.
            kwargs: ``model``, ``instructions``, ``previous_response_id`` or ``prompt_cache_key``.

        Raises:
            RouterInputError: The conversation is invalid, or ``api`` is not ``"responses"``.
            RouterError: The call failed.

        >>> from orq_router_integrations import OfflineRouter
        >>> client = OfflineRouter().client()
        >>> model = ChatOrq("openai/gpt-4o", api="responses", client=client)
        >>> summary, newest = model.compact([("user", "Hi"), ("ai", "Hello!"), ("user", "Bye")])
        >>> newest.text
        'Bye'
        """
        return self.resolved_client.send(self._build_compaction_call(conversation, kwargs))

    async def acompact(self, conversation: LanguageModelInput, **kwargs: Any) -> list[BaseMessage]:
        """Compact a conversation; see ``compact``."""
        return await self.resolved_client.asend(self._build_compaction_call(conversation, kwargs))

    def _build_compaction_call(
        self, conversation: LanguageModelInput, kwargs: dict[str, Any]
    ) -> Call[list[BaseMessage]]:
        from orq_router_integrations.chat_models import compaction  # noqa: PLC0415

        messages = self._convert_input(conversation).to_messages()
        return compaction.build_compaction_call(self, messages, kwargs)

    def bind_tools(
        self,
        tools: Sequence[ToolLike],
        *,
        tool_choice: ToolChoice = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        response_format: OutputSchema | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Bind tools to the model. They are converted once, when they are bound.

        Args:
            tools: Functions, ``BaseTool`` objects, pydantic classes, TypedDicts, or dicts in
                OpenAI's or Anthropic's format.
            tool_choice: ``"auto"``, ``"none"``, ``"any"`` (also ``"required"`` or ``True``) to
                force a call of some tool, or the name or OpenAI dict of the tool to call.
            strict: Whether tool arguments must match the schema exactly.
            parallel_tool_calls: Whether one answer may contain several tool calls.
            response_format: A schema for the final answer.
            kwargs: Other arguments of a call, such as ``temperature``.

        Raises:
            RouterInputError: A tool cannot be converted or has an invalid name, or
                ``tool_choice`` does not name one of the tools.
        """
        from orq_router_integrations.chat_models import request_builder  # noqa: PLC0415

        tool_args = {
            "tools": tools,
            "tool_choice": tool_choice,
            "parallel_tool_calls": parallel_tool_calls,
            "response_format": response_format,
        }
        with raise_input_errors():
            params = request_builder.build_tool_params(tool_args, api=self.api, strict=strict)
        return self.bind(**params, **kwargs)

    def with_structured_output(
        self,
        schema: OutputSchema | None = None,
        *,
        method: StructuredOutputMethod = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Return a runnable whose output matches a schema.

        Args:
            schema: A pydantic class (the output is an instance of it), or a TypedDict or JSON
                schema (the output is a dict). Optional for ``json_mode``.
            method: ``json_schema`` (the provider enforces the schema), ``function_calling`` (the
                model must call a tool with this schema) or ``json_mode`` (the model answers with
                any JSON object, so the prompt must describe the schema).
            include_raw: Return a dict with ``raw``, ``parsed`` and ``parsing_error`` instead of
                raising parsing errors.
            strict: Whether the output must match the schema exactly. Not supported by
                ``json_mode``.
            kwargs: Other arguments of a call, such as ``temperature``.

        Raises:
            RouterInputError: The schema cannot be converted, or the arguments contradict each
                other.
        """
        from orq_router_integrations.chat_models import structured_output  # noqa: PLC0415

        with raise_input_errors():
            return structured_output.bind_structured_output(
                self, schema, method, include_raw=include_raw, strict=strict, kwargs=kwargs
            )


# LangChain inspects these signatures in every call; setting __signature__ makes that cheap.
for _hook in (ChatOrq._generate, ChatOrq._agenerate):  # noqa: SLF001
    _hook.__signature__ = signature(_hook)  # type: ignore[union-attr]


def init_orq_chat_model(model: str, **kwargs: Any) -> ChatOrq:
    """Create a chat model from a name, like LangChain's ``init_chat_model``.

    ``init_chat_model`` itself only supports providers that LangChain knows.

    Args:
        model: The model id, such as ``openai/gpt-4o``, optionally with the prefix ``orq:``.
        kwargs: Arguments of ``ChatOrq``.

    >>> init_orq_chat_model("orq:openai/gpt-4o", api_key="sk-orq-example").model
    'openai/gpt-4o'
    """
    model = model.removeprefix("orq:") if isinstance(model, str) else model
    return ChatOrq(model=model, **kwargs)
