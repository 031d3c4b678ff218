"""Images drawn by the offline router, and its PNG codec."""

import asyncio
import base64
import hashlib
import zlib
from typing import Any

import httpx
import openai
import pytest
from support.picture_reader import decode_image, get_pixel, read_text

from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.testing import Fault, OfflineRouter
from orq_router_integrations.testing.images import png
from orq_router_integrations.testing.images.drawing import draw_image, scale
from orq_router_integrations.testing.images.font import _ROWS
from orq_router_integrations.testing.images.palette import NAMED_COLORS
from orq_router_integrations.testing.images.png import (
    SIGNATURE,
    PixelBuffer,
    decode_png,
    encode_png,
)

GPT, DALLE2, DALLE3 = "openai/gpt-image-1", "openai/dall-e-2", "openai/dall-e-3"
BOAT = encode_png(draw_image("boat", (64, 48), 1))


class ImageClient:
    """An httpx client that sends image requests to a new offline router."""

    def __init__(self, **settings: Any) -> None:
        self.router = OfflineRouter(**settings)
        headers = {"Authorization": "Bearer any"}
        self.http = httpx.Client(
            transport=self.router.transport, base_url="https://x/v3/router", headers=headers
        )

    def generate(self, **fields: Any) -> httpx.Response:
        body = {"model": GPT, "prompt": "a red boat"} | fields
        return self.http.post("/images/generations", json=body)

    def post_form(self, path: str, files: Any = None, **fields: Any) -> httpx.Response:
        uploads = {"image": ("a.png", BOAT)} if files is None else files
        return self.http.post(f"/images/{path}", data={"model": GPT} | fields, files=uploads)

    def edit(self, files: Any = None, **fields: Any) -> httpx.Response:
        return self.post_form("edits", files, **{"prompt": "add a bird"} | fields)

    def load(self, item: dict[str, str]) -> bytes:
        if "b64_json" in item:
            return base64.b64decode(item["b64_json"])
        return self.http.get(item["url"]).raise_for_status().content


def get_images(response: httpx.Response) -> list[bytes]:
    """Return the images of a successful response with base64 data."""
    assert response.status_code == 200, response.text
    return [base64.b64decode(item["b64_json"]) for item in response.json()["data"]]


def get_error(response: httpx.Response) -> dict[str, Any]:
    assert response.status_code == 400, response.text
    return response.json()["error"]


@pytest.fixture
def images() -> ImageClient:
    return ImageClient()


@pytest.mark.parametrize(
    ("prompt", "text"),
    [
        ("a red boat", "a red boat"),
        ("Ça va? 50% & \u201cmore\u201d!", 'Ca va? 50% & "more"!'),
        ("one two three four five six seven", "one two three four five six seven"),
    ],
)
def test_image_shows_prompt(images, prompt, text):
    (data,) = get_images(images.generate(prompt=prompt, size="512x256"))
    assert read_image_size(data) == (512, 256)
    assert read_text(data) == text


def test_drawing_is_deterministic(images):
    first, again = (get_images(images.generate(n=3, size="64x64")) for _ in range(2))
    assert first == again
    assert len(set(first)) == 3


def test_large_image(images):
    (data,) = get_images(images.generate(size="1024x1024"))
    assert read_image_size(data) == (1024, 1024)


def test_named_colors(images):
    (data,) = get_images(images.generate(prompt="a red boat on a quiet sea", size="64x64"))
    assert get_pixel(data, 0, 0)[:3].hex() == NAMED_COLORS["red"]
    assert get_pixel(data, 0, 48)[:3].hex() == NAMED_COLORS["sea"]


