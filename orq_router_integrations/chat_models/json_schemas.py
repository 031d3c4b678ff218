"""JSON schemas of Python types, with references only where a type is recursive."""

import inspect
import re
from collections.abc import Callable, Mapping
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

from pydantic import BaseModel, Field, create_model
from typing_extensions import ReadOnly, is_typeddict

Schema = dict[str, Any]

_SCHEMA_MAPPINGS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_SCHEMA_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = (
    *("items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
_NOT_AN_OBJECT = ("anyOf", "oneOf", "enum", "const", "$ref", "items", "prefixItems")
_DEFINITIONS_PATH = re.compile(r"#/?((\$defs|definitions)/)?")


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


def map_subschemas(schema: Mapping[str, Any], convert: Callable[[Any], Any]) -> Schema:
    """Return a copy of a schema, with ``convert`` applied to each subschema."""
    converted: Schema = {}
    for key, value in schema.items():
        if key in _SCHEMA_MAPPINGS and isinstance(value, Mapping):
            converted[key] = {name: convert(inner) for name, inner in value.items()}
        elif key in _SCHEMA_LISTS and isinstance(value, list):
            converted[key] = [convert(inner) for inner in value]
        elif key in _SCHEMAS and isinstance(value, Mapping):
            converted[key] = convert(value)
        else:
            converted[key] = value
    return converted


def _drop_titles(schema: Any) -> Any:
    """Remove the titles that pydantic generates from names."""
    if not isinstance(schema, Mapping):
        return schema
    mapped = map_subschemas(schema, _drop_titles)
    return {key: value for key, value in mapped.items() if key != "title"}


def is_object_schema(schema: Mapping[str, Any]) -> bool:
    """Return whether a schema only allows objects, without following references."""
    type_ = schema.get("type")
    return type_ == "object" or (type_ is None and not any(key in schema for key in _NOT_AN_OBJECT))


def inline_refs(schema: Mapping[str, Any]) -> Schema:
    """Replace references by the schemas they refer to, unless these are recursive.

    The root of the result is never a reference, and the definitions that are still needed are
    in ``$defs``.
    """
    inliner, root, seen = _RefInliner(schema), dict(schema), set[str]()
    while isinstance(ref := root.pop("$ref", None), str) and ref not in seen:
        seen.add(ref)
        root = {**inliner.resolve(ref), **root}
    inlined: Schema = inliner.inline(_drop_definitions(root))
    return {**inlined, "$defs": inliner.definitions} if inliner.definitions else inlined


class _RefInliner:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self.definitions: Schema = {}

    def inline(self, node: Any) -> Any:
        """Inline the references in a schema, and add recursive ones to the definitions."""
        if not isinstance(node, Mapping):
            return node
        ref = node.get("$ref")
        siblings = {key: value for key, value in node.items() if key != "$ref"}
        inlined = map_subschemas(siblings, self.inline)
        if not isinstance(ref, str):
            return inlined
        target = self.resolve(ref)
        if ref not in self._find_refs(target, set()):
            return {**self.inline(target), **inlined}
        name = _DEFINITIONS_PATH.sub("", ref, count=1).replace("/", "_") or "root"
        if name not in self.definitions:
            self.definitions[name] = {}  # the name is taken while the definition is inlined
            self.definitions[name] = self.inline(target)
        return {"$ref": f"#/$defs/{name}", **inlined}

    def _find_refs(self, node: Any, refs: set[str]) -> set[str]:
        """Add the references that a schema contains, directly or in what it refers to."""
        if isinstance(node, Mapping):
            ref = node.get("$ref")
            if isinstance(ref, str) and ref not in refs:
                refs.add(ref)
                self._find_refs(self.resolve(ref), refs)
            map_subschemas(node, lambda child: self._find_refs(child, refs))
        return refs

    def resolve(self, ref: str) -> Schema:
        target: Any = self._root if ref.startswith("#") else None
        for step in ref.removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            target = target.get(key) if isinstance(target, Mapping) else None
        if not isinstance(target, Mapping):
            raise ValueError(
                f"The schema refers to {ref!r}, but does not contain it. Add the definition."
            )
        return _drop_definitions(target)


def _drop_definitions(schema: Mapping[str, Any]) -> Schema:
    return {key: value for key, value in schema.items() if key not in ("$defs", "definitions")}


# TypedDicts

_ARGS_HEADING = re.compile(r"^\s*(Args|Arguments|Parameters):\s*$", re.MULTILINE)
_ARG_LINE = re.compile(r"(\w+)\s*(?:\([^)]*\))?:\s*(.*)")


def create_typed_dict_function(hint: Any) -> Schema:
    """Create an OpenAI function definition from a TypedDict.

    LangChain's conventions apply: fields may be ``Annotated[type, default, description]``, and
    descriptions may be in the ``Args`` section of the docstring.
    """
    converter = _TypedDictConverter()
    converter.convert(hint)
    model = converter.models[converter.names[hint]]
    model.model_rebuild(_types_namespace=converter.models)
    return create_function(model, name=hint.__name__)


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
        if is_typeddict(hint):
            if hint not in self.names:
                self.names[hint] = name = f"{hint.__name__}_{len(self.names)}"
                self.models[name] = self._create_model(hint)
            return ForwardRef(self.names[hint])
        origin, args = get_origin(hint), get_args(hint)
        if not args or origin is Literal:
            return hint
        if origin is Annotated:
            return Annotated[self.convert(args[0]), *hint.__metadata__]
        converted = tuple(map(self.convert, args))
        return Union[converted] if origin is UnionType else origin[converted]  # noqa: UP007

    def _create_model(self, cls: Any) -> type[BaseModel]:
        # inspect.getdoc would return the docstring of dict.
        docstring = inspect.cleandoc(vars(cls).get("__doc__") or "")
        description, descriptions = _parse_docstring(docstring)
        # Keys of a TypedDict may not be valid as field names of a model, so they are aliases.
        fields: dict[str, Any] = {
            f"field_{index}": self._create_field(
                key, hint, key in cls.__required_keys__, descriptions.get(key)
            )
            for index, (key, hint) in enumerate(get_type_hints(cls, include_extras=True).items())
        }
        return create_model(cls.__name__, __doc__=description or None, **fields)

    def _create_field(
        self, key: str, hint: Any, required: bool, description: str | None
    ) -> tuple[Any, Any]:
        hint, required = _remove_qualifiers(hint, required)
        default: Any = ...
        metadata: tuple[Any, ...] = getattr(hint, "__metadata__", ())
        if len(metadata) in (1, 2) and isinstance(metadata[-1], str):
            default = metadata[0] if len(metadata) == 2 else ...
            hint, description = get_args(hint)[0], description or metadata[-1]
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
