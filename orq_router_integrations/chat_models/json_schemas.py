"""Create JSON schemas of Python types, inline references, and convert schemas to strict mode."""

import re
from collections.abc import Callable, Mapping
from itertools import count
from types import UnionType
from typing import (
    Annotated,
    Any,
    ForwardRef,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import Field, TypeAdapter
from typing_extensions import TypedDict, is_typeddict

from orq_router_integrations.wire import json
from orq_router_integrations.wire.json import as_dict

Schema = dict[str, Any]

_SCHEMA_MAPPINGS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_SCHEMA_KEYWORDS = (
    "items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else",
    "anyOf", "oneOf", "allOf", "prefixItems",
)  # fmt: skip
_MAX_INLINED_REFS = 1000  # providers reject large schemas; OpenAI allows 5,000 properties
_NOT_AN_OBJECT = ("anyOf", "oneOf", "enum", "const", "$ref", "items", "prefixItems")


def create_function(schema: Any, name: str = "", description: str = "") -> Schema:
    """Create an OpenAI function definition from a JSON schema or a pydantic v1 or v2 class."""
    if not isinstance(schema, dict):
        is_v2 = hasattr(schema, "model_json_schema")
        schema = schema.model_json_schema() if is_v2 else schema.schema()
    inlined = inline_refs(schema)
    title, own_description = inlined.get("title"), inlined.pop("description", "")
    return {
        "name": name or title,
        "description": description or own_description,
        "parameters": _drop_titles(inlined),
    }


def _drop_titles(schema: Any) -> Any:
    """Remove the titles that pydantic generates from names."""
    if not isinstance(schema, Mapping):
        return schema
    mapped = _map_subschemas(schema, _drop_titles)
    return {key: value for key, value in mapped.items() if key != "title"}


def _map_subschemas(schema: Mapping[str, Any], convert: Callable[[Any], Any]) -> Schema:
    """Return a copy of a schema, with ``convert`` applied to each subschema."""
    converted = dict(schema)
    for key, value in schema.items():
        if key in _SCHEMA_MAPPINGS and isinstance(value, Mapping):
            converted[key] = {name: convert(inner) for name, inner in value.items()}
        elif key in _SCHEMA_KEYWORDS:
            is_list = isinstance(value, list)
            converted[key] = [convert(inner) for inner in value] if is_list else convert(value)
    return converted


def is_object_schema(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema only allows objects, without following references."""
    type_ = schema.get("type")
    return type_ == "object" or (type_ is None and not any(key in schema for key in _NOT_AN_OBJECT))


def inline_refs(schema: Mapping[str, Any]) -> Schema:
    """Replace references with the schemas they refer to.

    The root of the result is never a reference. Other references are kept, with the definitions in
    ``$defs``, if the schema is recursive or would need more than ``_MAX_INLINED_REFS`` copies.
    """
    definitions = {**as_dict(schema.get("definitions")), **as_dict(schema.get("$defs"))}
    root = {key: value for key, value in schema.items() if key not in ("definitions", "$defs")}
    copies = count(1)

    def inline(node: Any, parents: tuple[str, ...] = ()) -> Any:
        if not isinstance(node, Mapping):
            return node
        inlined = _map_subschemas(node, lambda child: inline(child, parents))
        ref = inlined.pop("$ref", None)
        if not isinstance(ref, str):
            return inlined
        if ref in parents or next(copies) > _MAX_INLINED_REFS:
            raise RecursionError(ref)
        return {**inline(_resolve(ref, schema), (*parents, ref)), **inlined}

    try:
        return inline(root)  # type: ignore[no-any-return]
    except RecursionError:  # raised by ``inline``
        followed: set[str] = set()
        while isinstance(ref := root.get("$ref"), str) and ref not in followed:
            followed.add(root.pop("$ref"))
            root = {**_resolve(ref, schema), **root}
        # ``definitions`` is the older name of ``$defs``.
        text = json.dumps({**root, "$defs": definitions} if definitions else root)
        return json.loads(text.replace(b'"#/definitions/', b'"#/$defs/'))  # type: ignore[no-any-return]


def _resolve(ref: str, root: Mapping[str, Any]) -> Mapping[str, Any]:
    target: Any = root if ref.startswith("#") else None
    for step in ref.removeprefix("#").split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        target = target.get(key) if isinstance(target, Mapping) else None
    if not isinstance(target, Mapping):
        raise ValueError(
            f"The schema refers to {ref!r}, but does not contain it. Add the definition."
        )
    return target


# The subset of JSON Schema that OpenAI's strict mode supports

_STRICT_KEYWORDS = {
    "type", "title", "description", "enum", "const", "anyOf", "$ref",
    "properties", "items", "minItems", "maxItems", "pattern", "format",
    "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
}  # fmt: skip
_STRICT_FORMATS = {
    "date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid",
}  # fmt: skip
_DESCRIBED_KEYWORDS = (
    "default", "format", "pattern", "minLength", "maxLength", "uniqueItems", "minProperties",
    "maxProperties", "allOf", "not", "if", "then", "else", "contains", "dependentRequired",
)  # fmt: skip
"""Keywords that strict mode rejects and that are added to the description for the model."""

_LOOKAROUND = re.compile(r"\(\?<?[=!]")  # not supported in patterns: (?=...), (?!...), (?<=...)


def to_strict_schema(schema: Mapping[str, Any]) -> Schema:
    """Convert the schema of an object to the subset that OpenAI's strict mode supports.

    Every object allows exactly its properties and requires all of them, unions are ``anyOf``,
    and default values and unsupported constraints become part of the descriptions.
    """
    root = inline_refs(schema)
    definitions = root.pop("$defs", {})
    if "anyOf" in root or "oneOf" in root:
        raise _create_strict_error("", "has a union at its root", "Move the union into a property")
    try:
        strict = _convert_node(root, "")
        definitions = {name: _convert_node(inner, name) for name, inner in definitions.items()}
    except (AttributeError, TypeError) as error:
        raise ValueError(f"strict=True needs a valid JSON schema, but {error}.") from None
    return {**strict, "$defs": definitions} if definitions else strict


def _create_strict_error(path: str, problem: str, advice: str) -> ValueError:
    subject = f"{path!r}" if path else "it"
    return ValueError(
        f"strict=True is not supported by this schema: {subject} {problem}. "
        f"{advice}, or do not set strict=True."
    )


def _convert_node(schema: Any, path: str) -> Schema:
    schema = _normalize_composition(schema) if isinstance(schema, Mapping) else {}
    if {"type", "anyOf", "$ref"}.isdisjoint(schema):
        # ``const`` needs no type, and pydantic omits that of an enum with values of several types.
        constants = [schema["const"]] if "const" in schema else []
        python_types = {type(value) for value in schema.get("enum", constants)}
        json_types = (TypeAdapter(type_).json_schema()["type"] for type_ in python_types)
        schema["type"] = sorted(json_types)
        if not schema["type"]:
            raise _create_strict_error(path, "allows any value", "Give it a type")
    strict = _drop_unsupported(schema)
    if "anyOf" in strict:
        strict["anyOf"] = [_convert_node(option, path) for option in strict["anyOf"]]
    types = strict.get("type", ())  # a str or a list
    if "object" in types:
        strict.update(_convert_object(schema, path))
    if "array" in types:
        strict["items"] = _convert_node(schema.get("items"), f"{path}[]")
    return strict


def _normalize_composition(schema: Mapping[str, Any]) -> Schema:
    """Replace ``oneOf`` and single ``allOf``, and wrap references that have other keywords."""
    converted = dict(schema)
    if len(converted.get("allOf", ())) == 1:  # OpenAPI adds a description to a reference this way
        converted = {**converted.pop("allOf")[0], **converted}
    if "oneOf" in converted:
        converted["anyOf"] = converted.pop("oneOf")
    if "$ref" in converted and len(converted) > 1:
        converted["anyOf"] = [{"$ref": converted.pop("$ref")}]
    return converted


def _drop_unsupported(schema: Schema) -> Schema:
    """Move unsupported constraints to the description, and drop other unsupported keywords."""
    strict = {key: value for key, value in schema.items() if key in _STRICT_KEYWORDS}
    if strict.get("format") not in _STRICT_FORMATS:
        strict.pop("format", None)
    if _LOOKAROUND.search(strict.get("pattern", "")):
        del strict["pattern"]
    notes = [
        f"{keyword}: {json.dumps(schema[keyword], keyword).decode()}"
        for keyword in _DESCRIBED_KEYWORDS
        if schema.get(keyword) is not None and keyword not in strict
    ]
    if notes:
        strict["description"] = f"{schema.get('description') or ''} ({', '.join(notes)})".strip()
    return strict


def _convert_object(schema: Schema, path: str) -> Schema:
    properties, additional = schema.get("properties"), schema.get("additionalProperties")
    allows_other_keys = isinstance(additional, Mapping) and additional
    if properties is None or allows_other_keys or "patternProperties" in schema:
        raise _create_strict_error(
            path, "is an object with arbitrary keys", "Use a list of key-value objects"
        )
    prefix = f"{path}." if path else ""
    return {
        "properties": {
            name: _convert_node(inner, f"{prefix}{name}") for name, inner in properties.items()
        },
        "required": list(properties),
        "additionalProperties": False,
    }


# TypedDicts. pydantic rejects ``typing.TypedDict`` before Python 3.12, so it receives copies, which
# refer to each other by name because TypedDicts may be recursive.


def create_typed_dict_function(cls: Any) -> Schema:
    """Create an OpenAI function definition from a TypedDict.

    Fields may be ``Annotated[type, default, description]``, which is LangChain's convention.
    """
    copies: dict[str, Any] = {}
    adapter = TypeAdapter[Any](_copy_typed_dict(cls, copies))
    adapter.rebuild(_types_namespace=copies)
    return create_function(adapter.json_schema(), name=cls.__name__)


def _copy_typed_dict(cls: Any, copies: dict[str, Any]) -> Any:
    """Add a copy of a TypedDict to ``copies``, by name, and return a reference to it."""
    name = f"copy_{id(cls)}"
    if name not in copies:
        copies[name] = None  # fields may refer to the TypedDict
        hints = get_type_hints(cls, include_extras=True)
        required = cls.__required_keys__
        fields = {key: _copy_field(hint, key in required, copies) for key, hint in hints.items()}
        copy: Any = TypedDict(cls.__name__, fields)  # type: ignore[misc]
        copy.__doc__ = cls.__doc__
        copies[name] = copy
    return ForwardRef(name)


def _copy_field(hint: Any, is_required: bool, copies: dict[str, Any]) -> Any:
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Required, NotRequired):  # ``__required_keys__`` ignores quoted ones
        return _copy_field(args[0], origin is Required, copies)
    match getattr(hint, "__metadata__", ()):
        case [str(description)]:
            hint = Annotated[args[0], Field(description=description)]
        case [default, str(description)]:
            is_required = is_required and default is ...
            extra = None if default in (..., None) else {"default": default}
            hint = Annotated[args[0], Field(description=description, json_schema_extra=extra)]
    copied = _copy_hint(hint, copies)
    return copied if is_required else NotRequired[copied]


def _copy_hint(hint: Any, copies: dict[str, Any]) -> Any:
    """Replace the TypedDicts in a type hint with references to their copies."""
    if is_typeddict(hint):
        return _copy_typed_dict(hint, copies)
    origin, args = get_origin(hint), get_args(hint)
    if not args or origin is Literal:
        return hint
    if origin is Annotated:
        return Annotated[_copy_hint(args[0], copies), *hint.__metadata__]
    copied = tuple(_copy_hint(arg, copies) for arg in args)
    if origin is UnionType:
        return Union[copied]  # noqa: UP007
    return origin[copied[0] if len(copied) == 1 else copied]
