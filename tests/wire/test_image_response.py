"""Responses with images, decoded as they arrive."""

import base64
import json
from contextlib import suppress
from itertools import repeat
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orq_router_integrations.wire import image_response
from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    TruncatedStreamError,
    WireError,
)
from orq_router_integrations.wire.image_response import ImageResponseDecoder

IMAGE = bytes(range(256)) * 9
BASE64 = base64.b64encode(IMAGE).decode()


class Images:
    """Collects the images of a response; their ids are their positions."""

    def __init__(self) -> None:
        self.images: list[bytes] = []
        self.decoder = ImageResponseDecoder(self.write, self.finish_image)
        self._data = b""

    def write(self, data: bytes) -> None:
        self._data += data

    def finish_image(self) -> str:
        if not self._data:
            return ""
        self.images.append(self._data)
        self._data = b""
        return str(len(self.images) - 1)


def build_body(*data: object, **fields: object) -> bytes:
    return json.dumps({"created": 7, "data": list(data), **fields}).encode()


def decode(*chunks: bytes) -> tuple[list[bytes], dict[str, Any]]:
    """Return the images of a response, and the response without them."""
    images = Images()
    for chunk in chunks:
        images.decoder.feed(chunk)
    (body,) = images.decoder.finish()
    return images.images, body


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def test_base64_is_written_and_replaced_in_the_body():
    with_data, with_url = {"b64_json": BASE64, "revised_prompt": "a"}, {"url": "https://x/y"}
    images, body = decode(build_body(with_data, with_url, usage={"a": 1}))
    assert images == [IMAGE]
    assert body["data"] == [{"b64_json": "0", "revised_prompt": "a"}, with_url]
    assert body["usage"] == {"a": 1}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 1000])
def test_chunks_may_have_any_size(size):
    images, _ = decode(*cut(build_body({"b64_json": BASE64}, {"b64_json": BASE64}), size))
    assert images == [IMAGE, IMAGE]


@pytest.mark.parametrize("size", [1, 4, 7, 30, 1000])
def test_data_url_in_b64_json_is_decoded(size):
    data = build_body({"b64_json": f"data:image/png;base64,{BASE64}"}, {"b64_json": BASE64})
    images, _ = decode(*cut(data, size))
    assert images == [IMAGE, IMAGE]


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 1000])
@pytest.mark.parametrize(
    "escape",
    [("/", "\\/"), ("+", "\\u002b"), ("=", "\\u003D")],
    ids=["slash", "plus", "padding"],
)
def test_escaped_base64_is_decoded(size, escape):
    data = build_body({"b64_json": BASE64}).replace(*(text.encode() for text in escape))
    images, _ = decode(*cut(data, size))
    assert images == [IMAGE]


@pytest.mark.parametrize("size", [1, 50, 1000])
def test_line_breaks_in_base64_are_skipped(size):
    images, _ = decode(*cut(build_body({"b64_json": base64.encodebytes(IMAGE).decode()}), size))
    assert images == [IMAGE]


@pytest.mark.parametrize("size", [1, 4, 7, 30, 1000])
def test_data_url_is_decoded(size):
    data = build_body({"url": f"data:image/png;base64,{BASE64}"}, {"url": "https://x/y"})
    images, body = decode(*cut(data, size))
    assert images == [IMAGE]
    assert body["data"] == [{"url": "0"}, {"url": "https://x/y"}]


@pytest.mark.parametrize("text", ["%%%", "AAA", "\u00e9"])
def test_invalid_data_url_raises(text):
    with pytest.raises(MalformedResponseError, match="an image cannot be read"):
        decode(build_body({"url": f"data:image/png;base64,{text}"}))


def test_deeply_nested_image_raises():
    nested = b'{"data": [{"url": "https://x", "a": ' + b"[" * 300 + b"]" * 300 + b"}]}"
    with pytest.raises(MalformedResponseError):
        decode(nested)


def test_lone_surrogate_in_a_prompt_is_replaced():
    images, body = decode(build_body({"b64_json": BASE64, "revised_prompt": "a\ud800"}))
    assert images == [IMAGE]
    assert body["data"][0]["revised_prompt"] == "a\ufffd"


def test_only_items_of_the_list_are_images_of_the_response():
    thumbnail = {"thumbnail": {"b64_json": "QUJD"}}
    images, body = decode(
        build_body({"b64_json": BASE64, **thumbnail}, b64_json="QUJD", x=[thumbnail])
    )
    (item,) = body["data"]
    assert images[int(item["b64_json"])] == IMAGE


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_prompt_may_contain_json(size):
    prompt = '{"b64_json": "QUJD"} \\'
    images, body = decode(
        *cut(build_body({"revised_prompt": prompt, "b64_json": BASE64}, b=prompt), size)
    )
    assert (images, body["data"][0]["revised_prompt"]) == ([IMAGE], prompt)
    assert body["b"] == prompt


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_json_may_be_indented(size):
    data = json.dumps({"data": [{"b64_json": BASE64, "é": "ü"}]}, indent=2, ensure_ascii=False)
    images, body = decode(*cut(data.encode(), size))
    assert (images, body["data"]) == ([IMAGE], [{"b64_json": "0", "é": "ü"}])