def test_edit_is_tinted(images):
    (plain,), (tinted,) = get_images(images.edit()), get_images(images.edit(prompt="make it blue"))
    blue = bytes.fromhex(NAMED_COLORS["blue"])
    halfway = [(a + b) // 2 for a, b in zip(get_pixel(plain, 0, 0)[:3], blue, strict=True)]
    assert list(get_pixel(tinted, 0, 0)[:3]) == halfway


def test_caption_of_next_edit_replaces_previous_one(images):
    response = images.generate(prompt="a lighthouse", size="256x256")
    for prompt in ("in a storm of many words", "calm"):
        response = images.edit({"image": ("a.png", get_images(response)[0])}, prompt=prompt)
        assert read_text(get_images(response)[0]) == f"a lighthouse Edit 1: {prompt}"


def test_glyphs_are_distinct():
    assert len(set(_ROWS.values())) == len(_ROWS)
    assert {len(rows) for rows in _ROWS.values()} == {7}


def test_transparent_background(images):
    (data,) = get_images(images.generate(background="transparent", size="64x64"))
    assert get_pixel(data, 0, 0)[3] == 0


def test_edit_keeps_image_and_adds_caption(images):
    (data,) = get_images(images.edit())
    assert read_image_size(data) == (64, 48)
    assert get_pixel(data, 5, 0) == get_pixel(BOAT, 5, 0)
    (large,) = get_images(images.edit(size="256x256", prompt="bird"))
    assert read_text(large).endswith("Edit 1: bird")


def test_edit_of_two_images(images):
    other = encode_png(draw_image("other", (32, 32), 2))
    files = [("image[]", ("a.png", BOAT)), ("image[]", ("b.png", other))]
    (data,) = get_images(images.edit(files, size="128x64"))
    assert get_pixel(data, 0, 0) == get_pixel(BOAT, 0, 0)
    assert get_pixel(data, 127, 0) == get_pixel(other, 31, 0)


def create_mask(width: int, height: int) -> bytes:
    """Create a mask whose left half is transparent."""
    row = bytes(4) * (width // 2) + b"\0\0\0\xff" * (width - width // 2)
    return encode_png(PixelBuffer(width, [row] * height))


def test_mask_limits_edit(images):
    files = {"image": ("a.png", BOAT), "mask": ("m.png", create_mask(64, 48))}
    (data,) = get_images(images.edit(files))
    assert get_pixel(data, 60, 2) == get_pixel(BOAT, 60, 2)
    assert get_pixel(data, 3, 2) != get_pixel(BOAT, 3, 2)


def test_variations(images):
    response = images.post_form("variations", model=DALLE2, n="2", size="256x256")
    one, two = map(images.load, response.json()["data"])
    red, green, blue, _ = get_pixel(BOAT, 0, 0)
    assert tuple(get_pixel(two, 0, 0)[:3]) == (blue, red, green)
    assert tuple(get_pixel(one, 255, 0)[:3]) == (green, blue, red)
    assert read_text(two).endswith("Variation 2")


JPEG = b"\xff\xd8\xff\xc0\0\x11\x08\0\x20\0\x30" + bytes(20)


def test_undecodable_image_is_labeled(images):
    (data,) = get_images(images.edit({"image": ("a.jpg", JPEG)}, size="256x512"))
    digest = hashlib.sha256(JPEG).hexdigest()[:8]
    assert f"JPEG 48x32 {digest}" in read_text(data)


@pytest.mark.parametrize(
    ("model", "response_format", "field"),
    [
        (GPT, None, "b64_json"),
        (DALLE2, None, "url"),
        (DALLE3, "b64_json", "b64_json"),
        (DALLE3, "url", "url"),
        ("google/imagen-4", None, "b64_json"),
        ("google/imagen-4", "url", "url"),
    ],
)
def test_default_response_format(images, model, response_format, field):
    options = {"response_format": response_format} if response_format else {}
    (item,) = images.generate(model=model, size="64x64", **options).json()["data"]
    assert set(item) - {"revised_prompt"} == {field}
    assert ("revised_prompt" in item) == (model == DALLE3)
    assert images.load(item).startswith(SIGNATURE)


def test_url_expires_after_an_hour(clock):
    images = ImageClient(clock=clock)
    url = images.generate(model=DALLE2, size="64x64").json()["data"][0]["url"]
    clock.now += 3599
    assert images.http.get(url).headers["content-type"] == "image/png"
    clock.now += 1
    assert images.http.get(url).status_code == 404


def test_gpt_image_returns_settings_and_usage(images):
    body = images.edit(size="64x64").json()
    assert (body["size"], body["output_format"], body["quality"]) == ("64x64", "png", "auto")
    usage = body["usage"]
    assert usage["input_tokens_details"]["image_tokens"] == 256
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": ""}, "prompt"),
        ({"prompt": None}, "prompt"),
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": "2"}, "n"),
        ({"size": "big"}, "size"),
        ({"size": "8192x8192"}, "size"),
        ({"quality": "best"}, "quality"),
        ({"user": "u"}, "user"),
        ({"style": "vivid"}, "style"),
        ({"response_format": "url"}, "response_format"),
        ({"model": DALLE3, "n": 2}, "n"),
        ({"model": DALLE2, "background": "opaque"}, "background"),
        ({"output_format": "webp"}, "output_format"),
        ({"thread": {"id": "t"}}, "thread"),
    ],
)
def test_invalid_generation_returns_400(images, fields, param):
    assert get_error(images.generate(**fields))["param"] == param


