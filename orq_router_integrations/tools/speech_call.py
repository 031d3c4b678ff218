"""State of one text-to-speech run, without any I/O.

Long text takes several requests, whose audio is joined. The sync and async methods of
``OrqSpeechTool`` share this state and do the I/O.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orq_router_integrations.errors import RouterError
from orq_router_integrations.media.atomic_write import OutputFile, map_write_errors
from orq_router_integrations.tools.speech_audio import (
    JOINABLE_FORMATS,
    AudioJoiner,
    DetectedFormat,
    check_same_format,
    create_joiner,
    detect_format,
)
from orq_router_integrations.tools.speech_result import Speech
from orq_router_integrations.tools.text_splitting import split_text
from orq_router_integrations.wire.call import MalformedResponseError, Response
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.model_candidates import ModelCandidates
from orq_router_integrations.wire.speech import SpeechDecoder, SpeechRequest

DEFAULT_FORMAT = "mp3"
"""The format that the router returns if none is requested."""


def build_speech_requests(
    text: str, params: Mapping[str, Any], max_chars: int
) -> list[SpeechRequest]:
    chunks = [text]
    if len(text) > max_chars:
        chunks = split_text(text, max_chars) or [text]
    audio_format = params.get("audio_format") or DEFAULT_FORMAT
    if len(chunks) > 1 and audio_format not in JOINABLE_FORMATS:
        raise ValueError(
            f"text: The text has {len(text)} characters, but a request takes at most {max_chars}, "
            f"and {audio_format} audio cannot be joined. Use audio_format 'wav', 'pcm' or 'mp3'."
        )
    return [SpeechRequest(text=chunk, **params) for chunk in chunks]


@dataclass(slots=True, kw_only=True)
class SpeechCall:
    """One call of the speech tool, with one request for each chunk of the text.

    The audio goes to the file ``target``, to a new file if that is a directory, or to memory.
    """

    requests: Sequence[SpeechRequest]
    candidates: ModelCandidates
    controls: RouterControls
    characters: int
    pcm_rate: int
    target: Path | None
    is_streamed: bool = False
    """Whether the caller takes the audio as it arrives; otherwise the deadline covers all of it."""
    _responses: list[Response] = field(default_factory=list)
    _chunk: int = 0
    _is_chunk_start: bool = True
    _size: int = 0
    _format: DetectedFormat = field(default_factory=DetectedFormat)
    _joiner: AudioJoiner = field(default_factory=AudioJoiner)

    @property
    def requested_format(self) -> str:
        return self.requests[0].audio_format or DEFAULT_FORMAT

    @property
    def _is_joining(self) -> bool:
        return len(self.requests) > 1

    def summarize(self) -> str:
        return f"{self._size} bytes of {self._format.format} audio"

    def iter_requests(self) -> Iterator[SpeechRequest]:
        """Yield the requests. Receive the response to each one before advancing."""
        for request in self.requests:
            self._chunk += 1
            yield request

    def create_decoder(self, response: Response) -> SpeechDecoder:
        self._responses[self._chunk - 1 :] = [response]  # replaces the response of a failed attempt
        self._is_chunk_start = True
        self._joiner.begin_chunk()
        return SpeechDecoder(self._add_data, self._end_chunk)

    def _add_data(self, data: bytes) -> bytes:
        """Process bytes of a response, and return those that belong in the file."""
        if self._is_chunk_start:
            self._is_chunk_start = False
            detected = detect_format(data, self.requested_format, self._responses[-1])
            if self._chunk == 1:
                self._format = detected
                self._joiner = create_joiner(detected, self.pcm_rate, is_joining=self._is_joining)
            check_same_format(detected, self._format)
        try:
            joined = self._joiner.extract(data)
        except MalformedResponseError:
            if self._is_joining:
                raise
            self._joiner = AudioJoiner()  # a single chunk is passed on, its duration unknown
        output = joined if self._is_joining else data
        self._size += len(output)
        return output

    def _end_chunk(self) -> None:
        name = self._format.format
        if self._joiner.is_empty and (self._is_joining or name == "wav"):
            raise MalformedResponseError(f"the {name} file contains no audio")
        if self._chunk < len(self.requests) and name not in JOINABLE_FORMATS:
            raise MalformedResponseError(f"{self._format} audio cannot be joined")

    @contextmanager
    def handle_errors(self) -> Iterator[None]:
        """Add the number of received bytes and of the failed chunk to errors."""
        try:
            yield
        except RouterError as error:
            error.received = max(error.received, self._size)
            if self._is_joining:
                position = f"chunk {self._chunk} of {len(self.requests)}"
                error.args = (f"{error.message} ({position})", *error.args[1:])
            raise

    @contextmanager
    def open_output(self) -> Iterator[OutputFile]:
        """Open the target. If it is memory, its content becomes ``partial_bytes`` of an error."""
        with OutputFile(self.target) as output, map_write_errors(self.target):
            try:
                yield output
            except RouterError as error:
                if self.target is None:
                    self._joiner.finish(output.file)
                    error.partial_bytes = output.data or b""
                raise

    def build_speech(self, output: OutputFile) -> Speech:
        """Finish the header of the audio and its file, and build the result."""
        self._joiner.finish(output.file)
        detected, seconds, responses = self._format, self._joiner.seconds, self._responses
        models = {self.candidates.resolve_model(None, item.headers) for item in responses}
        is_assumed = detected.format == "pcm" and not detected.sample_rate
        speech = Speech(
            data=output.data,
            format=detected.format,
            requested_format=self.requested_format,
            mime_type=detected.mime_type,
            size=self._size,
            sha256=output.compute_digest(),
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
        path = output.commit(speech.filename)
        return speech.model_copy(update={"path": str(path)}) if path else speech
