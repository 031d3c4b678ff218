"""Forms of image edits and variations, as the image tool sends them."""

import asyncio
import struct
import zlib

import httpx
import pytest
from controls_table import ARGUMENTS, DIALECTS, get_expected, get_supported_controls
from form_readers import both_parsers, build_control_parts, normalize_parts
from support.scripted_router import KEY, Script, respond

from orq_router_integrations import OrqImageTool, RouterClient


def create_png(gray: int) -> bytes:
    """Return a transparent PNG of 32 x 32 pixels of one color."""
    header = struct.pack(">IIBBBBB", 32, 32, 8, 4, 0, 0, 0)
    pixels = zlib.compress((b"\0" + bytes([gray, 0]) * 32) * 32)
    chunks = ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in chunks
    )


ONE, TWO = create_png(1), create_png(2)
RESPONSE = {"created": 1, "data": [{"url": "https://images.invalid/1.png"}]}

GOLDEN = """--BOUNDARY
Content-Disposition: form-data; name="model"

openai/gpt-image-1
--BOUNDARY
Content-Disposition: form-data; name="prompt"

Füge einen Vogel hinzu
--BOUNDARY
Content-Disposition: form-data; name="n"

2
--BOUNDARY
Content-Disposition: form-data; name="size"

auto
--BOUNDARY
Content-Disposition: form-data; name="input_fidelity"

high
--BOUNDARY
Content-Disposition: form-data; name="fallbacks"
Content-Type: application/json

[{"model":"openai/dall-e-2"}]
--BOUNDARY
Content-Disposition: form-data; name="fallback_on_codes[]"

429
--BOUNDARY
Content-Disposition: form-data; name="fallback_on_codes[]"

503
--BOUNDARY
Content-Disposition: form-data; name="retry"
Content-Type: application/json

{"count":2,"on_codes":[429]}
--BOUNDARY
Content-Disposition: form-data; name="cache"
Content-Type: application/json

{"type":"exact_match","ttl":60}
--BOUNDARY
Content-Disposition: form-data; name="image[]"; filename="file.png"
Content-Type: image/png

ONE
--BOUNDARY
Content-Disposition: form-data; name="image[]"; filename="file.png"
Content-Type: image/png

TWO
--BOUNDARY
Content-Disposition: form-data; name="mask"; filename="file.png"
Content-Type: image/png

ONE
--BOUNDARY--
"""


def create_tool(script: Script, *controls: str, dialect: str = "v3/router") -> OrqImageTool:
    transport = httpx.MockTransport(script)
    client = RouterClient(
        api_key=KEY,
        base_url=f"https://x/{dialect}",
        http_client=httpx.Client(transport=transport),
        http_async_client=httpx.AsyncClient(transport=transport),
    )
    arguments = {name: ARGUMENTS[name] for name in controls}
    return OrqImageTool(model="openai/gpt-image-1", client=client, controls=arguments)


@pytest.fixture
def script() -> Script:
    return Script(respond(json=RESPONSE))


def get_boundary(request: httpx.Request) -> str:
    return request.headers["content-type"].partition("boundary=")[2]


def test_bytes_of_edit_request(script):
    controls = {
        "fallbacks": ["openai/dall-e-2"],
        "fallback_on_codes": [429, 503],
        "retry": {"count": 2, "on_codes": [429]},
        "cache": {"ttl": 60},
    }
    tool = create_tool(script).model_copy(update={"extra_body": {"input_fidelity": "high"}})
    tool.edit("Füge einen Vogel hinzu", [ONE, TWO], mask=ONE, n=2, size="auto", controls=controls)
    (request,) = script.requests
    golden = GOLDEN.replace("\n", "\r\n").encode()
    golden = golden.replace(b"BOUNDARY", get_boundary(request).encode())
    assert request.content == golden.replace(b"ONE", ONE).replace(b"TWO", TWO)
    assert request.headers["content-length"] == str(len(request.content))


def test_equal_calls_send_equal_bytes(script):
    for _ in range(2):
        create_tool(script, "retry", "cache").edit("bird", [ONE, TWO], mask=ONE)
    asyncio.run(create_tool(script, "retry", "cache").aedit("bird", [ONE, TWO], mask=ONE))
    assert len({(get_boundary(request), request.content) for request in script.requests}) == 1
    create_tool(script, "retry", "cache").edit("bird", [TWO, ONE], mask=ONE)
    assert get_boundary(script.requests[-1]) != get_boundary(script.requests[0])


@both_parsers
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("path", ["/images/edits", "/images/variations"])
def test_controls_in_form(script, path, dialect, parse_form):
    tool = create_tool(script, *get_supported_controls(path, dialect), dialect=dialect)
    tool.edit("bird", ONE) if path == "/images/edits" else tool.create_variation(ONE)
    (request,) = script.requests
    fields, headers = get_expected(path, dialect)
    parts = parse_form(request.headers["content-type"], request.content)
    controls = [part for part in parts if part.name not in {"model", "prompt", "image"}]
    assert normalize_parts(controls) == normalize_parts(build_control_parts(fields))
    sent_headers = {name.upper(): value for name, value in request.headers.items()}
    assert headers.items() <= sent_headers.items()
    assert request.url.path == f"/{dialect}{path}"
