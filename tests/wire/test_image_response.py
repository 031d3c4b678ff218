"""Responses with images, decoded as they arrive."""

import base64
import io
import json
from contextlib import suppress
from typing import Any, Self

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orq_router_integrations.wire import image_response
from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    TruncatedStreamError,
)
from orq_router_integrations.wire.image_response import (
    MAX_CHUNK_BYTES,
    MAX_VALUES,
    ImageResponseDecoder,
    StreamingJsonReader,
)

IMAGE = bytes(range(256)) * 9
BASE64 = base64.b64encode(IMAGE).decode()


class ReceivedImage(io.BytesIO):
    """Receives the bytes of an image, and keeps the other fields."""

    fields: dict[str, Any]

    def finish(self, fields: dict[str, Any]) -> Self:
        self.fields = fields
        return self


Decoder = ImageResponseDecoder[ReceivedImage]


def build_body(*data: object, **fields: object) -> bytes:
    return json.dumps({"created": 7, "data": list(data), **fields}).encode()


def decode(*chunks: bytes) -> tuple[list[ReceivedImage], Decoder]:
    decoder = Decoder(ReceivedImage)
    images = [image for chunk in chunks for image in decoder.feed(chunk)]
    images += decoder.finish()
    return images, decoder


def test_base64_is_written_to_the_sink_and_removed_from_the_body():
    drawn, linked = {"b64_json": BASE64, "revised_prompt": "a"}, {"url": "https://x/y"}
    (image, link), decoder = decode(build_body(drawn, linked, usage={"a": 1}))
    assert image.getvalue() == IMAGE
    assert image.fields == {"b64_json": "", "revised_prompt": "a"}
    assert (link.getvalue(), link.fields["url"]) == (b"", "https://x/y")
    assert decoder.body["usage"] == {"a": 1}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 1000])
def test_chunks_of_any_size(size):
    data = build_body({"b64_json": BASE64}, {"b64_json": BASE64})
    images, _ = decode(*(data[start : start + size] for start in range(0, len(data), size)))
    assert [image.getvalue() for image in images] == [IMAGE, IMAGE]


@pytest.mark.parametrize("size", [1, 4, 7, 30, 1000])
def test_data_url_in_b64_json_is_decoded(size):
    data = build_body({"b64_json": f"data:image/png;base64,{BASE64}"}, {"b64_json": BASE64})
    images, _ = decode(*(data[start : start + size] for start in range(0, len(data), size)))
    assert [image.getvalue() for image in images] == [IMAGE, IMAGE]


def test_line_breaks_in_base64_are_skipped():
    (image,), _ = decode(build_body({"b64_json": base64.encodebytes(IMAGE).decode()}))
    assert image.getvalue() == IMAGE


@pytest.mark.parametrize("fields", [{}, {"b64_json": BASE64}], ids=["alone", "and base64"])
def test_data_url_is_decoded(fields):
    (image,), _ = decode(build_body({"url": f"data:image/png;base64,{BASE64}", **fields}))
    assert image.getvalue() == IMAGE
    assert image.fields["url"] is None


def test_lone_surrogate_in_a_prompt_is_replaced():
    (image,), _ = decode(build_body({"b64_json": BASE64, "revised_prompt": "a\ud800"}))
    assert image.getvalue() == IMAGE
    assert image.fields["revised_prompt"] == "a\ufffd"


def test_base64_elsewhere_in_the_body_is_not_an_image():
    other = {"thumbnail": {"b64_json": "QUJD"}}
    (image,), decoder = decode(
        build_body({"b64_json": BASE64, **other}, b64_json="QUJD", x=[other])
    )
    assert image.getvalue() == IMAGE
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
    decoder = Decoder(ReceivedImage)
    (image,) = decoder.feed(data[:-20])
    assert image.getvalue() == IMAGE
    with pytest.raises(TruncatedStreamError, match="after 1 complete images"):
        list(decoder.finish())


def test_response_above_the_size_limit_raises(monkeypatch):
    monkeypatch.setattr(image_response, "MAX_RESPONSE_BYTES", 2**20)
    with pytest.raises(MalformedResponseError, match="larger than 1 MB"):
        decode(build_body({"b64_json": "A" * 2**20}))


BODY = {
    "created": 1,
    "b64_json": ["b64_json", {"b64_json": 1}],
    "data": [
        {"b64_json": "AAAA/+BB", "note": 'say "hi" \\ {[', "more": {"x": [{"y": "z"}]}},
        {"url": "https://x", "b64_json": None},
        {"b64_json": "", "é": "ü"},
    ],
    "usage": {"data": [{"b64_jsonx": "kept"}]},
}
COMPACT = json.dumps(BODY).encode()
ESCAPED = json.dumps(BODY).replace("/", "\\/").replace("+", "\\u002b").encode()
INDENTED = json.dumps(BODY, indent=2, ensure_ascii=False).encode()


def read_json(*chunks: bytes):
    """Return the long strings, the items, and the reader."""
    reader = StreamingJsonReader()
    texts, items = [b""], []
    for chunk in chunks:
        for value in reader.feed(chunk):
            if isinstance(value, bytes):
                texts[-1] += value
            else:
                items.append(value)
                texts.append(b"")
    return texts[:-1], items, reader


@pytest.mark.parametrize(
    "body", [COMPACT, ESCAPED, INDENTED], ids=["compact", "escaped", "indented"]
)
def test_long_strings_are_extracted(body):
    for position in range(len(body)):
        texts, items, reader = read_json(body[:position], body[position:])
        assert texts == [b"AAAA/+BB", b"", b""]
        assert items == [{**BODY["data"][0], "b64_json": ""}, *BODY["data"][1:]]
        assert orjson.loads(reader.skeleton) == {**BODY, "data": items}
        assert reader.is_complete


def test_single_bytes():
    assert read_json(*(bytes([byte]) for byte in ESCAPED))[:2] == read_json(COMPACT)[:2]


@pytest.mark.parametrize("length", range(1, len(COMPACT)))
def test_truncated_json_is_not_complete(length):
    assert not read_json(COMPACT[:length])[2].is_complete


@pytest.mark.parametrize("text", [b"[", b'{"a":', b"0,", b"{},"], ids=["[", "{", "0", "{}"])
def test_endless_json_is_refused_early(text):
    reader = StreamingJsonReader()
    with pytest.raises(ValueError, match="nested too deeply, or too many values"):
        list(reader.feed(b"[" + 10 * MAX_VALUES * text))
    assert len(reader.skeleton) <= 10 * MAX_VALUES


def test_chunk_size_is_limited():
    reader = StreamingJsonReader()
    text = b"A" * (3 * MAX_CHUNK_BYTES + 5)
    chunks = list(reader.feed(b'{"data":[{"b64_json":"' + text + b'"}]}'))
    assert [len(chunk) for chunk in chunks[:-1]] == [*[MAX_CHUNK_BYTES] * 3, 5]
    assert len(reader.skeleton) < 45


@pytest.mark.slow
@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_invalid_json_raises_value_error_at_most(data):
    with suppress(ValueError):
        read_json(b'{"data":[{"b64_json":"', data)
