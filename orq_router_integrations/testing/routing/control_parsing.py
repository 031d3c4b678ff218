"""Split a request body into controls and endpoint fields.

The real router silently ignores a control in the wrong place. The offline router rejects it, so the
mistake shows early.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.testing.routing.error_responses import HTTPError, reject_field
from orq_router_integrations.testing.routing.schema_validation import RequestModel, validate_body
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import RESPONSES, ControlLocation, Dialect, Endpoint
from orq_router_integrations.wire.request_encoding import place_controls

_LEGACY = {Dialect.V2_GATEWAY, Dialect.V2_PROXY}

_ALIASES = {"contact": "identity", "inputs": "variables"}
"""Older names of controls within ``orq``."""

_OBJECTS = ("identity", "thread", "retry", "load_balancer", "timeout", "cache")
"""Controls that must be objects. ``RouterControls`` also accepts shorthands for some."""


class _Prompt(RequestModel):
    id: str
    version: str = "latest"


class _KnowledgeBase(RequestModel):
    knowledge_id: str
    top_k: int | None = None
    threshold: float | None = None
    search_type: str | None = None
    filter_by: dict[str, Any] | None = None
    search_options: dict[str, Any] | None = None
    rerank_config: dict[str, Any] | None = None
    agentic_rag_config: dict[str, Any] | None = None
    query: str | None = None


class _NestedOnly(RequestModel):
    """Fields that only exist within ``orq``; accepted without effect."""

    prompt: _Prompt | None = None
    knowledge_bases: list[_KnowledgeBase] | None = None


@dataclass(frozen=True, slots=True)
class ParsedBody:
    """The controls of a body and the remaining fields."""

    controls: RouterControls
    endpoint_fields: dict[str, Any]


def split_controls(
    body: Mapping[str, Any], endpoint: Endpoint, dialect: Dialect, *, lenient: bool
) -> ParsedBody:
    """Extract the controls from a body."""
    parser = _ControlParser(endpoint, dialect, lenient)
    top, endpoint_fields = parser.parse_top_level(body)
    nested = parser.parse_nested(body.get("orq"))
    if duplicates := sorted(top.keys() & nested.keys()):
        parser.reject(
            duplicates[0],
            f"{duplicates[0]}: sent at top level and in orq. Send it once: the precedence is not "
            "documented.",
        )
    try:
        return ParsedBody(
            _parse_controls(nested | top, endpoint, dialect, lenient=lenient), endpoint_fields
        )
    except HTTPError as error:
        if error.param and re.split(r"\W", error.param)[0] in nested:
            error.param = f"orq.{error.param}"
        raise


@dataclass(frozen=True, slots=True)
class _ControlParser:
    endpoint: Endpoint
    dialect: Dialect
    lenient: bool

    def parse_top_level(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Split the top-level fields into controls and endpoint fields."""
        controls: dict[str, Any] = {}
        endpoint_fields: dict[str, Any] = {}
        for name, value in body.items():
            if name not in RouterControls.model_fields:
                endpoint_fields[name] = value
            elif self._is_read_from(name, ControlLocation.TOP):
                controls[name] = value
            else:
                self._reject_misplaced(name, name)
        endpoint_fields.pop("orq", None)
        return controls, endpoint_fields

    def parse_nested(self, orq: Any) -> dict[str, Any]:
        """Return the controls within ``orq`` under their current names."""
        if orq is None:
            return {}
        if not isinstance(orq, Mapping):
            reject_field("orq", "must be an object")
        controls: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for field, value in orq.items():
            name = self._get_control_name(field)
            if name is not None and self._is_read_from(name, ControlLocation.NESTED):
                controls[name] = self._to_current_format(name, value)
            elif field in _NestedOnly.model_fields and self.dialect is not Dialect.V3_ROUTER:
                extra[field] = value
            else:
                self._reject_misplaced(field, f"orq.{field}")
        validate_body(_NestedOnly, extra, lenient=self.lenient, prefix="orq")
        return controls

    def _get_control_name(self, field: str) -> str | None:
        """Return the current name of a field of ``orq``, or ``None`` if it is not a control."""
        if field == "variables" or (field == "identity" and self.dialect is Dialect.V2_GATEWAY):
            return None
        name = _ALIASES.get(field, field)
        return name if name in RouterControls.model_fields else None

    def _is_read_from(self, name: str, location: ControlLocation) -> bool:
        dialect = self.dialect
        if location is ControlLocation.NESTED and dialect is Dialect.V2_ROUTER:
            dialect = Dialect.V2_PROXY  # v2/router also accepts what is nested in older versions
        return self.endpoint.locate_control(name, dialect) is location

    def _to_current_format(self, name: str, value: Any) -> Any:
        """Convert a nested value to the current format."""
        if name == "variables" and isinstance(value, list):
            return {item["key"]: item.get("value") for item in _iter_pairs(value)}
        if name == "load_balancer" and isinstance(value, list) and self.dialect in _LEGACY:
            return {"type": "weight_based", "models": value}
        if name == "load_balancer" and self.dialect is Dialect.V2_GATEWAY:
            reject_field("orq.load_balancer", "must be a list of models under v2/gateway")
        return value

    def _reject_misplaced(self, field: str, param: str) -> None:
        self.reject(
            param,
            f"{param}: not supported here by {self.endpoint.path} under {self.dialect.value}. "
            f"{self._suggest_location(field)} The real router would ignore it silently.",
        )

    def _suggest_location(self, field: str) -> str:
        name = _ALIASES.get(field, field)
        if name not in RouterControls.model_fields:
            return "Unknown control."
        match self.endpoint.locate_control(name, self.dialect):
            case ControlLocation.TOP:
                return f"Send {name} at top level."
            case ControlLocation.NESTED:
                return f"Send it as orq.{self._get_nested_name(name)}."
            case ControlLocation.HEADER:
                return f"Send {name} in headers."
            case None:
                return "This endpoint does not support it."

    def _get_nested_name(self, name: str) -> str:
        if name == "identity" and self.dialect is Dialect.V2_GATEWAY:
            return "contact"
        return "inputs" if name == "variables" else name

    def reject(self, param: str, message: str) -> None:
        """Raise an error, unless lenient."""
        if not self.lenient:
            raise HTTPError(400, message, param=param)


