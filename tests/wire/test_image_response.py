"""Responses with images, decoded as they arrive."""

import base64
import io
import json

import pytest

from orq_router_integrations.wire import image_response
from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    TruncatedStreamError,
)
from orq_router_integrations.wire.image_response import ImageResponseDecoder, ReceivedImage

IMAGE = bytes(range(256)) * 9
BASE64 = base64.b64encode(IMAGE).decode()


class MemorySink(io.BytesIO):
    finished = False

    def validate(self) -> None:
        self.finished = True


Decoder = ImageResponseDecoder[MemorySink]


def build_body(*data: object, **fields: object) -> bytes:
    return json.dumps({"created": 7, "data": list(data), **fields}).encode()


def decode(*chunks: bytes) -> tuple[list[ReceivedImage[MemorySink]], Decoder]:
    decoder = Decoder(MemorySink)
    images = [image for chunk in chunks for image in decoder.feed(chunk)]
    images += decoder.finish()
    return images, decoder


def read(image: ReceivedImage[MemorySink]) -> bytes:
    assert image.sink is not None
    assert image.sink.finished
    return image.sink.getvalue()


def test_base64_is_written_to_the_sink_and_removed_from_the_body():
    drawn, linked = {"b64_json": BASE64, "revised_prompt": "a"}, {"url": "https://x/y"}
    (image, link), decoder = decode(build_body(drawn, linked, usage={"a": 1}))
    assert read(image) == IMAGE
    assert image.fields == {"b64_json": "", "revised_prompt": "a"}
    assert (link.sink, link.url) == (None, "https://x/y")
    assert decoder.body["usage"] == {"a": 1}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 1000])
def test_chunks_of_any_size(size):
    data = build_body({"b64_json": BASE64}, {"b64_json": BASE64})
    images, _ = decode(*(data[start : start + size] for start in range(0, len(data), size)))
    assert [read(image) for image in images] == [IMAGE, IMAGE]


@pytest.mark.parametrize("size", [1, 4, 7, 30, 1000])
def test_data_url_in_b64_json_is_decoded(size):
    data = build_body({"b64_json": f"data:image/png;base64,{BASE64}"}, {"b64_json": BASE64})
    images, _ = decode(*(data[start : start + size] for start in range(0, len(data), size)))
    assert [read(image) for image in images] == [IMAGE, IMAGE]


def test_line_breaks_in_base64_are_skipped():
    (image,), _ = decode(build_body({"b64_json": base64.encodebytes(IMAGE).decode()}))
    assert read(image) == IMAGE


@pytest.mark.parametrize("fields", [{}, {"b64_json": BASE64}], ids=["alone", "and base64"])
def test_data_url_is_decoded(fields):
    (image,), _ = decode(build_body({"url": f"data:image/png;base64,{BASE64}", **fields}))
    assert read(image) == IMAGE
    assert image.url is None


def test_lone_surrogate_in_a_prompt_is_replaced():
    (image,), _ = decode(build_body({"b64_json": BASE64, "revised_prompt": "a\ud800"}))
    assert read(image) == IMAGE
    assert image.fields["revised_prompt"] == "a\ufffd"


def test_base64_elsewhere_in_the_body_is_not_an_image():
    other = {"thumbnail": {"b64_json": "QUJD"}}
    (image,), decoder = decode(
        build_body({"b64_json": BASE64, **other}, b64_json="QUJD", x=[other])
    )
    assert read(image) == IMAGE
    assert image.fields["thumbnail"] == {"b64_json": "QUJD"}
    assert (decoder.body["b64_json"], decoder.body["x"]) == ("QUJD", [other])


EMPTY = {
    "no fields": {},
    "null": {"b64_json": None},
    "empty strings": {"b64_json": "", "url": ""},
    "number": {"url": 7},
}


@pytest.mark.parametrize("image", EMPTY.values(), ids=EMPTY)
def test_image_without_data_or_url_raises(image):
    with pytest.raises(MalformedResponseError, match="image 0 has neither b64_json nor a url"):
        decode(build_body(image))


@pytest.mark.parametrize("text", ["AAA", "A", "AA=A", "AAAA=", "A-_A", "AA==AAAA", "ä", "\\x"])
def test_invalid_base64_raises(text):
    with pytest.raises(MalformedResponseError, match="image 0 cannot be read"):
        decode(build_body({"b64_json": text}))


WITHOUT_IMAGES = {
    "empty": (b"", "not JSON"),
    "web page": (b"<html>{</html>", "not JSON"),
    "array": (b"[]", "got an array"),
    "null": (b"null", "got null"),
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


def test_truncated_response_yields_complete_images():
    data = build_body({"b64_json": BASE64}, {"b64_json": BASE64})
    decoder = Decoder(MemorySink)
    (image,) = decoder.feed(data[:-20])
    assert read(image) == IMAGE
    with pytest.raises(TruncatedStreamError, match="after 1 complete images"):
        list(decoder.finish())


def test_response_above_the_size_limit_raises(monkeypatch):
    monkeypatch.setattr(image_response, "MAX_RESPONSE_BYTES", 2**20)
    with pytest.raises(MalformedResponseError, match="larger than 1 MB"):
        decode(build_body({"b64_json": "A" * 2**20}))
