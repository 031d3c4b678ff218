"""The fields of ``ChatOrq``, and how LangChain identifies, traces, caches and serializes it."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, ClassVar, Literal, Self

from langchain_core.language_models import BaseChatModel, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import BaseMessage, convert_to_messages
from pydantic import Field, StrictBool, field_validator, model_validator

from orq_router_integrations._integration import (
    ARGUMENT_HINTS,
    INTEGRATION_CONFIG,
    RouterIntegration,
)
from orq_router_integrations._version import __version__
from orq_router_integrations.chat_models.constants import PROVIDER, RESPONSES, ToolMedia
from orq_router_integrations.chat_models.tool_schemas import (
    ToolLike,
    convert_tools,
    redact_tool_secrets,
)
from orq_router_integrations.errors import RouterInputError, raise_input_errors
from orq_router_integrations.wire.arguments import reject_unknown_arguments
from orq_router_integrations.wire.chat_params import ChatParams
from orq_router_integrations.wire.controls import JsonObject, ModelId
from orq_router_integrations.wire.deferred_model import optional


class CallParams(ChatParams):
    """Fields of ``ChatOrq`` whose values a call can override."""

    model: ModelId = Field(
        kw_only=False,
        description="Model id in the form `provider/model`, such as `openai/gpt-4o`.",
    )
    parallel_tool_calls: StrictBool | None = optional(
        "Whether one answer may contain several tool calls. Only sent together with tools."
    )
    extra_body: JsonObject = Field(
        default_factory=dict,
        description="Additional fields of the request body. Those of a call are merged into them.",
    )


REQUEST_PARAMS = CallParams.model_fields.keys() - {"model", "extra_body"} | {
    "tool_choice",
    "response_format",
}
"""Parameters that a call can set and that ``disabled_params`` can disable."""


class ChatOrqFields(BaseChatModel, CallParams, RouterIntegration):
    """Fields and identity of ``ChatOrq``."""

    model_config = INTEGRATION_CONFIG

    positional_field: ClassVar[str | None] = "model"
    waits_for_rate_limiter: ClassVar[bool] = False  # LangChain's base class does
    argument_hints: ClassVar[Mapping[str, str]] = {
        **ARGUMENT_HINTS,
        "use_responses_api": "api='responses'",
        "tools": "model.bind_tools([...])",
        "tool_choice": "model.bind_tools([...], tool_choice=...)",
        "response_format": "model.with_structured_output(...)",
        "stop_sequences": "stop",
        "max_completion_tokens": "max_tokens",
        "model_kwargs": "extra_body",
        "user": "controls={'identity': ...}",
        "stream": "streaming",
        "stream_options": "ChatOrq(..., stream_usage=...)",
        "extra_headers": "ChatOrq(..., default_headers=...)",
        **{
            name: "The router does not document it. To send it anyway, "
            f"use extra_body={{{name!r}: ...}}."
            for name in ("logit_bias", "prediction", "safety_identifier", "web_search_options")
        },
    }

    api: Literal["chat_completions", "responses"] = Field(
        default="chat_completions",
        description="HTTP API to use. `responses` (`v3/router` only) adds server tools, reasoning "
        "summaries, cost, and the parameters of the Responses API.",
    )
    streaming: bool = Field(
        default=False,
        description="Whether `invoke` uses a stream. Several answers (`n` > 1) and background "
        "responses cannot be streamed and are requested as complete answers.",
    )
    stream_usage: bool = Field(default=True, description="Whether streams report token usage.")
    tool_media: ToolMedia = Field(
        default="user",
        description="Where images, files and audio in tool results are sent: in a `user` message "
        "after the tool message, in the `tool` message itself (only some providers accept that), "
        "or not at all, with a `placeholder` text that mentions them.",
    )
    disabled_params: dict[str, list[Any] | None] = Field(
        default_factory=dict,
        description="Parameters that are never sent, for models that do not support them: a dict "
        "from parameter name to the list of values to drop, or to `None` to drop all values.",
    )

    @field_validator("disabled_params")
    @classmethod
    def _validate_disabled_params(cls, params: dict[str, Any]) -> dict[str, Any]:
        reject_unknown_arguments(params, REQUEST_PARAMS)
        return params

    @model_validator(mode="after")
    def _add_package_version(self) -> Self:
        self._add_version("orq-router-integrations", __version__)  # LangSmith reads it
        return self

    @model_validator(mode="after")
    def _check_profile_keys(self) -> Self:
        """Skip LangChain's check of the profile, which is slow."""
        return self

    @property
    def _llm_type(self) -> str:
        return "chat-orq"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        identity = {"model": self.model, "api": self.api, "base_url": self.base_url}
        return {**identity, **self.build_params(), **self.lc_attributes}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        params["ls_provider"] = PROVIDER
        return params

    def _get_invocation_params(
        self, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """Return the parameters for traces, without the credentials of MCP servers."""
        params = super()._get_invocation_params(stop=stop, **kwargs)
        if "tools" in params:
            params = {**params, "tools": redact_tool_secrets(params["tools"])}
        return params

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """Return the key for LangChain's cache.

        Different accounts, routers and controls have different keys. The key is a hash, because
        LangChain's own string contains the request body. If an async function provides the API
        key, the account is unknown, so every call gets a new key and is never cached.
        """
        # langchain-core caches the serialized model here and would miss changed fields.
        vars(self).pop("_serialized", None)
        llm_string = super()._get_llm_string(stop=stop, **kwargs)
        return blake2b(
            f"{llm_string}{self.resolved_client.fingerprint()}".encode(), digest_size=32
        ).hexdigest()

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """Return ``True``: LangChain can serialize the model. The API key is left out."""
        return True

    @property
    def lc_secrets(self) -> dict[str, str]:
        """Environment variables that LangChain reads when it loads a serialized model."""
        return {"api_key": "ORQ_API_KEY"}

    @property
    def lc_attributes(self) -> dict[str, Any]:
        """The controls as a dict, since LangChain cannot serialize the object."""
        return {"controls": self.controls.to_wire()} if self.controls else {}

    def _resolve_model_profile(self) -> ModelProfile | None:
        from orq_router_integrations.chat_models.profiles import get_profile  # noqa: PLC0415

        return get_profile(self.model)

    def get_num_tokens(self, text: str) -> int:
        """Estimate the number of tokens in a string, without a tokenizer."""
        from orq_router_integrations.chat_models import token_estimate  # noqa: PLC0415

        return token_estimate.estimate_text(text)

    def get_num_tokens_from_messages(
        self, messages: list[BaseMessage], tools: Sequence[ToolLike] | None = None
    ) -> int:
        """Estimate the number of tokens in a conversation, including its media and tools.

        The estimate is made offline, without a tokenizer; see ``token_estimate.estimate_tokens``
        for its accuracy.

        Raises:
            RouterInputError: A tool cannot be converted for this API.
        """
        from orq_router_integrations.chat_models import token_estimate  # noqa: PLC0415

        with raise_input_errors():
            converted_tools = convert_tools(tools or (), for_responses=self.api == RESPONSES)
        return token_estimate.estimate_tokens(
            convert_to_messages(messages), converted_tools, self.tool_media
        )

    def get_token_ids(self, text: str) -> list[int]:  # noqa: ARG002
        """Raise ``RouterInputError``, because most providers do not publish their tokenizers."""
        raise RouterInputError("Token ids are not available. Use get_num_tokens().")
