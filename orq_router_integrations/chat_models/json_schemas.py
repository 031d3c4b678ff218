"""JSON schemas of Python types, with references only where a type is recursive."""

from collections.abc import Callable, Mapping
from typing import Any

Schema = dict[str, Any]

WRAPPER_KEY = "value"
"""Property that holds the answer if the schema of an answer is not an object."""

_SCHEMA_MAPPINGS = ("properties", "patternProperties", "dependentSchemas")
_SCHEMA_LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
_SCHEMAS = (
    *("items", "additionalProperties", "propertyNames", "contains", "not", "if", "then", "else"),
    *("unevaluatedItems", "unevaluatedProperties"),
)
_DEFINITIONS = ("$defs", "definitions")
_NOT_AN_OBJECT = ("anyOf", "oneOf", "enum", "const", "$ref", "items", "prefixItems")


def create_function(name: str, description: str, schema: Mapping[str, Any]) -> Schema:
    """Create an OpenAI function definition from the JSON schema of a Python type."""
    parameters = _drop_titles(inline_refs(schema))
    own_description = parameters.pop("description", "")
    description = description or own_description
    return {"name": name, "description": description, "parameters": parameters}


def get_class_schema(cls: Any) -> Schema:
    """Return the JSON schema of a pydantic v1 or v2 class."""
    schema = cls.model_json_schema() if hasattr(cls, "model_json_schema") else cls.schema()
    return dict(schema)


def create_class_function(cls: Any) -> Schema:
    """Create an OpenAI function definition from a pydantic class."""
    schema = get_class_schema(cls)
    name = inline_refs(schema).get("title") or cls.__name__
    return create_function(name, "", schema)


def map_subschemas(schema: Mapping[str, Any], convert: Callable[[Any], Any]) -> Schema:
    """Return a copy of a schema, with ``convert`` applied to each subschema."""
    converted: Schema = {}
    for key, value in schema.items():
        if key in (*_SCHEMA_MAPPINGS, *_DEFINITIONS) and isinstance(value, Mapping):
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


def wrap_schema(schema: Mapping[str, Any]) -> Schema:
    """Return the schema of an object whose only property has the given schema."""
    inner = inline_refs(schema)
    definitions = inner.pop("$defs", None)
    wrapper = {"type": "object", "properties": {WRAPPER_KEY: inner}, "required": [WRAPPER_KEY]}
    return wrapper if definitions is None else {**wrapper, "$defs": definitions}


def inline_refs(schema: Mapping[str, Any]) -> Schema:
    """Replace references by the schemas they refer to, unless these are recursive.

    The root of the result is never a reference, and the definitions that are still needed are
    in ``$defs``.
    """
    return _RefInliner(schema).inline_root()


class _RefInliner:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._recursive: dict[str, bool] = {}
        self._names: dict[str, str] = {}
        self._definitions: Schema = {}

    def inline_root(self) -> Schema:
        root: Any = {key: value for key, value in self._root.items() if key not in _DEFINITIONS}
        seen: set[str] = set()
        while isinstance(ref := root.get("$ref"), str) and ref not in seen:
            seen.add(ref)
            siblings = {key: value for key, value in root.items() if key != "$ref"}
            root = {**self._resolve(ref), **siblings}
        inlined: Schema = map_subschemas(root, self._inline)
        return {**inlined, "$defs": self._definitions} if self._definitions else inlined

    def _inline(self, node: Any) -> Any:
        if not isinstance(node, Mapping):
            return node
        ref = node.get("$ref")
        siblings = map_subschemas(
            {key: value for key, value in node.items() if key != "$ref"}, self._inline
        )
        if not isinstance(ref, str):
            return siblings
        if self._is_recursive(ref):
            return {"$ref": f"#/$defs/{self._define(ref)}", **siblings}
        return {**self._inline(self._resolve(ref)), **siblings}

    def _define(self, ref: str) -> str:
        """Add a recursive schema to the definitions and return its name there."""
        if ref not in self._names:
            name = ref.rpartition("/")[2].replace("#", "") or "root"
            while name in self._names.values():
                name += "_"
            self._names[ref] = name
            self._definitions[name] = self._inline(self._resolve(ref))
        return self._names[ref]

    def _is_recursive(self, ref: str) -> bool:
        if ref not in self._recursive:
            reachable, new = set[str](), _find_refs(self._resolve(ref))
            while new:
                reachable |= new
                new = set().union(*(_find_refs(self._resolve(it)) for it in new)) - reachable
            self._recursive[ref] = ref in reachable
        return self._recursive[ref]

    def _resolve(self, ref: str) -> Schema:
        target: Any = self._root if ref.startswith("#") else None
        for step in ref.removeprefix("#").split("/")[1:]:
            key = step.replace("~1", "/").replace("~0", "~")
            target = target.get(key) if isinstance(target, Mapping) else None
        if not isinstance(target, Mapping):
            raise ValueError(f"The schema refers to {ref!r}, which it does not contain.")
        if ref == "#":
            return {key: value for key, value in target.items() if key not in _DEFINITIONS}
        return dict(target)


def _find_refs(schema: Mapping[str, Any]) -> set[str]:
    refs: set[str] = set()

    def find(node: Any) -> None:
        if isinstance(node, Mapping):
            if isinstance(ref := node.get("$ref"), str):
                refs.add(ref)
            map_subschemas(node, find)

    find(schema)
    return refs