EMPTY = {
    "no fields": {},
    "null": {"b64_json": None},
    "empty strings": {"b64_json": "", "url": ""},
    "number": {"url": 7},
}


@pytest.mark.parametrize("image", EMPTY.values(), ids=EMPTY)
def test_image_without_data_or_url_raises(image):
    with pytest.raises(MalformedResponseError, match="an image cannot be read: it has neither"):
        decode(build_body(image))


@pytest.mark.parametrize("text", ["AAA", "A", "AA=A", "AAAA=", "A-_A", "AA==AAAA", "ä", "\\x"])
def test_invalid_base64_raises(text):
    with pytest.raises(MalformedResponseError, match="an image cannot be read"):
        decode(build_body({"b64_json": text}))


WITHOUT_IMAGES = {
    "empty": (b"", "not JSON"),
    "web page": (b"<html>{</html>", "not JSON"),
    "array": (b"[]", "got list"),
    "null": (b"null", "got NoneType"),
    "empty object": (b"{}", "contains no images"),
    "empty list": (build_body(), "contains no images"),
    "object as list": (b'{"data": {}}', "contains no images"),
    "string as image": (build_body("x"), "contains no images"),
    "number as image": (build_body({"url": "u"}, 3), "contains no images"),
}


@pytest.mark.parametrize(("body", "message"), WITHOUT_IMAGES.values(), ids=WITHOUT_IMAGES)
def test_response_without_images_raises(body, message):
    with pytest.raises(MalformedResponseError, match=message):
        decode(body)


def test_error_instead_of_an_image_raises_with_its_body():
    error = {"error": {"message": "too wild", "code": "moderation"}}
    with pytest.raises(EmbeddedError) as caught:
        decode(build_body({"url": "u"}, error))
    assert json.loads(caught.value.body) == error


ERRORS = {
    "object": b'{"error": {"message": "no"}}',
    "flat": b'{"code": "x", "message": "no", "failures": [{"id": 1}]}',
    "string": b'{"error": "no", "code": 400}',
    "image": build_body({"error": {"message": "no"}}),
    "object with images": build_body({"url": "u"}, error={"message": "partial"}),
}


@pytest.mark.parametrize("body", ERRORS.values(), ids=ERRORS)
def test_error_with_status_200_raises(body):
    with pytest.raises(EmbeddedError):
        decode(body)


def test_truncated_response_contains_complete_images():
    data = build_body({"b64_json": BASE64}, {"b64_json": BASE64})
    images = Images()
    images.decoder.feed(data[:-20])
    assert images.images == [IMAGE]
    assert images.decoder.parse_items() == [{"b64_json": "0"}, {}]
    with pytest.raises(TruncatedStreamError, match="the JSON of the images is truncated"):
        list(images.decoder.finish())


def test_truncated_response_contains_complete_urls():
    decoder = Images().decoder
    decoder.feed(build_body({"url": "https://x/a"}, {"url": "https://x/b"})[:-5])
    assert decoder.parse_items() == [{"url": "https://x/a"}, {}]


BODY = build_body(
    {"b64_json": BASE64[:120], "note": 'say "hi" \\ {['},
    {"url": "https://x", "b64_json": None},
    {"b64_json": BASE64[:8], "é": "ü"},
    usage={"tokens": 1.5},
)


@pytest.mark.parametrize("length", range(1, len(BODY)))
def test_truncated_json_is_not_complete(length):
    with pytest.raises(TruncatedStreamError):
        decode(BODY[:length])


def test_response_above_the_size_limit_raises(monkeypatch):
    monkeypatch.setattr(image_response, "MAX_RESPONSE_BYTES", 2**20)
    with pytest.raises(MalformedResponseError, match="larger than 1 MB"):
        decode(build_body({"b64_json": "A" * 2**20}))


@pytest.mark.parametrize("text", [b"[", b'{"a":', b"0,", b"{},"], ids=["[", "{", "0", "{}"])
def test_endless_json_is_refused(monkeypatch, text):
    monkeypatch.setattr(image_response, "MAX_JSON_BYTES", 2**20)
    decoder = Images().decoder
    endless = (decoder.feed(text * 10_000) for _ in repeat(None))
    with pytest.raises(MalformedResponseError, match="1 MB without its images"):
        list(endless)


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_bytes_are_decoded_or_raise(data):
    with suppress(WireError):
        decode(b'{"data":[{"b64_json":"', data)
