"""Transcribe recordings: split them, send requests and create Documents."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, ClassVar

from orq_router_integrations._concurrency import Steps, partition
from orq_router_integrations.document_loaders.chunking import WavReader, split_wav
from orq_router_integrations.document_loaders.decoding import (
    check_decodable,
    open_decoded,
    read_duration,
)
from orq_router_integrations.document_loaders.documents import DocumentSplitter
from orq_router_integrations.document_loaders.file_loader import FileProcessor, LoadedFile
from orq_router_integrations.document_loaders.sources import (
    AUDIO_FILES,
    AudioChunk,
    ChunkLimits,
    FileKind,
    Recording,
    SourceItem,
    create_recording,
    map_os_errors,
)
from orq_router_integrations.document_loaders.stitching import merge_chunks
from orq_router_integrations.errors import RouterError
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
        if WavReader.from_recording(recording) is not None:
            return
        if recording.needs_conversion:
            read_duration(recording)
        elif self._exceeds_limits(recording, None):
            check_decodable(recording)

    def read(self, item: SourceItem) -> Steps[LoadedFile]:
        with self._open(item) as recording:
            groups = partition(recording.chunks, self.max_concurrency)
            transcripts = yield [self._transcribe(recording, group) for group in groups]
            return self._build_result(recording, list(chain.from_iterable(transcripts)))

    @contextmanager
    def _open(self, item: SourceItem) -> Iterator[Recording]:
        """Open an item and split it into chunks if it exceeds the limits.

        Temporary files are deleted at the end of the block.
        """
        recording = create_recording(item)
        reader = WavReader.from_recording(recording)
        duration = reader.duration_seconds if reader else None
        if reader is None and self.limits.max_seconds is not None:
            duration = read_duration(recording)
        is_sendable = not (reader.needs_new_header if reader else recording.needs_conversion)
        if is_sendable and not self._exceeds_limits(recording, duration):
            chunk = AudioChunk(0, recording.upload, end_seconds=duration)
            yield replace(recording, chunks=[chunk], duration_seconds=duration)
            return
        with ExitStack() as stack:
            if reader is None:
                reader = stack.enter_context(open_decoded(recording))
            with map_os_errors(recording.label):
                chunks = split_wav(reader, self.limits, recording.upload.filename)
            yield replace(recording, chunks=chunks, duration_seconds=reader.duration_seconds)

    def _exceeds_limits(self, recording: Recording, duration_seconds: float | None) -> bool:
        """Return whether to split a recording; true if a limit applies to an unknown duration."""
        max_bytes, max_seconds = self.limits.max_bytes, self.limits.max_seconds
        return recording.upload.size > max_bytes or (
            max_seconds is not None and (duration_seconds is None or duration_seconds > max_seconds)
        )

    def _transcribe(self, recording: Recording, chunks: Sequence[AudioChunk]) -> Steps[Any]:
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
                label, count = recording.label, len(recording.chunks)
                if count > 1:
                    label = f"{label}, chunk {chunk.index + 1} of {count}"
                transcripts.append(
                    self._create_failed_transcript(error, label, chunk.duration_seconds)
                )
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
        self, recording: Recording, transcripts: Sequence[Transcript | None]
    ) -> LoadedFile:
        is_split = len(transcripts) > 1
        merged = merge_chunks(recording.chunks, transcripts) if is_split else transcripts[0]
        if merged is not None and recording.duration_seconds is not None:
            merged = replace(merged, duration=recording.duration_seconds)
        skipped_seconds = sum(
            chunk.duration_seconds
            for chunk, transcript in zip(recording.chunks, transcripts, strict=True)
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
