"""Split a request body into controls and endpoint fields.

The real router silently ignores a control in the wrong place. The offline router rejects it, so the
mistake shows early.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from orq_router_integrations.testing.routing.error_responses import HTTPError, reject_field
from orq_router_integrations.testing.routing.schema_validation import validate_body
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import RESPONSES, ControlLocation, Dialect, Endpoint
from orq_router_integrations.wire.request_encoding import place_controls

_NESTED_NAMES = {"identity": ("identity", "contact"), "variables": ("inputs",)}
"""Names within ``orq`` of controls that have another name at top level."""

_WITHOUT_EFFECT = {"orq.prompt", "orq.knowledge_bases"}
"""Fields that only older API versions have."""

_OBJECTS = ("identity", "thread", "retry", "load_balancer", "timeout", "cache")


def split_controls(
    body: Mapping[str, Any], endpoint: Endpoint, dialect: Dialect, *, lenient: bool
) -> tuple[RouterControls, dict[str, Any]]:
    """Return the controls of a body and the remaining fields."""
    orq = {} if body.get("orq") is None else body["orq"]
    if not isinstance(orq, Mapping):
        reject_field("orq", "must be an object")
    top = {name: value for name, value in body.items() if name in RouterControls.model_fields}
    endpoint_fields = {name: body[name] for name in body if name not in {"orq", *top}}
    sent = {f"orq.{name}": value for name, value in orq.items()} | top
    names = _map_paths(endpoint, dialect)
    fields: dict[str, Any] = {}
    for path, value in sent.items():
        if path in names:
            if names[path] in fields and not lenient:
                reject_field(names[path], "sent at top level and in orq. Send it once.")
            fields[names[path]] = _convert_value(path, value, dialect)
        elif not lenient and (dialect is Dialect.V3_ROUTER or path not in _WITHOUT_EFFECT):
            supported = ", ".join([*names, "headers for identity and metadata"])
            message = (
                f"not supported here by {endpoint.path} under {dialect.value}. The real router"
            )
            reject_field(path, f"{message} would ignore it silently. Supported are {supported}.")
    try:
        return _validate_controls(fields, endpoint, dialect, lenient=lenient), endpoint_fields
    except HTTPError as error:
        name = (error.param or "").partition(".")[0].partition("[")[0]
        if name in fields and name not in sent:
            error.param = f"orq.{error.param}"
        raise


def _map_paths(endpoint: Endpoint, dialect: Dialect) -> dict[str, str]:
    """Map each path that an endpoint reads, such as ``orq.inputs``, to the name of its control."""
    paths: dict[str, str] = {}
    # v2/router also accepts what is nested in older versions
    older = Dialect.V2_PROXY if dialect is Dialect.V2_ROUTER else dialect
    for name in RouterControls.model_fields:
        if endpoint.locate_control(name, dialect) is ControlLocation.TOP:
            paths[name] = name
        if endpoint.locate_control(name, older) is ControlLocation.NESTED:
            paths |= {f"orq.{nested}": name for nested in _NESTED_NAMES.get(name, (name,))}
    if dialect is Dialect.V2_GATEWAY:
        paths.pop("orq.identity", None)
    return paths


def _convert_value(path: str, value: Any, dialect: Dialect) -> Any:
    """Convert a value within ``orq`` to the current format."""
    if path == "orq.inputs" and isinstance(value, list):
        for index, item in enumerate(value):
            if not isinstance(item, Mapping) or "key" not in item:
                reject_field(f"orq.inputs[{index}]", "must be an object with key and value")
        return {item["key"]: item.get("value") for item in value}
    if path == "orq.load_balancer":
        if isinstance(value, list) and dialect is not Dialect.V2_ROUTER:
            return {"type": "weight_based", "models": value}
        if dialect is Dialect.V2_GATEWAY:
            reject_field(path, "must be a list of models under v2/gateway")
    return value


def _validate_controls(
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
        param, _, message = str(error).removeprefix("controls.").partition(": ")
        reject_field(param, message)
    return controls


def _iter_problems(fields: Mapping[str, Any], endpoint: Endpoint) -> Iterator[tuple[str, str]]:
    """Yield path and error of fields for which ``RouterControls`` has defaults or shorthands."""
    for name in _OBJECTS:
        if not isinstance(fields.get(name, {}), Mapping):
            yield name, "must be an object"
    for name, member in (("load_balancer", "type"), ("cache", "type"), ("retry", "count")):
        is_optional = name == "retry" and endpoint is not RESPONSES
        if name in fields and member not in fields[name] and not is_optional:
            yield f"{name}.{member}", "is required"
    models = fields.get("load_balancer", {}).get("models")
    for index, item in enumerate(models if isinstance(models, list) else ()):
        path = f"load_balancer.models[{index}]"
        if not isinstance(item, Mapping):
            yield path, "must be an object with model and weight"
        elif endpoint is RESPONSES and "weight" not in item:
            yield f"{path}.weight", "is required by /responses"
