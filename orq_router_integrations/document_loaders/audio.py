"""Loaders and a blob parser for recordings.

``OrqTranscriptionLoader``, ``OrqTranslationLoader`` and ``OrqAudioParser``.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from itertools import chain
from typing import Annotated, Any, ClassVar, Literal, Self

from langchain_core.documents.base import Blob
from pydantic import Field, model_validator

from orq_router_integrations._concurrency import StepGenerator
from orq_router_integrations._integration import INTEGRATION_CONFIG
from orq_router_integrations.document_loaders.chunking import (
    AudioChunk,
    ChunkLimits,
    WavReader,
    check_chunk_seconds,
    open_decoded,
    read_duration,
    split_wav,
)
from orq_router_integrations.document_loaders.documents import (
    RESPONSE_FORMATS,
    DocumentSplitter,
    Granularity,
)
from orq_router_integrations.document_loaders.file_loader import (
    BlobParser,
    FileIntegration,
    FileLoader,
    FileProcessor,
    LoadedFile,
)
from orq_router_integrations.document_loaders.sources import (
    AUDIO_FILES,
    FileKind,
    SourceItem,
    create_audio_upload,
    get_label,
)
from orq_router_integrations.document_loaders.stitching import merge_chunks
from orq_router_integrations.errors import RouterError
from orq_router_integrations.media.mime import CONVERTIBLE_TYPES
from orq_router_integrations.wire.call import Call, Response, Upload
from orq_router_integrations.wire.controls import ModelId
from orq_router_integrations.wire.deferred_model import optional
from orq_router_integrations.wire.endpoints import TRANSCRIPTIONS, TRANSLATIONS, Endpoint
from orq_router_integrations.wire.request_encoding import place_controls
from orq_router_integrations.wire.subtitles import Span
from orq_router_integrations.wire.transcriptions import (
    Transcript,
    TranscriptionParams,
    TranslationParams,
    check_translation_model,
    parse_transcript,
)

MAX_PROMPT_TAIL_CHARS = 200
"""Length of the end of a transcript that becomes the prompt of the next chunk."""

DEFAULT_MAX_BYTES = 25 * 1024 * 1024  # OpenAI's limit; the router does not document one
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]

_TRANSCRIPTION_ONLY_PARAMS = ("language", "timestamp_granularities")


class AudioIntegration(FileIntegration, TranslationParams):
    """Base class of the audio parser and the loaders."""

    model_config = INTEGRATION_CONFIG

    model: ModelId = Field(
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
    max_bytes: Annotated[int, Field(strict=True, ge=1024)] = Field(
        default=DEFAULT_MAX_BYTES,
        description="Maximum file size in bytes. Larger recordings are split into chunks: WAV "
        "files directly, other formats after decoding them to disk (requires the extra `audio`).",
    )
    max_seconds: Seconds | None = optional(
        "Maximum duration in seconds. Longer recordings are split into chunks. `None` means that "
        "only `max_bytes` applies."
    )
    overlap_seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)] = Field(
        default=2.0,
        description="Overlap of neighboring chunks in seconds. Recordings are split at pauses if "
        "possible, and text in the overlap appears once in the result.",
    )
    carry_prompt: bool = Field(
        default=True,
        description="Add the end of the previous chunk's transcript to the prompt of a chunk. "
        "Recordings with at most `max_concurrency` chunks are sent without it, because all their "
        "chunks are sent at the same time; `max_concurrency=1` applies it to all chunks.",
    )

    argument_hints: ClassVar[Mapping[str, str]] = {
        **FileIntegration.argument_hints,
        **dict.fromkeys(_TRANSCRIPTION_ONLY_PARAMS, "Translations do not accept it."),
        "chunk_seconds": "max_seconds",
        "chunk_duration": "max_seconds",
    }

    @model_validator(mode="after")
    def _check_settings(self) -> Self:
        granularity = self.granularity
        # Translations do not have this field. By default, the necessary timestamps are requested.
        timestamps = getattr(self, "timestamp_granularities", None) or [granularity]
        needs_timestamps = granularity in {"word", "segment"}
        conflicts = {
            "response_format": self.response_format not in {None, *RESPONSE_FORMATS[granularity]},
            "timestamp_granularities": needs_timestamps and granularity not in timestamps,
            "diarize": granularity == "speaker" and self.diarize is False,
        }
        for name, is_conflict in conflicts.items():
            if is_conflict:
                raise ValueError(
                    f"{name}: {getattr(self, name)!r} does not support "
                    f"granularity={granularity!r}. Change it, or omit {name}."
                )
        if self.max_seconds is not None:
            check_chunk_seconds(self.max_seconds, self.overlap_seconds, "max_seconds")
        if self._endpoint is TRANSLATIONS:
            check_translation_model(self.model)
        place_controls(self.merge_controls(), self._endpoint, self.resolved_client.dialect)
        return self

    @property
    def _endpoint(self) -> Endpoint:
        return TRANSCRIPTIONS

    def _build_body(self) -> dict[str, Any]:
        """Return model and parameters, including those that the granularity requires."""
        body = {"model": self.model, **self.build_audio_params()}
        if self.granularity != "file":
            body.setdefault("response_format", "verbose_json")
        if self.granularity == "speaker":
            body.setdefault("diarize", True)
        if self.granularity in {"word", "window"} and body["response_format"] == "verbose_json":
            if self._endpoint is TRANSLATIONS:
                body.setdefault("timestamps_granularity", "word")
            else:
                body.setdefault("timestamp_granularities", ["word", "segment"])
        return body

    def _create_processor(self) -> "Transcriber":
        return Transcriber(self, self._build_body(), self._endpoint)


class OrqTranscriptionLoader(AudioIntegration, FileLoader, TranscriptionParams):
    """Load recordings as text with a speech model of the orq.ai AI Router.

    Recordings may be of any length and number. Large ones are split into chunks and their
    transcripts are merged, several requests are sent concurrently, and Documents are returned in
    the order of the source. Files are streamed from disk, so memory does not grow with their size
    or number.

    The metadata of Documents is described in ``OrqAudioParser``.

    Raises:
        pydantic.ValidationError: An argument is invalid.
        RouterError: Loading failed; see ``on_error``.

    >>> from orq_router_integrations.testing import OfflineRouter
    >>> router = OfflineRouter(answers={"openai/whisper-1": "Good day. We meet at noon."})
    >>> loader = OrqTranscriptionLoader(
    ...     source=b"ID3...",
    ...     model="openai/whisper-1",
    ...     granularity="segment",
    ...     client=router.client(),
    ... )
    >>> [(document.page_content, document.metadata["start"]) for document in loader.load()]
    [('Good day.', 0.0), ('We meet at noon.', 1.0)]
    """


class OrqTranslationLoader(AudioIntegration, FileLoader):
    """Load recordings in any language as English text.

    Works like ``OrqTranscriptionLoader``, but uses the translation endpoint of the router, which
    does not accept ``language`` and ``timestamp_granularities``. Of OpenAI's models, only
    ``whisper-1`` supports translation.

    >>> from orq_router_integrations.testing import OfflineRouter
    >>> router = OfflineRouter(answers={"openai/whisper-1": "Good day."})
    >>> loader = OrqTranslationLoader(
    ...     source=b"ID3...", model="openai/whisper-1", client=router.client()
    ... )
    >>> loader.load()[0].page_content
    'Good day.'
    """

    @property
    def _endpoint(self) -> Endpoint:
        return TRANSLATIONS


class OrqAudioParser(AudioIntegration, TranscriptionParams, BlobParser):
    """Parse audio blobs into Documents with a speech model of the orq.ai AI Router.

    Works with every LangChain blob loader, such as
    ``GenericLoader(blob_loader, OrqAudioParser(...))``. Pickles do not contain the API key; it is
    read from ``ORQ_API_KEY`` when they are loaded.

    The metadata of a Document contains the metadata of the blob, ``source``, ``start`` and ``end``
    in seconds if known, ``language``, ``duration`` in seconds, ``speaker``, ``model`` and
    ``response_format``. If text is missing, it contains ``error`` (``on_error='mark'``), or
    ``skipped_seconds``, the length of the omitted audio (``on_error='skip'``). All values are
    strings, numbers or booleans.

    Raises:
        pydantic.ValidationError: An argument is invalid.
        RouterError: A call failed; see ``on_error``.

    >>> from langchain_core.documents.base import Blob
    >>> from orq_router_integrations.testing import OfflineRouter
    >>> router = OfflineRouter(answers={"talk.mp3": "Good day."})
    >>> parser = OrqAudioParser(model="openai/whisper-1", client=router.client())
    >>> blob = Blob.from_data(b"ID3...", metadata={"filename": "talk.mp3", "topic": "manners"})
    >>> [document] = parser.parse(blob)
    >>> document.page_content, document.metadata["topic"]
    ('Good day.', 'manners')
    """

    task: Literal["transcribe", "translate"] = Field(
        default="transcribe",
        description="`transcribe`, or `translate` into English. Translations do not accept "
        "`language` and `timestamp_granularities`.",
    )

    @model_validator(mode="after")
    def _check_task(self) -> Self:
        for name in _TRANSCRIPTION_ONLY_PARAMS:
            if self.task == "translate" and getattr(self, name) is not None:
                raise ValueError(f"{name}: Not supported with task='translate'. Omit it.")
        return self

    @property
    def _endpoint(self) -> Endpoint:
        return TRANSLATIONS if self.task == "translate" else TRANSCRIPTIONS


class Transcriber(FileProcessor):
    """Transcribes recordings: splits them, sends requests and creates Documents."""

    kind: ClassVar[FileKind] = AUDIO_FILES

    def __init__(
        self, settings: AudioIntegration, body: Mapping[str, Any], endpoint: Endpoint
    ) -> None:
        super().__init__(settings, body)
        self.endpoint = endpoint
        self.splitter = DocumentSplitter(settings.granularity, settings.window_seconds)
        self.limits = ChunkLimits(
            settings.max_bytes, settings.max_seconds, settings.overlap_seconds
        )
        self.carry_prompt = settings.carry_prompt

    def check_item(self, item: SourceItem) -> None:
        """Check an item, and that it can be decoded if it must be converted or split."""
        upload = create_audio_upload(item)
        if self._must_convert(upload, None) and WavReader.from_upload(upload) is None:
            read_duration(upload, get_label(item))

    def read(self, item: SourceItem) -> StepGenerator[LoadedFile]:
        label = get_label(item)
        metadata = item.metadata if isinstance(item, Blob) else {}
        with self._open_chunks(create_audio_upload(item), label) as chunks:
            count = len(chunks)
            # The chunks of a group are sent one after the other. -(-a // b) rounds up.
            group_size = -(-count // self.max_concurrency)
            groups = [chunks[start : start + group_size] for start in range(0, count, group_size)]
            results = yield [self._transcribe(label, group, count) for group in groups]
            return self._create_file(label, metadata, chunks, list(chain.from_iterable(results)))

    @contextmanager
    def _open_chunks(self, upload: Upload, label: str) -> Iterator[Sequence[AudioChunk]]:
        """Split a recording if necessary. The chunks exist until the block ends."""
        reader = WavReader.from_upload(upload)
        if reader:
            duration: float | None = reader.duration_seconds
        else:
            duration = None if self.limits.max_seconds is None else read_duration(upload, label)
        is_64_bit = reader is not None and reader.header.is_64_bit  # RF64: few programs read it
        if not is_64_bit and not self._must_convert(upload, duration):
            yield [AudioChunk(0, upload, end_seconds=duration)]
            return
        with nullcontext(reader) if reader else open_decoded(upload, label) as wav:
            yield split_wav(wav, self.limits, upload.filename)

    def _must_convert(self, upload: Upload, duration_seconds: float | None) -> bool:
        """Return whether a recording must be converted or split; ``None`` counts as too long."""
        max_seconds = self.limits.max_seconds
        is_long = max_seconds is not None and (
            duration_seconds is None or duration_seconds > max_seconds
        )
        is_large = upload.size > self.limits.max_bytes
        return is_long or is_large or upload.mime_type in CONVERTIBLE_TYPES

    def _transcribe(
        self, label: str, chunks: Sequence[AudioChunk], chunk_count: int
    ) -> StepGenerator[list[Transcript]]:
        """Transcribe consecutive chunks of a recording, one after the other."""
        transcripts: list[Transcript] = []
        prompt_tail = ""
        for chunk in chunks:
            prompts = [text for text in (self.body.get("prompt"), prompt_tail) if text]
            prompt_tail = ""
            call = Call(
                endpoint=self.endpoint,
                body={**self.body, "prompt": " ".join(prompts)} if prompts else self.body,
                files={"file": chunk.upload},
                controls=self.controls,
                parse=self._parse_response,
            )
            try:
                transcript = yield from self.get_or_send(call, chunk.upload)
            except RouterError as error:
                position = f", chunk {chunk.index + 1} of {chunk_count}" if chunk_count > 1 else ""
                description = self.handle_error(error, f"{label}{position}")
                gap = Span("", 0.0, chunk.duration_seconds, error=description)
                transcripts.append(Transcript("", words=(gap,), segments=(gap,)))
            else:
                transcripts.append(transcript)
                if self.carry_prompt:
                    prompt_tail = _get_prompt_tail(transcript.text)
        return transcripts

    def _parse_response(self, response: Response) -> Transcript:
        transcript = parse_transcript(response, self.body.get("response_format"))
        return self.splitter.require_spans(transcript)

    def parse_stored(self, data: bytes) -> Transcript:
        return self.splitter.require_spans(Transcript.from_json(data))

    def _create_file(
        self,
        label: str,
        blob_metadata: Mapping[str, Any],
        chunks: Sequence[AudioChunk],
        transcripts: Sequence[Transcript],
    ) -> LoadedFile:
        merged = merge_chunks(chunks, transcripts) if len(chunks) > 1 else transcripts[0]
        gaps = [span for span in merged.segments if span.error]
        skipped_seconds = 0.0
        if self.on_error == "skip" and gaps:
            if len(gaps) == len(transcripts):
                return LoadedFile([], error_count=len(gaps))
            skipped_seconds = sum(gap.end - gap.start for gap in gaps)
            merged = merged.remove_gaps()
        if chunks[-1].end_seconds is not None:
            merged = replace(merged, duration=chunks[-1].end_seconds)
        metadata = {
            **blob_metadata,
            "skipped_seconds": skipped_seconds or None,
            "source": label,
            "language": merged.language or self.body.get("language"),
            "duration": merged.duration,
            "model": merged.model or self.body["model"],
            "response_format": self.body.get("response_format", "json"),
            "offline": merged.offline or None,
        }
        return LoadedFile(list(self.splitter.split(merged, metadata)), merged.duration, len(gaps))


def _get_prompt_tail(text: str) -> str:
    if len(text) <= MAX_PROMPT_TAIL_CHARS:
        return text
    tail = text[-MAX_PROMPT_TAIL_CHARS:]
    return tail.partition(" ")[2] or tail  # drops a word that was cut
