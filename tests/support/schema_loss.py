"""Find the fields of a body that a schema drops."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel


def find_lost_fields(schema: type[BaseModel], body: dict[str, Any]) -> list[str]:
    """Return the paths of fields that the schema drops or changes."""
    kept = schema.model_validate(body).model_dump(mode="json", by_alias=True, exclude_unset=True)
    return sorted(_iter_lost_fields(body, kept, ""))


def _iter_lost_fields(sent: Any, kept: Any, path: str) -> Iterator[str]:
    if isinstance(sent, dict) and isinstance(kept, dict):
        for name, value in sent.items():
            inner = f"{path}.{name}".lstrip(".")
            if name in kept:
                yield from _iter_lost_fields(value, kept[name], inner)
            else:
                yield inner
    elif isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        for one, other in zip(sent, kept, strict=True):
            yield from _iter_lost_fields(one, other, f"{path}[]")
    elif sent != kept:
        yield f"{path}: {sent!r} became {kept!r}"
