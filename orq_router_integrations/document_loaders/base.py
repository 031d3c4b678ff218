"""What the parser and the loaders have in common: their fields, and a run over recordings."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from orq_router_integrations._integration import ARGUMENT_HINTS, RouterIntegration
from orq_router_integrations.document_loaders.chunking import ChunkLimits
from orq_router_integrations.document_loaders.documents import (
    RESPONSE_FORMATS,
    DocumentSplitter,
    Granularity,
)
from orq_router_integrations.document_loaders.pipeline import LoaderRun
from orq_router_integrations.document_loaders.transcriber import OnError, Transcriber
from orq_router_integrations.document_loaders.transcript_store import TranscriptStore
from orq_router_integrations.errors import to_input_error
from orq_router_integrations.media.atomic_write import validate_output_path
from orq_router_integrations.wire.control_placement import place_controls
from orq_router_integrations.wire.controls import ModelId
from orq_router_integrations.wire.endpoints import TRANSCRIPTIONS, TRANSLATIONS, Endpoint
from orq_router_integrations.wire.transcriptions import TranslationParams, check_translation_model

DEFAULT_MAX_BYTES = 25 * 1024 * 1024

Task = Literal["transcribe", "translate"]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_NO_TRANSLATION = "Translations are always into English and do not accept it."

_TIMED: Mapping[Task, tuple[str, Any]] = {
    "transcribe": ("timestamp_granularities", ["word", "segment"]),
    "translate": ("timestamps_granularity", "word"),
}
"""How each task asks for the times of words."""


def _writable(path: str | os.PathLike[str] | None) -> str | None:
    return None if path is None else str(validate_output_path(path))


class AudioIntegration(RouterIntegration, TranslationParams):
    """The fields that parser and loaders share; ``OrqAudioParser`` documents them."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True, extra="forbid", hide_input_in_errors=True
    )

    model: ModelId
    granularity: Granularity = "file"
    window_seconds: Seconds = 60.0
    max_bytes: int = Field(default=DEFAULT_MAX_BYTES, strict=True, ge=1024)
    max_seconds: Seconds | None = None
    overlap_seconds: float = Field(default=2.0, ge=0, allow_inf_nan=False)
    carry_prompt: bool = True
    max_concurrency: int = Field(default=4, strict=True, ge=1, le=64)
    on_error: OnError = "raise"
    store: Annotated[str | os.PathLike[str] | None, AfterValidator(_writable)] = None

    fixed_task: ClassVar[Task] = "transcribe"
    argument_hints: ClassVar[Mapping[str, str]] = {
        **ARGUMENT_HINTS,
        **dict.fromkeys(("language", "timestamp_granularities"), _NO_TRANSLATION),
        **dict.fromkeys(("path", "file", "file_path", "folder"), "Use 'source'."),
        **dict.fromkeys(("chunk_seconds", "chunk_duration"), "Use 'max_seconds'."),
    }

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        formats = RESPONSE_FORMATS[self.granularity]
        if self.response_format and self.response_format not in formats:
            raise ValueError(
                f"response_format: {self.response_format} cannot tell what granularity="
                f"{self.granularity!r} needs; use {' or '.join(formats)}"
            )
        self._check_asked()
        if self._task == "translate":
            check_translation_model(self.model)
        if self.max_seconds is not None and self.max_seconds <= 1.5 * self.overlap_seconds:
            raise ValueError(
                f"max_seconds: {self.max_seconds:g} leaves too little beside overlap_seconds="
                f"{self.overlap_seconds:g}; allow more, or overlap less"
            )
        place_controls(self.merge_controls(), self._endpoint, self.resolved_client.dialect)
        return self

    def _check_asked(self) -> None:
        """Check that what is asked for can make the Documents that are wanted."""
        asked = getattr(self, "timestamp_granularities", None)
        wanted = self.granularity
        if asked and wanted in {"word", "segment"} and wanted not in asked:
            raise ValueError(
                f"timestamp_granularities: {asked} brings no {wanted}s, which granularity="
                f"{wanted!r} needs; add {wanted!r}, or leave it out"
            )
        if wanted == "speaker" and self.diarize is False:
            raise ValueError("diarize: granularity='speaker' needs it; set True, or leave it out")

    @property
    def _task(self) -> Task:
        return self.fixed_task

    @property
    def _endpoint(self) -> Endpoint:
        return TRANSLATIONS if self._task == "translate" else TRANSCRIPTIONS

    def _body(self) -> dict[str, Any]:
        """Model and parameters: those that are set, and those that the granularity needs."""
        body = {"model": self.model, **self.build_audio_params()}
        if self.granularity != "file":
            body.setdefault("response_format", "verbose_json")
        if self.granularity == "speaker":
            body.setdefault("diarize", True)
        if self.granularity in {"word", "window"} and body["response_format"] == "verbose_json":
            body.setdefault(*_TIMED[self._task])
        return body

    def _create_run(self) -> LoaderRun:
        """One pass over recordings, with this object's settings.

        Raises:
            RouterInputError: the resume store cannot be opened.
        """
        try:
            engine = Transcriber(
                endpoint=self._endpoint,
                body=self._body(),
                controls=self.merge_controls(),
                splitter=DocumentSplitter(self.granularity, self.window_seconds),
                limits=ChunkLimits(
                    max_bytes=self.max_bytes,
                    max_seconds=self.max_seconds,
                    overlap_seconds=self.overlap_seconds,
                ),
                carry_prompt=self.carry_prompt,
                on_error=self.on_error,
                store=None if self.store is None else TranscriptStore.open(self.store),
                base_url=self.base_url,
            )
        except ValueError as error:
            raise to_input_error(error) from None
        return LoaderRun(self.resolved_client, engine, self.max_concurrency)
