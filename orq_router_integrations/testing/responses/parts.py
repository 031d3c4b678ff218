"""Content parts of /responses, flat, as the HTTP API defines them, and the same for chat."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from orq_router_integrations.testing.chat.parts import (
    CacheControl,
    File,
    FileAddress,
    FileData,
    FilePart,
    ImageAddress,
    ImagePart,
    ImageUrl,
    RefusalPart,
    TextPart,
    check_source,
)
from orq_router_integrations.testing.routing.schema_validation import RequestModel


class CacheBreakpoint(RequestModel):
    """A mark for OpenAI's prompt cache."""

    mode: Literal["explicit"]
    ttl: Literal["30m", "12h"] | None = None


class _Marked(RequestModel):
    """A part that can end what a provider's prompt cache holds, under either of two names."""

    cache_control: CacheControl | None = None
    prompt_cache_breakpoint: CacheBreakpoint | None = None

    @property
    def mark(self) -> CacheControl | None:
        """The mark as chat has it."""
        if self.cache_control is None and self.prompt_cache_breakpoint is not None:
            return CacheControl(type="ephemeral")
        return self.cache_control


class InputText(_Marked):
    """Text that is sent."""

    type: Literal["input_text"]
    text: str

    def part(self) -> TextPart:
        """The part as chat has it."""
        return TextPart(type="text", text=self.text, cache_control=self.mark)


class InputImage(_Marked):
    """An image by its address or data URI, or by a provider's id of it."""

    type: Literal["input_image"]
    image_url: ImageAddress | None = None
    file_id: str | None = None
    detail: Literal["auto", "low", "high"] = "auto"

    @model_validator(mode="after")
    def _one_source(self) -> "InputImage":
        check_source({"image_url": self.image_url, "file_id": self.file_id}, None)
        return self

    def part(self) -> ImagePart | FilePart:
        """The part as chat has it, which knows no ids of images: there it is a file."""
        if self.image_url is None:
            return _create_file_part(self.mark, file_id=self.file_id)
        image = ImageUrl(url=self.image_url, detail=self.detail)
        return ImagePart(type="image_url", image_url=image, cache_control=self.mark)


class InputFile(_Marked):
    """A file by exactly one of its bytes (a data URI), its address, or a provider's id of it."""

    type: Literal["input_file"]
    file_data: FileData | None = None
    file_url: FileAddress | None = None
    file_id: str | None = None
    filename: str | None = None
    mime_type: str | None = None

    @model_validator(mode="after")
    def _one_source(self) -> "InputFile":
        sources = {"file_data": self.file_data, "file_url": self.file_url, "file_id": self.file_id}
        check_source(sources, self.filename)
        return self

    def part(self) -> FilePart:
        """The part as chat has it."""
        return _create_file_part(
            self.mark,
            file_data=self.file_data,
            uri=self.file_url,
            file_id=self.file_id,
            filename=self.filename,
        )


class OutputText(RequestModel):
    """Text of an earlier answer, replayed."""

    type: Literal["output_text"]
    text: str
    annotations: list[dict[str, Any]] = Field(default_factory=list)
    logprobs: list[dict[str, Any]] | None = None

    def part(self) -> TextPart:
        """The part as chat has it."""
        return TextPart(type="text", text=self.text)


class OutputRefusal(RefusalPart):
    """A refusal of an earlier answer, replayed."""

    def part(self) -> RefusalPart:
        """The part as chat has it."""
        return self


UserContent = Annotated[InputText | InputImage | InputFile, Field(discriminator="type")]
AssistantContent = Annotated[InputText | OutputText | OutputRefusal, Field(discriminator="type")]


def _create_file_part(mark: CacheControl | None, **members: Any) -> FilePart:
    """A file of chat's; ids are of any form here, so chat's check of them is passed by."""
    file = File.model_construct(**members)
    return FilePart(type="file", file=file, cache_control=mark)
