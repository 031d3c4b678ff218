"""Invalid conversations and media raise a typed error before any request."""

from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from support.media_samples import encode_base64

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError

URL = "https://example.com/a"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(24)
PDF = b"%PDF-1.7\n" + bytes(24)
MP3 = b"ID3\x04" + bytes(24)


def data_url(mime_type: str, data: bytes) -> str:
    return f"data:{mime_type};base64,{encode_base64(data)}"


PDF_URL = data_url("application/pdf", PDF)


def block(**fields: Any) -> list[Any]:
    """Create a conversation of one message with one block."""
    return [HumanMessage([fields])]


def image_url(url: Any, **fields: Any) -> list[Any]:
    return block(type="image_url", image_url={"url": url, **fields})


def image(data: Any, **fields: Any) -> list[Any]:
    return block(**{"type": "image", "base64": data, "mime_type": "image/png", **fields})


def pdf(data: Any, **fields: Any) -> list[Any]:
    return block(**{"type": "file", "base64": data, "mime_type": "application/pdf", **fields})


def file(**fields: Any) -> list[Any]:
    return block(type="file", file=fields)


def audio(data: Any, audio_format: Any = "wav") -> list[Any]:
    return block(type="input_audio", input_audio={"data": data, "format": audio_format})


LOCAL_FILE = "content_block(path) for a local file"
CONVERSATIONS: dict[str, tuple[Any, str]] = {
    "no messages": ([], "messages: Expected at least one"),
    "block int": ([HumanMessage.model_construct(content=[5])], "content[0]"),
    "content int": ([HumanMessage.model_construct(content=5)], "messages[0].content"),
    "surrogate": ("Hi \ud800", "messages[0].content"),
    "surrogate in a block": ([HumanMessage([{"type": "text", "text": "\ud800"}])], "[0].text"),
    "image relative path": (image_url("cat.png"), LOCAL_FILE),
    "image absolute path": (image_url("/etc/passwd"), LOCAL_FILE),
    "image file:": (image_url("file:///etc/passwd"), LOCAL_FILE),
    "image javascript:": (image_url("javascript:alert(1)"), LOCAL_FILE),
    "image ftp:": (image_url("ftp://example.com/cat.png"), LOCAL_FILE),
    "image http:": (image_url("http://example.com/cat.png"), "begins with https://"),
    "image empty URL": (image_url(""), "content_block(path)"),
    "image None": (image_url(None), "The block has no text"),
    "image URL with a space": (image_url("https://example.com/a cat.png"), "without spaces"),
    "image URL with a line break": (image_url("https://example.com/a\nX: y"), "without spaces"),
    "standard image path": (block(type="image", url="./cat.png"), LOCAL_FILE),
    "file file:": (block(type="file", url="file:///etc/passwd"), LOCAL_FILE),
    "image not base64": (image("not base64!"), "base64"),
    "image URL-safe base64": (image(encode_base64(PNG).replace("+", "-") + "__=="), "base64"),
    "truncated base64": (image(encode_base64(PNG).rstrip("=")[:-2]), "base64"),
    "empty image": (image(""), "empty"),
    "data URL without base64": (image_url("data:image/png,abc"), "base64"),
    "SVG": (image_url(data_url("image/svg+xml", b"<svg xmlns='x'></svg>")), "image/svg+xml"),
    "BMP": (image_url(data_url("image/bmp", b"BM" + bytes(24))), "image/bmp"),
    "HTML as an image": (image_url(data_url("image/png", b"<html></html>")), "text/html"),
    "PNG as JPEG": (image_url(data_url("image/jpeg", PNG)), "image/png"),
    "unknown detail": (image_url(URL, detail="max"), "'low', 'high' or 'auto'"),
    "text as PDF": (pdf(encode_base64(b"Hello")), "not a PDF"),
    "image as PDF": (pdf(encode_base64(PNG)), "image/png"),
    "PDF not base64": (pdf("no!"), "base64"),
    "empty PDF": (pdf(""), "empty"),
    "PDF filename with a line break": (
        pdf(encode_base64(PDF), filename="a\r\nb.pdf"),
        "plain name",
    ),
    "PDF filename with a NUL": (pdf(encode_base64(PDF), filename="a\0.pdf"), "plain name"),
    "PDF filename with a path": (pdf(encode_base64(PDF), filename="../a.pdf"), "without a path"),
    "URL file with a path as filename": (block(type="file", url=URL, filename="../a"), "a path"),
    "path as file_data": (file(file_data="/tmp/a.pdf", filename="a.pdf"), "not base64"),
    "two sources of a file part": (file(file_data=PDF_URL, file_id="file-1"), "exactly one"),
    "no source of a file part": (file(filename="a.pdf"), "The block has no text"),
    "two sources of a file block": (pdf(encode_base64(PDF), url=URL), "one source"),
    "two sources of an image block": (image(encode_base64(PNG), url=URL), "one source"),
    "unknown audio format": (audio(encode_base64(b"OggS" + bytes(24)), "ogg"), "audio/ogg"),
    "MP3 as WAV": (audio(encode_base64(MP3), "wav"), "audio/mpeg"),
    "audio not base64": (audio("no!"), "base64"),
    "empty audio": (audio(""), "empty"),
    "audio URL": (audio("https://example.com/a.wav"), "base64"),
}


@pytest.mark.parametrize(("messages", "error"), CONVERSATIONS.values(), ids=CONVERSATIONS)
def test_invalid_conversation_raises_before_a_request(
    model: ChatOrq, router: OfflineRouter, messages: Any, error: str
) -> None:
    with pytest.raises(RouterInputError) as caught:
        model.invoke(messages)
    assert error in str(caught.value)
    assert router.requests == []


@pytest.mark.parametrize(
    ("messages", "error"),
    [
        (None, "Invalid input type"),
        ([("boss", "Hi")], "boss"),
        ([("user", None)], "content"),
    ],
    ids=["None", "unknown role", "content None"],
)
def test_input_that_langchain_rejects_raises_value_error(
    model: ChatOrq, router: OfflineRouter, messages: Any, error: str
) -> None:
    with pytest.raises(ValueError, match=error):
        model.invoke(messages)
    assert router.requests == []


@pytest.mark.slow
def test_image_over_20_mb_is_not_repeated_in_the_error(
    model: ChatOrq, router: OfflineRouter
) -> None:
    with pytest.raises(RouterInputError, match=r"20\.0 MB.*20 MB") as caught:
        model.invoke(image(encode_base64(PNG + bytes(20 * 1024 * 1024))))
    assert len(str(caught.value)) < 300
    assert router.requests == []
