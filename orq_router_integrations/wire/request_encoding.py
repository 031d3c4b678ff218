"""From a call to what is sent: path, headers, body. Pure; the client only carries the result."""

from dataclasses import dataclass
from urllib.parse import quote

from orq_router_integrations.wire import json
from orq_router_integrations.wire.call import Request
from orq_router_integrations.wire.control_placement import filter_defaults, place_controls
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import Dialect
from orq_router_integrations.wire.multipart import MultipartBody, build_multipart_body
from orq_router_integrations.wire.streamed_json import StreamedJsonBody, build_json_body


@dataclass(frozen=True, slots=True)
class EncodedRequest:
    """A request ready to send.

    Attributes:
        headers: those the body and the controls need; the client adds the rest.
        body: JSON bytes, or what yields the bytes as often as it is iterated.
        controls: the controls in force, defaults included.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | MultipartBody | StreamedJsonBody
    controls: RouterControls


def encode_request(
    request: Request, dialect: Dialect, defaults: RouterControls | None = None
) -> EncodedRequest:
    """Encode a call for a base URL.

    ``defaults`` apply where the endpoint takes them; the call's own controls must all fit.

    Raises:
        ValueError: the endpoint or a control does not exist under this base URL, a value is out
            of the endpoint's range, or the body holds something that is not JSON.
    """
    endpoint, path = request.endpoint, _path(request, dialect)
    if endpoint.method == "GET":
        return EncodedRequest("GET", path, {}, b"", RouterControls())
    controls = filter_defaults(defaults or RouterControls(), endpoint, dialect).merge(
        request.controls
    )
    placed = place_controls(controls, endpoint, dialect)
    extra = {**placed.top, **({"orq": placed.nested} if placed.nested else {})}
    if both := sorted(extra.keys() & request.body.keys()):
        raise ValueError(f"{both[0]}: set in the body and by controls; keep one of the two")
    body = {**request.body, **extra}
    if endpoint.multipart:
        form = build_multipart_body(body, request.files)
        headers = {"Content-Type": form.content_type, "Content-Length": str(form.size)}
        return EncodedRequest("POST", path, placed.headers | headers, form, controls)
    if request.files:
        raise ValueError(f"files: {endpoint.path} takes JSON; files cannot be sent there")
    headers = placed.headers | {"Content-Type": "application/json"}
    data = build_json_body(body, json.dumps(body))
    if isinstance(data, StreamedJsonBody):
        headers["Content-Length"] = str(data.size)
    return EncodedRequest("POST", path, headers, data, controls)


def _path(request: Request, dialect: Dialect) -> str:
    endpoint, resource = request.endpoint, quote(request.resource_id, safe="")
    if dialect not in endpoint.dialects:
        raise ValueError(
            f"base_url: {endpoint.path} does not exist under {dialect.value}; use a v3/router URL"
        )
    return f"{endpoint.path}/{resource}" if resource else endpoint.path
