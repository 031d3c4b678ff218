"""The bytes of edits and variations, part by part, under every dialect, as the tool sends them."""

import asyncio

import httpx
import pytest
from controls_samples import GIVEN
from controls_table import DIALECTS, TABLE
from form_readers import read_by_hand, read_with_email
from support.scripted_router import KEY, Script, says
from test_controls_on_the_wire import as_parts, expected, in_order, parsed

from orq_router_integrations import OrqImageTool, RouterClient
from orq_router_integrations.testing.images.draw import generated
from orq_router_integrations.testing.images.png import encoded

ONE, TWO = (encoded(generated(name, (32, 32), 1)) for name in ("one", "two"))
DRAWN = {"created": 1, "data": [{"url": "https://images.invalid/1.png"}]}

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


def drawing(script: Script, *controls: str, dialect: str = "v3/router") -> OrqImageTool:
    client = RouterClient(
        api_key=KEY,
        base_url=f"https://x/{dialect}",
        http_client=httpx.Client(transport=httpx.MockTransport(script)),
        http_async_client=httpx.AsyncClient(transport=httpx.MockTransport(script)),
    )
    given = {name: GIVEN[name] for name in controls}
    return OrqImageTool(model="openai/gpt-image-1", client=client, controls=given)


@pytest.fixture
def script() -> Script:
    return Script(says(json=DRAWN))


def boundary(request: httpx.Request) -> str:
    return request.headers["content-type"].partition("boundary=")[2]


def test_the_bytes_of_an_edit(script):
    controls = {
        "fallbacks": ["openai/dall-e-2"],
        "fallback_on_codes": [429, 503],
        "retry": {"count": 2, "on_codes": [429]},
        "cache": {"ttl": 60},
    }
    tool = drawing(script).model_copy(update={"extra_body": {"input_fidelity": "high"}})
    tool.edit("Füge einen Vogel hinzu", [ONE, TWO], mask=ONE, n=2, size="auto", controls=controls)
    (request,) = script.requests
    golden = GOLDEN.replace("\n", "\r\n").encode()
    golden = golden.replace(b"BOUNDARY", boundary(request).encode())
    assert request.content == golden.replace(b"ONE", ONE).replace(b"TWO", TWO)
    assert request.headers["content-length"] == str(len(request.content))


def test_the_same_call_is_the_same_bytes_whoever_sends_it(script):
    for _ in range(2):
        drawing(script, "retry", "cache").edit("bird", [ONE, TWO], mask=ONE)
    asyncio.run(drawing(script, "retry", "cache").aedit("bird", [ONE, TWO], mask=ONE))
    assert len({(boundary(request), request.content) for request in script.requests}) == 1
    drawing(script, "retry", "cache").edit("bird", [TWO, ONE], mask=ONE)
    assert boundary(script.requests[-1]) != boundary(script.requests[0])


@pytest.mark.parametrize("read_form", [read_with_email, read_by_hand])
@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("path", ["/images/edits", "/images/variations"])
def test_every_control_stands_in_its_part_and_nowhere_else(script, path, dialect, read_form):
    taken = [name for name in GIVEN if TABLE[path, name, dialect] != "refused"]
    tool = drawing(script, *taken, dialect=dialect)
    tool.edit("bird", ONE) if path == "/images/edits" else tool.create_variation(ONE)
    (request,) = script.requests
    members, headers = expected(path, dialect)
    found = read_form(request.headers["content-type"], request.content)
    controls = [part for part in found if part.name not in {"model", "prompt", "image"}]
    wanted = [part for name, value in members.items() for part in as_parts(name, value)]
    assert in_order(map(parsed, controls)) == in_order(wanted)
    assert headers.items() <= {name.upper(): v for name, v in request.headers.items()}.items()
    assert request.url.path == f"/{dialect}{path}"
