"""Create JSON schemas from TypedDicts."""

import inspect
import re
from collections.abc import Mapping
from functools import reduce
from operator import or_
from types import UnionType
from typing import (
    Annotated,
    Any,
    ForwardRef,
    Literal,
    NotRequired,
    Required,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import BaseModel, Field, create_model
from typing_extensions import ReadOnly, is_typeddict

from orq_router_integrations.chat_models.json_schemas import Schema, create_class_function

_ARGS_HEADING = re.compile(r"^\s*(Args|Arguments|Parameters):\s*$", re.MULTILINE)
_ARG_LINE = re.compile(r"(\w+)\s*(?:\([^)]*\))?:\s*(.*)")


def is_typed_dict(hint: Any) -> bool:
    """Return whether a type is a TypedDict, or a generic one with arguments: ``Page[int]``."""
    return is_typeddict(get_origin(hint) or hint)


def create_typed_dict_function(hint: Any) -> Schema:
    """Create an OpenAI function definition from a TypedDict.

    LangChain's conventions apply: fields may be ``Annotated[type, default, description]``, and
    descriptions may be in the ``Args`` section of the docstring.
    """
    converter = _TypedDictConverter()
    converter.convert(hint)
    model = converter.models[converter.names[hint]]
    model.model_rebuild(_types_namespace=converter.models)
    return {**create_class_function(model), "name": _get_name(hint)}


def _get_name(hint: Any) -> str:
    """Return the name of a type with its arguments, such as ``Page_int``."""
    arguments = map(_get_name, get_args(hint))
    name = getattr(get_origin(hint) or hint, "__name__", str(hint))
    return re.sub(r"\W+", "_", "_".join([name, *arguments]))


class _TypedDictConverter:
    """Converts TypedDicts to pydantic models.

    pydantic itself rejects ``typing.TypedDict`` before Python 3.12. Models refer to each other
    by name because TypedDicts may be recursive.
    """

    def __init__(self) -> None:
        self.names: dict[Any, str] = {}
        self.models: dict[str, type[BaseModel]] = {}

    def convert(self, hint: Any) -> Any:
        """Replace the TypedDicts in a type hint by references to models."""
        if is_typed_dict(hint):
            if hint not in self.names:
                self.names[hint] = name = f"{_get_name(hint)}_{len(self.names)}"
                self.models[name] = self._create_model(hint)
            return ForwardRef(self.names[hint])
        origin, args = get_origin(hint), get_args(hint)
        if not args or origin is Literal:
            return hint
        if origin is Annotated:
            return reduce(
                lambda inner, metadata: Annotated[inner, metadata],
                hint.__metadata__,
                self.convert(args[0]),
            )
        converted = tuple(map(self.convert, args))
        if origin is UnionType:
            return reduce(or_, converted)
        return hint.copy_with(converted) if hasattr(hint, "copy_with") else origin[converted]

    def _create_model(self, hint: Any) -> type[BaseModel]:
        cls = get_origin(hint) or hint
        description, descriptions = _parse_docstring(
            inspect.cleandoc(vars(cls).get("__doc__") or "")  # inspect.getdoc returns that of dict
        )
        required: frozenset[str] = getattr(cls, "__required_keys__", frozenset())
        # Keys of a TypedDict may not be valid as field names of a model, so they are aliases.
        fields: dict[str, Any] = {
            f"field_{index}": self._create_field(key, inner, key in required, descriptions)
            for index, (key, inner) in enumerate(_get_hints(hint).items())
        }
        return create_model(_get_name(hint), __doc__=description or None, **fields)

    def _create_field(
        self, key: str, hint: Any, required: bool, descriptions: Mapping[str, str]
    ) -> tuple[Any, Any]:
        hint, required = _remove_qualifiers(hint, required)
        default: Any = ...
        description = descriptions.get(key)
        match getattr(hint, "__metadata__", ()):
            case (default, str(text)):
                hint, description = get_args(hint)[0], description or text
            case (str(text),):
                hint, description = get_args(hint)[0], description or text
            case _:
                pass
        options: dict[str, Any] = {"alias": key}
        if description is not None:
            options["description"] = description
        if default is not ... and default is not None:
            options["default"] = default
        elif default is None or not required:
            options["default_factory"] = dict  # not required, without a default in the schema
        return self.convert(hint), Field(**options)


def _remove_qualifiers(hint: Any, required: bool) -> tuple[Any, bool]:
    """Return a hint without qualifiers, and whether they make its key required.

    Python overlooks the qualifiers of annotations that are strings.
    """
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inner, required = _remove_qualifiers(args[0], required)
        return Annotated[inner, *hint.__metadata__], required
    if origin in (Required, NotRequired):
        return _remove_qualifiers(args[0], origin is Required)
    return _remove_qualifiers(args[0], required) if origin is ReadOnly else (hint, required)


def _get_hints(hint: Any) -> dict[str, Any]:
    """Return the type hints of a TypedDict, with type variables replaced by their arguments."""
    cls = get_origin(hint) or hint
    hints = get_type_hints(cls, include_extras=True)
    for base in getattr(cls, "__orig_bases__", ()):
        if is_typed_dict(base):  # the hints of the class have the type variables of its bases
            hints.update(_get_hints(base))
    arguments = dict(zip(getattr(cls, "__parameters__", ()), get_args(hint), strict=False))
    return {key: _replace_variables(inner, arguments) for key, inner in hints.items()}


def _replace_variables(hint: Any, arguments: Mapping[Any, Any]) -> Any:
    if hint in arguments:
        return arguments[hint]
    variables = getattr(hint, "__parameters__", ()) if get_args(hint) else ()
    if arguments.keys().isdisjoint(variables):
        return hint
    return hint[tuple(arguments.get(variable, variable) for variable in variables)]


def _parse_docstring(docstring: str) -> tuple[str, dict[str, str]]:
    """Split a Google-style docstring into its description and argument descriptions."""
    description, *rest = _ARGS_HEADING.split(docstring, maxsplit=1)
    section = inspect.cleandoc(rest[1].split("\n\n")[0]) if rest else ""
    descriptions: dict[str, str] = {}
    name = ""
    for line in section.splitlines():
        if not line.startswith(" ") and (arg := _ARG_LINE.match(line)):
            name, descriptions[arg[1]] = arg[1], arg[2]
        elif name:
            descriptions[name] += f" {line.strip()}"
    return description.strip(), descriptions
