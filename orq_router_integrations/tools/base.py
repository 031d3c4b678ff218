"""What the tools have in common: what the model may fill in, and how they are configured."""

import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

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

from orq_router_integrations._integration import RouterIntegration
from orq_router_integrations.errors import RouterInputError, to_input_error
from orq_router_integrations.media.atomic_write import validate_directory
from orq_router_integrations.wire.controls import JsonObject, ModelId, RouterControls
from orq_router_integrations.wire.model_docs import bind_positional_args
from orq_router_integrations.wire.suggestions import suggest_name

if TYPE_CHECKING:
    from orq_router_integrations.wire.deferred_model import CoercedField


def _there(folder: Path) -> Path:
    """A folder that files can be written to; it is looked at again before each call."""
    return validate_directory(folder) or folder


class ToolInputError(RouterInputError, ToolException):
    """What the model chose cannot be done; nothing was sent.

    In a tool call the model is told, and may choose again, unless ``handle_tool_error=False`` is
    given; otherwise the error is raised.
    """


@contextmanager
def raise_tool_input_errors() -> Iterator[None]:
    """What is wrong with the input in here, a model has chosen."""
    try:
        yield
    except ValueError as error:
        meant = to_input_error(error)
        raise ToolInputError(meant.message, endpoint=meant.endpoint) from None


class OrqTool(BaseTool, RouterIntegration):
    """A tool that reaches the router. What it sends, its developer sets; the model fills the rest.

    Attributes:
        model: the provider, a slash, the provider's model.
        open_args: arguments that the model may fill beside those that it must; none by default.
        controls: the router's controls for all calls of this tool.
        extra_body: further members of the request body, sent as they are.
        directory: an existing folder for the files of calls.
        client: a ``RouterClient`` to use; it then decides all settings.
    """

    model_config = ConfigDict(
        arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True
    )

    full_args_schema: ClassVar[type[BaseModel]]
    """Every argument that a model may be let fill; those without a default it must."""

    reserved_fields: ClassVar[frozenset[str]]
    """Members of the body that have keywords of their own."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(**bind_positional_args(type(self), args, kwargs))

    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    model: ModelId = Field(
        description="The model to call, as `provider/model`", examples=["openai/gpt-image-1"]
    )
    model_args: tuple[str, ...] = ()
    extra_body: JsonObject = Field(default_factory=dict)
    if TYPE_CHECKING:
        directory: CoercedField[str | os.PathLike[str] | None, Path | None] = CoercedField()
    else:
        directory: Annotated[Path, AfterValidator(_there)] | None = None

    @field_validator("extra_body")
    @classmethod
    def _has_no_keyword_of_its_own(cls, body: dict[str, Any]) -> dict[str, Any]:
        for name in body:
            if name in cls.reserved_fields:
                raise ValueError(f"extra_body.{name}: has a keyword of its own; use that")
            if name == "orq" or name in RouterControls.model_fields:
                raise ValueError(f"extra_body.{name}: belongs to the router; give it in controls")
        return body

    @field_validator("model_args")
    @classmethod
    def _there_is_such_an_argument(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = cls.full_args_schema.model_fields
        for name in names:
            if name not in known:
                hint = suggest_name(name, known) or f". There are {', '.join(known)}"
                raise ValueError(f"model_args: {name!r} is no argument of this tool.{hint}")
        return names

    @model_validator(mode="after")
    def _settle_arguments(self) -> Self:
        if self.args_schema is None:
            vars(self)["args_schema"] = create_args_schema(self.full_args_schema, self.model_args)
        return self

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """Run the tool, as ``invoke`` does; a model is told of a choice that cannot be done."""
        try:
            return super().run(*args, **kwargs)
        except ToolInputError as error:
            return self._answered(error, kwargs.get("tool_call_id"))

    async def arun(self, *args: Any, **kwargs: Any) -> Any:
        """Run the tool, as ``ainvoke`` does; a model is told of a choice that cannot be done."""
        try:
            return await super().arun(*args, **kwargs)
        except ToolInputError as error:
            return self._answered(error, kwargs.get("tool_call_id"))

    def _answered(self, error: ToolInputError, tool_call_id: str | None) -> ToolMessage:
        """The answer to a model's call; who is no model, or wants errors, gets the error."""
        if not tool_call_id or "handle_tool_error" in self.model_fields_set:
            raise error
        return ToolMessage(error.message, name=self.name, tool_call_id=tool_call_id, status="error")

    def __getstate__(self) -> dict[Any, Any]:
        """Pickles no schema: classes made at run time have no place to be found at."""
        state = super().__getstate__()
        return {**state, "__dict__": {**state["__dict__"], "args_schema": None}}

    def __setstate__(self, state: dict[Any, Any]) -> None:
        super().__setstate__(state)
        vars(self)["args_schema"] = create_args_schema(self.full_args_schema, self.model_args)


def create_args_schema(whole: type[BaseModel], opened: Collection[str]) -> type[BaseModel]:
    """The arguments of a tool that the model fills: the required ones and those opened to it.

    Others are unknown to it, and refused if it sends them all the same.
    """
    kept: dict[str, Any] = {
        name: (field.annotation, field)
        for name, field in whole.model_fields.items()
        if field.is_required() or name in opened
    }
    config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    return create_model(whole.__name__, __config__=config, __doc__=whole.__doc__, **kept)
