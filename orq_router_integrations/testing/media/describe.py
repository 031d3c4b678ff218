"""What was sent beside text, described from its bytes."""

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
"""Characters of a document's text that a description quotes."""


def iter_parts(messages: Sequence[Message]) -> Iterator[AnyPart]:
    """Every content part of a conversation."""
    for message in messages:
        if isinstance(message.content, list):
            yield from message.content


def iter_descriptions(messages: Sequence[Message]) -> Iterator[str]:
    """One phrase for each image, file and sound."""
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
    seen = read_image_info(data)
    size = f"{seen.size[0]} x {seen.size[1]} pixels" if seen.size else "size not readable offline"
    return f"an image ({seen.format}, {size}, {len(data)} bytes)"


def _describe_file(file: File) -> str:
    name = f" {file.filename}" if file.filename else ""
    if file.file_data is None:
        return (
            f"a file{name} by reference ({_shorten(file.uri or file.file_id or '')}; not fetched)"
        )
    mime_type, data = parse_data_uri(file.file_data)
    if mime_type != "application/pdf":
        return f"a file{name} ({mime_type}, {len(data)} bytes)"
    read = read_pdf(data)
    pages = f"{read.pages} page{'' if read.pages == 1 else 's'}"
    text = f"text: '{_shorten(read.text)}'" if read.text else "text not readable offline"
    return f"a PDF{name} ({pages}; {text})"


def _describe_audio(data: bytes) -> str:
    heard = read_audio_info(data)
    if heard.seconds is None:
        return f"audio ({heard.format}, {len(data)} bytes, length not readable offline)"
    channels = {1: "mono", 2: "stereo"}.get(heard.channels, f"{heard.channels} channels")
    return (
        f"audio ({heard.format}, {heard.seconds:.1f} seconds, {heard.sample_rate} Hz, {channels})"
    )


def _shorten(text: str) -> str:
    return text if len(text) <= MAX_EXCERPT_CHARS else text[:MAX_EXCERPT_CHARS].rstrip() + " ..."
