"""Transcribe recordings: split them, send requests and create Documents."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

from langchain_core.documents import Document

from orq_router_integrations._concurrency import Steps, partition
from orq_router_integrations.document_loaders.chunking import WavReader, split_wav
from orq_router_integrations.document_loaders.decoding import (
    check_decodable,
    open_decoded,
    read_duration,
)
from orq_router_integrations.document_loaders.documents import DocumentSplitter
from orq_router_integrations.document_loaders.loader_run import (
    LoadedFile,
    OnError,
    raise_or_log,
)
from orq_router_integrations.document_loaders.result_store import FileResultStore, compute_key
from orq_router_integrations.document_loaders.sources import (
    AudioChunk,
    ChunkLimits,
    Recording,
    SourceItem,
    create_recording,
    map_os_errors,
)
from orq_router_integrations.document_loaders.stitching import merge_chunks
from orq_router_integrations.errors import RouterError
from orq_router_integrations.wire.call import Call, Response
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import Endpoint
from orq_router_integrations.wire.transcriptions import parse_transcript
from orq_router_integrations.wire.transcripts import Span, Transcript

ChunkTranscripts = list[Transcript | None]

MAX_PROMPT_TAIL_CHARS = 200
"""Length of the end of a transcript that becomes the prompt of the next chunk."""


@dataclass(frozen=True, slots=True)
class PreparedRecording:
    """A recording that is ready to be sent."""

    recording: Recording
    chunks: Sequence[AudioChunk]
    duration_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcriber:
    """Transcribes one recording at a time, with the settings of a loader or parser."""

    endpoint: Endpoint
    body: Mapping[str, Any]
    controls: RouterControls
    splitter: DocumentSplitter
    limits: ChunkLimits
    carry_prompt: bool = True
    on_error: OnError = "raise"
    store: FileResultStore[Transcript] | None = None
    base_url: str = ""

    def check_item(self, item: SourceItem) -> None:
        """Check an item before the first request is sent.

        If errors are to be skipped or marked, the check is left to ``prepare``.
        """
        if self.on_error != "raise":
            return
        recording = create_recording(item)
        if _create_wav_reader(recording) is not None:
            return
        if recording.needs_conversion:
            read_duration(recording)
        elif self._exceeds_limits(recording, None):
            check_decodable(recording)

    @contextmanager
    def prepare(self, item: SourceItem) -> Iterator[PreparedRecording]:
        """Open an item and split it into chunks if it exceeds the limits.

        Temporary files are deleted at the end of the block.
        """
        recording = create_recording(item)
        reader = _create_wav_reader(recording)
        duration: float | None = None
        if reader is not None:
            duration = reader.duration_seconds
        elif self.limits.max_seconds is not None:
            duration = read_duration(recording)
        is_sendable = not (reader.needs_new_header if reader else recording.needs_conversion)
        if is_sendable and not self._exceeds_limits(recording, duration):
            chunk = AudioChunk(0, recording.upload, end_seconds=duration)
            yield PreparedRecording(recording, [chunk], duration)
            return
        with ExitStack() as stack:
            if reader is None:
                reader = stack.enter_context(open_decoded(recording))
            with map_os_errors(recording.label):
                chunks = split_wav(reader, self.limits, recording.upload.filename)
            yield PreparedRecording(recording, chunks, reader.duration_seconds)

    def _exceeds_limits(self, recording: Recording, duration_seconds: float | None) -> bool:
        """Return whether to split a recording; true if a limit applies to an unknown duration."""
        max_bytes, max_seconds = self.limits.max_bytes, self.limits.max_seconds
        return recording.upload.size > max_bytes or (
            max_seconds is not None and (duration_seconds is None or duration_seconds > max_seconds)
        )

    def transcribe_chunks(
        self, prepared: PreparedRecording, chunks: Sequence[AudioChunk]
    ) -> Steps[ChunkTranscripts]:
        """Transcribe consecutive chunks of a recording, one after the other.

        Yields the steps to run, see ``_concurrency``; sync and async calls share this code.
        """
        transcripts: ChunkTranscripts = []
        prompt_tail = ""
        for chunk in chunks:
            try:
                transcript = yield from self._transcribe_chunk(chunk, prompt_tail)
            except RouterError as error:
                label, count = prepared.recording.label, len(prepared.chunks)
                if count > 1:
                    label = f"{label}, chunk {chunk.index + 1} of {count}"
                transcripts.append(self._handle_error(error, label, chunk))
                prompt_tail = ""
            else:
                transcripts.append(transcript)
                prompt_tail = _get_prompt_tail(transcript.text) if self.carry_prompt else ""
        return transcripts

    def _transcribe_chunk(self, chunk: AudioChunk, prompt_tail: str) -> Steps[Transcript]:
        prompts = [text for text in (self.body.get("prompt"), prompt_tail) if text]
        call = Call(
            endpoint=self.endpoint,
            body={**self.body, "prompt": " ".join(prompts)} if prompts else self.body,
            files={"file": chunk.upload},
            controls=self.controls,
            parse=self._parse_response,
        )
        transcript: Transcript | None
        if self.store is None:
            transcript = yield call
            return transcript
        key = compute_key(chunk.upload, self._get_key_params())
        yield key  # wait for a concurrent request for the same recording
        transcript = self.store.get(key)
        if transcript is None or not self.splitter.has_spans(transcript):
            transcript = yield call
            self.store.put(key, transcript)
        return transcript

    def _parse_response(self, response: Response) -> Transcript:
        transcript = parse_transcript(response, self.body.get("response_format"))
        return self.splitter.require_spans(transcript)

    def _get_key_params(self) -> dict[str, Any]:
        """Return everything that affects a transcript.

        The end of the previous transcript is not included: it has little effect, and depends on
        how many chunks are transcribed concurrently.
        """
        controls = self.controls.to_wire()
        return {
            "endpoint": self.endpoint.path,
            "url": self.base_url,
            **self.body,
            "controls": {name: controls[name] for name in ("load_balancer",) if name in controls},
        }

    def _handle_error(
        self, error: RouterError, label: str, chunk: AudioChunk | None = None
    ) -> Transcript | None:
        """Apply the error policy to a chunk, or to a recording that could not be opened."""
        description = raise_or_log(error, label, self.on_error)
        if self.on_error == "skip":
            return None
        duration = chunk.end_seconds - chunk.start_seconds if chunk and chunk.end_seconds else 0.0
        gap = Span("", 0.0, duration, error=description)
        return Transcript("", words=(gap,), segments=(gap,))

    def create_steps(
        self, prepared: PreparedRecording, max_groups: int
    ) -> list[Steps[ChunkTranscripts]]:
        """Create the steps of up to ``max_groups`` groups of consecutive chunks."""
        groups = partition(prepared.chunks, max_groups)
        return [self.transcribe_chunks(prepared, group) for group in groups]

    def build_result(
        self, prepared: PreparedRecording, groups: Sequence[ChunkTranscripts]
    ) -> LoadedFile:
        transcripts = list(chain.from_iterable(groups))
        if len(transcripts) == 1:
            merged = transcripts[0]
        else:
            merged = merge_chunks(prepared.chunks, transcripts)
        documents: list[Document] = []
        if merged is not None:
            if prepared.duration_seconds is not None:
                merged = replace(merged, duration=prepared.duration_seconds)
            skipped_seconds = sum(
                (chunk.end_seconds or 0.0) - chunk.start_seconds
                for chunk, transcript in zip(prepared.chunks, transcripts, strict=True)
                if transcript is None
            )
            metadata = {
                **prepared.recording.metadata,
                **self._build_metadata(prepared.recording.label, merged),
                "skipped_seconds": skipped_seconds or None,
            }
            documents = list(self.splitter.split(merged, metadata))
        error_count = sum(part is None or bool(part.errors) for part in transcripts)
        return LoadedFile(documents, prepared.duration_seconds, error_count)

    def build_failure(self, error: RouterError, label: str) -> LoadedFile:
        """Apply the error policy to a recording that could not be opened."""
        transcript = self._handle_error(error, label)
        if transcript is None:
            return LoadedFile([], error_count=1)
        metadata = self._build_metadata(label, transcript)
        return LoadedFile(list(self.splitter.split(transcript, metadata)), error_count=1)

    def _build_metadata(self, label: str, transcript: Transcript) -> dict[str, Any]:
        return {
            "source": label,
            "language": transcript.language or self.body.get("language"),
            "duration": transcript.duration,
            "model": transcript.model or self.body["model"],
            "response_format": self.body.get("response_format", "json"),
            "offline": transcript.offline or None,
        }


def _create_wav_reader(recording: Recording) -> WavReader | None:
    """Create a reader for a WAV file that can be split without decoding it."""
    if recording.upload.mime_type != "audio/wav":
        return None
    with map_os_errors(recording.label):
        return WavReader.from_recording(recording)


def _get_prompt_tail(text: str) -> str:
    if len(text) <= MAX_PROMPT_TAIL_CHARS:
        return text
    tail = text[-MAX_PROMPT_TAIL_CHARS:]
    return tail.partition(" ")[2] or tail
