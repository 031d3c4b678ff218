"""From a call to what is sent: path, headers, body. Pure; the client only carries the result."""

from dataclasses import dataclass
from urllib.parse import quote

from orq_router_integrations.wire import json
from orq_router_integrations.wire.call import Request
from orq_router_integrations.wire.control_placement import applicable, place
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import Dialect
from orq_router_integrations.wire.multipart import Form, parts_of
from orq_router_integrations.wire.streamed_json import JsonBody, body_of


@dataclass(frozen=True, slots=True)
class Encoded:
    """A request ready to send.

    Attributes:
        headers: those the body and the controls need; the client adds the rest.
        body: JSON bytes, or what yields the bytes as often as it is iterated.
        controls: the controls in force, defaults included.
    """

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | Form | JsonBody
    controls: RouterControls


def encode(request: Request, dialect: Dialect, defaults: RouterControls | None = None) -> Encoded:
    """Encode a call for a base URL.

    ``defaults`` apply where the endpoint takes them; the call's own controls must all fit.

    Raises:
        ValueError: the endpoint or a control does not exist under this base URL, a value is out
            of the endpoint's range, or the body holds something that is not JSON.
    """
    endpoint, path = request.endpoint, _path(request, dialect)
    if endpoint.method == "GET":
        return Encoded("GET", path, {}, b"", RouterControls())
    controls = applicable(defaults or RouterControls(), endpoint, dialect).merged(request.controls)
    placed = place(controls, endpoint, dialect)
    extra = {**placed.top, **({"orq": placed.nested} if placed.nested else {})}
    if both := sorted(extra.keys() & request.body.keys()):
        raise ValueError(f"{both[0]}: set in the body and by controls; keep one of the two")
    body = {**request.body, **extra}
    if endpoint.multipart:
        form = parts_of(body, request.files)
        headers = {"Content-Type": form.content_type, "Content-Length": str(form.size)}
        return Encoded("POST", path, placed.headers | headers, form, controls)
    if request.files:
        raise ValueError(f"files: {endpoint.path} takes JSON; files cannot be sent there")
    headers = placed.headers | {"Content-Type": "application/json"}
    data = body_of(body, json.dump(body))
    if isinstance(data, JsonBody):
        headers["Content-Length"] = str(data.size)
    return Encoded("POST", path, headers, data, controls)


def _path(request: Request, dialect: Dialect) -> str:
    endpoint, resource = request.endpoint, quote(request.resource, safe="")
    if dialect not in endpoint.dialects:
        raise ValueError(
            f"base_url: {endpoint.path} does not exist under {dialect.value}; use a v3/router URL"
        )
    return f"{endpoint.path}/{resource}" if resource else endpoint.path
