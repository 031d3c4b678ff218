"""MkDocs hook: generate the tables of arguments and errors from the code.

A page contains ``<!-- arguments: ChatOrq -->`` or ``<!-- errors -->`` where the table belongs.
Arguments come from the fields of a pydantic model, or from the signature and docstring of another
class.
"""

import inspect
import re
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, SecretStr
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

import orq_router_integrations
from orq_router_integrations import batch, errors, testing
from orq_router_integrations.wire.deferred_model import order_fields

MARKER = re.compile(r"<!-- (arguments|errors)(?:: (\w+))? -->")
UNITS = {
    "timeout": "seconds",
    "RouterControls.timeout": "milliseconds",
    "deadline": "seconds",
    "stream_chunk_timeout": "seconds",
    "latency": "seconds",
    "chunk_latency": "seconds",
    "seconds": "seconds",
    "per": "seconds",
    "size": "pixels",
    "min_image_size": "pixels",
    "output_compression": "percent",
    "pcm_rate": "Hz",
}
UNIT_SUFFIXES = {
    "_seconds": "seconds",
    "_bytes": "bytes",
    "_chars": "characters",
    "_tokens": "tokens",
}
TYPE_NAMES: dict[Any, str] = {Ellipsis: "...", SecretStr: "str | SecretStr"}
MODULES = (orq_router_integrations, batch, testing)
DOCUMENTED_ARGUMENT = re.compile(r"^    (\w+): (.*(?:\n {8,}.*)*)", re.MULTILINE)
VARIABLE = inspect.Parameter.VAR_KEYWORD
HEADER = "| argument | type | default | unit | meaning |\n|---|---|---|---|---|"


def on_page_markdown(markdown: str, **_: Any) -> str:
    """Replace the markers of a page by tables (called by MkDocs)."""
    return MARKER.sub(lambda match: build_table(match[1], match[2]), markdown)


def build_table(kind: str, name: str) -> str:
    if kind == "errors":
        rows = build_error_rows()
    else:
        cls = next(getattr(module, name) for module in MODULES if name in module.__all__)
        rows = build_field_rows(cls) if issubclass(cls, BaseModel) else build_parameter_rows(cls)
    return "\n".join((f'<div class="stacked {kind}" markdown>', "", *rows, "", "</div>"))


def build_field_rows(cls: type[BaseModel]) -> Iterator[str]:
    """Yield the lines of a table of the fields of a pydantic model."""
    yield HEADER
    for name, field in order_fields(cls):
        if field.description:
            type_name = format_type(field.annotation)
            unit = UNITS.get(f"{cls.__name__}.{name}") or get_unit(name)
            yield build_row(name, type_name, format_default(field), field.description, unit=unit)
    fields = cls.model_fields.items()
    if undocumented := sorted(name for name, field in fields if not field.description):
        yield ""
        yield f"LangChain's own arguments: {', '.join(f'`{name}`' for name in undocumented)}."


def build_parameter_rows(cls: type) -> Iterator[str]:
    """Yield the lines of a table of the parameters of another class."""
    parameters = inspect.signature(cls, eval_str=True).parameters
    section = (inspect.getdoc(cls) or "").partition("Args:\n")[2].partition("\n\n")[0]
    yield HEADER
    for name, description in DOCUMENTED_ARGUMENT.findall(section):
        default = parameters[name].default
        is_plain = isinstance(default, bool | int | float | str)
        if default is inspect.Parameter.empty and parameters[name].kind is not VARIABLE:
            default_cell = "required"
        else:
            default_cell = f"`{default!r}`" if is_plain else ""
        text = " ".join(description.split()).replace("``", "`")
        type_name = format_type(parameters[name].annotation)
        meaning = text[0].upper() + text[1:]
        yield build_row(name, type_name, default_cell, meaning, unit=get_unit(name))


def build_row(name: str, type_name: str, default: str, meaning: str, *, unit: str) -> str:
    cells = (
        f"`{name}`",
        f"<code>{escape(type_name)}</code>",
        default,
        unit,
        escape(f"{meaning.rstrip('.')}."),
    )
    return f"| {' | '.join(cells)} |"


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
    if annotation in TYPE_NAMES:
        return TYPE_NAMES[annotation]
    name = getattr(origin or annotation, "__name__", str(annotation))
    return f"{name}[{', '.join(format_type(arg) for arg in args)}]" if args else name


def build_error_rows() -> Iterator[str]:
    yield "| error | raised when | suggested status |"
    yield "|---|---|---|"
    for depth, cls in iter_errors(errors.RouterError):
        text = " ".join((cls.__doc__ or "").partition("\n\n")[0].split())
        yield f"| {'&nbsp;' * 3 * depth}`{cls.__name__}` | {text} | {cls.suggested_status} |"


def iter_errors(cls: Any, depth: int = 0) -> Iterator[tuple[int, Any]]:
    yield depth, cls
    for subclass in cls.__subclasses__():
        if subclass.__module__.startswith("orq_router_integrations."):
            yield from iter_errors(subclass, depth + 1)
