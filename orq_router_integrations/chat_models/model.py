"""``ChatOrq``: the chat model."""

from collections.abc import Sequence
from contextlib import aclosing, closing
from functools import partial
from hashlib import blake2b
from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGenerationChunk, ChatResult
from langchain_core.prompt_values import ChatPromptValue, PromptValue
from langchain_core.runnables import Runnable
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PrivateAttr,
    SecretStr,
    field_validator,
    model_validator,
)
from typing_extensions import AsyncGenerator, Generator, Self

from orq_router_integrations._version import __version__
from orq_router_integrations.chat_models import messages as conversation
from orq_router_integrations.chat_models import replies, requests, structured, tools
from orq_router_integrations.chat_models.blocks import PROVIDER
from orq_router_integrations.chat_models.provenance import Asked
from orq_router_integrations.client import RouterClient
from orq_router_integrations.settings import RouterSettings
from orq_router_integrations.validation import input_error
from orq_router_integrations.wire import json
from orq_router_integrations.wire.call import Call, StreamCall
from orq_router_integrations.wire.chat_completions import ChatParams
from orq_router_integrations.wire.controls import ModelId, RouterControls
from orq_router_integrations.wire.endpoints import CHAT_COMPLETIONS
from orq_router_integrations.wire.names import refuse_unknown


