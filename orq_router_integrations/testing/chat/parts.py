"""Content parts of chat messages, as the HTTP API defines them."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from orq_router_integrations.testing.routing.schema_validation import RequestModel

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
MAX_IMAGE_BYTES = 20 * 1024 * 1024
"""Bytes an image may have."""

_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)((?:;[\w.+-]+=[^;,]*)*);base64,", re.ASCII)


def decode_base64(text: str) -> bytes:
    """The bytes of base64 text.

    Raises:
        ValueError: it is not base64, or empty.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not valid base64") from None
    if not data:
        raise ValueError("holds no bytes")
    return data


def parse_data_uri(uri: str) -> tuple[str, bytes]:
    """Media type and bytes of a data URI.

    Raises:
        ValueError: it is none, or its bytes are not base64.
    """
    head = _DATA_URI.match(uri)
    if head is None:
        raise ValueError("must be a data URI such as 'data:application/pdf;base64,...'")
    return head[1].lower(), decode_base64(uri[head.end() :])


def _check_image_url(url: str) -> str:
    if url.startswith("https://"):
        return url
    if not url.startswith("data:"):
        raise ValueError("must be an https URL or a data URI")
    mime_type, data = parse_data_uri(url)
    if mime_type not in IMAGE_TYPES:
        raise ValueError(f"{mime_type} is no image type that models take; use {IMAGE_TYPES}")
    if len(data) > MAX_IMAGE_BYTES:
        raise ValueError(f"an image of {len(data)} bytes is over the limit of 20 MB")
    return url


def _check_base64(text: str) -> str:
    decode_base64(text)
    return text


def _check_file_data(uri: str) -> str:
    parse_data_uri(uri)
    return uri


def _check_file_id(value: str) -> str:
    if not value.startswith(("gs://", "file-")):
        raise ValueError("must be a gs:// address or an OpenAI id such as 'file-...'")
    return value


def _check_file_uri(value: str) -> str:
    if not value.startswith(("https://", "gs://")):
        raise ValueError("must be an https:// or gs:// address")
    return value


ImageAddress = Annotated[str, AfterValidator(_check_image_url)]
FileData = Annotated[str, AfterValidator(_check_file_data)]
FileAddress = Annotated[str, AfterValidator(_check_file_uri)]


def check_source(sources: Mapping[str, str | None], filename: str | None) -> None:
    """Check where a part's bytes come from.

    Raises:
        ValueError: none or several of the sources are given, or a PDF has no name.
    """
    if sum(source is not None for source in sources.values()) != 1:
        *names, last = sorted(sources)
        raise ValueError(f"needs exactly one of {', '.join(names)} and {last}")
    if (sources.get("file_data") or "").startswith("data:application/pdf") and not filename:
        raise ValueError("filename is required for PDFs")


class CacheControl(RequestModel):
    """A mark for the provider's prompt cache."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class TextPart(RequestModel):
    """Text."""

    type: Literal["text"]
    text: str
    cache_control: CacheControl | None = None


class ImageUrl(RequestModel):
    """Where an image is: an https URL or a data URI."""

    url: ImageAddress
    detail: Literal["low", "high", "auto"] = "auto"


class ImagePart(RequestModel):
    """An image."""

    type: Literal["image_url"]
    image_url: ImageUrl
    cache_control: CacheControl | None = None


class InputAudio(RequestModel):
    """Sound as bare base64."""

    data: Annotated[str, AfterValidator(_check_base64)]
    format: Literal["mp3", "wav"]


class AudioPart(RequestModel):
    """A sound."""

    type: Literal["input_audio"]
    input_audio: InputAudio


class File(RequestModel):
    """A file by exactly one of its bytes, its address, or a provider's id of it."""

    file_data: FileData | None = None
    uri: FileAddress | None = None
    file_id: Annotated[str, AfterValidator(_check_file_id)] | None = None
    filename: str | None = None
    mime_type: str | None = Field(default=None, alias="mimeType")

    @model_validator(mode="after")
    def _one_source(self) -> "File":
        sources = {"file_data": self.file_data, "uri": self.uri, "file_id": self.file_id}
        check_source(sources, self.filename)
        return self


class FilePart(RequestModel):
    """A file such as a PDF."""

    type: Literal["file"]
    file: File
    cache_control: CacheControl | None = None


class RefusalPart(RequestModel):
    """An assistant's refusal, replayed."""

    type: Literal["refusal"]
    refusal: str


class ReasoningPart(RequestModel):
    """An assistant's signed reasoning, replayed."""

    type: Literal["reasoning"]
    reasoning: str
    signature: str


class RedactedReasoningPart(RequestModel):
    """Reasoning that the provider sealed, replayed."""

    type: Literal["redacted_reasoning"]
    data: str


UserPart = Annotated[TextPart | ImagePart | AudioPart | FilePart, Field(discriminator="type")]
AssistantPart = Annotated[
    TextPart | RefusalPart | ReasoningPart | RedactedReasoningPart, Field(discriminator="type")
]
AnyPart = (
    TextPart
    | ImagePart
    | AudioPart
    | FilePart
    | RefusalPart
    | ReasoningPart
    | RedactedReasoningPart
)


def get_text(content: Any) -> str:
    """The text of a message's content: what it says, without its other parts."""
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content or () if isinstance(part, TextPart))
