"""``ChatOrq``: the chat model."""

from collections.abc import Sequence
from contextlib import closing
from inspect import signature
from typing import TYPE_CHECKING, Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.prompt_values import ChatPromptValue, PromptValue
from langchain_core.runnables import Runnable
from langchain_core.utils.utils import LC_ID_PREFIX
from pydantic import BaseModel
from typing_extensions import AsyncGenerator, Generator

from orq_router_integrations._http.async_generators import ScopedAsyncGenerator
from orq_router_integrations._http.lazily import LazyModule
from orq_router_integrations.chat_models import requests, schemas
from orq_router_integrations.chat_models import tool_schemas as tools
from orq_router_integrations.chat_models.constants import ENDPOINTS
from orq_router_integrations.chat_models.fields import ChatOrqFields
from orq_router_integrations.validation import to_input_error

if TYPE_CHECKING:
    from orq_router_integrations.chat_models import request_builder as calling
    from orq_router_integrations.chat_models import structured_output as structured
    from orq_router_integrations.chat_models.stream_events import StreamEvent
else:
    calling = LazyModule("orq_router_integrations.chat_models.request_builder")
    structured = LazyModule("orq_router_integrations.chat_models.structured_output")


class ChatOrq(ChatOrqFields):
    """Chat models of every provider through the orq.ai AI Router.

    What the router does beside answering is one typed value, ``controls``: fallbacks, retries,
    load balancing, caching, timeouts, attribution. Parameters (``temperature``, ``max_tokens``,
    ``stop``, ``reasoning_effort``, ...: ``wire.chat_params.ChatParams`` tells of all) and
    settings (``api_key``, ``base_url``, ``timeout``, ...: ``settings.RouterSettings``) are
    constructor arguments; every parameter, ``model`` and ``controls`` can also be given per call
    (``invoke(..., temperature=0)``) or bound.

    Attributes:
        model: the provider, a slash, the provider's model: ``openai/gpt-4o``.
        api: ``chat_completions``, or ``responses`` (v3/router only), which adds the parameters of
            ``ResponsesParams``, server tools, reasoning summaries and cost.
        controls: the router's controls; those given per call go on top, field by field.
        streaming: whether ``invoke`` collects a stream instead of asking for a whole reply. What
            does not stream, ``n`` answers or a response in the background, comes whole.
        stream_usage: whether streams report token usage.
        tool_media: where images, files and audio of a tool's answer go: into a ``user`` message
            behind it, nowhere (a ``placeholder`` tells of them), or left in the ``tool`` message,
            where the router's schema has no place for them but some upstreams do.
        disabled_params: parameters never to send, for models that refuse what LangChain or another
            default sets: the name, and ``None`` or a list of the values to leave out.
        extra_body: further members of the request body, sent as they are.
        client: a ``RouterClient`` to use; it then decides all settings.

    Raises:
        pydantic.ValidationError: at construction, when an argument is wrong.
        RouterError: at a call; the tree is in ``errors``.

    >>> from orq_router_integrations.testing import OfflineRouter
    >>> router = OfflineRouter(answers={"Hi": "Hello!"})
    >>> ChatOrq(model="openai/gpt-4o", client=router.client()).invoke("Hi").text
    'Hello!'
    """

    def _convert_input(self, model_input: LanguageModelInput) -> PromptValue:
        """What LangChain traces and then hands to the hooks."""
        try:
            given, messages = self._read_by_langchain(model_input)
            seen = calling.normalize_for_tracing(messages)
        except ValueError as error:
            raise to_input_error(error, endpoint=ENDPOINTS[self.api].path) from None
        as_given = isinstance(given, ChatPromptValue) and seen == messages
        return given if as_given else ChatPromptValue(messages=seen)

    def _read_by_langchain(
        self, model_input: LanguageModelInput
    ) -> tuple[PromptValue, list[BaseMessage]]:
        try:
            given = super()._convert_input(model_input)
            return given, given.to_messages()
        except (KeyError, TypeError, NotImplementedError) as error:
            said = f"messages: LangChain cannot read them ({type(error).__name__}: {error})"
            raise ValueError(said) from None

    def _should_stream(self, **kwargs: Any) -> bool:
        return not self._must_not_stream(kwargs) and super()._should_stream(**kwargs)

    def _should_use_protocol_streaming(self, **kwargs: Any) -> bool:
        return not self._must_not_stream(kwargs) and super()._should_use_protocol_streaming(
            **kwargs
        )

    def _must_not_stream(self, given: dict[str, Any]) -> bool:
        """Whether nobody asked for a stream in so many words, and the router would give none.

        Then a handler that likes to watch gets the whole answer, and so does ``streaming=True``.
        """
        own = {"n": self.n, "background": self.background}
        asked = requests.drop_disabled_params(
            {**own, **self.extra_body, **given}, self.disabled_params
        )
        return not given.get("stream") and requests.get_streaming_obstacle(asked) is not None

    # LangChain's four hooks

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        return calling.wait_until_done(
            self.resolved_client, calling.build_call(self, messages, stop, kwargs)
        )

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        call = calling.build_call(self, messages, stop, kwargs)
        return await calling.await_until_done(self.resolved_client, call)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Generator[ChatGenerationChunk]:
        call = calling.build_stream_call(self, messages, stop, kwargs)
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
        call = calling.build_stream_call(self, messages, stop, kwargs)
        async with ScopedAsyncGenerator(self.resolved_client.astream(call)) as chunks:
            async for chunk in chunks:
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    # The source of events for stream_events(version="v3")

    def _stream_chat_model_events(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        *,
        run_manager: CallbackManagerForLLMRun,
        **kwargs: Any,
    ) -> "Generator[StreamEvent]":
        teller = calling.StreamEventBuilder(f"{LC_ID_PREFIX}-{run_manager.run_id}")
        with closing(self._stream(messages, stop, run_manager, **kwargs)) as chunks:
            for chunk in chunks:
                yield from teller.iter_events(chunk)
        yield from teller.iter_final_events()

    async def _astream_chat_model_events(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        *,
        run_manager: AsyncCallbackManagerForLLMRun,
        **kwargs: Any,
    ) -> "AsyncGenerator[StreamEvent]":
        teller = calling.StreamEventBuilder(f"{LC_ID_PREFIX}-{run_manager.run_id}")
        async with ScopedAsyncGenerator(
            self._astream(messages, stop, run_manager, **kwargs)
        ) as chunks:
            async for chunk in chunks:
                for event in teller.iter_events(chunk):
                    yield event
        for event in teller.iter_final_events():
            yield event

    def bind_tools(
        self,
        tools: Sequence[tools.ToolLike],
        *,
        tool_choice: tools.ToolChoice = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        response_format: schemas.OutputSchema | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """Give the model tools; they are converted once, here.

        Args:
            tools: functions, ``BaseTool``s, pydantic classes, TypedDicts, or dicts in OpenAI's or
                Anthropic's form.
            tool_choice: ``"auto"``, ``"none"``, ``"any"`` (also ``"required"`` or ``True``), the
                name of a tool, or OpenAI's dict.
            strict: whether the arguments must follow the schema to the letter.
            parallel_tool_calls: whether several tools may be called at once.
            response_format: a schema for the final answer, beside the tools.
            kwargs: further keywords of a call.

        Raises:
            RouterInputError: a tool cannot be converted or named, or the choice is not among them.
        """
        members = {
            "tools": tools,
            "tool_choice": tool_choice,
            "parallel_tool_calls": parallel_tool_calls,
            "response_format": response_format,
        }
        try:
            return self.bind(
                **requests.build_tool_params(members, api=self.api, strict=strict), **kwargs
            )
        except ValueError as error:
            raise to_input_error(error) from None

    def with_structured_output(
        self,
        schema: schemas.OutputSchema | None = None,
        *,
        method: schemas.StructuredOutputMethod = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, dict[str, Any] | BaseModel]:
        """Make the model answer in a structure.

        Args:
            schema: a pydantic class (answers are its objects), a TypedDict or a JSON schema
                (answers are dicts).
            method: ``json_schema`` (the provider holds the model to the schema),
                ``function_calling`` (a forced tool), or ``json_mode`` (some JSON; the prompt must
                ask for the structure).
            include_raw: answer with ``raw``, ``parsed`` and ``parsing_error`` instead.
            strict: whether the schema must be followed to the letter; not for ``json_mode``.
            kwargs: further keywords of a call.

        Raises:
            RouterInputError: the schema cannot be converted, or the arguments disagree.
        """
        try:
            own = self._build_structured_output_args(schema, method, strict)
            if both := sorted(own.keys() & kwargs.keys()):
                raise ValueError(f"{both[0]}: {method} sets it; leave it out")
            model = self.bind(**own, **kwargs)
            output = structured.create_output_parser(schema, method, return_errors=include_raw)
        except ValueError as error:
            raise to_input_error(error) from None
        return structured.include_raw_output(model, output) if include_raw else model | output

    def _build_structured_output_args(
        self,
        schema: schemas.OutputSchema | None,
        method: schemas.StructuredOutputMethod,
        strict: bool | None,
    ) -> dict[str, Any]:
        traced = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
        binding = {"ls_structured_output_format": traced} if schema is not None else {}
        if method == "json_mode":
            if strict is not None:
                raise ValueError("strict: json_mode holds the model to no schema; use json_schema")
            return {"response_format": {"type": "json_object"}, **binding}
        if schema is None:
            raise ValueError(f"schema: {method} needs one; only json_mode does without")
        if method == "function_calling":
            chosen = {"tool_choice": schemas.get_schema_name(schema), "parallel_tool_calls": False}
            offered = {"tools": [schemas.schema_to_tool(schema)], **chosen}
            return {**requests.build_tool_params(offered, api=self.api, strict=strict), **binding}
        if method != "json_schema":
            raise ValueError(f"method: json_schema, function_calling or json_mode, not {method!r}")
        return {"response_format": schemas.build_response_format(schema, strict), **binding}


for _hook in (ChatOrq._generate, ChatOrq._agenerate):  # noqa: SLF001
    _hook.__signature__ = signature(_hook)  # type: ignore[union-attr]  # asked at every call


def init_orq_chat_model(model: str, **kwargs: Any) -> ChatOrq:
    """A chat model by its name, as LangChain's ``init_chat_model`` makes those it knows.

    Args:
        model: ``openai/gpt-4o``, also with the prefix ``orq:``.
        kwargs: arguments of ``ChatOrq``.

    >>> init_orq_chat_model("orq:openai/gpt-4o", api_key="sk-orq-example").model
    'openai/gpt-4o'
    """
    return ChatOrq(model=model.removeprefix("orq:"), **kwargs)
