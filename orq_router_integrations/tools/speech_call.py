"""State of one text-to-speech run, without any I/O.

Long text takes several requests, whose audio is joined. The sync and async methods of
``OrqSpeechTool`` share this state and do the I/O.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from orq_router_integrations.errors import InvalidResponseError, RouterError
from orq_router_integrations.media.atomic_write import open_atomic
from orq_router_integrations.tools.speech_audio import (
    JOINABLE_FORMATS,
    AudioFormatError,
    AudioJoiner,
    DetectedFormat,
    create_joiner,
    detect_format,
)
from orq_router_integrations.tools.speech_result import Speech
from orq_router_integrations.tools.text_splitting import split_text
from orq_router_integrations.wire.call import Response, StreamCall
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import SPEECH
from orq_router_integrations.wire.model_candidates import ModelCandidates
from orq_router_integrations.wire.speech import SpeechDecoder, SpeechRequest

DEFAULT_FORMAT = "mp3"
"""The format that the router returns if none is requested."""


def build_speech_requests(
    text: str, params: Mapping[str, Any], max_chars: int
) -> tuple[SpeechRequest, ...]:
    chunks = [text]
    if len(text) > max_chars:
        chunks = split_text(text, max_chars) or [text]
    audio_format = params.get("audio_format") or DEFAULT_FORMAT
    if len(chunks) > 1 and audio_format not in JOINABLE_FORMATS:
        raise ValueError(
            f"text: The text has {len(text)} characters, but a request takes at most {max_chars}, "
            f"and {audio_format} audio cannot be joined. Use audio_format 'wav', 'pcm' or 'mp3'."
        )
    return tuple(SpeechRequest(text=chunk, **params) for chunk in chunks)


@dataclass(slots=True, kw_only=True)
class SpeechCall:
    """One call of the speech tool, with one request for each chunk of the text."""

    requests: tuple[SpeechRequest, ...]
    candidates: ModelCandidates
    controls: RouterControls
    extra_body: Mapping[str, Any]
    retry_ambiguous: bool
    pcm_rate: int
    characters: int
    is_streamed: bool = False
    """Whether the caller takes the audio as it arrives; otherwise the deadline covers all of it."""
    _responses: list[Response] = field(default_factory=list)
    _chunk: int = 0
    _is_chunk_start: bool = True
    _format: DetectedFormat = field(default_factory=lambda: DetectedFormat(None, ""))
    _joiner: AudioJoiner = field(default_factory=AudioJoiner)

    @property
    def requested_format(self) -> str:
        return self.requests[0].audio_format or DEFAULT_FORMAT

    @property
    def size(self) -> int:
        return self._joiner.size

    def summarize(self) -> str:
        return f"{self.size} bytes of {self._format.format} audio"

    def iter_calls(self) -> Iterator[StreamCall[bytes]]:
        """Yield the calls. Pass the data of each one to ``add_data`` before advancing."""
        for chunk, request in enumerate(self.requests, start=1):
            self._joiner.begin_chunk()
            self._chunk, self._is_chunk_start = chunk, True
            yield StreamCall(
                endpoint=SPEECH,
                body={**request.to_wire(), **self.extra_body},
                controls=self.controls,
                create_decoder=self._create_decoder,
                retry_ambiguous=self.retry_ambiguous,
                is_collected=not self.is_streamed,
            )
            self._joiner.end_chunk()

    def _create_decoder(self, response: Response) -> SpeechDecoder:
        self._responses[self._chunk - 1 :] = [response]  # replaces the response of a failed attempt
        return SpeechDecoder()

    def add_data(self, data: bytes) -> bytes:
        """Process bytes of a response, and return those that belong in the file."""
        if self._is_chunk_start:
            self._is_chunk_start = False
            detected = detect_format(data, self.requested_format, self._responses[-1])
            if self._chunk == 1:
                is_joining = len(self.requests) > 1
                self._format = detected
                self._joiner = create_joiner(detected, self.pcm_rate, is_joining=is_joining)
            elif detected != self._format:
                raise AudioFormatError(
                    f"the audio is {detected.description}, previous chunks are "
                    f"{self._format.description}"
                )
        return self._joiner.feed(data)

    @contextmanager
    def handle_errors(self) -> Iterator[None]:
        """Add the number of received bytes and of the failed chunk to errors."""
        try:
            yield
        except AudioFormatError as error:
            message, response = str(error), self._responses[-1]
            if len(self.requests) > 1:
                message += "; another model may have answered (fallbacks, load balancer)"
            invalid = InvalidResponseError(
                message,
                endpoint=SPEECH.path,
                status_code=response.status,
                attempts=response.attempts,
                trace_id=response.trace_id,
            )
            raise self._annotate_error(invalid) from None
        except RouterError as error:
            self._annotate_error(error)
            raise

    def _annotate_error(self, error: RouterError) -> RouterError:
        error.received = max(error.received, self.size)
        if len(self.requests) > 1:
            position = f"chunk {self._chunk} of {len(self.requests)}"
            error.args = (f"{error.message} ({position})", *error.args[1:])
        return error

    @contextmanager
    def open_file(self, target: Path | None, *, overwrite: bool) -> Iterator[BinaryIO]:
        """Open the target, or a buffer if it is ``None``.

        If an error is raised, its ``partial_bytes`` are the content of the buffer.
        """
        if target is not None:
            with open_atomic(target, overwrite=overwrite) as file:
                yield file
            return
        buffer = BytesIO()
        try:
            yield buffer
        except RouterError as error:
            self._joiner.finish(buffer)
            error.partial_bytes = buffer.getvalue()
            raise

    def build_speech(self, file: BinaryIO, path: Path | None = None) -> Speech:
        """Finish the header of the audio in ``file``, and build the result."""
        self._joiner.finish(file)
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256")  # type: ignore[arg-type]  # has readinto()
        detected, seconds = self._format, self._joiner.seconds
        responses = self._responses
        models = {self.candidates.resolve_model(None, item.headers) for item in responses}
        is_assumed = detected.format == "pcm" and not detected.sample_rate
        return Speech(
            data=file.getvalue() if isinstance(file, BytesIO) else None,
            path=str(path) if path else None,
            format=detected.format,
            requested_format=self.requested_format,
            mime_type=detected.mime_type,
            size=self.size,
            sha256=digest.hexdigest(),
            seconds=None if seconds is None else round(seconds, 3),
            assumed_pcm_format=f"{self.pcm_rate} Hz, 16 bit, mono" if is_assumed else None,
            sample_rate=self.pcm_rate if is_assumed else detected.sample_rate,
            model=self.candidates.model,
            answering_model=models.pop() if len(models) == 1 else None,
            voice=self.requests[0].voice,
            characters=self.characters,
            chunks=len(self.requests),
            attempts=sum(item.attempts for item in responses),
            offline=responses[-1].is_offline,
            trace_ids=tuple(item.trace_id for item in responses if item.trace_id),
        )
