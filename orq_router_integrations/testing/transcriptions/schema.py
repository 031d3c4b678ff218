"""The forms of both endpoints.

What is refused here is a 422, the one status that the contract types for them. The contract knows
no size limit: ``MAX_BYTES`` is chosen, and what is larger gets a 413.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from orq_router_integrations.media.mime import RECORDING_SUFFIXES, validate_recording
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.multipart_parsing import (
    AnyFile,
    FormBool,
    FormFile,
    FormFloat,
    FormInt,
)
from orq_router_integrations.testing.routing.schema_validation import RequestModel
from orq_router_integrations.wire.suggestions import create_pattern_validator
from orq_router_integrations.wire.transcriptions import check_translation_model

MAX_BYTES = 25 * 1024 * 1024


def _to_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class TranslationForm(RequestModel):
    """The members that both endpoints have; a ``file`` is not required by the schema."""

    model: str
    file: AnyFile | None = None
    prompt: str | None = None
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    temperature: Annotated[FormFloat, Field(ge=0, le=1)] | None = None
    timestamps_granularity: Literal["none", "word", "character"] | None = None
    diarize: FormBool = False
    num_speakers: Annotated[FormInt, Field(ge=1, le=32)] | None = None
    tag_audio_events: FormBool | None = None
    enable_logging: FormBool | None = None


class TranscriptionForm(TranslationForm):
    """The members of a transcription."""

    language: Annotated[str, create_pattern_validator(r"^[A-Za-z]{2}\Z", "two letters")] | None = (
        None
    )
    timestamp_granularities: (
        Annotated[list[Literal["word", "segment"]], BeforeValidator(_to_list)] | None
    ) = None


def check_combinations(form: TranslationForm, *, translates: bool) -> None:
    """Check what a schema cannot say.

    Raises:
        HTTPError: 422; members that do not go together, or a model that cannot do this.
    """
    if translates:
        try:
            check_translation_model(form.model)
        except ValueError as error:
            raise create_error("model", str(error).removeprefix("model: ")) from None
    if not isinstance(form, TranscriptionForm):
        return
    if form.timestamp_granularities and form.response_format != "verbose_json":
        raise create_error("timestamp_granularities", "needs response_format=verbose_json")


def get_file(file: FormFile | None, *, max_bytes: int) -> FormFile:
    """The file, if it is audio of a known kind, and not too large.

    Raises:
        HTTPError: 422, or 413 for one that is too large.
    """
    if file is None:
        raise create_error("file", "is required")
    if file.filename.rpartition(".")[2].lower() not in RECORDING_SUFFIXES:
        raise create_error("file", f"its name must end in one of {', '.join(RECORDING_SUFFIXES)}")
    if len(file.data) > max_bytes:
        size = f"{len(file.data)} bytes; at most {max_bytes}"
        raise HTTPError(413, f"file: {size}", code="file_too_large", param="file")
    try:
        validate_recording(file.filename, file.data[:64])
    except ValueError as error:
        raise create_error("file", str(error)) from None
    return file


def create_error(param: str, message: str) -> HTTPError:
    """A 422 that names a member."""
    return HTTPError(422, f"{param}: {message}", code="invalid_request_body", param=param)