def test_lenient_router_draws_png():
    (data,) = get_images(
        ImageClient(lenient=True).generate(output_format="jpeg", style="vivid", size="64x64")
    )
    assert data.startswith(SIGNATURE)


IMAGE = ("image", ("a.png", BOAT))


@pytest.mark.parametrize(
    ("path", "files", "fields", "param"),
    [
        ("edits", [("other", ("a.png", BOAT))], {}, "image"),
        ("edits", [IMAGE, ("other", ("a.png", BOAT))], {}, "other"),
        ("edits", [("image[]", ("a.png", BOAT))] * 17, {}, "image"),
        ("edits", [("image", ("a.txt", b"text"))], {}, "image"),
        ("edits", [IMAGE, ("mask", ("m.jpg", JPEG))], {}, "mask"),
        ("edits", [IMAGE, ("mask", ("m.png", create_mask(32, 32)))], {}, "mask"),
        ("edits", [IMAGE], {"quality": "hd"}, "quality"),
        ("edits", [IMAGE], {"n": "0"}, "n"),
        ("edits", [IMAGE], {"background": "opaque"}, "background"),
        ("edits", [IMAGE], {"prompt": ""}, "prompt"),
        ("edits", [IMAGE], {"response_format": "b64_json"}, "response_format"),
        ("variations", [IMAGE], {"prompt": "x"}, "prompt"),
        ("variations", [IMAGE], {"size": "64x64"}, "size"),
        ("variations", [("image[]", ("a.png", BOAT))] * 2, {}, "image"),
    ],
)
def test_invalid_form_returns_400(images, path, files, fields, param):
    form = {"prompt": "x"} | fields if path == "edits" else fields
    assert get_error(images.post_form(path, files, **form))["param"].startswith(param)


def test_fallbacks():
    images = ImageClient(faults={GPT: 503})
    fallbacks = [{"model": DALLE2}]
    json_response = images.generate(fallbacks=fallbacks, size="64x64")
    form_response = images.edit(fallbacks='[{"model":"openai/dall-e-2"}]')
    for response in (json_response, form_response):
        assert response.headers["x-orq-offline-model"] == DALLE2
        assert images.load(response.json()["data"][0]).startswith(SIGNATURE)
    calls = [(call.model, call.path.rpartition("/")[2], call.status) for call in images.router.log]
    expected = [[(GPT, path, 503), (DALLE2, path, 200)] for path in ("generations", "edits")]
    assert calls == expected[0] + expected[1]


def test_fallback_gets_same_parameters():
    images = ImageClient(faults={GPT: 503})
    response = images.generate(background="opaque", fallbacks=[{"model": DALLE2}])
    assert "openai/dall-e-2 does not support it" in get_error(response)["message"]
    assert images.router.log[-1].status == 400


def test_cache_compares_image_content(images):
    cache = '{"type":"exact_match"}'
    other = {"image": ("a.png", encode_png(draw_image("x", (64, 48), 1)))}
    responses = [images.edit(files, cache=cache) for files in (None, None, other)]
    assert [r.headers.get("x-orq-offline-cache") for r in responses] == [None, "hit", None]
    assert responses[0].json() == responses[1].json()


