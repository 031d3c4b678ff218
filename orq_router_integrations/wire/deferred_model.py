"""Base class of this package's pydantic models: validators on demand, generated docstrings."""

import re
from collections.abc import Callable, Mapping
from inspect import Parameter, Signature, cleandoc
from textwrap import fill
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Self, TypeVar, overload

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from orq_router_integrations.wire.arguments import describe_problem, reject_unknown_arguments

Accepted_contra = TypeVar("Accepted_contra", contravariant=True)
Stored_co = TypeVar("Stored_co", covariant=True)

_FIRST_SECTION = re.compile(r"^(?=(?:Attributes|Examples?|Raises|Returns):$|>>> )", re.MULTILINE)


def optional(description: str, **options: Any) -> Any:
    """Create a field that is ``None`` by default; parameters that are ``None`` are not sent."""
    return Field(default=None, description=description, **options)


class DeferredModel(BaseModel):
    """Base of models whose validators are built when the first instance is created.

    Most programs use few of the models, and building all of them would make the import slow.
    ``help()`` shows a short signature and the descriptions of the fields.
    """

    model_config = ConfigDict(defer_build=True)

    positional_field: ClassVar[str | None] = None
    """The field that may be passed as the first positional argument of the constructor."""

    argument_hints: ClassVar[Mapping[str, str]] = {}
    """Replacements for unknown arguments; see ``reject_unknown_arguments``."""

    error_input: ClassVar[str | None] = None
    """Replaces the input in errors if it may contain the key."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        cls, name = type(self), self.positional_field
        if len(args) > 1 or (args and name is None):
            accepted = f"one positional argument, {name!r}" if name else "no positional arguments"
            fields = sorted(cls.model_fields.items(), key=lambda item: not item[1].is_required())
            keywords = [f"{key}=..." for key, field in fields if field.description and key != name]
            examples = ", ".join(keywords[:2])
            message = f"{cls.__name__} takes {accepted}. Use keyword arguments, such as {examples}"
            raise TypeError(message)
        if args and name in kwargs:
            raise TypeError(f"{cls.__name__} got {name!r} twice: by position and by keyword.")
        super().__init__(**{str(name): value for value in args}, **kwargs)

    @model_validator(mode="before")
    @classmethod
    def _reject_unknown_arguments(cls, data: Any) -> Any:
        if isinstance(data, Mapping):
            reject_unknown_arguments(data, cls.model_fields, cls.argument_hints)
        return data

    @model_validator(mode="wrap")
    @classmethod
    def _describe_errors(cls, data: Any, handler: Callable[[Any], Self]) -> Self:
        try:
            return handler(data)
        except ValidationError as error:
            title, details = error.title, [cls._describe_error(item) for item in error.errors()]
        # Not raised in the block, because its context would be the error with the input.
        raise ValidationError.from_exception_data(title, details, hide_input=True)

    @classmethod
    def _describe_error(cls, error: ErrorDetails) -> InitErrorDetails:
        field = cls.model_fields.get(str(error["loc"][0])) if error["loc"] else None
        # An error without a field is described by the outer model, if it is the value of a field.
        message = describe_problem(error, field.description) if field else error["msg"]
        return InitErrorDetails(
            type=PydanticCustomError(error["type"], "{message}", {"message": message}),
            loc=error["loc"],
            input=cls.error_input or error["input"],
        )

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        cls.__signature__ = _LazySignature()  # type: ignore[assignment]
        # help() does not read docstrings from descriptors, so the text is created now
        if docstring := vars(cls).get("__doc__"):
            cls.__doc__ = _add_args_section(docstring, cls)

    @classmethod
    def model_rebuild(cls, *, _parent_namespace_depth: int = 2, **kwargs: Any) -> bool | None:
        built = super().model_rebuild(_parent_namespace_depth=_parent_namespace_depth + 1, **kwargs)
        cls.__signature__ = _LazySignature()  # type: ignore[assignment] # pydantic sets its own
        return built


def order_fields(cls: type[DeferredModel]) -> list[tuple[str, FieldInfo]]:
    """Return required fields first, then the fields of a class before those of its bases.

    Fields without a description belong to LangChain and come last.
    """

    def get_sort_key(item: tuple[str, FieldInfo]) -> tuple[Any, ...]:
        name, field = item
        has_field = [name in getattr(base, "model_fields", ()) for base in reversed(cls.__mro__)]
        level = has_field.index(True)  # how far below ``object`` the field was first declared
        is_foreign = field.description is None
        return name != cls.positional_field, not field.is_required(), is_foreign, -level

    return sorted(cls.model_fields.items(), key=get_sort_key)


class _ComputedDefault:
    """Default value in a signature that is not computed, because it may be a secret."""

    def __repr__(self) -> str:
        return "<computed>"


class _LazySignature:
    """Builds the signature of a model when it is read, with defaults and no annotations."""

    def __get__(self, _: object, owner: type[DeferredModel]) -> Signature:
        parameters = []
        for name, field in order_fields(owner):
            is_positional = name == owner.positional_field
            kind = Parameter.POSITIONAL_OR_KEYWORD if is_positional else Parameter.KEYWORD_ONLY
            default = Parameter.empty if field.is_required() else field.default
            if factory := field.default_factory:
                default = factory() if isinstance(factory, type) else _ComputedDefault()
            parameters.append(Parameter(name, kind, default=default))
        return Signature(parameters)


def _add_args_section(docstring: str, cls: type[DeferredModel]) -> str:
    """Add a section with the descriptions of the fields to the docstring of a model."""
    args = [
        fill(
            f"{name}: {field.description.rstrip('.')}.",
            width=96,
            initial_indent=" " * 4,
            subsequent_indent=" " * 8,
        )
        for name, field in order_fields(cls)
        if field.description
    ]
    if not args:
        return docstring
    summary, *other_sections = _FIRST_SECTION.split(cleandoc(docstring), maxsplit=1)
    section = "\n".join(["Args:", *args])
    return "\n\n".join([summary.rstrip(), section, *other_sections])


if TYPE_CHECKING:

    class CoercedField(Generic[Accepted_contra, Stored_co]):
        """Type of a field whose validators accept more types than it stores.

        Type checkers see both types, and pydantic only sees the second one.
        """

        @overload
        def __get__(self, owner: None, owner_type: Any) -> Self: ...
        @overload
        def __get__(self, owner: object, owner_type: Any) -> Stored_co: ...
        def __get__(self, owner: object, owner_type: Any) -> Any: ...
        def __set__(self, owner: object, value: Accepted_contra) -> None: ...

else:

    class CoercedField:
        def __class_getitem__(cls, types: tuple[Any, Any]) -> Any:
            return types[1]
