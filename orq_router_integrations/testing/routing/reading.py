"""From a body to its controls, as the base URL's dialect has them (contract section 4.2).

The real router ignores a control in the wrong place without a word (contract, trap 1). The
offline router refuses it instead, so that the mistake shows while it is cheap.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.testing.routing.checking import Schema, checked
from orq_router_integrations.testing.routing.refusals import Refusal
from orq_router_integrations.wire.control_placement import (
    ControlLocation,
    locate_control,
    place_controls,
)
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import RESPONSES, Dialect, Endpoint, SchemaLocation

_ALIASES = {"contact": "identity", "inputs": "variables"}
"""Members of ``orq`` under their older names (contract section 4.7)."""

_OBJECTS = ("identity", "thread", "retry", "load_balancer", "timeout", "cache")
"""Controls that are objects on the wire; our own model also takes shorthands for some."""


class _Prompt(Schema):
    id: str
    version: str = "latest"


class _KnowledgeBase(Schema):
    knowledge_id: str
    top_k: int | None = None
    threshold: float | None = None
    search_type: str | None = None
    filter_by: dict[str, Any] | None = None
    search_options: dict[str, Any] | None = None
    rerank_config: dict[str, Any] | None = None
    agentic_rag_config: dict[str, Any] | None = None
    query: str | None = None


class _NestedOnly(Schema):
    """What only ``orq`` can hold; accepted and not acted upon."""

    prompt: _Prompt | None = None
    knowledge_bases: list[_KnowledgeBase] | None = None


@dataclass(frozen=True, slots=True)
class Read:
    """A body taken apart: the router's part, and the rest, which is the endpoint's."""

    controls: RouterControls
    rest: dict[str, Any]


def read(body: Mapping[str, Any], endpoint: Endpoint, dialect: Dialect, *, lenient: bool) -> Read:
    """Take the controls out of a body.

    Raises:
        Refusal: 400; a control in a place that the dialect does not read (ignored when
            ``lenient``), or with a value that the contract does not allow.
    """
    reader = _Reader(endpoint, dialect, lenient)
    top, rest = reader.top(body)
    nested = reader.nested(body.get("orq"))
    if both := sorted(top.keys() & nested.keys()):
        reader.refuse(
            both[0],
            f"{both[0]}: sent at top level and in orq; the contract knows no "
            "precedence, so the real router may take either",
        )
    try:
        return Read(_values(nested | top, endpoint, dialect, lenient=lenient), rest)
    except Refusal as refusal:
        if refusal.param and re.split(r"\W", refusal.param)[0] in nested:
            refusal.param = f"orq.{refusal.param}"
        raise


@dataclass(frozen=True, slots=True)
class _Reader:
    endpoint: Endpoint
    dialect: Dialect
    lenient: bool

    def top(self, body: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
        """The controls at top level, and what is no control."""
        found: dict[str, Any] = {}
        rest: dict[str, Any] = {}
        for name, value in body.items():
            if name not in RouterControls.model_fields:
                rest[name] = value
            elif self._reads(name, ControlLocation.TOP):
                found[name] = value
            else:
                self._misplaced(name, name)
        rest.pop("orq", None)
        return found, rest

    def nested(self, orq: Any) -> dict[str, Any]:
        """The controls in the ``orq`` object, under their names of today."""
        if orq is None:
            return {}
        if not isinstance(orq, Mapping):
            raise Refusal(400, "orq: must be an object", param="orq")
        found: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for member, value in orq.items():
            name = self._name(member)
            if name is not None and self._reads(name, ControlLocation.NESTED):
                found[name] = self._today(name, value)
            elif member in _NestedOnly.model_fields and self.dialect is not Dialect.V3_ROUTER:
                extra[member] = value
            else:
                self._misplaced(member, f"orq.{member}")
        checked(_NestedOnly, extra, lenient=self.lenient, prefix="orq")
        return found

    def _name(self, member: str) -> str | None:
        """Today's name of a member of ``orq``; ``None`` for what is not spelled so there."""
        if member == "variables" or (member == "identity" and self.dialect is Dialect.V2_GATEWAY):
            return None
        name = _ALIASES.get(member, member)
        return name if name in RouterControls.model_fields else None

    def _reads(self, name: str, where: ControlLocation) -> bool:
        if where is ControlLocation.NESTED and self.dialect is Dialect.V2_ROUTER:
            place = self.endpoint.control_locations.get(name)
            return name == "variables" or place not in {None, SchemaLocation.TOP}
        return locate_control(name, self.endpoint, self.dialect) is where

    def _today(self, name: str, value: Any) -> Any:
        """A nested value as the newest dialect spells it."""
        if name == "variables" and isinstance(value, list):
            return {item["key"]: item.get("value") for item in _pairs(value)}
        if name == "load_balancer" and isinstance(value, list) and self.dialect.nests_controls:
            return {"type": "weight_based", "models": value}
        if name == "load_balancer" and self.dialect is Dialect.V2_GATEWAY:
            message = "orq.load_balancer: a bare list of models under v2/gateway"
            raise Refusal(400, message, param="orq.load_balancer")
        return value

    def _misplaced(self, member: str, param: str) -> None:
        self.refuse(
            param,
            f"{param}: {self.endpoint.path} under {self.dialect.value} does not read it here; "
            f"the real router would ignore it silently ({self._advice(member)})",
        )

    def _advice(self, member: str) -> str:
        name = _ALIASES.get(member, member)
        if name not in RouterControls.model_fields:
            return "no control has this name"
        match locate_control(name, self.endpoint, self.dialect):
            case ControlLocation.TOP:
                return f"send {name} at top level"
            case ControlLocation.NESTED:
                return f"send it as orq.{self._spelled(name)}"
            case ControlLocation.HEADER:
                return f"send {name} in headers"
            case None:
                return "this endpoint does not take it"

    def _spelled(self, name: str) -> str:
        if name == "identity" and self.dialect is Dialect.V2_GATEWAY:
            return "contact"
        return "inputs" if name == "variables" else name

    def refuse(self, param: str, message: str) -> None:
        """Raise, unless lenient."""
        if not self.lenient:
            raise Refusal(400, message, param=param)


