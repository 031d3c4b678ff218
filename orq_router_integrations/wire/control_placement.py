"""Where each control goes in a request: body, nested ``orq`` object, or header.

One function decides it, from the table in ``endpoints`` and the base URL's dialect. A control
that has no place raises; nothing is ever dropped or sent where the router would ignore it.
"""

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from orq_router_integrations.wire.controls import Identity, PiiRedaction, RouterControls
from orq_router_integrations.wire.endpoints import (
    IMAGE_GENERATIONS,
    RESPONSES,
    Dialect,
    Endpoint,
    SchemaLocation,
)

IDENTITY_HEADER = "X-ORQ-IDENTITY-ID"
METADATA_HEADER = "X-ORQ-METADATA-"

PROTECTING = frozenset({"guardrails", "plugins"})
"""Controls whose silent absence would be a leak."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class ControlLocation(Enum):
    """What carries a control."""

    TOP = "top level of the body"
    NESTED = "the body's orq object"
    HEADER = "a header"


@dataclass(frozen=True, slots=True)
class PlacedControls:
    """Controls sorted by what carries them."""

    top: dict[str, Any] = field(default_factory=dict)
    nested: dict[str, Any] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)


def locate_control(control: str, endpoint: Endpoint, dialect: Dialect) -> ControlLocation | None:
    """What carries a control to an endpoint under a dialect; ``None`` where nothing does."""
    place = endpoint.control_locations.get(control)
    nests = place in {SchemaLocation.BOTH, SchemaLocation.NESTED, SchemaLocation.NESTED_TOP_ON_V3}
    if dialect.nests_controls:
        if nests or (place is SchemaLocation.TOP and control == "variables"):
            return ControlLocation.NESTED
        if place is SchemaLocation.TOP and control == "metadata":
            return ControlLocation.TOP  # a member of OpenAI's body, in no orq schema
    elif place in {SchemaLocation.BOTH, SchemaLocation.TOP}:
        return ControlLocation.TOP
    elif dialect is Dialect.V2_ROUTER and nests:
        return ControlLocation.NESTED
    elif place is SchemaLocation.NESTED_TOP_ON_V3:
        return ControlLocation.TOP
    return ControlLocation.HEADER if control in {"identity", "metadata"} else None


def filter_defaults(
    controls: RouterControls, endpoint: Endpoint, dialect: Dialect
) -> RouterControls:
    """The controls that the endpoint takes: how defaults for many endpoints are applied to one.

    Where an identity travels in a header, its id is what the endpoint takes of it. Controls that
    protect are never left out: where they have no place, the call is refused.
    """
    if not controls.model_fields_set:
        return controls
    kept = {
        name: getattr(controls, name)
        for name in controls.model_fields_set
        if name in PROTECTING or locate_control(name, endpoint, dialect)
    }
    if (
        kept.get("identity")
        and locate_control("identity", endpoint, dialect) is ControlLocation.HEADER
    ):
        kept["identity"] = Identity(id=kept["identity"].id)
    return RouterControls().model_copy(update=kept)


def place_controls(
    controls: RouterControls, endpoint: Endpoint, dialect: Dialect
) -> PlacedControls:
    """Sort the controls of one call by what carries them.

    Raises:
        ValueError: the endpoint does not take a control, or not this value of it; the message
            begins with ``controls.<name>``.
    """
    _check_values(controls, endpoint)
    placed = PlacedControls()
    for name, value in controls.to_wire().items():
        match locate_control(name, endpoint, dialect):
            case ControlLocation.TOP:
                placed.top[name] = value
            case ControlLocation.NESTED:
                placed.nested.update([_spelled(name, value, dialect)])
            case ControlLocation.HEADER:
                placed.headers.update(_headers(name, value, endpoint))
            case None:
                raise ValueError(
                    f"controls.{name}: {endpoint.path} under {dialect.value} has no place for it; "
                    f"leave it out (it takes {_taken(endpoint, dialect)})"
                )
    return placed


def _taken(endpoint: Endpoint, dialect: Dialect) -> str:
    return ", ".join(n for n in RouterControls.model_fields if locate_control(n, endpoint, dialect))


def _spelled(name: str, value: Any, dialect: Dialect) -> tuple[str, Any]:
    """The nested spelling of a control, which changed over the years."""
    if dialect is Dialect.V2_GATEWAY and name == "identity":
        return "contact", value
    if dialect is Dialect.V2_GATEWAY and name == "load_balancer":
        return name, value["models"]
    if name == "variables":
        return "inputs", value
    return name, value


def _headers(name: str, value: Any, endpoint: Endpoint) -> dict[str, str]:
    if name == "identity":
        if extra := sorted(set(value) - {"id"}):
            raise ValueError(
                f"controls.identity.{extra[0]}: {endpoint.path} carries an identity in a header, "
                "which holds only its id; leave the rest out"
            )
        return {IDENTITY_HEADER: _header_value("identity.id", value["id"])}
    headers: dict[str, str] = {}
    for key, text in value.items():
        header = (METADATA_HEADER + key).upper()
        if not _HEADER_NAME.fullmatch(key) or header in headers:
            raise ValueError(
                f"controls.metadata: {endpoint.path} carries metadata in headers, where the key "
                f"{key!r} is not a name of its own; use letters, digits and dashes"
            )
        headers[header] = _header_value(f"metadata[{key!r}]", text)
    return headers


def _header_value(name: str, value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(
            f"controls.{name}: goes in a header here, and {value[:40]!r} cannot "
            "(use ASCII, no line breaks, no blanks at the ends)"
        )
    return value


def _check_values(controls: RouterControls, endpoint: Endpoint) -> None:
    low, high = endpoint.retry_count_range
    if controls.retry and not low <= controls.retry.count <= high:
        raise ValueError(
            f"controls.retry.count: {endpoint.path} takes {low} to {high}, "
            f"not {controls.retry.count}; leave retry out for the router's own default"
        )
    balancer = controls.load_balancer
    if balancer and balancer.type not in endpoint.load_balancer_types:
        raise ValueError(
            f"controls.load_balancer.type: {endpoint.path} takes "
            f"{', '.join(sorted(endpoint.load_balancer_types))}, not {balancer.type}"
        )
    if endpoint is not RESPONSES:
        _check_chat_guardrails(controls)
    elif controls.identity and controls.identity.logo_url:
        raise ValueError("controls.identity.logo_url: /responses does not take it; leave it out")
    if endpoint is IMAGE_GENERATIONS:
        for plugin in controls.plugins or ():
            if not isinstance(plugin, PiiRedaction):
                raise ValueError(
                    f"controls.plugins: {endpoint.path} takes pii_redaction only, not {plugin.id}"
                )


def _check_chat_guardrails(controls: RouterControls) -> None:
    for guardrail in controls.guardrails or ():
        extra = sorted(set(guardrail.to_wire()) - {"id", "execute_on"})
        if guardrail.execute_on == "both" or extra:
            raise ValueError(
                f"controls.guardrails: {guardrail.id!r} asks for "
                f"{extra[0] if extra else 'execute_on=both'}, which only /responses takes; "
                "name the guardrail once for input and once for output"
            )
