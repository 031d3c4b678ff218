"""The offline router draws: real pictures that show what they were asked to be."""

import asyncio
import base64
import hashlib
import time
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


class Counter:
    """Asks one router with plain httpx."""

    def __init__(self, **settings: Any) -> None:
        self.router = OfflineRouter(**settings)
        headers = {"Authorization": "Bearer any"}
        self.http = httpx.Client(
            transport=self.router.transport, base_url="https://x/v3/router", headers=headers
        )

    def draw(self, **members: Any) -> httpx.Response:
        body = {"model": GPT, "prompt": "a red boat"} | members
        return self.http.post("/images/generations", json=body)

    def form(self, path: str, files: Any = None, **members: Any) -> httpx.Response:
        sent = {"image": ("a.png", BOAT)} if files is None else files
        return self.http.post(f"/images/{path}", data={"model": GPT} | members, files=sent)

    def edit(self, files: Any = None, **members: Any) -> httpx.Response:
        return self.form("edits", files, **{"prompt": "add a bird"} | members)

    def fetch(self, item: dict[str, str]) -> bytes:
        if "b64_json" in item:
            return base64.b64decode(item["b64_json"])
        return self.http.get(item["url"]).raise_for_status().content


def drawn(reply: httpx.Response) -> list[bytes]:
    """The pictures of a good reply that sent them."""
    assert reply.status_code == 200, reply.text
    return [base64.b64decode(item["b64_json"]) for item in reply.json()["data"]]


def error(reply: httpx.Response) -> dict[str, Any]:
    assert reply.status_code == 400, reply.text
    return reply.json()["error"]


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.mark.parametrize(
    ("prompt", "shown"),
    [
        ("a red boat", "a red boat"),
        ("Ça va? 50% & \u201cmore\u201d!", 'Ca va? 50% & "more"!'),
        ("one two three four five six seven", "one two three four five six seven"),
    ],
)
def test_a_picture_shows_its_prompt(counter, prompt, shown):
    (data,) = drawn(counter.draw(prompt=prompt, size="512x256"))
    assert read_image_size(data) == (512, 256)
    assert read_text(data) == shown


def test_the_same_request_draws_the_same_pictures_and_each_of_them_differs(counter):
    first, again = (drawn(counter.draw(n=3, size="64x64")) for _ in range(2))
    assert first == again
    assert len(set(first)) == 3


def test_a_large_picture_is_drawn_fast(counter):
    began = time.perf_counter()
    drawn(counter.draw(size="1024x1024"))
    assert time.perf_counter() - began < 1  # some 20 ms when nothing else runs


def test_colours_that_a_prompt_names_are_those_of_sky_and_ground(counter):
    (data,) = drawn(counter.draw(prompt="a red boat on a quiet sea", size="64x64"))
    assert get_pixel(data, 0, 0)[:3].hex() == NAMED_COLORS["red"]
    assert get_pixel(data, 0, 48)[:3].hex() == NAMED_COLORS["sea"]