def _pairs(items: Iterable[Any]) -> Iterable[Mapping[str, Any]]:
    for index, item in enumerate(items):
        if not isinstance(item, Mapping) or "key" not in item:
            param = f"orq.inputs[{index}]"
            raise Refusal(400, f"{param}: must be an object with key and value", param=param)
        yield item


def _values(
    wire: dict[str, Any], endpoint: Endpoint, dialect: Dialect, *, lenient: bool
) -> RouterControls:
    wire = {name: value for name, value in wire.items() if value is not None}
    for name in _OBJECTS:
        if name in wire and not isinstance(wire[name], Mapping):
            raise Refusal(400, f"{name}: must be an object", param=name)
    _check_whole(wire)
    if endpoint is RESPONSES:
        _check_spelled_out(wire)
    elif "retry" in wire:
        wire["retry"] = {"count": 3, **wire["retry"]}  # the v2 schema's default
    controls = checked(RouterControls, wire, lenient=lenient)
    try:
        place_controls(controls, endpoint, dialect)
    except ValueError as error:
        message = str(error).removeprefix("controls.")
        raise Refusal(400, message, param=message.partition(":")[0]) from None
    return controls


def _check_whole(wire: Mapping[str, Any]) -> None:
    """Check what our own model has defaults and shorthands for (contract 4.4 and 4.5)."""
    for name in ("load_balancer", "cache"):
        if "type" not in wire.get(name, {"type": ""}):
            raise Refusal(400, f"{name}.type: is required", param=f"{name}.type")
    models = wire.get("load_balancer", {}).get("models")
    for index, item in enumerate(models if isinstance(models, list) else ()):
        if not isinstance(item, Mapping):
            param = f"load_balancer.models[{index}]"
            raise Refusal(400, f"{param}: must be an object with model and weight", param=param)


def _check_spelled_out(wire: Mapping[str, Any]) -> None:
    """Check what the newest schemas want spelled out, and ours has defaults for (contract 4.3)."""
    missing = ["retry.count"] if "count" not in wire.get("retry", {"count": 0}) else []
    models = wire.get("load_balancer", {}).get("models")
    for index, item in enumerate(models if isinstance(models, list) else ()):
        if "weight" not in item:
            missing.append(f"load_balancer.models[{index}].weight")
    if missing:
        raise Refusal(400, f"{missing[0]}: is required here", param=missing[0])
