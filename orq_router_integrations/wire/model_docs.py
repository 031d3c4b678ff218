"""Docstrings and signatures of pydantic models, generated from the descriptions of their fields."""

import re
from inspect import Parameter, Signature, cleandoc
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

_FIRST_SECTION = re.compile(r"^(?:Attributes|Examples?|Raises|Returns):$|^>>> ", re.MULTILINE)
_MAX_DEFAULT_CHARS = 40
_MAX_LINE_CHARS = 96


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
                for name, field in order_fields(owner)
            ]
        )


def add_args_section(docstring: str, cls: type[BaseModel]) -> str:
    """Add a section with the descriptions of the fields to the docstring of a model.

    ``help()`` does not read docstrings from descriptors, so this must be called when the class is
    created.
    """
    text = cleandoc(docstring)
    section = _format_args(cls)
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
    fields = [(name, field) for name, field in order_fields(cls) if name != positional]
    name, field = next(((n, f) for n, f in fields if f.examples), fields[0])
    example = f"{name}={field.examples[0]!r}" if field.examples else f"{name}=..."
    if positional is None:
        return f"{cls.__name__} takes keyword arguments only: {cls.__name__}({example})."
    return (
        f"{cls.__name__} takes one positional argument, {positional!r}. "
        f"Pass the others by keyword: {cls.__name__}({positional}, {example})."
    )


def order_fields(cls: type[BaseModel]) -> list[tuple[str, FieldInfo]]:
    """Return required fields first, then those of the class before those of its bases.

    Fields without a description belong to LangChain and come last.
    """
    fields = cls.model_fields
    names: list[str] = []
    for base in reversed(cls.__mro__):
        base_fields: dict[str, FieldInfo] = getattr(base, "__pydantic_fields__", {})
        names = [n for n in base_fields if n in fields and n not in names] + names
    positional = get_positional_field(cls)
    return sorted(
        ((name, fields[name]) for name in names),
        key=lambda item: (
            item[0] != positional,
            not item[1].is_required(),
            item[1].description is None,
        ),
    )


def _format_args(cls: type[BaseModel]) -> str:
    fields = order_fields(cls)
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
    """Wrap and indent text. The textwrap module would slow down the import."""
    lines = []
    indent = " " * 4
    while len(indent) + len(text) > _MAX_LINE_CHARS:
        end = text.rfind(" ", 0, _MAX_LINE_CHARS - len(indent) + 1)
        if end <= 0:
            break
        lines.append(indent + text[:end])
        text, indent = text[end + 1 :], " " * 8
    return "\n".join([*lines, indent + text])


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
