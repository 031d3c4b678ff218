"""Content parts of chat messages, as defined by the HTTP API."""

import base64
import binascii
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from orq_router_integrations.testing.routing.schema_validation import RequestModel

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_SUPPORTED_TYPES = f"{', '.join(IMAGE_TYPES[:-1])} or {IMAGE_TYPES[-1]}"
MAX_IMAGE_BYTES = 20 * 1024 * 1024
"""Maximum size of an image in bytes."""

_DATA_URI = re.compile(r"data:([\w.+-]+/[\w.+-]+)((?:;[\w.+-]+=[^;,]*)*);base64,", re.ASCII)


def decode_base64(text: str) -> bytes:
    """Decode base64 text."""
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not valid base64") from None
    if not data:
        raise ValueError("must not be empty")
    return data


def parse_data_uri(uri: str) -> tuple[str, bytes]:
    """Return the MIME type and the bytes of a data URI."""
    match = _DATA_URI.match(uri)
    if match is None:
        raise ValueError("must be a data URI such as 'data:application/pdf;base64,...'")
    return match[1].lower(), decode_base64(uri[match.end() :])


def _check_image_url(url: str) -> str:
    if url.startswith("https://"):
        return url
    if not url.startswith("data:"):
        raise ValueError("must be an https URL or a data URI")
    mime_type, data = parse_data_uri(url)
    if mime_type not in IMAGE_TYPES:
        raise ValueError(f"image type {mime_type} is not supported. Use {_SUPPORTED_TYPES}")
    if len(data) > MAX_IMAGE_BYTES:
        raise ValueError(f"image of {len(data)} bytes exceeds the limit of 20 MB")
    return url


def _check_base64(text: str) -> str:
    decode_base64(text)
    return text


def _check_data_uri(uri: str) -> str:
    parse_data_uri(uri)
    return uri


def _check_file_id(value: str) -> str:
    if not value.startswith(("gs://", "file-")):
        raise ValueError("must be a gs:// URI or an OpenAI file id such as 'file-...'")
    return value


def _check_file_uri(value: str) -> str:
    if not value.startswith(("https://", "gs://")):
        raise ValueError("must be an https:// or gs:// URI")
    return value


ImageUrlStr = Annotated[str, AfterValidator(_check_image_url)]
DataUriStr = Annotated[str, AfterValidator(_check_data_uri)]
FileUriStr = Annotated[str, AfterValidator(_check_file_uri)]


def check_source(sources: Mapping[str, str | None], filename: str | None) -> None:
    """Check that a part has exactly one source, and a file name if it is a PDF.

    Args:
        sources: The part's sources by field name.
        filename: Name of the file, if it has one.
    """
    if sum(source is not None for source in sources.values()) != 1:
        *names, last = sorted(sources)
        raise ValueError(f"exactly one of {', '.join(names)} and {last} is required")
    if (sources.get("file_data") or "").startswith("data:application/pdf") and not filename:
        raise ValueError("filename is required for PDFs")


class CacheControl(RequestModel):
    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] = "5m"


class TextPart(RequestModel):
    type: Literal["text"]
    text: str
    cache_control: CacheControl | None = None


class ImageUrl(RequestModel):
    url: ImageUrlStr
    detail: Literal["low", "high", "auto"] = "auto"


class ImagePart(RequestModel):
    type: Literal["image_url"]
    image_url: ImageUrl
    cache_control: CacheControl | None = None


class InputAudio(RequestModel):
    """Audio as plain base64."""

    data: Annotated[str, AfterValidator(_check_base64)]
    format: Literal["mp3", "wav"]


class AudioPart(RequestModel):
    type: Literal["input_audio"]
    input_audio: InputAudio


class File(RequestModel):
    """A file with exactly one source: a data URI, a URI or a provider's file id."""

    file_data: DataUriStr | None = None
    uri: FileUriStr | None = None
    file_id: Annotated[str, AfterValidator(_check_file_id)] | None = None
    filename: str | None = None
    mime_type: str | None = Field(default=None, alias="mimeType")

    @model_validator(mode="after")
    def _check_source(self) -> "File":
        sources = {"file_data": self.file_data, "uri": self.uri, "file_id": self.file_id}
        check_source(sources, self.filename)
        return self


class FilePart(RequestModel):
    type: Literal["file"]
    file: File
    cache_control: CacheControl | None = None


class RefusalPart(RequestModel):
    type: Literal["refusal"]
    refusal: str


class ReasoningPart(RequestModel):
    type: Literal["reasoning"]
    reasoning: str
    signature: str


class RedactedReasoningPart(RequestModel):
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
    if isinstance(content, str):
        return content
    return "\n".join(part.text for part in content or () if isinstance(part, TextPart))
