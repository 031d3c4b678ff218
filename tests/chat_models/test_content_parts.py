"""Conversion of content blocks, in every form that LangChain users write, to content parts."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import HumanMessage
from support.media_samples import encode_base64

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError

PNG = encode_base64(b"\x89PNG\r\n\x1a\n" + bytes(24))
JPEG = encode_base64(b"\xff\xd8\xff\xe0" + bytes(24))
WAV = encode_base64(b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(24))
MP3 = encode_base64(b"ID3\x04" + bytes(24))
PDF = encode_base64(b"%PDF-1.7\n" + bytes(24))
HELLO = encode_base64("Grüße".encode())
URL = "https://example.com/cat.png"
PDF_URL = "https://example.com/report.pdf"
CACHE_CONTROL = {"type": "ephemeral"}


def image_part(url: str, **fields: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **fields}}


def audio_part(data: str, audio_format: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": data, "format": audio_format}}


def file_part(**fields: str) -> dict[str, Any]:
    return {"type": "file", "file": fields}


def text_part(text: str, **fields: Any) -> dict[str, Any]:
    return {"type": "text", "text": text, **fields}


PNG_PART = image_part(f"data:image/png;base64,{PNG}")
PDF_DATA = f"data:application/pdf;base64,{PDF}"
PDF_PART = file_part(file_data=PDF_DATA, filename="document.pdf")

STANDARD_BLOCKS = {
    "text": (text_part("Hi"), text_part("Hi")),
    "image URL": ({"type": "image", "url": URL}, image_part(URL)),
    "image data URL": ({"type": "image", "url": f"data:image/png;base64,{PNG}"}, PNG_PART),
    "image data": ({"type": "image", "base64": PNG, "mime_type": "image/png"}, PNG_PART),
    "image data without a type": ({"type": "image", "base64": PNG}, PNG_PART),
    "image/jpg": (
        {"type": "image", "base64": JPEG, "mime_type": "image/jpg"},
        image_part(f"data:image/jpeg;base64,{JPEG}"),
    ),
    "image data with line breaks": (
        {"type": "image", "base64": f"{PNG[:8]}\n{PNG[8:]}\n", "mime_type": "image/png"},
        PNG_PART,
    ),
    "image detail": (
        {"type": "image", "url": URL, "extras": {"detail": "low"}},
        image_part(URL, detail="low"),
    ),
    "WAV": ({"type": "audio", "base64": WAV, "mime_type": "audio/wav"}, audio_part(WAV, "wav")),
    "audio/x-wav": (
        {"type": "audio", "base64": WAV, "mime_type": "audio/x-wav"},
        audio_part(WAV, "wav"),
    ),
    "MP3": ({"type": "audio", "base64": MP3, "mime_type": "audio/mpeg"}, audio_part(MP3, "mp3")),
    "MP3 without a type": ({"type": "audio", "base64": MP3}, audio_part(MP3, "mp3")),
    "audio data URL": (
        {"type": "audio", "url": f"data:audio/mpeg;base64,{MP3}"},
        audio_part(MP3, "mp3"),
    ),
    "PDF": ({"type": "file", "base64": PDF, "mime_type": "application/pdf"}, PDF_PART),
    "PDF data URL": ({"type": "file", "url": PDF_DATA}, PDF_PART),
    "PDF with a filename": (
        {"type": "file", "base64": PDF, "extras": {"filename": "a.pdf"}},
        file_part(file_data=PDF_DATA, filename="a.pdf"),
    ),
    "PDF with a filename without suffix": (
        {"type": "file", "base64": PDF, "filename": "report"},
        file_part(file_data=PDF_DATA, filename="report.pdf"),
    ),
    "file URL": ({"type": "file", "url": PDF_URL}, file_part(uri=PDF_URL)),
    "file URL with a type": (
        {"type": "file", "url": PDF_URL, "mime_type": "application/pdf"},
        file_part(uri=PDF_URL, mimeType="application/pdf"),
    ),
    "file id": ({"type": "file", "file_id": "file-1"}, file_part(file_id="file-1")),
    "text file": ({"type": "file", "base64": HELLO, "mime_type": "text/plain"}, text_part("Grüße")),
    "image in a file block": ({"type": "file", "base64": PNG, "mime_type": "image/png"}, PNG_PART),
    "text-plain": ({"type": "text-plain", "text": "Hello"}, text_part("Hello")),
    "text-plain data": (
        {"type": "text-plain", "base64": HELLO, "mime_type": "text/plain"},
        text_part("Grüße"),
    ),
}

SOURCE_TYPE_BLOCKS = {
    "image URL": ({"type": "image", "source_type": "url", "url": URL}, image_part(URL)),
    "image data": (
        {"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"},
        PNG_PART,
    ),
    "image data without a type": (
        {"type": "image", "source_type": "base64", "data": PNG},
        PNG_PART,
    ),
    "audio data": (
        {"type": "audio", "source_type": "base64", "data": MP3, "mime_type": "audio/mpeg"},
        audio_part(MP3, "mp3"),
    ),
    "PDF with a filename": (
        {
            "type": "file",
            "source_type": "base64",
            "data": PDF,
            "mime_type": "application/pdf",
            "metadata": {"filename": "a.pdf"},
        },
        file_part(file_data=PDF_DATA, filename="a.pdf"),
    ),
    "file id": (
        {"type": "file", "source_type": "id", "id": "file-1"},
        file_part(file_id="file-1"),
    ),
    "text in url": (
        {"type": "file", "source_type": "text", "url": "Hello"},
        text_part("Hello"),
    ),
}

OPENAI_PARTS = {
    "image_url as a str": ({"type": "image_url", "image_url": URL}, image_part(URL)),
    "image_url with detail": (image_part(URL, detail="high"), image_part(URL, detail="high")),
    "image_url with data": (PNG_PART, PNG_PART),
    "input_audio": (audio_part(WAV, "wav"), audio_part(WAV, "wav")),
    "file_data": (
        file_part(file_data=PDF_DATA, filename="a.pdf"),
        file_part(file_data=PDF_DATA, filename="a.pdf"),
    ),
    "file_data without a filename": (file_part(file_data=PDF_DATA), PDF_PART),
    "file_id": (file_part(file_id="file-1"), file_part(file_id="file-1")),
    "uri": (
        file_part(uri="gs://bucket/a.pdf", mimeType="application/pdf"),
        file_part(uri="gs://bucket/a.pdf", mimeType="application/pdf"),
    ),
}


def source(source_type: str, **fields: str) -> dict[str, Any]:
    return {"type": source_type, **fields}


ANTHROPIC_BLOCKS = {
    "image data": (
        {"type": "image", "source": source("base64", media_type="image/png", data=PNG)},
        PNG_PART,
    ),
    "image URL": ({"type": "image", "source": source("url", url=URL)}, image_part(URL)),
    "document data": (
        {"type": "document", "source": source("base64", media_type="application/pdf", data=PDF)},
        PDF_PART,
    ),
    "document URL": (
        {"type": "document", "source": source("url", url=PDF_URL)},
        file_part(uri=PDF_URL),
    ),
    "text document": (
        {"type": "document", "source": source("text", media_type="text/plain", data="Hello")},
        text_part("Hello"),
    ),
    "text with cache_control": (
        text_part("Hi", cache_control=CACHE_CONTROL),
        text_part("Hi", cache_control=CACHE_CONTROL),
    ),
    "image with cache_control": (
        {"type": "image", "source": source("url", url=URL), "cache_control": CACHE_CONTROL},
        {**image_part(URL), "cache_control": CACHE_CONTROL},
    ),
    "cache_control in extras": (
        text_part("Hi", extras={"cache_control": CACHE_CONTROL}),
        text_part("Hi", cache_control=CACHE_CONTROL),
    ),
}

BLOCKS = [
    pytest.param(block, part, id=f"{form}: {name}")
    for form, table in [
        ("standard", STANDARD_BLOCKS),
        ("source_type", SOURCE_TYPE_BLOCKS),
        ("OpenAI", OPENAI_PARTS),
        ("Anthropic", ANTHROPIC_BLOCKS),
    ]
    for name, (block, part) in table.items()
]


def send_blocks(model: ChatOrq, router: OfflineRouter, *blocks: Any) -> Any:
    """Return the content that the router receives for a message with these blocks."""
    model.invoke([HumanMessage(list(blocks))])
    return router.requests[-1].body["messages"][0]["content"]


@pytest.mark.parametrize(("block", "part"), BLOCKS)
def test_block_is_converted(
    model: ChatOrq, router: OfflineRouter, block: dict[str, Any], part: dict[str, Any]
) -> None:
    assert send_blocks(model, router, block) == [part]


def test_str_among_blocks_is_a_text_part(model: ChatOrq, router: OfflineRouter) -> None:
    content = send_blocks(model, router, "Look:", {"type": "image", "url": URL})
    assert content == [text_part("Look:"), image_part(URL)]


@pytest.mark.parametrize("extra", [{"id": "lc_1"}, {"annotations": []}, {"index": 0}], ids=str)
def test_langchain_fields_of_a_text_block_are_not_sent(
    model: ChatOrq, router: OfflineRouter, extra: dict[str, Any]
) -> None:
    assert send_blocks(model, router, text_part("Hi", **extra)) == [text_part("Hi")]


def test_audio_drops_cache_control(model: ChatOrq, router: OfflineRouter) -> None:
    block = {"type": "audio", "base64": WAV, "cache_control": CACHE_CONTROL}
    assert send_blocks(model, router, block) == [audio_part(WAV, "wav")]


INVALID_BLOCKS = {
    "audio URL": ({"type": "audio", "url": "https://example.com/a.mp3"}, "cannot be sent by URL"),
    "audio id": ({"type": "audio", "file_id": "file-1"}, "cannot be sent by URL or file_id"),
    "image id": ({"type": "image", "file_id": "file-1"}, "Pass its URL or its data"),
    "source_type image id": (
        {"type": "image", "source_type": "id", "id": "file-1"},
        "Pass its URL or its data",
    ),
    "video": ({"type": "video", "url": "https://example.com/a.mp4"}, "frames as images"),
    "text-plain URL": (
        {"type": "text-plain", "url": "https://example.com/a"},
        "cannot be sent by URL or file_id",
    ),
    "Anthropic tool_result": (
        {"type": "tool_result", "tool_use_id": "1", "content": "x"},
        "Unknown content block type 'tool_result'",
    ),
    "no type": ({"text": "Hi"}, "Unknown content block type None"),
    "unknown type": ({"type": "hologram"}, "Unknown content block type 'hologram'"),
    "text without text": ({"type": "text"}, "needs 'text' as a str"),
    "text None": ({"type": "text", "text": None}, "needs 'text' as a str"),
    "image_url without url": ({"type": "image_url", "image_url": {}}, "The block has no text"),
    "image_url missing": ({"type": "image_url"}, "The block has no text"),
    "image_url as a list": ({"type": "image_url", "image_url": [URL]}, "The block has no text"),
    "input_audio missing": ({"type": "input_audio"}, "The block has no text"),
    "image without a source": ({"type": "image"}, "The block has no text"),
    "file without a source": ({"type": "file"}, "The block has no text"),
    "source as a str": ({"type": "image", "source": URL}, "The block has no text"),
    "mime_type as an int": ({"type": "image", "base64": PNG, "mime_type": 5}, "'mime_type'"),
    "filename as an int": ({"type": "file", "base64": PDF, "filename": 5}, "'filename', got int"),
}


@pytest.mark.parametrize(("block", "error"), INVALID_BLOCKS.values(), ids=INVALID_BLOCKS)
def test_invalid_block_raises_with_its_position(
    model: ChatOrq, router: OfflineRouter, block: Any, error: str
) -> None:
    with pytest.raises(RouterInputError) as caught:
        model.invoke([HumanMessage("One"), HumanMessage(["Two", block])])
    assert "messages[1].content[1]" in str(caught.value)
    assert error in str(caught.value)
    assert router.requests == []


RAW_BYTES = b"\x89PNG\r\n\x1a\n"
LOCAL_FILES: dict[str, tuple[dict[str, Any], str]] = {
    "image bytes": ({"type": "image", "base64": RAW_BYTES}, "content_block(...)"),
    "image bytes with a type": (
        {"type": "image", "base64": RAW_BYTES, "mime_type": "image/png"},
        "content_block(...)",
    ),
    "source_type bytes": (
        {"type": "image", "source_type": "base64", "data": RAW_BYTES},
        "content_block(...)",
    ),
    "file bytes": ({"type": "file", "base64": b"%PDF-"}, "content_block(...)"),
    "audio bytes": (
        {"type": "input_audio", "input_audio": {"data": b"RIFF", "format": "wav"}},
        "content_block(...)",
    ),
    "image_url bytes": (
        {"type": "image_url", "image_url": {"url": RAW_BYTES}},
        "content_block(...)",
    ),
    "image path": ({"type": "image", "base64": Path("cat.png")}, "content_block("),
    "image url path": ({"type": "image", "url": Path("cat.png")}, "content_block("),
    "image_url path": (
        {"type": "image_url", "image_url": Path("cat.png")},
        "Expected a str in 'image_url', got ",
    ),
    "image_url without a dict": (
        {"type": "image_url", "image_url": RAW_BYTES},
        "Expected a str in 'image_url', got bytes. Use content_block(...)",
    ),
    "source bytes": (
        {"type": "image", "source": RAW_BYTES},
        "Expected a str in 'source', got bytes. Use content_block(...)",
    ),
    "file bytes without a dict": (
        {"type": "file", "file": b"%PDF-"},
        "got bytes. Use content_block(...)",
    ),
    "unknown path key": ({"type": "image", "path": "cat.png"}, "content_block("),
}


@pytest.mark.parametrize(("block", "fix"), LOCAL_FILES.values(), ids=LOCAL_FILES)
def test_bytes_and_paths_raise_with_the_fix(model: ChatOrq, block: Any, fix: str) -> None:
    """Blocks hold base64 text or a URL; bytes and paths are not read implicitly."""
    with pytest.raises(RouterInputError) as caught:
        model.invoke([HumanMessage([block])])
    assert fix in str(caught.value)
    assert "messages[0].content[0]" in str(caught.value)


def test_text_that_is_not_utf_8_raises(model: ChatOrq) -> None:
    block = {
        "type": "text-plain",
        "base64": encode_base64(b"\xff\xfe\xfa"),
        "mime_type": "text/plain",
    }
    with pytest.raises(RouterInputError, match=r"messages\[0\]\.content\[0\]: .*UTF-8"):
        model.invoke([HumanMessage([block])])


@pytest.mark.parametrize("block_type", ["image", "audio", "file"])
@pytest.mark.parametrize("source_type", ["base64", "url", "id", "elsewhere", 5, [], {}], ids=repr)
def test_source_type_without_its_source_raises(
    model: ChatOrq, router: OfflineRouter, block_type: str, source_type: Any
) -> None:
    block = {"type": block_type, "source_type": source_type}
    with pytest.raises(RouterInputError, match=r"\[0\]\.content\[0\]: The block has no text"):
        model.invoke([HumanMessage([block])])
    assert router.requests == []


@pytest.mark.parametrize("block_type", [[], {}, 5], ids=repr)
def test_type_that_is_not_a_str_raises(model: ChatOrq, block_type: Any) -> None:
    with pytest.raises(RouterInputError, match=r"content\[0\]: Expected a str in 'type'"):
        model.invoke([HumanMessage([{"type": block_type}])])


def test_base64_in_url_is_not_repeated_in_the_error(model: ChatOrq) -> None:
    block = {"type": "image_url", "image_url": {"url": encode_base64(RAW_BYTES * 100)}}
    with pytest.raises(RouterInputError) as caught:
        model.invoke([HumanMessage([block])])
    assert len(str(caught.value)) < 300
