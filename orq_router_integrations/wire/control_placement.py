"""Place controls in a request: in the body, in its ``orq`` object, or in a header.

A control that the endpoint does not support raises an error. It is never dropped or sent where the
router would ignore it.
"""

import re
from enum import Enum
from typing import Any

from orq_router_integrations.wire.controls import Identity, PiiRedaction, RouterControls
from orq_router_integrations.wire.endpoints import (
    IMAGE_GENERATIONS,
    RERANK,
    RESPONSES,
    Dialect,
    Endpoint,
    SchemaLocation,
)

IDENTITY_HEADER = "X-ORQ-IDENTITY-ID"
METADATA_HEADER_PREFIX = "X-ORQ-METADATA-"

PROTECTIVE_CONTROLS = frozenset({"guardrails", "plugins"})
"""Controls that protect data. Dropping them silently could leak it."""

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_HEADER_VALUE = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


class ControlLocation(Enum):
    """The part of a request that contains a control."""

    TOP = "top level of the body"
    NESTED = "orq object of the body"
    HEADER = "header"


def locate_control(control: str, endpoint: Endpoint, dialect: Dialect) -> ControlLocation | None:
    """Return the location of a control, or ``None`` if the endpoint does not support it."""
    schema_location = endpoint.control_locations.get(control)
    can_be_nested = schema_location not in {SchemaLocation.TOP, None}
    if dialect.nests_controls:
        if can_be_nested or (schema_location and control == "variables"):
            return ControlLocation.NESTED
        if schema_location and control == "metadata":
            return ControlLocation.TOP  # a field of OpenAI's API, which no orq schema contains
    elif schema_location in {SchemaLocation.BOTH, SchemaLocation.TOP}:
        return ControlLocation.TOP
    elif dialect is Dialect.V2_ROUTER and can_be_nested:
        return ControlLocation.NESTED
    elif schema_location is SchemaLocation.NESTED_TOP_ON_V3:
        return ControlLocation.TOP
    return ControlLocation.HEADER if control in {"identity", "metadata"} else None


def filter_defaults(
    defaults: RouterControls, endpoint: Endpoint, dialect: Dialect
) -> RouterControls:
    """Return the default controls that an endpoint supports.

    An identity that is sent as a header is reduced to its id. Guardrails and plugins are always
    kept, so that ``place_controls`` raises if the endpoint does not support them.
    """
    if not defaults.model_fields_set:
        return defaults
    supported = {
        name: getattr(defaults, name)
        for name in defaults.model_fields_set
        if name in PROTECTIVE_CONTROLS or locate_control(name, endpoint, dialect)
    }
    identity = supported.get("identity")
    if identity and locate_control("identity", endpoint, dialect) is ControlLocation.HEADER:
        supported["identity"] = Identity(id=identity.id)
    return RouterControls().model_copy(update=supported)


def place_controls(
    controls: RouterControls, endpoint: Endpoint, dialect: Dialect
) -> tuple[dict[str, Any], dict[str, str]]:
    """Serialize the controls of a call, and return the body fields and headers that hold them.

    If the endpoint does not support a control or its value, the ``ValueError`` starts with
    ``controls.<name>``.
    """
    _check_values(controls, endpoint)
    fields: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    headers: dict[str, str] = {}
    for name, value in controls.to_wire().items():
        match locate_control(name, endpoint, dialect):
            case ControlLocation.TOP:
                fields[name] = value
            case ControlLocation.NESTED:
                nested_name, nested_value = _convert_to_nested(name, value, dialect)
                nested[nested_name] = nested_value
            case ControlLocation.HEADER if name == "identity":
                headers[IDENTITY_HEADER] = _build_identity_header(value, endpoint)
            case ControlLocation.HEADER:
                headers |= _build_metadata_headers(value, endpoint)
            case None:
                supported = ", ".join(
                    control
                    for control in RouterControls.model_fields
                    if locate_control(control, endpoint, dialect)
                )
                raise ValueError(
                    f"controls.{name}: Not supported by {endpoint.path} under {dialect.value}. "
                    f"Remove it. Supported controls: {supported}."
                )
    if nested:
        fields["orq"] = nested
    return fields, headers


def _convert_to_nested(name: str, value: Any, dialect: Dialect) -> tuple[str, Any]:
    """Return name and value of a control in the ``orq`` object of a dialect."""
    if dialect is Dialect.V2_GATEWAY and name == "identity":
        return "contact", value
    if dialect is Dialect.V2_GATEWAY and name == "load_balancer":
        return name, value["models"]
    if name == "variables":
        return "inputs", value
    return name, value


def _build_identity_header(identity: dict[str, Any], endpoint: Endpoint) -> str:
    if extra := sorted(identity.keys() - {"id"}):
        raise ValueError(
            f"controls.identity.{extra[0]}: {endpoint.path} accepts only the id of an identity. "
            "Remove all other fields."
        )
    return _check_header_value("identity.id", identity["id"])


def _build_metadata_headers(metadata: dict[str, str], endpoint: Endpoint) -> dict[str, str]:
    headers: dict[str, str] = {}
    for key, value in metadata.items():
        header = (METADATA_HEADER_PREFIX + key).upper()
        if not _HEADER_NAME.fullmatch(key) or header in headers:
            raise ValueError(
                f"controls.metadata: {endpoint.path} receives metadata as headers, and the key "
                f"{key!r} is not a valid and unique header name. Use ASCII letters, digits and "
                "hyphens."
            )
        headers[header] = _check_header_value(f"metadata[{key!r}]", value)
    return headers


def _check_header_value(name: str, value: str) -> str:
    if not _HEADER_VALUE.fullmatch(value):
        raise ValueError(
            f"controls.{name}: {value[:40]!r} cannot be sent as a header. "
            "Use ASCII without line breaks, and no spaces at the start or end."
        )
    return value


def _check_values(controls: RouterControls, endpoint: Endpoint) -> None:
    """Raise for values that other endpoints support, but not this one."""
    minimum, maximum = endpoint.retry_count_range
    if controls.retry and not minimum <= controls.retry.count <= maximum:
        raise ValueError(
            f"controls.retry.count: {endpoint.path} does not support {controls.retry.count}. "
            f"Use {minimum} to {maximum}, or remove retry to use the router's default."
        )
    balancer = controls.load_balancer
    if balancer and balancer.type not in endpoint.load_balancer_types:
        raise ValueError(
            f"controls.load_balancer.type: {endpoint.path} does not support {balancer.type!r}. "
            f"Use {' or '.join(sorted(map(repr, endpoint.load_balancer_types)))}."
        )
    if endpoint is RESPONSES:
        if controls.identity and controls.identity.logo_url:
            raise ValueError(
                f"controls.identity.logo_url: Not supported by {endpoint.path}. Remove it."
            )
    else:
        _check_chat_guardrails(controls)
    if endpoint in {IMAGE_GENERATIONS, RERANK}:
        for plugin in controls.plugins or ():
            if not isinstance(plugin, PiiRedaction):
                raise ValueError(
                    f"controls.plugins: {endpoint.path} does not support {plugin.id!r}. "
                    "Use 'pii_redaction' only."
                )


def _check_chat_guardrails(controls: RouterControls) -> None:
    for guardrail in controls.guardrails or ():
        extra = sorted(guardrail.to_wire().keys() - {"id", "execute_on"})
        if guardrail.execute_on == "both" or extra:
            raise ValueError(
                f"controls.guardrails: {extra[0] if extra else 'execute_on=both'!r} of guardrail "
                f"{guardrail.id!r} is only supported by /responses. "
                "Add the guardrail twice, for 'input' and for 'output'."
            )
