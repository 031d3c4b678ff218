"""Fields and validation shared by the audio parser and the loaders."""

import os
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self

from langchain_core.stores import BaseStore
from pydantic import Field, PlainValidator, model_validator

from orq_router_integrations._integration import (
    ARGUMENT_HINTS,
    INTEGRATION_CONFIG,
    RouterIntegration,
)
from orq_router_integrations.document_loaders.documents import (
    RESPONSE_FORMATS,
    DocumentSplitter,
    Granularity,
)
from orq_router_integrations.document_loaders.loader_run import LoaderRun, OnError
from orq_router_integrations.document_loaders.result_store import open_store, validate_store
from orq_router_integrations.document_loaders.sources import ChunkLimits
from orq_router_integrations.document_loaders.transcriber import Transcriber
from orq_router_integrations.errors import to_input_error
from orq_router_integrations.settings import rename_hints
from orq_router_integrations.wire.control_placement import place_controls
from orq_router_integrations.wire.controls import ModelId
from orq_router_integrations.wire.endpoints import TRANSCRIPTIONS, TRANSLATIONS, Endpoint
from orq_router_integrations.wire.transcriptions import TranslationParams, check_translation_model
from orq_router_integrations.wire.transcripts import Transcript

DEFAULT_MAX_BYTES = 25 * 1024 * 1024
"""Limit of OpenAI's API; the router does not document one."""

Task = Literal["transcribe", "translate"]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]

TRANSCRIPTION_ONLY_PARAMS = ("language", "timestamp_granularities")

_WORD_TIMESTAMPS: Mapping[Task, tuple[str, Any]] = {
    "transcribe": ("timestamp_granularities", ["word", "segment"]),
    "translate": ("timestamps_granularity", "word"),
}
"""Parameter that requests word timestamps."""


