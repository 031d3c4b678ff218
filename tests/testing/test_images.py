"""Images drawn by the offline router, with and without Pillow."""

import asyncio
import base64
import hashlib
import io
from functools import partial
from typing import Any

import httpx
import openai
import pytest
from openai.types import ImagesResponse
from PIL import Image
from support.picture_reader import get_pixel, open_image, read_text

from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.testing import OfflineRouter
from orq_router_integrations.testing import images as images_module
from orq_router_integrations.testing.images import create_png, read_image_text

GPT, DALLE2, DALLE3 = "openai/gpt-image-1", "openai/dall-e-2", "openai/dall-e-3"
BOAT = create_png("boat", (64, 48))
PNG_SIGNATURE = BOAT[:8]


class ImageClient:
    """An httpx client that sends image requests to a new offline router."""

    def __init__(self, **settings: Any) -> None:
        self.router = OfflineRouter(**settings)

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": "Bearer any"}
        with httpx.Client(transport=self.router.transport, headers=headers) as http:
            return http.request(method, httpx.URL("https://x/v3/router/").join(url), **options)

    def generate(self, **fields: Any) -> httpx.Response:
        body = {"model": GPT, "prompt": "a red boat"} | fields
        return self.request("POST", "images/generations", json=body)

    def post_form(self, path: str, files: Any = None, **fields: Any) -> httpx.Response:
        uploads = {"image": ("a.png", BOAT)} if files is None else files
        body = {"model": GPT} | fields
        return self.request("POST", f"images/{path}", data=body, files=uploads)

    def edit(self, files: Any = None, **fields: Any) -> httpx.Response:
        return self.post_form("edits", files, **{"prompt": "add a bird"} | fields)

    def load(self, item: dict[str, str]) -> bytes:
        if "b64_json" in item:
            return base64.b64decode(item["b64_json"])
        return self.request("GET", item["url"]).raise_for_status().content


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


@pytest.fixture(params=[True, False], ids=["pillow", "plain"])
def _with_and_without_pillow(request, monkeypatch):
    monkeypatch.setattr(images_module, "has_pillow", lambda: request.param)


with_and_without_pillow = pytest.mark.usefixtures("_with_and_without_pillow")
PROMPTS = ["a red boat", "\u00c7a va? \u201c\u65e5\u672c\u201d", "seven words " * 100]


@with_and_without_pillow
@pytest.mark.parametrize("prompt", PROMPTS, ids=["short", "unicode", "long"])
def test_image_stores_its_prompt(images, prompt):
    (data,) = get_images(images.generate(prompt=prompt, size="512x256"))
    assert read_image_size(data) == open_image(data).size == (512, 256)
    assert read_text(data) == prompt


@with_and_without_pillow
def test_drawing_is_deterministic(images):
    first_images, second_images = (get_images(images.generate(n=3, size="64x64")) for _ in range(2))
    assert first_images == second_images
    assert len(set(first_images)) == 3


def test_image_shows_its_prompt(images):
    """Only the card differs between two prompts with the same colors."""
    boat, car = (
        open_image(get_images(images.generate(prompt=prompt, size="256x256"))[0])
        for prompt in ("a red boat", "a red car with a dog")
    )
    different = [
        (x, y)
        for x in range(256)
        for y in range(64, 170)
        if boat.getpixel((x, y)) != car.getpixel((x, y))
    ]
    assert len(different) > 300


def test_large_image_has_the_requested_size(images):
    (data,) = get_images(images.generate(size="1024x1024"))
    assert read_image_size(data) == (1024, 1024)


@with_and_without_pillow
def test_captions_of_edits_are_kept(images):
    response = images.generate(prompt="a lighthouse", size="256x256")
    for prompt in ("in a storm", "calm"):
        response = images.edit({"image": ("a.png", get_images(response)[0])}, prompt=prompt)
    assert read_text(get_images(response)[0]) == "a lighthouse Edit 1: in a storm Edit 1: calm"


@with_and_without_pillow
def test_background_can_be_transparent(images):
    (data,) = get_images(images.generate(background="transparent", size="64x64"))
    alphas = open_image(data).getchannel("A").getextrema()
    assert alphas[0] == 0


def test_edit_keeps_image_and_adds_caption(images):
    (data,) = get_images(images.edit(size="64x48"))
    assert get_pixel(data, 5, 0) == get_pixel(BOAT, 5, 0)
    (large,) = get_images(images.edit(size="256x256", prompt="bird"))
    assert read_text(large) == "boat Edit 1: bird"


