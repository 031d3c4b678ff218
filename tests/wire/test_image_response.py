"""Replies with images, read as they arrive."""

import base64
import io
import json

import pytest

from orq_router_integrations.wire import image_response as image_replies
from orq_router_integrations.wire.call import (
    EmbeddedError,
    MalformedResponseError,
    TruncatedStreamError,
)
from orq_router_integrations.wire.image_response import ImageResponseDecoder

PICTURE = bytes(range(256)) * 9
BASE64 = base64.b64encode(PICTURE).decode()


class Bytes(io.BytesIO):
    """A sink that remembers whether it was ended."""

    whole = False

    def validate(self) -> None:
        self.whole = True


def body(*data: object, **members: object) -> bytes:
    return json.dumps({"created": 7, "data": list(data), **members}).encode()


def decoded(*pieces: bytes) -> tuple[list, ImageResponseDecoder[Bytes]]:
    decoder: ImageResponseDecoder[Bytes] = ImageResponseDecoder(Bytes)
    found = [image for piece in pieces for image in decoder.feed(piece)]
    found += decoder.finish()
    return found, decoder


def test_base64_goes_into_its_sink_and_the_rest_is_the_body():
    data = body({"b64_json": BASE64, "revised_prompt": "a"}, {"url": "https://x/y"}, usage={"a": 1})
    (drawn, linked), decoder = decoded(data)
    assert drawn.sink.getvalue() == PICTURE
    assert drawn.sink.whole
    assert drawn.members == {"b64_json": "", "revised_prompt": "a"}
    assert (linked.sink, linked.url) == (None, "https://x/y")
    assert decoder.body["usage"] == {"a": 1}


@pytest.mark.parametrize("size", [1, 2, 3, 5, 64, 1000])
def test_the_bytes_may_be_cut_anywhere(size):
    data = body({"b64_json": BASE64}, {"b64_json": BASE64})
    found, _ = decoded(*(data[at : at + size] for at in range(0, len(data), size)))
    assert [image.sink.getvalue() for image in found] == [PICTURE, PICTURE]


def test_line_breaks_in_base64_are_passed_over():
    (image,), _ = decoded(body({"b64_json": base64.encodebytes(PICTURE).decode()}))
    assert image.sink.getvalue() == PICTURE


@pytest.mark.parametrize("known", [{}, {"b64_json": BASE64}], ids=["alone", "and base64"])
def test_an_image_in_its_url_is_taken_out_of_it(known):
    (image,), _ = decoded(body({"url": f"data:image/png;base64,{BASE64}", **known}))
    assert image.sink.getvalue() == PICTURE
    assert image.url is None


def test_half_a_character_in_its_prompt_costs_no_image():
    (image,), _ = decoded(body({"b64_json": BASE64, "revised_prompt": "a\ud800"}))
    assert image.sink.getvalue() == PICTURE
    assert image.members["revised_prompt"] == "a\ufffd"


def test_base64_that_is_no_images_own_stays_where_it_is():
    more = {"thumbnail": {"b64_json": "QUJD"}}
    (image,), decoder = decoded(body({"b64_json": BASE64, **more}, b64_json="QUJD", x=[more]))
    assert image.sink.getvalue() == PICTURE
    assert image.members["thumbnail"] == {"b64_json": "QUJD"}
    assert (decoder.body["b64_json"], decoder.body["x"]) == ("QUJD", [more])


@pytest.mark.parametrize("empty", [{}, {"b64_json": None}, {"b64_json": "", "url": ""}, {"url": 7}])
def test_an_image_that_is_neither_sent_nor_linked_is_no_image(empty):
    with pytest.raises(MalformedResponseError, match="image 0 has neither b64_json nor a url"):
        decoded(body(empty))


@pytest.mark.parametrize("text", ["AAA", "A", "AA=A", "AAAA=", "A-_A", "AA==AAAA", "ä", "\\x"])
def test_what_is_not_base64_is_refused(text):
    with pytest.raises(MalformedResponseError, match="image 0 cannot be read"):
        decoded(body({"b64_json": text}))


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not JSON"),
        (b"<html>{</html>", "not JSON"),
        (b"[]", "an array"),
        (b"null", "null"),
        (b"{}", "holds no images"),
        (body(), "holds no images"),
        (b'{"data": {}}', "holds no images"),
        (body("x"), "holds no images"),
        (body({"url": "u"}, 3), "holds no images"),
    ],
)
def test_a_reply_without_images_is_loud(data, said):
    with pytest.raises(MalformedResponseError, match=said):
        decoded(data)


def test_an_error_in_the_place_of_an_image_is_told_as_it_is():
    with pytest.raises(EmbeddedError) as caught:
        decoded(body({"url": "u"}, {"error": {"message": "too wild", "code": "moderation"}}))
    assert json.loads(caught.value.body) == {"error": {"message": "too wild", "code": "moderation"}}


@pytest.mark.parametrize(
    "data",
    [
        b'{"error": {"message": "no"}}',
        b'{"code": "x", "message": "no", "failures": [{"id": 1}]}',
        b'{"error": "no", "code": 400}',
        body({"error": {"message": "no"}}),
        body({"url": "u"}, error={"message": "half of it"}),
    ],
)
def test_an_error_in_a_good_reply_is_an_error(data):
    with pytest.raises(EmbeddedError):
        decoded(data)


def test_a_reply_that_breaks_off_has_given_what_was_whole():
    data = body({"b64_json": BASE64}, {"b64_json": BASE64})
    decoder: ImageResponseDecoder[Bytes] = ImageResponseDecoder(Bytes)
    (image,) = decoder.feed(data[:-20])
    assert image.sink.getvalue() == PICTURE
    with pytest.raises(TruncatedStreamError, match="after 1 whole images"):
        list(decoder.finish())


def test_a_reply_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(image_replies, "MAX_RESPONSE_BYTES", 2**20)
    with pytest.raises(MalformedResponseError, match="more than 1 MB"):
        decoded(body({"b64_json": "A" * 2**20}))
