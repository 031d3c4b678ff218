"""Split a request body into controls and endpoint fields.

The real router silently ignores a control in the wrong place. The offline router rejects it, so the
mistake shows early.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from orq_router_integrations.testing.routing.endpoint import RequestModel, validate_body
from orq_router_integrations.testing.routing.json_shapes import Fields, OneOf, Shape, Shapes
from orq_router_integrations.testing.routing.response import reject_field
from orq_router_integrations.wire import controls
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import RESPONSES, ControlLocation, Dialect, Endpoint
from orq_router_integrations.wire.request_encoding import place_controls


def _list_fields(model: type[controls.Control]) -> Fields:
    return {f"{name}?": Any for name in model.model_fields}


_PLUGINS: Shapes = {
    "pii_redaction": _list_fields(controls.PiiRedaction),
    "response_healing": _list_fields(controls.ResponseHealing),
    "trace_scrubbing": _list_fields(controls.TraceScrubbing),
}
_LOAD_BALANCER: Fields = {
    "type": str,
    "models": list[Annotated[Any, Shape({"model": str, "weight?": float})]],
}


class ControlFields(RequestModel):
    """The shapes of the controls, without shorthands. ``RouterControls`` checks everything else."""

    fallbacks: list[str | Annotated[Any, Shape({"model": str})]] | None = None
    fallback_on_codes: list[int] | None = None
    retry: Annotated[Any, Shape({"count": int, "on_codes?": list[int]})] | None = None
    load_balancer: Annotated[Any, Shape(_LOAD_BALANCER)] | None = None
    cache: Annotated[Any, Shape({"type": str, "ttl?": int})] | None = None
    timeout: Annotated[Any, Shape({"call_timeout": int})] | None = None
    name: str | None = None
    identity: Annotated[Any, Shape(_list_fields(controls.Identity))] | None = None
    thread: Annotated[Any, Shape(_list_fields(controls.Thread))] | None = None
    metadata: dict[str, Any] | None = None
    guardrails: list[Annotated[Any, Shape(_list_fields(controls.Guardrail))]] | None = None
    plugins: list[Annotated[Any, OneOf("id", _PLUGINS)]] | None = None
    variables: dict[str, Any] | None = None


def split_controls(
    body: Mapping[str, Any], endpoint: Endpoint, dialect: Dialect, *, lenient: bool
) -> tuple[RouterControls, dict[str, Any]]:
    """Return the controls of a body and the remaining fields."""
    orq = {} if body.get("orq") is None else body["orq"]
    if not isinstance(orq, Mapping):
        reject_field("orq", "must be an object")
    top_level = {name: body[name] for name in body if name in RouterControls.model_fields}
    fields = {name: body[name] for name in body if name not in {"orq", *top_level}}
    if not (orq or top_level):
        return RouterControls(), fields
    names = _map_paths(endpoint, dialect)
    values: dict[str, Any] = {}
    for path, value in ({f"orq.{name}": orq[name] for name in orq} | top_level).items():
        if path not in names and not lenient:
            supported = ", ".join([*names, "headers for identity and metadata"])
            reject_field(
                path,
                f"not supported here by {endpoint.path} under {dialect.value}. The real router "
                f"would ignore it silently. Supported are {supported}.",
            )
        if path in names and value is not None:
            values[names[path]] = value
    return _validate_controls(values, endpoint, dialect, lenient=lenient), fields


def _map_paths(endpoint: Endpoint, dialect: Dialect) -> dict[str, str]:
    """Map each path that an endpoint reads, such as ``orq.inputs``, to the name of its control."""
    paths: dict[str, str] = {}
    # v2/router also accepts what is nested in older versions
    older = Dialect.V2_PROXY if dialect is Dialect.V2_ROUTER else dialect
    identity = ("contact",) if dialect is Dialect.V2_GATEWAY else ("identity", "contact")
    nested_names = {"identity": identity, "variables": ("inputs",)}
    for name in RouterControls.model_fields:
        if endpoint.locate_control(name, dialect) is ControlLocation.TOP:
            paths[name] = name
        if endpoint.locate_control(name, older) is ControlLocation.NESTED:
            paths |= {f"orq.{nested}": name for nested in nested_names.get(name, (name,))}
    return paths


def _validate_controls(
    fields: dict[str, Any], endpoint: Endpoint, dialect: Dialect, *, lenient: bool
) -> RouterControls:
    if dialect is Dialect.V2_GATEWAY and "load_balancer" in fields:
        if not isinstance(fields["load_balancer"], list):
            reject_field("load_balancer", "must be a list of models under v2/gateway")
        fields["load_balancer"] = {"type": "weight_based", "models": fields["load_balancer"]}
    if endpoint is not RESPONSES and isinstance(fields.get("retry"), Mapping):
        fields["retry"] = {"count": 3, **fields["retry"]}  # the v2 schema's default
    shapes = validate_body(ControlFields, fields, lenient=lenient).model_dump(exclude_unset=True)
    if 0 < (milliseconds := shapes.get("timeout", {}).get("call_timeout", 0)) < 1000:
        # The client has warned about the number; a timedelta does not cause a second warning.
        shapes["timeout"]["call_timeout"] = timedelta(milliseconds=milliseconds)
    result = validate_body(RouterControls, shapes, lenient=lenient)
    try:
        place_controls(result, endpoint, dialect)
    except ValueError as error:
        param, _, message = str(error).removeprefix("controls.").partition(": ")
        reject_field(param.partition("[")[0], message)
    return result