def test_an_edit_is_tinted_in_the_colour_that_it_names(counter):
    (plain,), (tinted,) = drawn(counter.edit()), drawn(counter.edit(prompt="make it blue"))
    aims = bytes.fromhex(NAMED_COLORS["blue"])
    halfway = [(a + b) // 2 for a, b in zip(get_pixel(plain, 0, 0)[:3], aims, strict=True)]
    assert list(get_pixel(tinted, 0, 0)[:3]) == halfway


def test_the_text_of_an_edit_stands_below_the_prompt_and_of_the_next_edit_in_its_place(counter):
    seen = counter.draw(prompt="a lighthouse", size="256x256")
    for prompt in ("in a storm of many words", "calm"):
        seen = counter.edit({"image": ("a.png", drawn(seen)[0])}, prompt=prompt)
        assert read_text(drawn(seen)[0]) == f"a lighthouse Edit 1: {prompt}"


def test_every_character_of_the_font_can_be_told_from_the_others():
    assert len(set(_ROWS.values())) == len(_ROWS)
    assert {len(rows) for rows in _ROWS.values()} == {7}


def test_a_transparent_background_is_transparent(counter):
    (data,) = drawn(counter.draw(background="transparent", size="64x64"))
    assert get_pixel(data, 0, 0)[3] == 0


def test_an_edit_keeps_the_image_and_tells_what_was_asked(counter):
    (data,) = drawn(counter.edit())
    assert read_image_size(data) == (64, 48)
    assert get_pixel(data, 5, 0) == get_pixel(BOAT, 5, 0)
    (large,) = drawn(counter.edit(size="256x256", prompt="bird"))
    assert read_text(large).endswith("Edit 1: bird")


def test_an_edit_of_several_images_shows_them_side_by_side(counter):
    other = encode_png(draw_image("other", (32, 32), 2))
    files = [("image[]", ("a.png", BOAT)), ("image[]", ("b.png", other))]
    (data,) = drawn(counter.edit(files, size="128x64"))
    assert get_pixel(data, 0, 0) == get_pixel(BOAT, 0, 0)
    assert get_pixel(data, 127, 0) == get_pixel(other, 31, 0)


def mask(width: int, height: int) -> bytes:
    """Clear on its left half."""
    row = bytes(4) * (width // 2) + b"\0\0\0\xff" * (width - width // 2)
    return encode_png(PixelBuffer(width, [row] * height))


def test_an_edit_changes_only_what_its_mask_leaves_clear(counter):
    files = {"image": ("a.png", BOAT), "mask": ("m.png", mask(64, 48))}
    (data,) = drawn(counter.edit(files))
    assert get_pixel(data, 60, 2) == get_pixel(BOAT, 60, 2)
    assert get_pixel(data, 3, 2) != get_pixel(BOAT, 3, 2)


def test_variations_derive_from_their_image(counter):
    reply = counter.form("variations", model=DALLE2, n="2", size="256x256")
    one, two = map(counter.fetch, reply.json()["data"])
    red, green, blue, _ = get_pixel(BOAT, 0, 0)
    assert tuple(get_pixel(two, 0, 0)[:3]) == (blue, red, green)
    assert tuple(get_pixel(one, 255, 0)[:3]) == (green, blue, red)
    assert read_text(two).endswith("Variation 2")


JPEG = b"\xff\xd8\xff\xc0\0\x11\x08\0\x20\0\x30" + bytes(20)


def test_an_image_whose_pixels_cannot_be_read_is_named_in_the_picture(counter):
    (data,) = drawn(counter.edit({"image": ("a.jpg", JPEG)}, size="256x512"))
    digest = hashlib.sha256(JPEG).hexdigest()[:8]
    assert f"JPEG 48x32 {digest}" in read_text(data)


@pytest.mark.parametrize(
    ("model", "wanted", "kind"),
    [
        (GPT, None, "b64_json"),
        (DALLE2, None, "url"),
        (DALLE3, "b64_json", "b64_json"),
        (DALLE3, "url", "url"),
        ("google/imagen-4", None, "b64_json"),
        ("google/imagen-4", "url", "url"),
    ],
)
def test_each_family_sends_or_links_as_it_does(counter, model, wanted, kind):
    format_ = {"response_format": wanted} if wanted else {}
    (item,) = counter.draw(model=model, size="64x64", **format_).json()["data"]
    assert set(item) - {"revised_prompt"} == {kind}
    assert ("revised_prompt" in item) == (model == DALLE3)
    assert counter.fetch(item).startswith(SIGNATURE)


def test_a_url_lives_an_hour(clock):
    counter = Counter(clock=clock)
    url = counter.draw(model=DALLE2, size="64x64").json()["data"][0]["url"]
    clock.now += 3599
    assert counter.http.get(url).headers["content-type"] == "image/png"
    clock.now += 1
    assert counter.http.get(url).status_code == 404


def test_gpt_image_tells_its_settings_and_usage(counter):
    body = counter.edit(size="64x64").json()
    assert (body["size"], body["output_format"], body["quality"]) == ("64x64", "png", "auto")
    usage = body["usage"]
    assert usage["input_tokens_details"]["image_tokens"] == 256
    assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]


@pytest.mark.parametrize(
    ("members", "param"),
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
def test_what_generations_do_not_take_is_a_400(counter, members, param):
    assert error(counter.draw(**members))["param"] == param


def test_a_lenient_router_draws_a_png_whatever_was_asked():
    (data,) = drawn(Counter(lenient=True).draw(output_format="jpeg", style="vivid", size="64x64"))
    assert data.startswith(SIGNATURE)


ONE = ("image", ("a.png", BOAT))


@pytest.mark.parametrize(
    ("path", "files", "members", "param"),
    [
        ("edits", [("other", ("a.png", BOAT))], {}, "image"),
        ("edits", [ONE, ("other", ("a.png", BOAT))], {}, "other"),
        ("edits", [("image[]", ("a.png", BOAT))] * 17, {}, "image"),
        ("edits", [("image", ("a.txt", b"text"))], {}, "image"),
        ("edits", [ONE, ("mask", ("m.jpg", JPEG))], {}, "mask"),
        ("edits", [ONE, ("mask", ("m.png", mask(32, 32)))], {}, "mask"),
        ("edits", [ONE], {"quality": "hd"}, "quality"),
        ("edits", [ONE], {"n": "0"}, "n"),
        ("edits", [ONE], {"background": "opaque"}, "background"),
        ("edits", [ONE], {"prompt": ""}, "prompt"),
        ("edits", [ONE], {"response_format": "b64_json"}, "response_format"),
        ("variations", [ONE], {"prompt": "x"}, "prompt"),
        ("variations", [ONE], {"size": "64x64"}, "size"),
        ("variations", [("image[]", ("a.png", BOAT))] * 2, {}, "image"),
    ],
)
def test_what_forms_do_not_take_is_a_400(counter, path, files, members, param):
    given = {"prompt": "x"} | members if path == "edits" else members
    assert error(counter.form(path, files, **given))["param"].startswith(param)


def test_a_failing_model_falls_back_in_json_and_in_forms():
    counter = Counter(faults={GPT: 503})
    fallbacks = [{"model": DALLE2}]
    json_reply = counter.draw(fallbacks=fallbacks, size="64x64")
    form_reply = counter.edit(fallbacks='[{"model":"openai/dall-e-2"}]')
    for reply in (json_reply, form_reply):
        assert reply.headers["x-orq-offline-model"] == DALLE2
        assert counter.fetch(reply.json()["data"][0]).startswith(SIGNATURE)
    asked = [(call.model, call.path.rpartition("/")[2], call.status) for call in counter.router.log]
    both = [[(GPT, path, 503), (DALLE2, path, 200)] for path in ("generations", "edits")]
    assert asked == both[0] + both[1]


def test_parameters_ride_to_a_fallback_that_may_not_take_them():
    counter = Counter(faults={GPT: 503})
    reply = counter.draw(background="opaque", fallbacks=[{"model": DALLE2}])
    assert "openai/dall-e-2 does not support it" in error(reply)["message"]
    assert counter.router.log[-1].status == 400


def test_the_cache_tells_images_apart_by_their_bytes(counter):
    cache = '{"type":"exact_match"}'
    other = {"image": ("a.png", encode_png(draw_image("x", (64, 48), 1)))}
    replies = [counter.edit(files, cache=cache) for files in (None, None, other)]
    assert [r.headers.get("x-orq-offline-cache") for r in replies] == [None, "hit", None]
    assert replies[0].json() == replies[1].json()


def test_a_fault_can_cut_a_reply_in_the_middle():
    counter = Counter(faults={GPT: Fault(status=200, cut_after=1)})
    with pytest.raises(httpx.RemoteProtocolError):
        counter.draw(size="256x256")


def stock(router: OfflineRouter) -> openai.OpenAI:
    http = httpx.Client(transport=router.transport)
    return openai.OpenAI(api_key="x", base_url="https://x/v3/router", http_client=http)


def test_the_stock_client_draws_edits_and_varies(counter):
    client = stock(counter.router)
    made = client.images.generate(model=GPT, prompt="boat", size="256x256", n=2)
    data = base64.b64decode(made.data[1].b64_json)
    edit = client.images.edit(
        model=GPT, prompt="bird", image=[("a.png", data), ("b.png", BOAT)], size="1024x1024"
    )
    assert read_text(base64.b64decode(edit.data[0].b64_json)).endswith("Edit 1: bird")
    with pytest.warns(DeprecationWarning, match="deprecated"):
        more = client.images.create_variation(image=("a.png", data), model=DALLE2, size="256x256")
    assert counter.fetch({"url": more.data[0].url}).startswith(SIGNATURE)


async def test_the_stock_clients_async_half_draws(counter):
    http = httpx.AsyncClient(transport=counter.router.transport)
    client = openai.AsyncOpenAI(api_key="x", base_url="https://x/v3/router", http_client=http)
    replies = await asyncio.gather(
        *(client.images.generate(model=GPT, prompt=name, size="512x512") for name in ("one", "two"))
    )
    shown = [read_text(base64.b64decode(reply.data[0].b64_json)) for reply in replies]
    assert shown == ["one", "two"]


def filtered(kind: int, rows: list[bytes], channels: int) -> bytes:
    """Rows as the filters of a PNG write them."""
    out, above = b"", bytes(len(rows[0]))
    for row in rows:
        out += bytes([kind])
        for at, value in enumerate(row):
            left = row[at - channels] if at >= channels else 0
            corner = above[at - channels] if at >= channels else 0
            up = above[at]
            nearest = min((left, up, corner), key=lambda it: abs(left + up - corner - it))
            guess = (0, left, up, (left + up) // 2, nearest)[kind]
            out += bytes([(value - guess) & 255])
        above = row
    return out


@pytest.mark.parametrize("filter_", range(5))
@pytest.mark.parametrize(("kind", "channels"), [(0, 1), (2, 3), (3, 1), (4, 2), (6, 4)])
def test_pngs_of_every_kind_and_filter_are_read(filter_, kind, channels):
    rows = [bytes((7 * x * y + x) & 127 for x in range(5 * channels)) for y in range(1, 5)]
    head = (5).to_bytes(4, "big") + (4).to_bytes(4, "big") + bytes([8, kind, 0, 0, 0])
    palette = bytes(range(256)) * 3
    chunks = [(b"IHDR", head), (b"PLTE", palette), (b"tRNS", b"\0\x80")]
    packed = zlib.compress(filtered(filter_, rows, channels))
    chunks += [(b"IDAT", packed[:9]), (b"IDAT", packed[9:]), (b"IEND", b"")]
    found = decode_png(SIGNATURE + b"".join(png._build_chunk(*chunk) for chunk in chunks))
    assert found is not None
    assert found == decode_png(encode_png(found))
    x = 4 * channels
    pixel_ = rows[3][x : x + channels]
    if kind == 6:
        assert found.rows[3][16:20] == pixel_
    elif kind in {0, 4}:
        assert found.rows[3][16:19] == pixel_[:1] * 3


@pytest.mark.parametrize("data", [b"", SIGNATURE, BOAT[:60], BOAT[:-60], JPEG, SIGNATURE + BOAT])
def test_what_is_no_readable_png_has_no_pixels(data):
    assert decode_png(data) is None


def test_scaling_takes_the_nearest_pixel():
    rows = [b"aaaabbbb", b"ccccdddd"]
    assert scale(PixelBuffer(2, rows), (4, 1)).rows == [b"aaaaaaaabbbbbbbb"]
    assert scale(decode_image(BOAT), (64, 48)).rows == decode_image(BOAT).rows
