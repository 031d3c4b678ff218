"""Images, files and audio in the messages of a request."""

import base64
import binascii
import math
from dataclasses import dataclass
from typing import Any, Literal

from orq_router_integrations.media.metadata import read_image_size
from orq_router_integrations.media.mime import detect_mime_type
from orq_router_integrations.testing.media.audio import probe_audio
from orq_router_integrations.testing.media.pdf import read_pdf_pages

AUDIO_TOKENS = 10
"""Tokens per second of audio."""

MAX_EXCERPT_CHARS = 60
"""Maximum number of characters of a document that a description quotes."""


def decode_base64_field(text: str) -> bytes:
    """Decode the base64 data of a field, which must not be empty."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not valid base64") from None
    if not data:
        raise ValueError("must not be empty")
    return data


@dataclass(frozen=True, slots=True)
class Attachment:
    """An image, a file or audio.

    Attributes:
        kind: The kind of content part.
        source: A data URI, another URI, or a provider's file id.
        filename: Name of the file, if it has one.
    """

    kind: Literal["image", "file", "audio"]
    source: str
    filename: str | None = None

    @property
    def audio_tokens(self) -> int:
        if self.kind != "audio":
            return 0
        info = probe_audio(self._data)
        return math.ceil(AUDIO_TOKENS * ((info and info.seconds) or 1))

    @property
    def _data(self) -> bytes:
        return decode_base64_field(self.source.partition(",")[2])

    def describe(self) -> str:
        """Describe the attachment in one phrase."""
        name = f" {self.filename}" if self.filename else ""
        if not self.source.startswith("data:"):
            is_image = self.kind == "image" and self.source.startswith("https:")
            noun = "an image by URL" if is_image else f"a file{name} by reference"
            return f"{noun} ({_shorten(self.source)}; not fetched)"
        mime_type = self.source[len("data:") :].partition(";")[0].lower()
        if self.kind == "image":
            return _describe_image(self._data)
        if self.kind == "audio":
            return _describe_audio(self._data)
        if mime_type == "application/pdf":
            return f"a PDF{name} ({_describe_pdf(self._data)})"
        return f"a file{name} ({mime_type}, {len(self._data)} bytes)"


def read_attachment(part: dict[str, Any]) -> Attachment | None:
    """Return the attachment in a content part of /chat/completions or /responses, if any."""
    match part:
        case {"type": "image_url", "image_url": {"url": url}}:
            return Attachment("image", url)
        case {"type": "input_image"}:
            return Attachment("image", part.get("image_url") or part["file_id"])
        case {"type": "input_audio", "input_audio": {"data": data, "format": format_}}:
            return Attachment("audio", f"data:audio/{format_};base64,{data}")
        case {"type": "file", "file": file} | ({"type": "input_file"} as file):
            sources = (file.get(name) for name in ("file_data", "uri", "file_url", "file_id"))
            return Attachment("file", next(filter(None, sources)), file.get("filename"))
    return None


def _describe_image(data: bytes) -> str:
    size = read_image_size(data)
    pixels = "{} x {} pixels".format(*size) if size else "size not readable offline"
    image_format = (detect_mime_type(data[:16]) or "unknown format").removeprefix("image/")
    return f"an image ({image_format.upper()}, {pixels}, {len(data)} bytes)"


def _describe_pdf(data: bytes) -> str:
    pages = read_pdf_pages(data)
    content = " ".join(pages).strip()
    text = f"text: '{_shorten(content)}'" if content else "text not readable offline"
    return f"{len(pages)} page{'' if len(pages) == 1 else 's'}; {text}"


def _describe_audio(data: bytes) -> str:
    info, audio_format = probe_audio(data), "WAV" if data.startswith(b"RIFF") else "MP3"
    if info is None or info.seconds is None:
        return f"audio ({audio_format}, {len(data)} bytes, length not readable offline)"
    channels = {1: "mono", 2: "stereo"}.get(info.channels, f"{info.channels} channels")
    return f"audio ({audio_format}, {info.seconds:.1f} seconds, {info.sample_rate} Hz, {channels})"


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_EXCERPT_CHARS else text[:MAX_EXCERPT_CHARS].rstrip() + " ..."
