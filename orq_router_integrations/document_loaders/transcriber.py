"""Transcribing one recording: cut it if need be, ask for each piece, put the answers together.

Everything here is told once, for sync and async alike: a step that needs the network is a ``Call``
that a generator yields, and the transcript is sent back into it (see ``running``). Before it looks
into the store it yields the key, so that what another asks for already is waited for.
"""

import logging
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

from langchain_core.documents import Document

from orq_router_integrations.document_loaders.chunking import AudioChunk, ChunkLimits, split_wav
from orq_router_integrations.document_loaders.concurrency import Step
from orq_router_integrations.document_loaders.decoding import (
    check_decodable,
    decode_to_wav,
    read_duration,
)
from orq_router_integrations.document_loaders.documents import DocumentSplitter
from orq_router_integrations.document_loaders.sources import (
    Recording,
    SourceItem,
    create_recording,
    map_os_errors,
)
from orq_router_integrations.document_loaders.stitching import concatenate, stitch
from orq_router_integrations.document_loaders.transcript_store import TranscriptStore, compute_key
from orq_router_integrations.document_loaders.wav_reader import WavReader
from orq_router_integrations.errors import (
    AuthenticationError,
    BudgetExceededError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
    RouterError,
    RouterInputError,
)
from orq_router_integrations.media.atomic_write import map_write_errors
from orq_router_integrations.wire.call import Call, Response
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import Endpoint
from orq_router_integrations.wire.transcriptions import parse_transcript
from orq_router_integrations.wire.transcripts import Span, Transcript
from orq_router_integrations.wire.word_tokenizer import split_words

_LOG = logging.getLogger(__name__)

OnError = Literal["raise", "skip", "mark"]
ChunkTranscripts = list[Transcript | None]
PieceSteps = Generator[Step, Transcript, Transcript]
Steps = Generator[Step, Transcript, ChunkTranscripts]

MAX_PROMPT_TAIL_CHARS = 200
"""Characters of a piece's end that the next one gets as its prompt."""

FATAL_ERRORS = (
    AuthenticationError,
    BudgetExceededError,
    NotFoundError,
    PermissionDeniedError,
    QuotaExceededError,
)
"""What would strike every other piece and file alike, and is raised whatever ``on_error`` says."""


