"""What a model of ours is, before it is called: its fields, and how LangChain identifies it."""

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, ClassVar, Literal, Self

from langchain_core.language_models import BaseChatModel, ModelProfile
from langchain_core.language_models.base import LangSmithParams
from langchain_core.messages import BaseMessage, convert_to_messages
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from orq_router_integrations._integration import ARGUMENT_HINTS, RouterIntegration, rename_hints
from orq_router_integrations._version import __version__
from orq_router_integrations.chat_models import requests, tool_schemas
from orq_router_integrations.chat_models.constants import PROVIDER, RESPONSES, ToolMedia
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.settings import MASK
from orq_router_integrations.validation import to_input_error
from orq_router_integrations.wire import json
from orq_router_integrations.wire.chat_params import ChatParams, ResponsesParams
from orq_router_integrations.wire.controls import ModelId
from orq_router_integrations.wire.suggestions import suggest_name


class ChatOrqFields(BaseChatModel, RouterIntegration, ChatParams, ResponsesParams):
    """The fields of ``ChatOrq``, which documents them, and its identity."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True
    )

    hints: ClassVar[Mapping[str, str]] = ARGUMENT_HINTS | rename_hints(
        use_responses_api="api='responses'",
        tools="model.bind_tools([...])",
        response_format="model.with_structured_output(...)",
        stop_sequences="stop",
        max_completion_tokens="max_tokens",
        model_kwargs="extra_body",
        user="controls={'identity': ...}",
    )

    model: ModelId
    api: Literal["chat_completions", "responses"] = "chat_completions"
    streaming: bool = False
    stream_usage: bool = True
    tool_media: ToolMedia = "user"
    extra_body: dict[str, Any] = Field(default_factory=dict)
    disabled_params: dict[str, list[Any] | None] = Field(default_factory=dict)

    @field_validator("disabled_params")
    @classmethod
    def _can_be_left_out(cls, names: dict[str, Any]) -> dict[str, Any]:
        for name in names:
            if name not in requests.REQUEST_PARAMS:
                raise ValueError(
                    f"{name}: no parameter{suggest_name(name, requests.REQUEST_PARAMS)}"
                )
        return names

    @field_validator("extra_body")
    @classmethod
    def _can_be_sent(cls, body: dict[str, Any]) -> dict[str, Any]:
        json.dumps(body, "extra_body")
        return body

    @model_validator(mode="after")
    def _told_to_langsmith(self) -> Self:
        self._add_version("orq-router-integrations", __version__)
        return self

    @model_validator(mode="after")
    def _check_profile_keys(self) -> Self:
        """Core's own check, which is dear, of what is not from our table."""
        ours = self.profile == self._resolve_model_profile()
        return self if ours else super()._check_profile_keys()  # type: ignore[operator]

    @property
    def _llm_type(self) -> str:
        return "chat-orq"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        controls = {"controls": self.controls.to_wire()} if self.controls else {}
        own = {"model": self.model, "api": self.api, "base_url": self.base_url}
        return {**own, **self.build_chat_params(), **self.build_responses_params(), **controls}

    def _get_ls_params(self, stop: list[str] | None = None, **kwargs: Any) -> LangSmithParams:
        params = super()._get_ls_params(stop=stop or self.stop, **kwargs)
        params["ls_provider"] = PROVIDER
        return params

    def _get_invocation_params(
        self, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        """What tracers see of a call: without the credentials of tools' servers."""
        params = super()._get_invocation_params(stop=stop, **kwargs)
        if "tools" in params:
            hidden = tool_schemas.redact_tool_secrets(params["tools"], lambda _: MASK)
            params = {**params, "tools": hidden}
        return params

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """LangChain's cache key: accounts, routers and controls share no entries.

        It is a digest, for LangChain's own holds all members of the body as they are. An account
        whose key an async function gives has a new one each time, so it never finds an entry.
        """
        vars(self).pop("_serialized", None)  # core keeps it, and would miss changed parameters
        own = super()._get_llm_string(stop=stop, **kwargs)
        return blake2b(
            f"{own}{self.resolved_client.fingerprint()}".encode(), digest_size=32
        ).hexdigest()

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
        fields = (
            (name, getattr(self, name))
            for name in ("controls", "reasoning", *ChatParams.model_fields)
        )
        return {
            name: value.model_dump(exclude_none=True)
            for name, value in fields
            if isinstance(value, BaseModel)
        }

    def _resolve_model_profile(self) -> ModelProfile | None:
        from orq_router_integrations.chat_models.profiles import get_profile  # noqa: PLC0415

        return get_profile(self.model)

    def get_num_tokens(self, text: str) -> int:
        """About how many tokens a text has: an estimate, made offline; see ``tokens``."""
        from orq_router_integrations.chat_models.token_estimate import estimate_text  # noqa: PLC0415

        return estimate_text(text)

    def get_num_tokens_from_messages(
        self,
        messages: list[BaseMessage],
        tools: Sequence[tool_schemas.ToolLike] | None = None,
    ) -> int:
        """About how many tokens a conversation has, its media and tools included.

        An estimate, made offline; ``tokens.estimate_tokens`` says how near it comes.

        Raises:
            RouterInputError: a tool is none that this API takes.
        """
        from orq_router_integrations.chat_models.token_estimate import estimate_tokens  # noqa: PLC0415

        try:
            offered = tool_schemas.convert_tools(tools or (), for_responses=self.api == RESPONSES)
        except ValueError as error:
            raise to_input_error(error) from None
        return estimate_tokens(convert_to_messages(messages), offered, self.tool_media)

    def get_token_ids(self, text: str) -> list[int]:  # noqa: ARG002
        """Not available: the tokenizers of most providers are not public.

        Raises:
            RouterInputError: always; ``get_num_tokens`` estimates their number.
        """
        raise RouterInputError("there are no token ids; get_num_tokens estimates how many")