def _iter_pairs(items: Iterable[Any]) -> Iterable[Mapping[str, Any]]:
    for index, item in enumerate(items):
        if not isinstance(item, Mapping) or "key" not in item:
            reject_field(f"orq.inputs[{index}]", "must be an object with key and value")
        yield item


def _parse_controls(
    fields: dict[str, Any], endpoint: Endpoint, dialect: Dialect, *, lenient: bool
) -> RouterControls:
    fields = {name: value for name, value in fields.items() if value is not None}
    for param, message in _iter_problems(fields, endpoint):
        reject_field(param, message)
    if endpoint is not RESPONSES and "retry" in fields:
        fields["retry"] = {"count": 3, **fields["retry"]}  # the v2 schema's default
    controls = validate_body(RouterControls, fields, lenient=lenient)
    try:
        place_controls(controls, endpoint, dialect)
    except ValueError as error:
        message = str(error).removeprefix("controls.")
        raise HTTPError(400, message, param=message.partition(":")[0]) from None
    return controls


def _iter_problems(fields: Mapping[str, Any], endpoint: Endpoint) -> Iterator[tuple[str, str]]:
    """Yield path and error of fields for which ``RouterControls`` has defaults or shorthands."""
    for name in _OBJECTS:
        if not isinstance(fields.get(name, {}), Mapping):
            yield name, "must be an object"
    for name in ("load_balancer", "cache"):
        if "type" not in fields.get(name, {"type": ""}):
            yield f"{name}.type", "is required"
    if endpoint is RESPONSES and "count" not in fields.get("retry", {"count": 0}):
        yield "retry.count", "is required by /responses"
    yield from _iter_model_problems(fields.get("load_balancer", {}).get("models"), endpoint)


def _iter_model_problems(models: Any, endpoint: Endpoint) -> Iterator[tuple[str, str]]:
    for index, item in enumerate(models if isinstance(models, list) else ()):
        path = f"load_balancer.models[{index}]"
        if not isinstance(item, Mapping):
            yield path, "must be an object with model and weight"
        elif endpoint is RESPONSES and "weight" not in item:
            yield f"{path}.weight", "is required by /responses"
