"""Describe the images, files and audio of a request."""

from collections.abc import Iterator, Sequence

from orq_router_integrations.testing.chat.messages import Message
from orq_router_integrations.testing.chat.parts import (
    AnyPart,
    AudioPart,
    File,
    FilePart,
    ImagePart,
    decode_base64,
    parse_data_uri,
)
from orq_router_integrations.testing.media.audio_info import read_audio_info
from orq_router_integrations.testing.media.image_info import read_image_info
from orq_router_integrations.testing.media.pdf import read_pdf

MAX_EXCERPT_CHARS = 60
"""Maximum number of characters of a document that a description quotes."""


def iter_parts(messages: Sequence[Message]) -> Iterator[AnyPart]:
    """Yield all content parts of a conversation."""
    for message in messages:
        if isinstance(message.content, list):
            yield from message.content


def iter_descriptions(messages: Sequence[Message]) -> Iterator[str]:
    """Yield one phrase for each image, file and audio part."""
    for part in iter_parts(messages):
        match part:
            case ImagePart(image_url=image):
                yield _describe_image(image.url)
            case FilePart(file=file):
                yield _describe_file(file)
            case AudioPart(input_audio=audio):
                yield _describe_audio(decode_base64(audio.data))


def _describe_image(url: str) -> str:
    if url.startswith("https:"):
        return f"an image by URL ({_shorten(url)}; not fetched)"
    _, data = parse_data_uri(url)
    info = read_image_info(data)
    size = f"{info.size[0]} x {info.size[1]} pixels" if info.size else "size not readable offline"
    return f"an image ({info.format}, {size}, {len(data)} bytes)"


def _describe_file(file: File) -> str:
    name = f" {file.filename}" if file.filename else ""
    if file.file_data is None:
        return (
            f"a file{name} by reference ({_shorten(file.uri or file.file_id or '')}; not fetched)"
        )
    mime_type, data = parse_data_uri(file.file_data)
    if mime_type != "application/pdf":
        return f"a file{name} ({mime_type}, {len(data)} bytes)"
    pdf = read_pdf(data)
    pages = f"{pdf.pages} page{'' if pdf.pages == 1 else 's'}"
    text = f"text: '{_shorten(pdf.text)}'" if pdf.text else "text not readable offline"
    return f"a PDF{name} ({pages}; {text})"


def _describe_audio(data: bytes) -> str:
    info = read_audio_info(data)
    if info.seconds is None:
        return f"audio ({info.format}, {len(data)} bytes, length not readable offline)"
    channels = {1: "mono", 2: "stereo"}.get(info.channels, f"{info.channels} channels")
    return f"audio ({info.format}, {info.seconds:.1f} seconds, {info.sample_rate} Hz, {channels})"


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_EXCERPT_CHARS else text[:MAX_EXCERPT_CHARS].rstrip() + " ..."
