"""Content parts of /responses, as defined by the HTTP API, and their conversion to chat parts."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from orq_router_integrations.testing.chat.parts import (
    CacheControl,
    DataUriStr,
    File,
    FilePart,
    FileUriStr,
    ImagePart,
    ImageUrl,
    ImageUrlStr,
    RefusalPart,
    TextPart,
    check_source,
)
from orq_router_integrations.testing.routing.schema_validation import RequestModel


class CacheBreakpoint(RequestModel):
    mode: Literal["explicit"]
    ttl: Literal["30m", "12h"] | None = None


class _CacheablePart(RequestModel):
    """Base of parts that can end a prefix of the provider's prompt cache, in either format."""

    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None

    @property
    def chat_cache_control(self) -> CacheControl | None:
        if self.cache_control is None and self.prompt_cache_breakpoint is not None:
            return CacheControl(type="ephemeral")
        return self.cache_control


class InputText(_CacheablePart):
    type: Literal["input_text"]
    text: str

    def to_chat_part(self) -> TextPart:
        return TextPart(type="text", text=self.text, cache_control=self.chat_cache_control)


class InputImage(_CacheablePart):
    """An image with exactly one source: an https URL or data URI, or a provider's file id."""

    type: Literal["input_image"]
    image_url: ImageUrlStr | None = None
    file_id: str | None = None
    detail: Literal["auto", "low", "high"] = "auto"

    @model_validator(mode="after")
    def _check_source(self) -> "InputImage":
        check_source({"image_url": self.image_url, "file_id": self.file_id}, None)
        return self

    def to_chat_part(self) -> ImagePart | FilePart:
        """Convert the part to a chat part; an image with a file id becomes a file."""
        if self.image_url is None:
            return _create_file_part(self.chat_cache_control, file_id=self.file_id)
        image = ImageUrl(url=self.image_url, detail=self.detail)
        return ImagePart(type="image_url", image_url=image, cache_control=self.chat_cache_control)


class InputFile(_CacheablePart):
    """A file with exactly one source: a data URI, a URI or a provider's file id."""

    type: Literal["input_file"]
    file_data: DataUriStr | None = None
    file_url: FileUriStr | None = None
    file_id: str | None = None
    filename: str | None = None
    mime_type: str | None = None

    @model_validator(mode="after")
    def _check_source(self) -> "InputFile":
        sources = {"file_data": self.file_data, "file_url": self.file_url, "file_id": self.file_id}
        check_source(sources, self.filename)
        return self

    def to_chat_part(self) -> FilePart:
        return _create_file_part(
            self.chat_cache_control,
            file_data=self.file_data,
            uri=self.file_url,
            file_id=self.file_id,
            filename=self.filename,
        )


class OutputText(RequestModel):
    type: Literal["output_text"]
    text: str
    annotations: list[dict[str, Any]] = Field(default_factory=list)
    logprobs: list[dict[str, Any]] | None = None

    def to_chat_part(self) -> TextPart:
        return TextPart(type="text", text=self.text)


class OutputRefusal(RefusalPart):
    def to_chat_part(self) -> RefusalPart:
        return self


UserContent = Annotated[InputText | InputImage | InputFile, Field(discriminator="type")]
AssistantContent = Annotated[InputText | OutputText | OutputRefusal, Field(discriminator="type")]


def _create_file_part(cache_control: CacheControl | None, **fields: Any) -> FilePart:
    """Create a chat file part without chat's check of file ids, which may have any format here."""
    file = File.model_construct(**fields)
    return FilePart(type="file", file=file, cache_control=cache_control)