@dataclass(frozen=True, slots=True)
class PreparedRecording:
    """A recording ready to be sent.

    Attributes:
        recording: what it is.
        chunks: one, or those that it was cut into.
        seconds: how long it is, where its header tells.
    """

    recording: Recording
    chunks: Sequence[AudioChunk]
    duration_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcriber:
    """How recordings are transcribed; the same for all of a loader's.

    Attributes:
        endpoint: transcriptions or translations.
        body: model and parameters, as they go on the wire.
        controls: the router's controls.
        shape: what the Documents need of a reply.
        limits: what is too large for one request.
        carry_prompt: whether a piece gets the end of the one before as its prompt.
        on_error: what happens to a piece, or a file, that failed.
        store: where transcripts are kept.
        base_url: of the router; a part of the store's keys.
    """

    endpoint: Endpoint
    body: Mapping[str, Any]
    controls: RouterControls
    splitter: DocumentSplitter
    limits: ChunkLimits
    carry_prompt: bool = True
    on_error: OnError = "raise"
    store: TranscriptStore | None = None
    base_url: str = ""

    def check_item(self, item: SourceItem) -> None:
        """Look at an item before anything is sent, unless failures are to be left for its turn.

        Raises:
            RouterInputError: it is not there, is no audio, or could not be cut as it must be.
        """
        if self.on_error != "raise":
            return
        found = create_recording(item)
        limited = found.size > self.limits.max_bytes or self.limits.max_seconds is not None
        if limited and self._frames(found) is None:
            check_decodable(found)

    @contextmanager
    def prepare(self, item: SourceItem) -> Iterator[PreparedRecording]:
        """An item as a job; what is decoded for it is on disk for as long as the block lasts.

        Raises:
            RouterInputError: it is not there, is no audio, or cannot be cut.
            SavingError: there is no place for what is decoded of it.
        """
        found = create_recording(item)
        frames = self._frames(found)
        seconds = frames.duration_seconds if frames else self._seconds(found)
        if not self._too_large(found, seconds):
            yield PreparedRecording(
                found, [AudioChunk(0, found.upload, end_seconds=seconds)], seconds
            )
            return
        if frames is not None:
            yield self._cut(found, frames)
            return
        with ExitStack() as stack:
            with map_write_errors("a temporary folder"):
                folder = stack.enter_context(TemporaryDirectory(prefix="orq-audio-"))
            plain = WavReader.from_recording(create_recording(decode_to_wav(found, Path(folder))))
            assert plain is not None  # noqa: S101 - it was written by us
            yield self._cut(found, plain)

    def _frames(self, found: Recording) -> WavReader | None:
        """Those of a WAV that can be cut as it is."""
        with map_os_errors(found.label):
            return WavReader.from_recording(found) if found.mime_type == "audio/wav" else None

    def _seconds(self, found: Recording) -> float | None:
        """The length of what is no such WAV, where a limit makes it worth opening it for that."""
        return None if self.limits.max_seconds is None else read_duration(found)

    def _too_large(self, found: Recording, seconds: float | None) -> bool:
        most = self.limits.max_seconds
        if found.size > self.limits.max_bytes:
            return True
        return most is not None and (seconds is None or seconds > most)

    def _cut(self, found: Recording, frames: WavReader) -> PreparedRecording:
        with map_os_errors(found.label):
            return PreparedRecording(
                found, split_wav(frames, self.limits, found.name), frames.duration_seconds
            )

    def transcribe_chunks(
        self, recording: PreparedRecording, chunks: Sequence[AudioChunk]
    ) -> Steps:
        """Transcribe neighbouring pieces one after the other.

        Yields keys and calls, wants the transcript or the error of each call; returns a
        transcript for each piece, ``None`` for one that is skipped.
        """
        found: ChunkTranscripts = []
        tail = ""
        for piece in chunks:
            try:
                heard = yield from self._piece(piece, tail)
            except RouterError as error:
                found.append(self.handle_error(error, _place(recording, piece), piece))
                tail = ""
            else:
                found.append(_placed(heard, piece, cut=len(recording.chunks) > 1))
                tail = _tail(heard.text)
        return found

    def _piece(self, piece: AudioChunk, tail: str) -> PieceSteps:
        call = self._call(piece, tail if self.carry_prompt else "")
        if self.store is None:
            return (yield call)
        key = compute_key(piece.upload, self._key_facts())
        yield key
        kept = self.store.get(key)
        if kept is not None and self.splitter.has_spans(kept):
            return kept
        transcript = yield call
        self.store.put(key, transcript)
        return transcript

    def _key_facts(self) -> dict[str, Any]:
        """All that shapes an answer; the tail of a piece before does not, or little."""
        controls = self.controls.to_wire()
        return {"endpoint": self.endpoint.path, "url": self.base_url, **self.body} | {
            "controls": {name: controls[name] for name in ("load_balancer",) if name in controls}
        }

    def _call(self, piece: AudioChunk, tail: str) -> Call[Transcript]:
        prompts = [text for text in (self.body.get("prompt"), tail) if text]
        prompt = {"prompt": " ".join(prompts)} if prompts else {}
        return Call(
            endpoint=self.endpoint,
            body={**self.body, **prompt},
            files={"file": piece.upload},
            controls=self.controls,
            parse=partial(_read, wanted=self.body.get("response_format"), shape=self.splitter),
        )

    def handle_error(
        self, error: RouterError, label: str, chunk: AudioChunk | None = None
    ) -> Transcript | None:
        """What takes the place of something that failed: by ``on_error``; ``None`` is nothing.

        Raises:
            RouterError: the error; always, where it would strike all others too.
        """
        name = type(error).__name__
        if self.on_error == "raise" or isinstance(error, FATAL_ERRORS):
            if not isinstance(error, RouterInputError):  # those name what is wrong themselves
                error.args = (f"{label}: {error.message}",)
            raise error
        _LOG.warning("not transcribed: %s: %s: %s", label, name, error)
        if self.on_error == "skip":
            return None
        start, end = (
            (chunk.start_seconds, chunk.end_seconds or chunk.start_seconds) if chunk else (0.0, 0.0)
        )
        span = Span(f"[not transcribed: {name}]", start, end, error=f"{name}: {error.message}")
        return Transcript(span.text, words=(span,), segments=(span,))

    def merge_transcripts(
        self, job: PreparedRecording, found: ChunkTranscripts
    ) -> Transcript | None:
        """The transcript of a recording from those of its pieces; ``None`` if all are skipped."""
        whole: Transcript | None = None
        before: AudioChunk | None = None  # the neighbour, where it was transcribed: there is a seam
        for piece, transcript in zip(job.chunks, found, strict=True):
            if transcript is None:
                before = None
                continue
            here = not transcript.errors
            if whole is None:
                whole = transcript
            elif before and here:
                whole = stitch(
                    whole, transcript, piece.cut_seconds, _shared(before, piece, transcript)
                )
            else:
                whole = concatenate(whole, transcript)
            before = piece if here else None
        if whole is not None and job.duration_seconds is not None:
            whole = replace(whole, duration=job.duration_seconds)
        return whole

    def build_documents(self, job: PreparedRecording, found: ChunkTranscripts) -> list[Document]:
        """The Documents of a recording from what was found in its pieces."""
        whole = self.merge_transcripts(job, found)
        if whole is None:
            return []
        pairs = zip(job.chunks, found, strict=True)
        lost = sum(
            (piece.end_seconds or 0.0) - piece.start_seconds
            for piece, part in pairs
            if part is None
        )
        facts = self._facts(job.recording.label, whole)
        told = {**job.recording.metadata, **facts, "skipped_seconds": lost or None}
        return list(self.splitter.split(whole, told))

    def build_error_documents(self, error: RouterError, label: str) -> list[Document]:
        """The Documents in the place of a recording that could not be sent at all; see ``failed``.

        Raises:
            RouterError: the error, as ``failed`` does.
        """
        marked = self.handle_error(error, label)
        if marked is None:
            return []
        return list(self.splitter.split(marked, self._facts(label, marked)))

    def _facts(self, label: str, transcript: Transcript) -> dict[str, Any]:
        return {
            "source": label,
            "language": transcript.language or self.body.get("language"),
            "duration": transcript.duration,
            "model": transcript.model or self.body["model"],
            "response_format": self.body.get("response_format", "json"),
            "offline": transcript.offline or None,
        }