class AudioIntegration(RouterIntegration, TranslationParams):
    """Base class of the audio parser and the loaders."""

    model_config = INTEGRATION_CONFIG

    model: ModelId = Field(
        examples=["openai/whisper-1"],
        description="Provider and model, separated by a slash, such as `openai/whisper-1`.",
    )
    granularity: Granularity = Field(
        default="file",
        description="Part of a recording that becomes one Document: the entire `file`, a "
        "`segment`, a `word`, a `speaker` turn or a time `window`. All except `file` set "
        "`response_format='verbose_json'` by default; `word` and `window` also request word "
        "timestamps, and `speaker` sets `diarize=True`.",
    )
    window_seconds: Seconds = Field(
        default=60.0, description="Length in seconds of a Document if `granularity='window'`."
    )
    max_bytes: int = Field(
        default=DEFAULT_MAX_BYTES,
        strict=True,
        ge=1024,
        description="Maximum file size in bytes. Larger recordings are split into chunks: WAV "
        "files directly, other formats after decoding them to disk (requires the extra `audio`).",
    )
    max_seconds: Seconds | None = Field(
        default=None,
        description="Maximum duration in seconds. Longer recordings are split into chunks. `None` "
        "means that only `max_bytes` applies.",
    )
    overlap_seconds: float = Field(
        default=2.0,
        ge=0,
        allow_inf_nan=False,
        description="Overlap of neighboring chunks in seconds. Recordings are split at pauses if "
        "possible, and text in the overlap appears once in the result.",
    )
    carry_prompt: bool = Field(
        default=True,
        description="Add the end of the previous chunk's transcript to the prompt of a chunk. "
        "Applies within each of the `max_concurrency` groups of chunks that are transcribed "
        "concurrently.",
    )
    max_concurrency: int = Field(
        default=4,
        strict=True,
        ge=1,
        le=64,
        description="Maximum number of concurrent requests, counting all files and chunks.",
    )
    on_error: OnError = Field(
        default="raise",
        description="What to do if a file or chunk fails. `raise` raises the error. `skip` logs it "
        "and omits the text, and `skipped_seconds` in the metadata is the length of the omitted "
        "audio. `mark` keeps the place of the text, which is empty, and `error` in the metadata is "
        "the reason. "
        "Errors that affect all files, such as an invalid API key, are always raised.",
    )
    store: Annotated[
        str | os.PathLike[str] | BaseStore[str, bytes] | None, PlainValidator(validate_store)
    ] = Field(
        default=None,
        description="Where to keep transcripts so that nothing is transcribed and billed twice: "
        "the path of a SQLite file, which is created if missing, or a LangChain "
        "`BaseStore[str, bytes]`. Transcripts are looked up by file contents and parameters. "
        "Runs and processes may share a store; a recording that two of them transcribe at the "
        "same time is billed twice.",
    )

    fixed_task: ClassVar[Task] = "transcribe"
    argument_hints: ClassVar[Mapping[str, str]] = {
        **ARGUMENT_HINTS,
        **dict.fromkeys(
            TRANSCRIPTION_ONLY_PARAMS, "Translations are always into English and do not accept it."
        ),
        **rename_hints(
            path="source",
            file="source",
            file_path="source",
            folder="source",
            directory="source",
            chunk_seconds="max_seconds",
            chunk_duration="max_seconds",
            resume="store",
        ),
    }

    @model_validator(mode="after")
    def _check_settings(self) -> Self:
        self._check_granularity()
        if self._task == "translate":
            check_translation_model(self.model)
        if self.max_seconds is not None and self.max_seconds <= 1.5 * self.overlap_seconds:
            raise ValueError(
                f"max_seconds: {self.max_seconds:g} is too short for overlap_seconds="
                f"{self.overlap_seconds:g}. Increase max_seconds or reduce overlap_seconds."
            )
        place_controls(self.merge_controls(), self._endpoint, self.resolved_client.dialect)
        return self

    def _check_granularity(self) -> None:
        granularity = self.granularity
        formats = RESPONSE_FORMATS[granularity]
        if self.response_format and self.response_format not in formats:
            raise ValueError(
                f"response_format: {self.response_format!r} does not support granularity="
                f"{granularity!r}. Use {' or '.join(map(repr, formats))}."
            )
        timestamps = getattr(self, "timestamp_granularities", None)
        if timestamps and granularity in {"word", "segment"} and granularity not in timestamps:
            raise ValueError(
                f"timestamp_granularities: {timestamps} does not support granularity="
                f"{granularity!r}. Add {granularity!r}, or omit timestamp_granularities."
            )
        if granularity == "speaker" and self.diarize is False:
            raise ValueError(
                "diarize: Must be True because granularity='speaker'. Set it, or omit diarize."
            )

    @property
    def _task(self) -> Task:
        return self.fixed_task

    @property
    def _endpoint(self) -> Endpoint:
        return TRANSLATIONS if self._task == "translate" else TRANSCRIPTIONS

    def _build_body(self) -> dict[str, Any]:
        """Return model and parameters, including those that the granularity requires."""
        body = {"model": self.model, **self.build_audio_params()}
        if self.granularity != "file":
            body.setdefault("response_format", "verbose_json")
        if self.granularity == "speaker":
            body.setdefault("diarize", True)
        if self.granularity in {"word", "window"} and body["response_format"] == "verbose_json":
            body.setdefault(*_WORD_TIMESTAMPS[self._task])
        return body

    def _create_run(self) -> LoaderRun:
        try:
            transcriber = Transcriber(
                endpoint=self._endpoint,
                body=self._build_body(),
                controls=self.merge_controls(),
                splitter=DocumentSplitter(self.granularity, self.window_seconds),
                limits=ChunkLimits(
                    max_bytes=self.max_bytes,
                    max_seconds=self.max_seconds,
                    overlap_seconds=self.overlap_seconds,
                ),
                carry_prompt=self.carry_prompt,
                on_error=self.on_error,
                store=open_store(self.store, Transcript.from_json),
                base_url=self.base_url,
            )
        except ValueError as error:
            raise to_input_error(error) from None
        return LoaderRun(self.resolved_client, transcriber, self.max_concurrency)
