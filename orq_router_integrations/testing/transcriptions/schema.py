"""Schemas of the transcription and translation forms.

Invalid forms return 422, the only error status documented for these endpoints. The size limit is
not documented: ``MAX_BYTES`` and the status 413 are choices of the offline router.
"""

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from orq_router_integrations.media.mime import RECORDING_SUFFIXES, validate_recording
from orq_router_integrations.testing.routing.endpoint import EndpointRequest
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.model_registry import get_provider_model_name
from orq_router_integrations.testing.routing.multipart_parsing import (
    AnyFile,
    FormBool,
    FormFile,
    FormFloat,
    FormInt,
)
from orq_router_integrations.wire.transcriptions import LanguageCode, check_translation_model

MAX_BYTES = 25 * 1024 * 1024
"""Maximum size of a file in bytes."""


def _to_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


class TranslationForm(EndpointRequest):
    """Fields of both endpoints. ``file`` is required by ``get_file``, not by the schema."""

    file: AnyFile | None = None
    prompt: str | None = None
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    temperature: Annotated[FormFloat, Field(ge=0, le=1)] | None = None
    timestamps_granularity: Literal["none", "word", "character"] | None = None
    diarize: FormBool = False
    num_speakers: Annotated[FormInt, Field(ge=1, le=32)] | None = None
    tag_audio_events: FormBool | None = None
    enable_logging: FormBool | None = None

    def build_provider_body(self, model: str) -> dict[str, Any]:
        fields = self.model_dump(exclude_unset=True, exclude={"file"})
        return {**fields, "model": get_provider_model_name(model), "file": self.file}


class TranscriptionForm(TranslationForm):
    """Fields of a transcription."""

    language: LanguageCode | None = None
    timestamp_granularities: (
        Annotated[list[Literal["word", "segment"]], BeforeValidator(_to_list)] | None
    ) = None


def check_combinations(form: TranslationForm, *, translates: bool) -> None:
    """Check rules that involve several fields.

    Raises:
        HTTPError: 422, a field requires another one, or the model cannot translate.
    """
    if translates:
        try:
            check_translation_model(form.model)
        except ValueError as error:
            raise create_error("model", str(error).removeprefix("model: ")) from None
    if not isinstance(form, TranscriptionForm):
        return
    if form.timestamp_granularities and form.response_format != "verbose_json":
        raise create_error("timestamp_granularities", "requires response_format=verbose_json")


def get_file(file: FormFile | None, *, max_bytes: int) -> FormFile:
    """Check the uploaded file and return it.

    Raises:
        HTTPError: 422, the file is missing or is not audio; 413, it is larger than ``max_bytes``.
    """
    if file is None:
        raise create_error("file", "is required")
    if file.filename.rpartition(".")[2].lower() not in RECORDING_SUFFIXES:
        raise create_error(
            "file", f"the file name must end in one of {', '.join(RECORDING_SUFFIXES)}"
        )
    if len(file.data) > max_bytes:
        message = f"file: must have at most {max_bytes} bytes, got {len(file.data)}"
        raise HTTPError(413, message, code="file_too_large", param="file")
    try:
        validate_recording(file.filename, file.data)
    except ValueError as error:
        raise create_error("file", str(error)) from None
    return file


def create_error(param: str, message: str) -> HTTPError:
    """Create a 422 that names the invalid field."""
    return HTTPError(422, f"{param}: {message}", code="invalid_request_body", param=param)
