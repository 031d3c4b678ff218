"""Docstrings and signatures of pydantic models, generated from the descriptions of their fields."""

import re
import textwrap
from inspect import Parameter, Signature, cleandoc
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_FIRST_SECTION = re.compile(r"^(?:Attributes|Examples?|Raises|Returns):$|^>>> ", re.MULTILINE)
_MAX_DEFAULT_CHARS = 40


class LazySignature:
    """Builds the signature of a model when it is read, with short defaults and no annotations."""

    def __get__(self, _: object, owner: type[BaseModel]) -> Signature:
        positional = get_positional_field(owner)
        return Signature(
            [
                Parameter(
                    name,
                    Parameter.POSITIONAL_OR_KEYWORD
                    if name == positional
                    else Parameter.KEYWORD_ONLY,
                    default=_shorten_default(field),
                )
                for name, field in _order_fields(owner)
            ]
        )


class LazyDocstring:
    """Adds an ``Args:`` section with the descriptions of the fields when a docstring is read."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __get__(self, _: object, owner: type[BaseModel]) -> str:
        text = cleandoc(self._text)
        section = _format_args(owner)
        if not section:
            return text
        match = _FIRST_SECTION.search(text)
        position = match.start() if match else len(text)
        parts = (text[:position].rstrip(), section, text[position:].rstrip())
        return "\n\n".join(part for part in parts if part) + "\n"


def get_positional_field(cls: type[BaseModel]) -> str | None:
    """Return the name of the field that may be passed as the first positional argument."""
    name: str | None = getattr(cls, "positional_field", None)
    return name


def bind_positional_args(
    cls: type[BaseModel], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> dict[str, Any]:
    """Return the keyword arguments of a constructor call, its positional argument included.

    Raises:
        TypeError: An argument that can only be passed by keyword was passed by position.
    """
    if not args:
        return kwargs
    positional = get_positional_field(cls)
    if positional is None or len(args) > 1:
        raise TypeError(_describe_keywords(cls, positional))
    if positional in kwargs:
        raise TypeError(f"{cls.__name__} got {positional!r} twice: by position and by keyword.")
    return {positional: args[0], **kwargs}


def _describe_keywords(cls: type[BaseModel], positional: str | None) -> str:
    fields = [(name, field) for name, field in _order_fields(cls) if name != positional]
    name, field = next(((n, f) for n, f in fields if f.examples), fields[0])
    example = f"{name}={field.examples[0]!r}" if field.examples else f"{name}=..."
    if positional is None:
        return f"{cls.__name__} takes keyword arguments only: {cls.__name__}({example})."
    return (
        f"{cls.__name__} takes one positional argument, {positional!r}. "
        f"Pass the others by keyword: {cls.__name__}({positional}, {example})."
    )


def _order_fields(cls: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    """Required fields first, then those of the class before those of its bases.

    Fields without a description belong to LangChain and come last.
    """
    names: list[str] = []
    for base in reversed(cls.__mro__):
        fields: dict[str, FieldInfo] = getattr(base, "__pydantic_fields__", {})
        names = [n for n in fields if n in cls.model_fields and n not in names] + names
    positional = get_positional_field(cls)
    return sorted(
        ((name, cls.model_fields[name]) for name in names),
        key=lambda item: (
            item[0] != positional,
            not item[1].is_required(),
            item[1].description is None,
        ),
    )


def _format_args(cls: type[BaseModel]) -> str:
    fields = _order_fields(cls)
    lines = [
        _wrap(f"{name}: {field.description.rstrip('.')}.{_describe_default(field)}")
        for name, field in fields
        if field.description
    ]
    if not lines:
        return ""
    if inherited := [name for name, field in fields if not field.description]:
        lines.append(_wrap(f"{', '.join(inherited)}: See the base class."))
    return "\n".join(["Args:", *lines])


def _wrap(text: str) -> str:
    return textwrap.fill(
        text,
        width=96,
        initial_indent=" " * 4,
        subsequent_indent=" " * 8,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _describe_default(field: FieldInfo) -> str:
    default = _shorten_default(field)
    if field.is_required() or default in (None, {}, []) or isinstance(default, _Default):
        return ""
    return f" Defaults to {default!r}."


class _Default:
    """A default that is computed or too long to show."""

    def __repr__(self) -> str:
        return "..."


def _shorten_default(field: FieldInfo) -> Any:
    if field.is_required():
        return Parameter.empty
    if field.default_factory in {dict, list}:
        return field.get_default(call_default_factory=True)
    if field.default_factory or len(repr(field.default)) > _MAX_DEFAULT_CHARS:
        return _Default()
    return field.default
