"""Transcribe recordings: split them, send requests and create Documents."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, ClassVar

from orq_router_integrations._concurrency import Steps, partition
from orq_router_integrations.document_loaders.chunking import (
    AudioChunk,
    ChunkLimits,
    WavReader,
    open_decoded,
    read_duration,
    split_wav,
)
from orq_router_integrations.document_loaders.documents import DocumentSplitter
from orq_router_integrations.document_loaders.file_loader import FileProcessor, LoadedFile
from orq_router_integrations.document_loaders.sources import (
    AUDIO_FILES,
    FileKind,
    Recording,
    SourceItem,
    create_recording,
    map_os_errors,
    require_pyav,
)
from orq_router_integrations.document_loaders.stitching import merge_chunks
from orq_router_integrations.errors import RouterError
from orq_router_integrations.media.mime import CONVERTIBLE_TYPES
from orq_router_integrations.wire.call import Call, Response
from orq_router_integrations.wire.endpoints import Endpoint
from orq_router_integrations.wire.subtitles import Span
from orq_router_integrations.wire.transcriptions import Transcript, parse_transcript

MAX_PROMPT_TAIL_CHARS = 200
"""Length of the end of a transcript that becomes the prompt of the next chunk."""


@dataclass(frozen=True, kw_only=True)
class Transcriber(FileProcessor):
    """Transcribes recordings with the settings of a loader or parser."""

    kind: ClassVar[FileKind] = AUDIO_FILES
    result_type = Transcript

    endpoint: Endpoint
    splitter: DocumentSplitter
    limits: ChunkLimits
    carry_prompt: bool = True

    def check_item(self, item: SourceItem) -> None:
        """Check an item, and that it can be decoded if it must be converted or split."""
        if self.on_error != "raise":
            return
        recording = create_recording(item)
        with map_os_errors(recording.label):
            if WavReader.from_recording(recording) is not None:
                return
        if recording.upload.mime_type in CONVERTIBLE_TYPES:
            read_duration(recording)
        elif self._exceeds_limits(recording, None):
            require_pyav(recording.label, recording.upload.mime_type)

    def read(self, item: SourceItem) -> Steps[LoadedFile]:
        recording = create_recording(item)
        with self._open_chunks(recording) as chunks:
            groups = [
                self._transcribe(recording.label, group, len(chunks))
                for group in partition(chunks, self.max_concurrency)
            ]
            transcripts = chain.from_iterable((yield groups))
            return self._build_result(recording, chunks, list(transcripts))

    @contextmanager
    def _open_chunks(self, recording: Recording) -> Iterator[Sequence[AudioChunk]]:
        """Split a recording if it exceeds the limits. The chunks exist until the block ends."""
        reader = WavReader.from_recording(recording)
        duration = reader.duration_seconds if reader else None
        needs_conversion = recording.upload.mime_type in CONVERTIBLE_TYPES
        if reader is None and self.limits.max_seconds is not None:
            duration = read_duration(recording)
        is_sendable = not (reader.needs_new_header if reader else needs_conversion)
        if is_sendable and not self._exceeds_limits(recording, duration):
            yield [AudioChunk(0, recording.upload, end_seconds=duration)]
            return
        with nullcontext(reader) if reader else open_decoded(recording) as wav:
            yield split_wav(wav, self.limits, recording.upload.filename)

    def _exceeds_limits(self, recording: Recording, duration_seconds: float | None) -> bool:
        """Return whether to split a recording; true if a limit applies to an unknown duration."""
        max_bytes, max_seconds = self.limits.max_bytes, self.limits.max_seconds
        return recording.upload.size > max_bytes or (
            max_seconds is not None and (duration_seconds is None or duration_seconds > max_seconds)
        )

    def _transcribe(
        self, label: str, chunks: Sequence[AudioChunk], chunk_count: int
    ) -> Steps[list[Transcript | None]]:
        """Transcribe consecutive chunks of a recording, one after the other."""
        transcripts: list[Transcript | None] = []
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
                transcript = yield from self.get_or_send(
                    call, chunk.upload, self.splitter.has_spans
                )
            except RouterError as error:
                name = f"{label}, chunk {chunk.index + 1} of {chunk_count}"
                failed = self._create_failed_transcript(
                    error, name if chunk_count > 1 else label, chunk.duration_seconds
                )
                transcripts.append(failed)
            else:
                transcripts.append(transcript)
                if self.carry_prompt:
                    prompt_tail = _get_prompt_tail(transcript.text)
        return transcripts

    def _parse_response(self, response: Response) -> Transcript:
        transcript = parse_transcript(response, self.body.get("response_format"))
        return self.splitter.require_spans(transcript)

    def _create_failed_transcript(
        self, error: RouterError, label: str, duration_seconds: float = 0.0
    ) -> Transcript | None:
        """Apply the error policy: return a transcript with the error, or ``None`` to skip it."""
        description = self.handle_error(error, label)
        if self.on_error == "skip":
            return None
        gap = Span("", 0.0, duration_seconds, error=description)
        return Transcript("", words=(gap,), segments=(gap,))

    def _build_result(
        self,
        recording: Recording,
        chunks: Sequence[AudioChunk],
        transcripts: Sequence[Transcript | None],
    ) -> LoadedFile:
        merged = merge_chunks(chunks, transcripts) if len(chunks) > 1 else transcripts[0]
        if merged is not None and chunks[-1].end_seconds is not None:
            merged = replace(merged, duration=chunks[-1].end_seconds)
        skipped_seconds = sum(
            chunk.duration_seconds
            for chunk, transcript in zip(chunks, transcripts, strict=True)
            if transcript is None
        )
        metadata = {**recording.metadata, "skipped_seconds": skipped_seconds or None}
        error_count = sum(part is None or bool(part.errors) for part in transcripts)
        return self._create_file(recording.label, merged, error_count, metadata)

    def build_failure(self, error: RouterError, label: str) -> LoadedFile:
        return self._create_file(label, self._create_failed_transcript(error, label), 1, {})

    def _create_file(
        self,
        label: str,
        transcript: Transcript | None,
        error_count: int,
        metadata: Mapping[str, Any],
    ) -> LoadedFile:
        if transcript is None:
            return LoadedFile([], error_count=error_count)
        metadata = {
            **metadata,
            "source": label,
            "language": transcript.language or self.body.get("language"),
            "duration": transcript.duration,
            "model": transcript.model or self.body["model"],
            "response_format": self.body.get("response_format", "json"),
            "offline": transcript.offline or None,
        }
        documents = list(self.splitter.split(transcript, metadata))
        return LoadedFile(documents, transcript.duration, error_count)


def _get_prompt_tail(text: str) -> str:
    if len(text) <= MAX_PROMPT_TAIL_CHARS:
        return text
    tail = text[-MAX_PROMPT_TAIL_CHARS:]
    return tail.partition(" ")[2] or tail
