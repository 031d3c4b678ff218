"""What was sent beside text, described from its bytes."""

from collections.abc import Iterator, Sequence

from orq_router_integrations.testing.chat.messages import Message
from orq_router_integrations.testing.chat.parts import (
    AnyPart,
    AudioPart,
    File,
    FilePart,
    ImagePart,
    data_uri,
    decoded,
)
from orq_router_integrations.testing.media.pdf import pdf
from orq_router_integrations.testing.media.pictures import picture
from orq_router_integrations.testing.media.sound import sound

EXCERPT = 60
"""Characters of a document's text that a description quotes."""


def parts_of(messages: Sequence[Message]) -> Iterator[AnyPart]:
    """Every content part of a conversation."""
    for message in messages:
        if isinstance(message.content, list):
            yield from message.content


def descriptions(messages: Sequence[Message]) -> Iterator[str]:
    """One phrase for each image, file and sound."""
    for part in parts_of(messages):
        match part:
            case ImagePart(image_url=image):
                yield _image(image.url)
            case FilePart(file=file):
                yield _file(file)
            case AudioPart(input_audio=audio):
                yield _audio(decoded(audio.data))


def _image(url: str) -> str:
    if url.startswith("https:"):
        return f"an image by URL ({_short(url)}; not fetched)"
    _, data = data_uri(url)
    seen = picture(data)
    size = f"{seen.size[0]} x {seen.size[1]} pixels" if seen.size else "size not readable offline"
    return f"an image ({seen.kind}, {size}, {len(data)} bytes)"


def _file(file: File) -> str:
    name = f" {file.filename}" if file.filename else ""
    if file.file_data is None:
        return f"a file{name} by reference ({_short(file.uri or file.file_id or '')}; not fetched)"
    mime_type, data = data_uri(file.file_data)
    if mime_type != "application/pdf":
        return f"a file{name} ({mime_type}, {len(data)} bytes)"
    read = pdf(data)
    pages = f"{read.pages} page{'' if read.pages == 1 else 's'}"
    text = f"text: '{_short(read.text)}'" if read.text else "text not readable offline"
    return f"a PDF{name} ({pages}; {text})"


def _audio(data: bytes) -> str:
    heard = sound(data)
    if heard.seconds is None:
        return f"audio ({heard.kind}, {len(data)} bytes, length not readable offline)"
    channels = {1: "mono", 2: "stereo"}.get(heard.channels, f"{heard.channels} channels")
    return f"audio ({heard.kind}, {heard.seconds:.1f} seconds, {heard.rate} Hz, {channels})"


def _short(text: str) -> str:
    return text if len(text) <= EXCERPT else text[:EXCERPT].rstrip() + " ..."
