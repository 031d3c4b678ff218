"""Check that a schema is in the subset of JSON Schema that OpenAI's strict mode supports."""

from collections.abc import Iterator
from typing import Any

KEYWORDS = {
    *("type", "title", "description", "enum", "const", "anyOf", "$ref", "$defs", "required"),
    *("properties", "additionalProperties", "items", "minItems", "maxItems", "pattern", "format"),
    *("multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
}
FORMATS = ["date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"]


def find_strict_problems(schema: dict[str, Any]) -> list[str]:
    """Return what OpenAI would reject in a strict schema."""
    problems = list(_iter_problems(schema, schema))
    if schema.get("type") != "object" or "anyOf" in schema:
        problems.append("the root is not an object")
    return problems


def find_dangling_refs(schema: Any) -> list[str]:
    """Return the references that do not lead to a part of the schema."""
    return [ref for ref in _iter_refs(schema) if not _resolves(schema, ref)]


def _iter_problems(node: Any, root: dict[str, Any]) -> Iterator[str]:
    if not isinstance(node, dict) or not node.keys() & {"type", "anyOf", "$ref"}:
        yield f"any value: {node}"
        return
    yield from (f"keyword {key}" for key in node.keys() - KEYWORDS)
    if "$ref" in node and (len(node) > 1 or not _resolves(root, node["$ref"])):
        yield f"reference {node}"
    if node.get("format", "date") not in FORMATS:
        yield f"format {node['format']}"
    if "object" in _types(node) and (
        node.get("additionalProperties") is not False
        or node.get("required") != list(node.get("properties", ()))
    ):
        yield f"open object, or an optional property: {node}"
    if "array" in _types(node) and "items" not in node:
        yield f"list of any values {node}"
    for child in _iter_children(node):
        yield from _iter_problems(child, root)


def _iter_children(node: dict[str, Any]) -> Iterator[Any]:
    for key in ("properties", "$defs"):
        yield from node.get(key, {}).values()
    yield from node.get("anyOf", [])
    yield from [node["items"]] if "items" in node else []


def _types(node: dict[str, Any]) -> list[str]:
    type_ = node.get("type", [])
    return [type_] if isinstance(type_, str) else type_


def _iter_refs(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for child in node.values():
            yield from _iter_refs(child)
    elif isinstance(node, list):
        for child in node:
            yield from _iter_refs(child)


def _resolves(root: Any, ref: str) -> bool:
    target = root
    for key in ref.removeprefix("#").split("/")[1:]:
        target = target.get(key) if isinstance(target, dict) else None
    return isinstance(target, dict)
