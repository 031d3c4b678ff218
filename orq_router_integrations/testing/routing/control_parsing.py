"""Split a request body into controls and endpoint fields.

The real router silently ignores a control in the wrong place. The offline router rejects it, so the
mistake shows early.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.schema_validation import RequestModel, validate_body
from orq_router_integrations.wire.control_placement import (
    ControlLocation,
    locate_control,
    place_controls,
)
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import RESPONSES, Dialect, Endpoint, SchemaLocation

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
    """Extract the controls from a body.

    Raises:
        HTTPError: 400, a control is in a place the dialect does not read (ignored if ``lenient``)
            or has an invalid value.
    """
    reader = _ControlParser(endpoint, dialect, lenient)
    top, rest = reader.parse_top_level(body)
    nested = reader.parse_nested(body.get("orq"))
    if both := sorted(top.keys() & nested.keys()):
        reader.reject(
            both[0],
            f"{both[0]}: sent at top level and in orq; the contract knows no "
            "precedence, so the real router may take either",
        )
    try:
        return ParsedBody(_parse_controls(nested | top, endpoint, dialect, lenient=lenient), rest)
    except HTTPError as refusal:
        if refusal.param and re.split(r"\W", refusal.param)[0] in nested:
            refusal.param = f"orq.{refusal.param}"
        raise


@dataclass(frozen=True, slots=True)
class _ControlParser:
    endpoint: Endpoint
    dialect: Dialect
    lenient: bool

    def parse_top_level(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """Split the top-level fields into controls and the rest."""
        found: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        for name, value in body.items():
            if name not in RouterControls.model_fields:
                rest[name] = value
            elif self._is_read_from(name, ControlLocation.TOP):
                found[name] = value
            else:
                self._reject_misplaced(name, name)
        rest.pop("orq", None)
        return found, rest

    def parse_nested(self, orq: Any) -> dict[str, Any]:
        """Return the controls within ``orq`` under their current names."""
        if orq is None:
            return {}
        if not isinstance(orq, Mapping):
            raise HTTPError(400, "orq: must be an object", param="orq")
        found: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for member, value in orq.items():
            name = self._get_control_name(member)
            if name is not None and self._is_read_from(name, ControlLocation.NESTED):
                found[name] = self._to_current_format(name, value)
            elif member in _NestedOnly.model_fields and self.dialect is not Dialect.V3_ROUTER:
                extra[member] = value
            else:
                self._reject_misplaced(member, f"orq.{member}")
        validate_body(_NestedOnly, extra, lenient=self.lenient, prefix="orq")
        return found

    def _get_control_name(self, member: str) -> str | None:
        """Return the current name of a field of ``orq``, or ``None`` if it is not a control."""
        if member == "variables" or (member == "identity" and self.dialect is Dialect.V2_GATEWAY):
            return None
        name = _ALIASES.get(member, member)
        return name if name in RouterControls.model_fields else None

    def _is_read_from(self, name: str, where: ControlLocation) -> bool:
        if where is ControlLocation.NESTED and self.dialect is Dialect.V2_ROUTER:
            place = self.endpoint.control_locations.get(name)
            return name == "variables" or place not in {None, SchemaLocation.TOP}
        return locate_control(name, self.endpoint, self.dialect) is where

    def _to_current_format(self, name: str, value: Any) -> Any:
        """Convert a nested value to the current format."""
        if name == "variables" and isinstance(value, list):
            return {item["key"]: item.get("value") for item in _iter_pairs(value)}
        if name == "load_balancer" and isinstance(value, list) and self.dialect.nests_controls:
            return {"type": "weight_based", "models": value}
        if name == "load_balancer" and self.dialect is Dialect.V2_GATEWAY:
            message = "orq.load_balancer: a bare list of models under v2/gateway"
            raise HTTPError(400, message, param="orq.load_balancer")
        return value

    def _reject_misplaced(self, member: str, param: str) -> None:
        self.reject(
            param,
            f"{param}: {self.endpoint.path} under {self.dialect.value} does not read it here; "
            f"the real router would ignore it silently ({self._suggest_location(member)})",
        )

    def _suggest_location(self, member: str) -> str:
        name = _ALIASES.get(member, member)
        if name not in RouterControls.model_fields:
            return "no control has this name"
        match locate_control(name, self.endpoint, self.dialect):
            case ControlLocation.TOP:
                return f"send {name} at top level"
            case ControlLocation.NESTED:
                return f"send it as orq.{self._get_nested_name(name)}"
            case ControlLocation.HEADER:
                return f"send {name} in headers"
            case None:
                return "this endpoint does not take it"

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
            param = f"orq.inputs[{index}]"
            raise HTTPError(400, f"{param}: must be an object with key and value", param=param)
        yield item


def _parse_controls(
    wire: dict[str, Any], endpoint: Endpoint, dialect: Dialect, *, lenient: bool
) -> RouterControls:
    wire = {name: value for name, value in wire.items() if value is not None}
    for name in _OBJECTS:
        if name in wire and not isinstance(wire[name], Mapping):
            raise HTTPError(400, f"{name}: must be an object", param=name)
    _check_required_fields(wire)
    if endpoint is RESPONSES:
        _check_responses_fields(wire)
    elif "retry" in wire:
        wire["retry"] = {"count": 3, **wire["retry"]}  # the v2 schema's default
    controls = validate_body(RouterControls, wire, lenient=lenient)
    try:
        place_controls(controls, endpoint, dialect)
    except ValueError as error:
        message = str(error).removeprefix("controls.")
        raise HTTPError(400, message, param=message.partition(":")[0]) from None
    return controls


def _check_required_fields(wire: Mapping[str, Any]) -> None:
    """Check fields for which ``RouterControls`` has defaults or shorthands."""
    for name in ("load_balancer", "cache"):
        if "type" not in wire.get(name, {"type": ""}):
            raise HTTPError(400, f"{name}.type: is required", param=f"{name}.type")
    models = wire.get("load_balancer", {}).get("models")
    for index, item in enumerate(models if isinstance(models, list) else ()):
        if not isinstance(item, Mapping):
            param = f"load_balancer.models[{index}]"
            raise HTTPError(400, f"{param}: must be an object with model and weight", param=param)


def _check_responses_fields(wire: Mapping[str, Any]) -> None:
    """Check fields that /responses requires and ``RouterControls`` defaults."""
    missing = ["retry.count"] if "count" not in wire.get("retry", {"count": 0}) else []
    models = wire.get("load_balancer", {}).get("models")
    for index, item in enumerate(models if isinstance(models, list) else ()):
        if "weight" not in item:
            missing.append(f"load_balancer.models[{index}].weight")
    if missing:
        raise HTTPError(400, f"{missing[0]}: is required here", param=missing[0])
