"""``OrqModeration``: detection of harmful text."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Self

from langchain_core.runnables import RunnableConfig, RunnableSerializable
from pydantic import Field, model_validator

from orq_router_integrations._concurrency import asend_all, send_all
from orq_router_integrations._integration import (
    ARGUMENT_HINTS,
    INTEGRATION_CONFIG,
    RouterIntegration,
)
from orq_router_integrations.errors import RouterInputError, raise_input_errors
from orq_router_integrations.wire.arguments import validate_list
from orq_router_integrations.wire.call import Call
from orq_router_integrations.wire.controls import ModelId
from orq_router_integrations.wire.endpoints import MODERATIONS
from orq_router_integrations.wire.moderation import ModerationResult, parse_moderation
from orq_router_integrations.wire.request_encoding import place_controls

_Calls = Sequence[Call[list[ModerationResult]]]


class OrqModeration(
    RouterIntegration, RunnableSerializable[str | Sequence[str], list[ModerationResult]]
):
    """Detect harmful text with a moderation model of the orq.ai AI Router.

    It is a LangChain runnable: a text, or a list of texts, becomes a list of
    ``ModerationResult``. A failed call always raises an error, so it is never mistaken for harmless
    text. ``OrqModerationMiddleware`` uses it in agents.

    Raises:
        pydantic.ValidationError: An argument of the constructor is invalid.
        RouterInputError: A text is empty or not a string. No request was sent.
        RouterError: A request failed, or its response lacks a result.

    >>> from orq_router_integrations import OfflineRouter
    >>> moderation = OrqModeration(client=OfflineRouter().client())
    >>> [result.flagged for result in moderation.invoke(["Hello", "I will hurt you"])]
    [False, True]
    """

    model_config = INTEGRATION_CONFIG

    positional_field: ClassVar[str | None] = "model"
    argument_hints: ClassVar[Mapping[str, str]] = {
        **ARGUMENT_HINTS,
        "openai_api_key": "api_key",
        "batch_size": "chunk_size",
    }

    model: ModelId = Field(
        kw_only=False,
        default="openai/omni-moderation-latest",
        description="The moderation model, as `provider/model`",
    )
    chunk_size: Annotated[int, Field(strict=True, ge=1)] = Field(
        default=32, description="Maximum number of texts in a request"
    )
    max_concurrency: Annotated[int, Field(strict=True, ge=1, le=64)] = Field(
        default=4, description="Maximum number of concurrent requests of one call"
    )

    @model_validator(mode="after")
    def _check_settings(self) -> Self:
        place_controls(self.merge_controls(), MODERATIONS, self.resolved_client.dialect)
        return self

    def invoke(
        self,
        input: str | Sequence[str],  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> list[ModerationResult]:
        """Check texts, and return one result for each of them in their order.

        Args:
            input: A text or a list of texts. None of them may be empty. An empty list makes no
                request.
            config: LangChain configuration, such as callbacks.
            kwargs: Not supported; set everything in the constructor.

        Raises:
            RouterError: See the class.
        """
        calls = self._build_calls(input, kwargs)
        return self._call_with_config(partial(self._send, calls), input, config, run_type="llm")

    async def ainvoke(
        self,
        input: str | Sequence[str],  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> list[ModerationResult]:
        """Check texts; see ``invoke``."""
        calls = self._build_calls(input, kwargs)
        return await self._acall_with_config(
            partial(self._asend, calls), input, config, run_type="llm"
        )

    def _send(self, calls: _Calls, _: Any) -> list[ModerationResult]:
        batches = send_all(self.resolved_client, calls, self.max_concurrency)
        return [result for batch in batches for result in batch]

    async def _asend(self, calls: _Calls, _: Any) -> list[ModerationResult]:
        batches = await asend_all(self.resolved_client, calls, self.max_concurrency)
        return [result for batch in batches for result in batch]

    def _build_calls(self, texts: str | Sequence[str], kwargs: Mapping[str, Any]) -> _Calls:
        if kwargs:
            raise RouterInputError(
                f"Unknown argument {min(kwargs)!r}. Set it in the constructor.",
                endpoint=MODERATIONS.path,
            )
        texts = _validate_texts(texts)
        controls = self.merge_controls()
        batches = [
            texts[start : start + self.chunk_size]
            for start in range(0, len(texts), self.chunk_size)
        ]
        return [
            Call(
                endpoint=MODERATIONS,
                body={"model": self.model, "input": batch},
                controls=controls,
                parse=partial(parse_moderation, count=len(batch)),
            )
            for batch in batches
        ]


def _validate_texts(texts: Any) -> list[str]:
    with raise_input_errors(MODERATIONS.path):
        values = validate_list([texts] if isinstance(texts, str) else texts, str, "input")
        for position, text in enumerate(values):
            if not text.strip():
                raise ValueError(f"input[{position}]: The text is empty. Remove it.")
    return values
