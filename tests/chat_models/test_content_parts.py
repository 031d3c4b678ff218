"""Content blocks, in every spelling that LangChain users write, as parts on the wire."""

import base64
from typing import Any

import pytest
from langchain_core.messages import HumanMessage

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterInputError


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


PNG = b64(b"\x89PNG\r\n\x1a\n" + bytes(24))
JPEG = b64(b"\xff\xd8\xff\xe0" + bytes(24))
WAV = b64(b"RIFF\x24\x00\x00\x00WAVEfmt " + bytes(24))
MP3 = b64(b"ID3\x04" + bytes(24))
PDF = b64(b"%PDF-1.7\n" + bytes(24))
HELLO = b64("Grüße".encode())
URL = "https://example.com/cat.png"
PDF_URL = "https://example.com/report.pdf"
MARK = {"type": "ephemeral"}


def image(url: str, **more: Any) -> dict[str, Any]:
    return {"type": "image_url", "image_url": {"url": url, **more}}


def audio(data: str, kind: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": data, "format": kind}}


def file(**inner: str) -> dict[str, Any]:
    return {"type": "file", "file": inner}


def text(words: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **more}


PNG_PART = image(f"data:image/png;base64,{PNG}")
PDF_DATA = f"data:application/pdf;base64,{PDF}"
PDF_PART = file(file_data=PDF_DATA, filename="document.pdf")

STANDARD = {
    "text": (text("Hi"), text("Hi")),
    "image by URL": ({"type": "image", "url": URL}, image(URL)),
    "image by data URL": ({"type": "image", "url": f"data:image/png;base64,{PNG}"}, PNG_PART),
    "image data": ({"type": "image", "base64": PNG, "mime_type": "image/png"}, PNG_PART),
    "image data of no type": ({"type": "image", "base64": PNG}, PNG_PART),
    "image called jpg": (
        {"type": "image", "base64": JPEG, "mime_type": "image/jpg"},
        image(f"data:image/jpeg;base64,{JPEG}"),
    ),
    "image data in lines": (
        {"type": "image", "base64": f"{PNG[:8]}\n{PNG[8:]}\n", "mime_type": "image/png"},
        PNG_PART,
    ),
    "image with detail": (
        {"type": "image", "url": URL, "extras": {"detail": "low"}},
        image(URL, detail="low"),
    ),
    "WAV": ({"type": "audio", "base64": WAV, "mime_type": "audio/wav"}, audio(WAV, "wav")),
    "WAV called x-wav": (
        {"type": "audio", "base64": WAV, "mime_type": "audio/x-wav"},
        audio(WAV, "wav"),
    ),
    "MP3 called mpeg": (
        {"type": "audio", "base64": MP3, "mime_type": "audio/mpeg"},
        audio(MP3, "mp3"),
    ),
    "MP3 of no type": ({"type": "audio", "base64": MP3}, audio(MP3, "mp3")),
    "audio by data URL": (
        {"type": "audio", "url": f"data:audio/mpeg;base64,{MP3}"},
        audio(MP3, "mp3"),
    ),
    "PDF": ({"type": "file", "base64": PDF, "mime_type": "application/pdf"}, PDF_PART),
    "PDF by data URL": ({"type": "file", "url": PDF_DATA}, PDF_PART),
    "PDF with a name": (
        {"type": "file", "base64": PDF, "extras": {"filename": "a.pdf"}},
        file(file_data=PDF_DATA, filename="a.pdf"),
    ),
    "PDF whose name lacks its suffix": (
        {"type": "file", "base64": PDF, "filename": "report"},
        file(file_data=PDF_DATA, filename="report.pdf"),
    ),
    "file by URL": ({"type": "file", "url": PDF_URL}, file(uri=PDF_URL)),
    "file by URL, with its type": (
        {"type": "file", "url": PDF_URL, "mime_type": "application/pdf"},
        file(uri=PDF_URL, mimeType="application/pdf"),
    ),
    "file by id": ({"type": "file", "file_id": "file-1"}, file(file_id="file-1")),
    "text file": ({"type": "file", "base64": HELLO, "mime_type": "text/plain"}, text("Grüße")),
    "image in a file block": (
        {"type": "file", "base64": PNG, "mime_type": "image/png"},
        PNG_PART,
    ),
    "plain text": ({"type": "text-plain", "text": "Hello"}, text("Hello")),
    "plain text as data": (
        {"type": "text-plain", "base64": HELLO, "mime_type": "text/plain"},
        text("Grüße"),
    ),
}

OF_2024 = {
    "image by URL": ({"type": "image", "source_type": "url", "url": URL}, image(URL)),
    "image data": (
        {"type": "image", "source_type": "base64", "data": PNG, "mime_type": "image/png"},
        PNG_PART,
    ),
    "audio data": (
        {"type": "audio", "source_type": "base64", "data": MP3, "mime_type": "audio/mpeg"},
        audio(MP3, "mp3"),
    ),
    "PDF with a name": (
        {
            "type": "file",
            "source_type": "base64",
            "data": PDF,
            "mime_type": "application/pdf",
            "metadata": {"filename": "a.pdf"},
        },
        file(file_data=PDF_DATA, filename="a.pdf"),
    ),
    "file by id": (
        {"type": "file", "source_type": "id", "id": "file-1"},
        file(file_id="file-1"),
    ),
    "text, which stands in url": (
        {"type": "file", "source_type": "text", "url": "Hello"},
        text("Hello"),
    ),
}

OF_OPENAI = {
    "image_url as a text": ({"type": "image_url", "image_url": URL}, image(URL)),
    "image_url with detail": (image(URL, detail="high"), image(URL, detail="high")),
    "image_url of data": (PNG_PART, PNG_PART),
    "input_audio": (audio(WAV, "wav"), audio(WAV, "wav")),
    "file data": (
        file(file_data=PDF_DATA, filename="a.pdf"),
        file(file_data=PDF_DATA, filename="a.pdf"),
    ),
    "file data without a name": (file(file_data=PDF_DATA), PDF_PART),
    "file id": (file(file_id="file-1"), file(file_id="file-1")),
    "file uri": (
        file(uri="gs://bucket/a.pdf", mimeType="application/pdf"),
        file(uri="gs://bucket/a.pdf", mimeType="application/pdf"),
    ),
}


def source(kind: str, **members: str) -> dict[str, Any]:
    return {"type": kind, **members}


OF_ANTHROPIC = {
    "image data": (
        {"type": "image", "source": source("base64", media_type="image/png", data=PNG)},
        PNG_PART,
    ),
    "image by URL": ({"type": "image", "source": source("url", url=URL)}, image(URL)),
    "document data": (
        {"type": "document", "source": source("base64", media_type="application/pdf", data=PDF)},
        PDF_PART,
    ),
    "document by URL": (
        {"type": "document", "source": source("url", url=PDF_URL)},
        file(uri=PDF_URL),
    ),
    "document of text": (
        {"type": "document", "source": source("text", media_type="text/plain", data="Hello")},
        text("Hello"),
    ),
    "text with a cache mark": (text("Hi", cache_control=MARK), text("Hi", cache_control=MARK)),
    "image with a cache mark": (
        {"type": "image", "source": source("url", url=URL), "cache_control": MARK},
        {**image(URL), "cache_control": MARK},
    ),
    "cache mark among the extras": (
        text("Hi", extras={"cache_control": MARK}),
        text("Hi", cache_control=MARK),
    ),
}

SPELLINGS = [
    pytest.param(block, wanted, id=f"{spelling}: {name}")
    for spelling, table in [
        ("standard", STANDARD),
        ("of 2024", OF_2024),
        ("of OpenAI", OF_OPENAI),
        ("of Anthropic", OF_ANTHROPIC),
    ]
    for name, (block, wanted) in table.items()
]


def sent(model: ChatOrq, router: OfflineRouter, *blocks: Any) -> Any:
    model.invoke([HumanMessage(list(blocks))])
    return router.requests[-1].body["messages"][0]["content"]


@pytest.mark.parametrize(("block", "wanted"), SPELLINGS)
def test_every_spelling_becomes_the_routers_part(
    model: ChatOrq, router: OfflineRouter, block: dict[str, Any], wanted: dict[str, Any]
) -> None:
    assert sent(model, router, block) == [wanted]


def test_a_bare_text_among_blocks_is_a_text_part(model: ChatOrq, router: OfflineRouter) -> None:
    assert sent(model, router, "Look:", {"type": "image", "url": URL}) == [
        text("Look:"),
        image(URL),
    ]


@pytest.mark.parametrize("extra", [{"id": "lc_1"}, {"annotations": []}, {"index": 0}])
def test_what_langchain_keeps_on_a_text_block_stays_at_home(
    model: ChatOrq, router: OfflineRouter, extra: dict[str, Any]
) -> None:
    assert sent(model, router, text("Hi", **extra)) == [text("Hi")]


def test_audio_takes_no_cache_mark(model: ChatOrq, router: OfflineRouter) -> None:
    block = {"type": "audio", "base64": WAV, "cache_control": MARK}
    assert sent(model, router, block) == [audio(WAV, "wav")]


NOT_TAKEN = {
    "audio by URL": ({"type": "audio", "url": "https://example.com/a.mp3"}, "cannot be sent by"),
    "audio by id": ({"type": "audio", "file_id": "file-1"}, "cannot be sent by"),
    "image by id": ({"type": "image", "file_id": "file-1"}, "Pass its URL or its data"),
    "image by id of 2024": (
        {"type": "image", "source_type": "id", "id": "file-1"},
        "Pass its URL or its data",
    ),
    "video": ({"type": "video", "url": "https://example.com/a.mp4"}, "frames as images"),
    "plain text by URL": ({"type": "text-plain", "url": "https://example.com/a"}, "not fetched"),
    "a tool's result, Anthropic's way": (
        {"type": "tool_result", "tool_use_id": "1", "content": "x"},
        "Unknown content block type 'tool_result'",
    ),
    "no type": ({"text": "Hi"}, "Unknown content block type None"),
    "unknown type": ({"type": "hologram"}, "Unknown content block type 'hologram'"),
    "text without text": ({"type": "text"}, "needs 'text' as a str"),
    "text of None": ({"type": "text", "text": None}, "needs 'text' as a str"),
    "image_url without url": ({"type": "image_url", "image_url": {}}, "image_url.url"),
    "image_url missing": ({"type": "image_url"}, "'image_url'"),
    "input_audio missing": ({"type": "input_audio"}, "'input_audio'"),
    "image of nothing": ({"type": "image"}, "has no data"),
    "file of nothing": ({"type": "file"}, "has no data"),
    "source that is a text": ({"type": "image", "source": URL}, "a dict in 'source'"),
    "extras that are a list": ({"type": "image", "url": URL, "extras": ["low"]}, "extras"),
    "metadata that is a text": ({"type": "file", "base64": PDF, "metadata": "a.pdf"}, "metadata"),
    "mime_type that is a number": ({"type": "image", "base64": PNG, "mime_type": 5}, "mime_type"),
    "filename that is a number": ({"type": "file", "base64": PDF, "filename": 5}, "name"),
}


@pytest.mark.parametrize(("block", "hint"), NOT_TAKEN.values(), ids=NOT_TAKEN)
def test_what_the_router_does_not_take_is_refused_with_its_place_and_a_hint(
    model: ChatOrq, router: OfflineRouter, block: Any, hint: str
) -> None:
    with pytest.raises(RouterInputError) as caught:
        model.invoke([HumanMessage("One"), HumanMessage(["Two", block])])
    assert "messages[1].content[1]" in str(caught.value)
    assert hint in str(caught.value)
    assert router.requests == []


def test_text_that_is_not_utf_8_is_refused(model: ChatOrq) -> None:
    block = {"type": "text-plain", "base64": b64(b"\xff\xfe\xfa"), "mime_type": "text/plain"}
    with pytest.raises(RouterInputError, match=r"messages\[0\]\.content\[0\]: .*UTF-8"):
        model.invoke([HumanMessage([block])])