def test_edit_joins_two_images(images):
    second_image = create_png("other", (32, 32))
    files = [("image[]", ("a.png", BOAT)), ("image[]", ("b.png", second_image))]
    (data,) = get_images(images.edit(files, size="128x64"))
    assert get_pixel(data, 0, 0) == get_pixel(BOAT, 0, 0)
    assert get_pixel(data, 127, 0) == get_pixel(second_image, 31, 0)
    assert read_text(data) == "boat other Edit 1: add a bird"


def create_mask(width: int, height: int) -> bytes:
    """Create a mask whose left half is transparent."""
    mask = Image.new("RGBA", (width, height), "black")
    mask.paste((0, 0, 0, 0), (0, 0, width // 2, height))
    file = io.BytesIO()
    mask.save(file, "png")
    return file.getvalue()


def test_mask_limits_edit(images):
    files = {"image": ("a.png", BOAT), "mask": ("m.png", create_mask(64, 48))}
    (data,) = get_images(images.edit(files, size="64x48", prompt="a red bird"))
    assert get_pixel(data, 60, 2) == get_pixel(BOAT, 60, 2)
    assert get_pixel(data, 4, 2) != get_pixel(BOAT, 4, 2)


def test_variations_keep_the_image_and_add_a_caption(images):
    response = images.post_form("variations", model=DALLE2, n="2", size="256x256")
    first, second = map(images.load, response.json()["data"])
    assert get_pixel(first, 0, 0) == get_pixel(second, 0, 0) == get_pixel(BOAT, 0, 0)
    assert first != second
    assert read_text(second) == "boat Variation 2"


JPEG = b"\xff\xd8\xff\xc0\0\x11\x08\0\x20\0\x30" + bytes(20)


@with_and_without_pillow
def test_undecodable_image_is_labeled(images):
    (data,) = get_images(images.edit({"image": ("a.jpg", JPEG)}, size="256x512"))
    digest = hashlib.sha256(JPEG).hexdigest()[:8]
    assert read_text(data) == f"image {digest} Edit 1: add a bird"


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_output_format_is_used(images, output_format):
    response = images.generate(output_format=output_format, output_compression=80, size="64x64")
    (data,) = get_images(response)
    assert (open_image(data).format or "").lower() == output_format
    assert read_text(data) == "a red boat"
    (edited,) = get_images(images.edit({"image": ("a.png", data)}, prompt="calm"))
    assert read_text(edited) == "a red boat Edit 1: calm"


def test_url_of_a_jpeg_ends_with_its_suffix(images):
    fields = {"model": "google/imagen-4", "output_format": "jpeg", "response_format": "url"}
    url = images.generate(**fields, size="64x64").json()["data"][0]["url"]
    assert url.endswith(".jpg")
    assert images.request("GET", url).headers["content-type"] == "image/jpeg"


def test_jpeg_without_pillow_returns_400(images, monkeypatch):
    monkeypatch.setattr(images_module, "has_pillow", lambda: False)
    error = get_error(images.generate(output_format="jpeg"))
    assert "Install it with pip install pillow" in error["message"]


@pytest.mark.parametrize("fields", [{}, {"size": "auto"}], ids=["no size", "auto"])
def test_default_size_is_1024x1024(images, fields):
    response = images.edit(**fields)
    assert read_image_size(get_images(response)[0]) == (1024, 1024)


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
def test_default_response_format_depends_on_the_model(images, model, response_format, field):
    options = {"response_format": response_format} if response_format else {}
    (item,) = images.generate(model=model, size="64x64", **options).json()["data"]
    assert set(item) - {"revised_prompt"} == {field}
    assert ("revised_prompt" in item) == (model == DALLE3)
    assert images.load(item).startswith(PNG_SIGNATURE)


def test_url_expires_after_an_hour(clock):
    images = ImageClient(clock=clock)
    url = images.generate(model=DALLE2, size="64x64").json()["data"][0]["url"]
    clock.now += 3599
    assert images.request("GET", url).headers["content-type"] == "image/png"
    clock.now += 1
    response = images.request("GET", url)
    assert response.status_code == 404
    assert "expired" in response.json()["error"]["message"]


@pytest.mark.parametrize("quality", ["auto", "medium"])
def test_strict_clients_accept_the_response(images, quality):
    """The response is valid for the schema of OpenAI's client, which has no ``auto``."""
    responses = [
        images.generate(size="64x64", quality=quality),
        images.edit(quality=quality),
        images.post_form("variations", size="256x256"),
    ]
    for response in responses:
        assert ImagesResponse.model_validate(response.json(), strict=True).data


@pytest.mark.parametrize(
    ("options", "size", "quality"),
    [
        ({}, "1024x1024", "high"),
        ({"size": "1024x1536", "quality": "low"}, "1024x1536", "low"),
        ({"size": "256x256", "quality": "auto"}, None, "high"),
    ],
)
def test_gpt_image_returns_its_settings(images, options, size, quality):
    settings = {"background": "opaque", "output_format": "png", "quality": quality}
    for response in (images.generate(**options), images.edit(**options)):
        body = response.json()
        assert body.get("size") == size
        assert settings.items() <= body.items()


def test_gpt_image_returns_usage(images):
    usage = images.edit(size="1024x1024").json()["usage"]
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
        ({"thread": {"id": "t"}}, "thread"),
    ],
)
def test_invalid_generation_returns_400(images, fields, param):
    assert get_error(images.generate(**fields))["param"] == param


