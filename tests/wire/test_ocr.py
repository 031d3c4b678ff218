"""Responses of ``POST /v2/router/ocr``."""

from typing import Any

import orjson
import pytest

from orq_router_integrations.wire.call import EmbeddedError, MalformedResponseError, Response
from orq_router_integrations.wire.ocr import (
    OCRResult,
    Page,
    PageImage,
    build_url_document,
    link_images,
    parse_ocr,
)


def create_response(*pages: Any, **fields: Any) -> Response:
    return Response(200, {}, orjson.dumps({"model": "m", "pages": [*pages]} | fields))


def create_page(index: Any, markdown: Any = "text", **fields: Any) -> dict[str, Any]:
    return {"index": index, "markdown": markdown, "images": []} | fields


def test_pages_are_ordered_by_index():
    response = create_response(create_page(2, "c"), create_page(0.0, "a"), create_page("1", ""))
    result = parse_ocr(response)
    assert [(page.index, page.markdown) for page in result.pages] == [(0, "a"), (1, ""), (2, "c")]
    assert (result.model, result.offline) == ("m", False)


def test_dimensions_and_images_are_read():
    dimensions = {"dpi": 200, "width": 1700, "height": 2200}
    images = [{"id": "img-0.jpeg", "image_base64": "QQ=="}, {"id": "img-1.jpeg"}, "x", {}]
    (page,) = parse_ocr(create_response(create_page(0, dimensions=dimensions, images=images))).pages
    assert (page.dpi, page.width, page.height) == (200, 1700, 2200)
    assert page.images == (PageImage("img-0.jpeg", "QQ=="), PageImage("img-1.jpeg"))


def test_undocumented_fields_are_kept():
    images = [{"id": "a", "top_left_x": 5, "annotation": "x"}]
    fields = {"images": images, "header": "Boats", "footer": None, "tables": [], "base64_scan": "A"}
    (page,) = parse_ocr(create_response(create_page(0, **fields))).pages
    assert page.extra == {"header": "Boats"}
    assert page.images[0].position == {"top_left_x": 5}


@pytest.mark.parametrize("cost", [0.002, None])
def test_cost_is_read_and_serialized(cost):
    usage = {"type": "pages", "pages_processed": 1, "total_cost": cost}
    result = parse_ocr(create_response(create_page(0), usage=usage))
    assert result.cost == cost
    assert OCRResult.from_json(result.to_json()) == result


def test_results_of_earlier_versions_can_be_read():
    assert OCRResult.from_json(b'{"pages": [{"index": 0, "markdown": "x"}]}').cost is None


INVALID = {
    "no pages": [],
    "twice": [create_page(0), create_page(0)],
    "no text": [create_page(0, None)],
    "negative": [create_page(-1)],
    "no index": [create_page(None)],
    "not an object": ["x"],
}


@pytest.mark.parametrize("pages", INVALID.values(), ids=INVALID)
def test_invalid_pages_raise(pages):
    with pytest.raises(MalformedResponseError):
        parse_ocr(create_response(*pages))


def test_missing_pages_raise():
    with pytest.raises(MalformedResponseError, match="expected the pages 0, 2, got 0"):
        parse_ocr(create_response(create_page(0)), [0, 2])
    with pytest.raises(MalformedResponseError, match="'pages' must be an array"):
        parse_ocr(create_response(pages=None))


def test_error_with_status_200_raises():
    with pytest.raises(EmbeddedError):
        parse_ocr(Response(200, {}, b'{"error": {"message": "No."}}'))


def test_result_is_serialized():
    page = Page(1, "text", (PageImage("a", "QQ=="),), 10, 20, 72)
    result = OCRResult((page,), "m", offline=True)
    assert OCRResult.from_json(result.to_json()) == result


@pytest.mark.parametrize("data", [b"", b"{}", b'{"pages": 5}'])
def test_invalid_serialization_raises(data):
    with pytest.raises(ValueError):  # noqa: PT011 - any message
        OCRResult.from_json(data)


def test_saved_images_are_linked():
    page = Page(0, "See ![img-0.jpeg](img-0.jpeg) and ![x](img-1.jpeg).")
    linked = link_images(page, {"img-0.jpeg": "/tmp/a.png"})
    assert linked.markdown == "See ![img-0.jpeg](/tmp/a.png) and ![x](img-1.jpeg)."


def test_url_is_sent_as_an_image_or_a_document():
    assert build_url_document("https://x/a", is_image=True) == {
        "type": "image_url",
        "image_url": "https://x/a",
    }
    assert build_url_document("https://x/a", is_image=False)["document_url"] == "https://x/a"