def _place(job: PreparedRecording, piece: AudioChunk) -> str:
    """What failed: the recording, and which piece where it was cut."""
    count = len(job.chunks)
    return job.recording.label + (f", piece {piece.index + 1} of {count}" if count > 1 else "")


def _placed(transcript: Transcript, piece: AudioChunk, *, cut: bool) -> Transcript:
    """A piece's transcript in the time of the whole.

    Providers number speakers anew in every request, so that the first of one piece need not be
    the first of the next; their labels say from which piece they are.
    """
    if not cut:
        return transcript
    moved = transcript.shift(piece.start_seconds)

    def told(spans: Sequence[Span]) -> tuple[Span, ...]:
        return tuple(
            replace(span, speaker=f"{piece.index + 1}:{span.speaker}") if span.speaker else span
            for span in spans
        )

    return replace(moved, words=told(moved.words), segments=told(moved.segments))


def _shared(before: AudioChunk, piece: AudioChunk, transcript: Transcript) -> float:
    """About how many words two neighbours have in common."""
    overlap, seconds = (
        (before.end_seconds or 0.0) - piece.start_seconds,
        (piece.end_seconds or 0.0) - piece.start_seconds,
    )
    return len(split_words(transcript.text)) * overlap / max(seconds, overlap, 0.001)


def _tail(text: str) -> str:
    """The last words of a text."""
    end = text[-MAX_PROMPT_TAIL_CHARS:]
    return text if len(text) <= MAX_PROMPT_TAIL_CHARS else end.partition(" ")[2] or end


def _read(reply: Response, *, wanted: Any, shape: DocumentSplitter) -> Transcript:
    return shape.require_spans(parse_transcript(reply, wanted))
