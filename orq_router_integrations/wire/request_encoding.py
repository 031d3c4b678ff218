"""Encode the path, headers, controls and body of a request.

A control of the call that the endpoint does not support raises an error. It is never dropped or
sent where the router would ignore it. Only default controls of the client may be dropped.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

from orq_router_integrations.wire import endpoints, json
from orq_router_integrations.wire.arguments import check_header
from orq_router_integrations.wire.call import PLACEHOLDER_MARK, DeferredBase64, Request, Upload
from orq_router_integrations.wire.controls import Identity, RouterControls
from orq_router_integrations.wire.endpoints import ControlLocation, Dialect, Endpoint
from orq_router_integrations.wire.multipart import StreamedBody, build_multipart_body

PROTECTIVE_CONTROLS = frozenset({"guardrails", "plugins"})
"""Controls that protect data. Dropping them silently could leak it."""


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """A request that is ready to be sent, several times if necessary."""

    method: str
    path: str  # below the base URL
    headers: dict[str, str]  # for the body and the controls; the client adds more
    body: bytes | StreamedBody
    controls: RouterControls  # including defaults


def encode_request(
    request: Request, dialect: Dialect, defaults: RouterControls | None = None
) -> EncodedRequest:
    """Encode a request for a base URL.

    The endpoint must support all controls of the request. ``defaults`` that it does not support are
    ignored, except protective ones. Unsupported values of supported controls always raise.
    """
    endpoint = request.endpoint
    check_dialect(endpoint, dialect)
    path = endpoint.path
    if request.resource_id:
        template = path if "{id}" in path else f"{path}/{{id}}"
        path = template.replace("{id}", quote(request.resource_id, safe=""))
    if endpoint.method == "GET":
        return EncodedRequest("GET", path, {}, b"", RouterControls())
    controls = filter_defaults(defaults or RouterControls(), endpoint, dialect)
    controls = controls.merge(request.controls)
    control_fields, control_headers = place_controls(controls, endpoint, dialect)
    fields = {**request.body, **control_fields}
    is_form = endpoint.multipart
    body = build_multipart_body(fields, request.files) if is_form else build_json_body(fields)
    headers = {"Content-Type": "application/json"}
    if isinstance(body, StreamedBody):
        headers = {"Content-Type": body.content_type, "Content-Length": str(body.size)}
    return EncodedRequest("POST", path, control_headers | headers, body, controls)


def check_dialect(endpoint: Endpoint, dialect: Dialect) -> None:
    """Raise a ``ValueError`` if an API version does not have an endpoint."""
    if dialect not in endpoint.dialects:
        supported = " or ".join(sorted(item.value for item in endpoint.dialects))
        raise ValueError(
            f"base_url: {endpoint.path} is not available under {dialect.value}. "
            f"Use a base URL that ends in /{supported}."
        )


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
        if name in PROTECTIVE_CONTROLS or endpoint.locate_control(name, dialect)
    }
    identity = supported.get("identity")
    if identity and endpoint.locate_control("identity", dialect) is ControlLocation.HEADER:
        supported["identity"] = Identity(id=identity.id)
    return RouterControls().model_copy(update=supported)


def place_controls(
    controls: RouterControls, endpoint: Endpoint, dialect: Dialect
) -> tuple[dict[str, Any], dict[str, str]]:
    """Serialize the controls of a call, and return the body fields and headers that hold them.

    If the endpoint does not support a control or its value, the ``ValueError`` starts with
    ``controls.<name>``.
    """
    for path, fix in _find_unsupported_values(controls, endpoint):
        raise ValueError(f"controls.{path}: Value not supported by {endpoint.path}. {fix}")
    fields: dict[str, Any] = {}
    nested: dict[str, Any] = {}
    headers: dict[str, str] = {}
    for name, value in controls.to_wire().items():
        match endpoint.locate_control(name, dialect):
            case ControlLocation.TOP:
                fields[name] = value
            case ControlLocation.NESTED:
                nested |= _convert_to_nested(name, value, dialect)
            case ControlLocation.HEADER:
                headers |= _build_control_headers(name, value, endpoint)
            case None:
                names = RouterControls.model_fields
                supported = [other for other in names if endpoint.locate_control(other, dialect)]
                raise ValueError(
                    f"controls.{name}: Not supported by {endpoint.path} under {dialect.value}. "
                    f"Remove it. Supported controls: {', '.join(supported)}."
                )
    return fields | ({"orq": nested} if nested else {}), headers


def _convert_to_nested(name: str, value: Any, dialect: Dialect) -> dict[str, Any]:
    """Convert a control to the spelling that a dialect uses in its ``orq`` object."""
    if dialect is Dialect.V2_GATEWAY and name == "identity":
        return {"contact": value}
    if dialect is Dialect.V2_GATEWAY and name == "load_balancer":
        return {name: value["models"]}
    return {"inputs" if name == "variables" else name: value}


def _build_control_headers(name: str, value: dict[str, Any], endpoint: Endpoint) -> dict[str, str]:
    if name == "metadata":
        headers = {f"X-ORQ-METADATA-{key}": text for key, text in value.items()}
    elif extra := sorted(value.keys() - {"id"}):
        raise ValueError(
            f"controls.identity.{extra[0]}: {endpoint.path} accepts only the id of an identity. "
            "Remove all other fields."
        )
    else:
        headers = {"X-ORQ-IDENTITY-ID": value["id"]}
    try:
        for header, text in headers.items():
            check_header(header, text)
    except ValueError as error:
        message = f"controls.{name}: {endpoint.path} receives it in headers. {error}"
        raise ValueError(message) from None
    if len({header.lower() for header in headers}) < len(headers):
        names = sorted(value)
        raise ValueError(f"controls.metadata: Two header names differ only in case: {names}.")
    return {header.upper(): text for header, text in headers.items()}


def _find_unsupported_values(
    controls: RouterControls, endpoint: Endpoint
) -> Iterator[tuple[str, str]]:
    """Yield the path and the fix of each value that other endpoints support, but not this one."""
    retry, balancer, identity = controls.retry, controls.load_balancer, controls.identity
    if retry and retry.count < endpoint.min_retry_count:
        yield "retry.count", "Use 1 to 5, or remove retry to use the router's default."
    if endpoint is endpoints.RESPONSES:
        if identity and identity.logo_url:
            yield "identity.logo_url", "Remove it."
        return
    if balancer and balancer.type != "weight_based":
        yield "load_balancer.type", "Use 'weight_based'."
    for guardrail in controls.guardrails or ():
        if guardrail.execute_on == "both" or guardrail.to_wire().keys() - {"id", "execute_on"}:
            yield "guardrails", "Use only id and execute_on, which must be 'input' or 'output'."
    plugins = {plugin.id for plugin in controls.plugins or ()}
    if endpoint in {endpoints.IMAGE_GENERATIONS, endpoints.RERANK} and plugins - {"pii_redaction"}:
        yield "plugins", "Use 'pii_redaction' only."


def build_json_body(value: Any) -> bytes | StreamedBody:
    """Serialize a value, which may contain ``DeferredBase64`` strings, as a JSON body."""
    data = json.dumps(value)
    if PLACEHOLDER_MARK.encode() not in data:
        return data
    deferred: dict[bytes, DeferredBase64] = {}

    def replace_with_marker(text: str) -> str:
        if not isinstance(text, DeferredBase64):
            return text
        marker = uuid4().hex
        deferred[marker.encode()] = text
        return marker

    # Serialize again with a unique marker for each deferred string, then split at the markers.
    tail = json.dumps(json.map_strings(value, replace_with_marker))
    parts: list[bytes | Upload | DeferredBase64] = []
    for marker, item in deferred.items():
        before, _, tail = tail.partition(marker)
        parts += [before, item]
    return StreamedBody("application/json", [*parts, tail])
