"""MkDocs hook: generate the tables of arguments and errors from the code.

A page contains ``<!-- arguments: ChatOrq -->`` or ``<!-- errors -->`` where the table belongs.
"""

import re
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import orq_router_integrations
from orq_router_integrations import errors
from orq_router_integrations.testing import Answer, Fault
from orq_router_integrations.wire.deferred_model import order_fields

MARKER = re.compile(r"<!-- (arguments|errors)(?:: (\w+))? -->")
UNITS = {
    "timeout": "seconds",
    "deadline": "seconds",
    "stream_chunk_timeout": "seconds",
    "max_tokens": "tokens",
    "pcm_rate": "Hz",
}
UNIT_SUFFIXES = {"_seconds": "seconds", "_bytes": "bytes", "_chars": "characters"}

OTHER_CLASSES = {"Answer": Answer, "Fault": Fault}


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the markers of a page by tables (called by MkDocs)."""
    return MARKER.sub(lambda match: build_table(match[1], match[2]), markdown)


def build_table(kind: str, name: str | None) -> str:
    if kind == "errors":
        return "\n".join(build_error_rows())
    cls = OTHER_CLASSES.get(name or "") or getattr(orq_router_integrations, name or "")
    return "\n".join(build_argument_rows(cls))


def build_argument_rows(cls: type[BaseModel]) -> Iterator[str]:
    yield "| argument | type | default | unit | meaning |"
    yield "|---|---|---|---|---|"
    for name, field in order_fields(cls):
        if field.description:
            cells = (
                f"`{name}`",
                f"<code>{escape(format_type(field.annotation))}</code>",
                format_default(field),
                get_unit(name),
                escape(f"{field.description.rstrip('.')}."),
            )
            yield f"| {' | '.join(cells)} |"
    if rest := sorted(name for name, field in cls.model_fields.items() if not field.description):
        yield ""
        yield f"LangChain's own arguments: {', '.join(f'`{name}`' for name in rest)}."


def get_unit(name: str) -> str:
    suffixes = (unit for suffix, unit in UNIT_SUFFIXES.items() if name.endswith(suffix))
    return UNITS.get(name) or next(suffixes, "")


def escape(text: str) -> str:
    return text.replace("|", "&#124;")


def format_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    if field.default is None or field.default is PydanticUndefined:
        return ""
    return f"`{field.default!r}`"


def format_type(annotation: Any) -> str:
    """Format a type as it is written in code, without constraints and ``None``."""
    origin, args = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return format_type(args[0])
    if origin in {Union, UnionType}:
        return " | ".join(dict.fromkeys(format_type(arg) for arg in args if arg is not NoneType))
    if origin is Literal:
        return " | ".join(repr(arg) for arg in args)
    if isinstance(annotation, list):
        return f"[{', '.join(map(format_type, annotation))}]"
    name = getattr(origin or annotation, "__name__", str(annotation))
    if not args:
        return name
    return f"{name}[{', '.join(format_type(arg) for arg in args)}]"


def build_error_rows() -> Iterator[str]:
    yield "| error | raised when | suggested status |"
    yield "|---|---|---|"
    for depth, cls in iter_errors(errors.RouterError):
        text = " ".join((cls.__doc__ or "").partition("\n\n")[0].split())
        yield f"| {'&emsp;' * depth}`{cls.__name__}` | {text} | {cls.suggested_status} |"


def iter_errors(cls: Any, depth: int = 0) -> Iterator[tuple[int, Any]]:
    yield depth, cls
    for subclass in cls.__subclasses__():
        if subclass.__module__.startswith("orq_router_integrations."):
            yield from iter_errors(subclass, depth + 1)
