"""Check the arguments of the public classes against their annotations."""

from dataclasses import fields
from functools import cache
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from orq_router_integrations.errors import format_validation_error


def check_arguments(instance: Any, *exclude: str) -> None:
    """Raise a ``ValueError`` that names the fields of a dataclass with values of the wrong type."""
    try:
        _create_model(instance.__class__, exclude).model_validate(instance, from_attributes=True)
    except ValidationError as error:
        raise ValueError(format_validation_error(error)) from None


@cache
def _create_model(dataclass: type[Any], exclude: tuple[str, ...]) -> type[BaseModel]:
    checked = (field for field in fields(dataclass) if field.init and field.name not in exclude)
    definitions: Any = {field.name: field.type for field in checked}
    config = ConfigDict(strict=True, arbitrary_types_allowed=True)
    return create_model(dataclass.__name__, __config__=config, **definitions)
