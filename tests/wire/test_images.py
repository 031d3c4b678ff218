"""Images on the wire: parameters and their rules, and replies read as they arrive."""

import base64
import io
import json

import pytest
from pydantic import ValidationError

from orq_router_integrations.wire import images
from orq_router_integrations.wire.call import BadReply, ErrorInReply, Truncated
from orq_router_integrations.wire.images import (
    EDIT,
    GENERATE,
    VARY,
    ImageParams,
    ImagesDecoder,
    check_family,
    check_operation,
    family_of,
)

PICTURE = bytes(range(256)) * 9
BASE64 = base64.b64encode(PICTURE).decode()


class Bytes(io.BytesIO):
    """A sink that remembers whether it was ended."""

    whole = False

    def end(self) -> None:
        self.whole = True


def body(*data: object, **members: object) -> bytes:
    return json.dumps({"created": 7, "data": list(data), **members}).encode()


def decoded(*pieces: bytes) -> tuple[list, ImagesDecoder[Bytes]]:
    decoder: ImagesDecoder[Bytes] = ImagesDecoder(Bytes)
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


@pytest.mark.parametrize("empty", [{}, {"b64_json": None}, {"b64_json": "", "url": ""}, {"url": 7}])
def test_an_image_that_is_neither_sent_nor_linked_is_no_image(empty):
    with pytest.raises(BadReply, match="image 0 has neither b64_json nor a url"):
        decoded(body(empty))


@pytest.mark.parametrize("text", ["AAA", "A", "AA=A", "AAAA=", "A-_A", "AA==AAAA", "ä", "\\x"])
def test_what_is_not_base64_is_refused(text):
    with pytest.raises(BadReply, match="image 0 cannot be read"):
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
    with pytest.raises(BadReply, match=said):
        decoded(data)


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
    with pytest.raises(ErrorInReply):
        decoded(data)


def test_a_reply_that_breaks_off_has_given_what_was_whole():
    data = body({"b64_json": BASE64}, {"b64_json": BASE64})
    decoder: ImagesDecoder[Bytes] = ImagesDecoder(Bytes)
    (image,) = decoder.feed(data[:-20])
    assert image.sink.getvalue() == PICTURE
    with pytest.raises(Truncated, match="after 1 whole images"):
        list(decoder.finish())


def test_a_reply_that_is_too_large_is_refused(monkeypatch):
    monkeypatch.setattr(images, "MAX_REPLY", 2**20)
    with pytest.raises(BadReply, match="more than 1 MB"):
        decoded(body({"b64_json": "A" * 2**20}))


@pytest.mark.parametrize(
    ("params", "said"),
    [
        ({"n": 0}, "n"),
        ({"n": 11}, "n"),
        ({"n": True}, "n"),
        ({"n": 1.0}, "n"),
        ({"size": "big"}, "size"),
        ({"size": "1024X1024"}, "size"),
        ({"size": "0x10"}, "size"),
        ({"size": "1024x1024\n"}, "size"),
        ({"quality": "best"}, "quality"),
        ({"style": "x"}, "style"),
        ({"background": "x"}, "background"),
        ({"output_format": "gif"}, "output_format"),
        ({"output_compression": 101, "output_format": "webp"}, "output_compression"),
        ({"output_compression": -1, "output_format": "webp"}, "output_compression"),
        ({"output_compression": 50}, "output_compression: needs output_format"),
        ({"output_compression": 50, "output_format": "png"}, "output_compression: needs"),
        ({"moderation": "high"}, "moderation"),
        ({"response_format": "png"}, "response_format"),
        ({"user": ""}, "user"),
    ],
)
def test_values_out_of_range_are_refused(params, said):
    with pytest.raises(ValidationError, match=said):
        ImageParams(**params)


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("openai/dall-e-2", "dall-e-2"),
        ("azure/dall-e-3", "dall-e-3"),
        ("openai/gpt-image-1", "gpt-image"),
        ("aws/eu/gpt-image-1.5-mini", "gpt-image"),
        ("google/imagen-4", None),
        ("dall-e-2/other", None),
    ],
)
def test_families_go_by_the_providers_name(model, family):
    assert family_of(model) == family


TAKEN = {
    "dall-e-2": {"n": 10, "response_format": "url"},
    "dall-e-3": {"n": 1, "response_format": "b64_json", "style": "vivid", "quality": "hd"},
    "gpt-image-1": {"n": 4, "background": "opaque", "output_format": "webp", "moderation": "low"},
    "imagen-4": {"n": 4, "background": "opaque", "style": "vivid", "response_format": "url"},
}
REFUSED = [
    ("dall-e-2", {"style": "vivid"}, "style: leave it out for openai/dall-e-2; only dall-e-3"),
    ("dall-e-2", {"background": "auto"}, "only gpt-image models take it"),
    ("dall-e-3", {"output_format": "png"}, "output_format"),
    ("dall-e-3", {"moderation": "low"}, "moderation"),
    ("dall-e-3", {"n": 2}, "n: openai/dall-e-3 makes 1 image in a call, not 2"),
    ("gpt-image-1", {"style": "vivid"}, "only dall-e-3 models take it"),
    ("gpt-image-1", {"response_format": "b64_json"}, "always answers in base64"),
]


@pytest.mark.parametrize(("model", "params"), TAKEN.items())
def test_what_a_family_takes_is_passed_on(model, params):
    check_family(f"openai/{model}", params)


@pytest.mark.parametrize(("model", "params", "said"), REFUSED)
def test_what_a_family_does_not_take_is_refused_with_the_reason(model, params, said):
    with pytest.raises(ValueError, match=said):
        check_family(f"openai/{model}", params)


@pytest.mark.parametrize(
    ("operation", "params", "said"),
    [
        (GENERATE, {"user": "u"}, "user: /images/generations does not take it"),
        (EDIT, {"background": "opaque"}, "background: /images/edits"),
        (EDIT, {"quality": "hd"}, "quality: edits take"),
        (VARY, {"quality": "low"}, "it takes n, response_format, size, user"),
        (VARY, {"size": "auto"}, "variations take 256x256, 512x512, 1024x1024, not 'auto'"),
    ],
)
def test_what_an_endpoint_does_not_take_is_refused(operation, params, said):
    with pytest.raises(ValueError, match=said):
        check_operation(operation, params)


def test_only_what_is_set_is_sent():
    assert ImageParams(n=2, size="auto").image_params() == {"n": 2, "size": "auto"}