class ChatOrq(BaseChatModel, RouterSettings, ChatParams):
    """Chat models of every provider through the orq.ai AI Router.

    What the router does beside answering is one typed value, ``controls``: fallbacks, retries,
    load balancing, caching, timeouts, attribution. All parameters of ``ChatParams`` and settings
    of ``RouterSettings`` are constructor arguments; every parameter, ``model`` and ``controls``
    can also be given per call (``invoke(..., temperature=0)``) or bound.

    Attributes:
        model: the provider, a slash, the provider's model: ``openai/gpt-4o``.
        controls: the router's controls; those given per call go on top, field by field.
        streaming: whether ``invoke`` collects a stream instead of asking for a whole reply.
        stream_usage: whether streams report token usage.
        tool_media: where images, files and audio of a tool's answer go: into a user message
            behind it, or nowhere (the model is only told of them).
        extra_body: further members of the request body, sent as they are.
        client: a ``RouterClient`` to use; it then decides all settings.

    Raises:
        pydantic.ValidationError: at construction, when an argument is wrong.
        RouterError: at a call; the tree is in ``errors``.

    >>> from orq_router_integrations.offline import OfflineRouter
    >>> router = OfflineRouter(answers={"Hi": "Hello!"})
    >>> ChatOrq(model="openai/gpt-4o", client=router.client()).invoke("Hi").text
    'Hello!'
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True
    )

    model: ModelId
    controls: RouterControls | None = None
    streaming: bool = False
    stream_usage: bool = True
    tool_media: conversation.ToolMedia = "user"
    extra_body: dict[str, Any] = Field(default_factory=dict)
    client: RouterClient | None = Field(default=None, exclude=True, repr=False)

    _router: RouterClient | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _known_keywords(cls, data: Any) -> Any:
        return refuse_unknown(cls, data, requests.CONTROL_HINTS)

    @field_validator("extra_body")
    @classmethod
    def _can_be_sent(cls, body: dict[str, Any]) -> dict[str, Any]:
        json.dump(body, "extra_body")
        return body

    @model_validator(mode="after")
    def _settle_client(self) -> Self:
        if self.client is not None:
            theirs = self.client.settings()
            for name in self.model_fields_set & theirs.keys():
                if getattr(self, name) != theirs[name]:
                    raise ValueError(f"{name}: client= decides it; set it there, or drop client=")
            vars(self).update(theirs)
        self._add_version("orq-router-integrations", __version__)
        _ = self.router
        return self

    @property
    def router(self) -> RouterClient:
        """The client that carries the calls."""
        if self.client is not None:
            return self.client
        settings = self.settings()
        if self._router is None or self._router.settings() != settings:
            self._router = RouterClient(**settings)
        return self._router

    def _convert_input(self, model_input: LanguageModelInput) -> PromptValue:
        """What LangChain traces and then hands to the hooks."""
        try:
            given = super()._convert_input(model_input).to_messages()
            return ChatPromptValue(messages=conversation.examined(given))
        except ValueError as error:
            raise input_error(error, endpoint=CHAT_COMPLETIONS.path) from None

    # LangChain's four hooks

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        return self.router.send(self._call(messages, stop, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002
        **kwargs: Any,
    ) -> ChatResult:
        return await self.router.asend(self._call(messages, stop, kwargs))

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,
        **kwargs: Any,
    ) -> Generator[ChatGenerationChunk]:
        with closing(self.router.stream(self._stream_call(messages, stop, kwargs))) as chunks:
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
        call = self._stream_call(messages, stop, kwargs)
        async with aclosing(self.router.astream(call)) as chunks:
            async for chunk in chunks:
                if run_manager:
                    await run_manager.on_llm_new_token(chunk.text, chunk=chunk)
                yield chunk

    # From arguments to a call

    def _call(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> Call[ChatResult]:
        body, controls = self._request(messages, stop, kwargs)
        parse = partial(replies.result, asked=self._asked(body, controls))
        return Call(endpoint=CHAT_COMPLETIONS, body=body, controls=controls, parse=parse)

    def _stream_call(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> StreamCall[ChatGenerationChunk]:
        body, controls = self._request(messages, stop, kwargs)
        if (body.get("n") or 1) > 1:
            raise input_error(ValueError("n: a stream gives one answer; use invoke for more"))
        body["stream"] = True
        if self.stream_usage:
            body["stream_options"] = {"include_usage": True}
        decoder = partial(replies.ChunkReader, asked=self._asked(body, controls))
        return StreamCall(endpoint=CHAT_COMPLETIONS, body=body, controls=controls, decoder=decoder)

    def _asked(self, body: dict[str, Any], controls: RouterControls) -> Asked:
        return Asked.by(body["model"], self.router.controls.merged(controls))

    def _request(
        self, messages: list[BaseMessage], stop: list[str] | None, kwargs: dict[str, Any]
    ) -> tuple[dict[str, Any], RouterControls]:
        given = {name: value for name, value in kwargs.items() if name != "stream"}
        if stop is not None:
            given["stop"] = stop
        try:
            requests.check_keywords(given)
            model = requests.model_id(given.get("model"), self.model)
            body = {
                "model": model,
                "messages": conversation.to_wire(messages, self.tool_media, model),
                **requests.params(given, self),
                **requests.tool_members(given),
            }
            return requests.with_extra(body, self.extra_body), requests.controls(given, self)
        except ValueError as error:
            raise input_error(error, endpoint=CHAT_COMPLETIONS.path, known=requests.KNOWN) from None

    # Tools and structured output

    def bind_tools(
        self,
        tools: Sequence[tools.ToolLike],
        *,
        tool_choice: tools.ToolChoice = None,
        strict: bool | None = None,
        parallel_tool_calls: bool | None = None,
        response_format: structured.Schema | None = None,
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
            return self.bind(**requests.tool_members(members, strict=strict), **kwargs)
        except ValueError as error:
            raise input_error(error) from None

    def with_structured_output(
        self,
        schema: structured.Schema | None = None,
        *,
        method: structured.Method = "json_schema",
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
            model = self.bind(**self._structure(schema, method, strict), **kwargs)
            output = structured.parser(schema, method)
        except ValueError as error:
            raise input_error(error) from None
        return structured.with_raw(model, output) if include_raw else model | output

    def _structure(
        self, schema: structured.Schema | None, method: structured.Method, strict: bool | None
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
            chosen = {"tool_choice": structured.tool_name(schema), "parallel_tool_calls": False}
            return {
                **requests.tool_members({"tools": [schema], **chosen}, strict=strict),
                **binding,
            }
        if method != "json_schema":
            raise ValueError(f"method: json_schema, function_calling or json_mode, not {method!r}")
        return {"response_format": structured.response_format(schema, strict), **binding}

    # What LangChain asks of every model

    @property
    def _llm_type(self) -> str:
        return "chat-orq"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        controls = {"controls": self.controls.to_wire()} if self.controls else {}
        return {"model": self.model, "base_url": self.base_url, **self.params(), **controls}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        params["ls_provider"] = PROVIDER
        return params

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """LangChain's cache key, made so that accounts, routers and controls share no entries."""
        vars(self).pop("_serialized", None)  # core keeps it, and would miss changed parameters
        key = self.api_key
        account = key.get_secret_value() if isinstance(key, SecretStr) else repr(key)
        digest = blake2b(account.encode(), digest_size=8).hexdigest()
        controls = self.router.controls.model_dump_json(exclude_none=True)
        own = super()._get_llm_string(stop=stop, **kwargs)
        return f"{own}---{self.base_url}---{digest}---{controls}"

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Whether LangChain may serialise it: yes, without the key."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Where LangChain finds the key when it loads a serialised model."""
        return {"api_key": "ORQ_API_KEY"}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """Typed arguments as plain dicts, so that they survive LangChain's serialisation."""
        fields = ((name, getattr(self, name)) for name in ("controls", *ChatParams.model_fields))
        return {
            name: value.model_dump(exclude_none=True)
            for name, value in fields
            if isinstance(value, BaseModel)
        }
