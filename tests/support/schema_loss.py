"""Find the fields of a body that a schema drops."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel


def find_lost_fields(schema: type[BaseModel], body: dict[str, Any]) -> list[str]:
    """Return the paths of fields that the schema drops or changes."""
    dumped = schema.model_validate(body).model_dump(mode="json", by_alias=True, exclude_unset=True)
    return sorted(_iter_lost_fields(body, dumped, ""))


def _iter_lost_fields(original: Any, dumped: Any, path: str) -> Iterator[str]:
    if isinstance(original, dict) and isinstance(dumped, dict):
        for name, value in original.items():
            inner = f"{path}.{name}".lstrip(".")
            if name in dumped:
                yield from _iter_lost_fields(value, dumped[name], inner)
            else:
                yield inner
    elif isinstance(original, list) and isinstance(dumped, list) and len(original) == len(dumped):
        for item, dumped_item in zip(original, dumped, strict=True):
            yield from _iter_lost_fields(item, dumped_item, f"{path}[]")
    elif original != dumped:
        yield f"{path}: {original!r} became {dumped!r}"
