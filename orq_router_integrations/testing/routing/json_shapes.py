"""Pydantic types for JSON objects, declared as tables of their fields.

The tables have the form of ``tests/contract``. A field whose name ends in "?" is optional.
"""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

Fields = Mapping[str, Any]
"""Types of fields by name. The type of a nested object may be ``Fields`` too."""

Shapes = Mapping[str, Any]
"""The fields of an object (or another type) for each value of its tag, such as ``type``."""


class Shape:
    """Annotation of a JSON object that has these fields and no others."""

    def __init__(self, fields: Fields) -> None:
        self._fields = fields

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return _create_schema(self._fields, handler)


class OneOf:
    """Annotation of a JSON object whose shape depends on the value of its field ``tag``."""

    def __init__(self, tag: str, shapes: Shapes) -> None:
        self._tag, self._shapes = tag, shapes

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = {}
        for value, shape in self._shapes.items():
            type_ = {self._tag: Literal[value], **shape} if isinstance(shape, Mapping) else shape
            choices[value] = _create_schema(type_, handler)
        return core_schema.tagged_union_schema(choices, self._tag)


def _create_schema(type_: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
    if not isinstance(type_, Mapping):
        return handler.generate_schema(type_)
    return core_schema.typed_dict_schema(
        {
            name.removesuffix("?"): core_schema.typed_dict_field(
                _create_schema(field_type, handler), required=not name.endswith("?")
            )
            for name, field_type in type_.items()
        },
        config=core_schema.CoreConfig(strict=True, extra_fields_behavior="forbid"),
    )