def test_fault_truncates_body():
    images = ImageClient(faults={GPT: Fault(status=200, cut_after=1)})
    with pytest.raises(httpx.RemoteProtocolError):
        images.generate(size="256x256")


def create_openai_client(router: OfflineRouter) -> openai.OpenAI:
    http = httpx.Client(transport=router.transport)
    return openai.OpenAI(api_key="x", base_url="https://x/v3/router", http_client=http)


def test_openai_client(images):
    client = create_openai_client(images.router)
    generated = client.images.generate(model=GPT, prompt="boat", size="256x256", n=2)
    data = base64.b64decode(generated.data[1].b64_json)
    edit = client.images.edit(
        model=GPT, prompt="bird", image=[("a.png", data), ("b.png", BOAT)], size="1024x1024"
    )
    assert read_text(base64.b64decode(edit.data[0].b64_json)).endswith("Edit 1: bird")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        variation = client.images.create_variation(
            image=("a.png", data), model=DALLE2, size="256x256"
        )
    assert images.load({"url": variation.data[0].url}).startswith(SIGNATURE)


async def test_async_openai_client(images):
    http = httpx.AsyncClient(transport=images.router.transport)
    client = openai.AsyncOpenAI(api_key="x", base_url="https://x/v3/router", http_client=http)
    responses = await asyncio.gather(
        *(client.images.generate(model=GPT, prompt=name, size="512x512") for name in ("one", "two"))
    )
    texts = [read_text(base64.b64decode(response.data[0].b64_json)) for response in responses]
    assert texts == ["one", "two"]


def apply_filter(filter_type: int, rows: list[bytes], channels: int) -> bytes:
    """Encode rows with a PNG filter."""
    out, above = b"", bytes(len(rows[0]))
    for row in rows:
        out += bytes([filter_type])
        for at, value in enumerate(row):
            left = row[at - channels] if at >= channels else 0
            corner = above[at - channels] if at >= channels else 0
            up = above[at]
            nearest = min((left, up, corner), key=lambda it: abs(left + up - corner - it))
            guess = (0, left, up, (left + up) // 2, nearest)[filter_type]
            out += bytes([(value - guess) & 255])
        above = row
    return out


@pytest.mark.parametrize("filter_", range(5))
@pytest.mark.parametrize(("kind", "channels"), [(0, 1), (2, 3), (3, 1), (4, 2), (6, 4)])
def test_decode_png(filter_, kind, channels):
    rows = [bytes((7 * x * y + x) & 127 for x in range(5 * channels)) for y in range(1, 5)]
    head = (5).to_bytes(4, "big") + (4).to_bytes(4, "big") + bytes([8, kind, 0, 0, 0])
    palette = bytes(range(256)) * 3
    chunks = [(b"IHDR", head), (b"PLTE", palette), (b"tRNS", b"\0\x80")]
    packed = zlib.compress(apply_filter(filter_, rows, channels))
    chunks += [(b"IDAT", packed[:9]), (b"IDAT", packed[9:]), (b"IEND", b"")]
    image = decode_png(SIGNATURE + b"".join(png._build_chunk(*chunk) for chunk in chunks))
    assert image is not None
    assert image == decode_png(encode_png(image))
    x = 4 * channels
    pixel_ = rows[3][x : x + channels]
    if kind == 6:
        assert image.rows[3][16:20] == pixel_
    elif kind in {0, 4}:
        assert image.rows[3][16:19] == pixel_[:1] * 3


@pytest.mark.parametrize("data", [b"", SIGNATURE, BOAT[:60], BOAT[:-60], JPEG, SIGNATURE + BOAT])
def test_decode_invalid_png(data):
    assert decode_png(data) is None


def test_scale():
    rows = [b"aaaabbbb", b"ccccdddd"]
    assert scale(PixelBuffer(2, rows), (4, 1)).rows == [b"aaaaaaaabbbbbbbb"]
    assert scale(decode_image(BOAT), (64, 48)).rows == decode_image(BOAT).rows
