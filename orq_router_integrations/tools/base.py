"""Base class of the tools: configuration, model arguments and input errors."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from langchain_core.messages import ToolMessage
from langchain_core.tools import BaseTool, ToolException
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    create_model,
    field_validator,
    model_validator,
)

from orq_router_integrations._integration import (
    INTEGRATION_CONFIG,
    RouterIntegration,
    merge_extra_body,
)
from orq_router_integrations.errors import (
    ContentFilterError,
    GuardrailError,
    RouterError,
    RouterInputError,
    to_input_error,
)
from orq_router_integrations.media.atomic_write import validate_directory
from orq_router_integrations.wire.arguments import reject_unknown_arguments
from orq_router_integrations.wire.controls import JsonObject, ModelId
from orq_router_integrations.wire.deferred_model import CoercedField, optional


class ToolInputError(RouterInputError, ToolException):
    """The arguments of a tool call are invalid. Nothing was sent.

    In a tool call, the error becomes a ``ToolMessage`` with status ``error``, so that the model
    can correct its arguments. If the tool was invoked without a tool call, or if
    ``handle_tool_error=False`` is set, the error is raised.
    """


_MODEL_ERRORS = (ToolInputError, ContentFilterError, GuardrailError)
"""Errors of a tool call that the model can correct by choosing other arguments."""


@contextmanager
def raise_tool_input_errors() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        input_error = to_input_error(error)
        raise ToolInputError(input_error.message, endpoint=input_error.endpoint) from None


class OrqTool(RouterIntegration, BaseTool):
    """A tool that calls the router."""

    model_config = INTEGRATION_CONFIG

    full_args_schema: ClassVar[type[BaseModel]]
    """All arguments that can be exposed to the model; the required ones always are."""

    args_schema: Any = None  # created from ``model_args``; not described, so not in help()
    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    model: ModelId = Field(description="The model to call, as `provider/model`")
    model_args: tuple[str, ...] = Field(
        default=(),
        description="Names of the optional arguments that the language model may set in a tool "
        "call. By default it only sets the required ones",
    )
    extra_body: JsonObject = Field(
        default_factory=dict, description="Additional fields of the request body, sent unchanged"
    )
    retry_ambiguous: bool = Field(
        default=False,
        description="Also retry a request that the router may have processed and billed before the "
        "connection failed or the time ran out",
    )
    directory: CoercedField[
        str | os.PathLike[str] | None, Annotated[Path, AfterValidator(validate_directory)] | None
    ] = optional(
        "Existing directory for generated files. By default, tool messages contain the data "
        "itself, as base64"
    )

    @field_validator("extra_body")
    @classmethod
    def _reject_controls(cls, body: dict[str, Any]) -> dict[str, Any]:
        return merge_extra_body({}, body)

    @field_validator("model_args")
    @classmethod
    def _validate_model_args(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        reject_unknown_arguments(names, cls.full_args_schema.model_fields)
        return names

    @model_validator(mode="after")
    def _set_args_schema(self) -> Self:
        if self.args_schema is None:
            vars(self)["args_schema"] = self._create_args_schema()  # stays out of model_fields_set
        return self

    def _create_args_schema(self) -> type[BaseModel]:
        """Create the schema that the model sees: the required and the exposed arguments."""
        schema = self.full_args_schema
        required = [name for name, field in schema.model_fields.items() if field.is_required()]
        fields: dict[str, Any] = {
            name: (schema.model_fields[name].annotation, schema.model_fields[name])
            for name in (*required, *self.model_args)
        }
        config = ConfigDict(extra="forbid", hide_input_in_errors=True)
        return create_model(schema.__name__, __config__=config, __doc__=schema.__doc__, **fields)

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the tool; called by ``invoke``. Input and guardrail errors become messages."""
        try:
            return super().run(*args, **kwargs)
        except _MODEL_ERRORS as error:
            return self._create_error_message(error, kwargs.get("tool_call_id"))

    async def arun(self, *args: Any, **kwargs: Any) -> Any:
        """Run the tool; called by ``ainvoke``. Input and guardrail errors become messages."""
        try:
            return await super().arun(*args, **kwargs)
        except _MODEL_ERRORS as error:
            return self._create_error_message(error, kwargs.get("tool_call_id"))

    def _create_error_message(self, error: RouterError, tool_call_id: str | None) -> ToolMessage:
        """Report an error to the model, or raise it if ``handle_tool_error`` requires that.

        LangChain applies ``handle_tool_error`` only to subclasses of ``ToolException``.
        """
        is_set = "handle_tool_error" in self.model_fields_set
        if not tool_call_id or (is_set and self.handle_tool_error is not True):
            raise error
        return ToolMessage(error.message, name=self.name, tool_call_id=tool_call_id, status="error")

    def __getstate__(self) -> dict[Any, Any]:
        """Omit the argument schema, because classes created at run time cannot be pickled."""
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "args_schema": None}}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        vars(self)["args_schema"] = self._create_args_schema()