IMAGE = ("image", ("a.png", BOAT))


@pytest.mark.parametrize(
    ("path", "files", "fields", "param"),
    [
        ("edits", [("other", ("a.png", BOAT))], {}, "image"),
        ("edits", [IMAGE, ("other", ("a.png", BOAT))], {}, "other"),
        ("edits", [("image[]", ("a.png", BOAT))] * 17, {}, "image"),
        ("edits", [("image", ("a.txt", b"text"))], {}, "image"),
        ("edits", [IMAGE, ("mask", ("m.jpg", JPEG))], {}, "mask"),
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


def test_fallback_generates_and_edits():
    images = ImageClient(faults={GPT: 503})
    fallbacks = [{"model": DALLE2}]
    json_response = images.generate(fallbacks=fallbacks, size="64x64")
    form_response = images.edit(fallbacks='[{"model":"openai/dall-e-2"}]')
    for response in (json_response, form_response):
        assert response.headers["x-orq-offline-model"] == DALLE2
        assert images.load(response.json()["data"][0]).startswith(PNG_SIGNATURE)
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
    different_files = {"image": ("a.png", create_png("x", (64, 48)))}
    responses = [images.edit(files, cache=cache) for files in (None, None, different_files)]
    assert [r.headers.get("x-orq-offline-cache") for r in responses] == [None, "hit", None]
    assert responses[0].json() == responses[1].json()


@pytest.fixture
def openai_client(images):
    http = httpx.Client(transport=images.router.transport)
    with openai.OpenAI(api_key="x", base_url="https://x/v3/router", http_client=http) as client:
        yield client


def test_openai_client_generates_edits_and_varies(images, openai_client):
    generated = openai_client.images.generate(model=GPT, prompt="boat", size="256x256", n=2)
    data = base64.b64decode(generated.data[1].b64_json)
    edit = openai_client.images.edit(
        model=GPT, prompt="bird", image=[("a.png", data), ("b.png", BOAT)], size="1024x1024"
    )
    assert read_text(base64.b64decode(edit.data[0].b64_json)) == "boat boat Edit 1: bird"
    with pytest.warns(DeprecationWarning, match="deprecated"):
        variation = openai_client.images.create_variation(
            image=("a.png", data), model=DALLE2, size="256x256"
        )
    assert images.load({"url": variation.data[0].url}).startswith(PNG_SIGNATURE)


async def test_async_openai_client_generates_concurrently(images):
    http = httpx.AsyncClient(transport=images.router.transport)
    options = {"api_key": "x", "base_url": "https://x/v3/router", "http_client": http}
    async with openai.AsyncOpenAI(**options) as client:
        create = partial(client.images.generate, model=GPT, size="512x512")
        responses = await asyncio.gather(*(create(prompt=name) for name in ("one", "two")))
    texts = [read_text(base64.b64decode(response.data[0].b64_json)) for response in responses]
    assert texts == ["one", "two"]


@pytest.mark.parametrize("data", [b"", PNG_SIGNATURE, BOAT[:40], JPEG])
def test_invalid_png_has_no_text(data):
    assert read_image_text(data) is None


def test_other_image_formats_have_no_text():
    file = io.BytesIO()
    Image.new("L", (4, 4)).save(file, "jpeg")
    assert read_image_text(file.getvalue()) is None
    assert read_image_text(JPEG) is None
