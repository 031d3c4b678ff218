"""State of one text-to-speech run, without any I/O.

Long text takes several requests, whose audio is joined. The sync and async methods of
``OrqSpeechTool`` share this state and do the I/O.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orq_router_integrations.errors import RouterError
from orq_router_integrations.media.atomic_write import OutputFile, map_write_errors
from orq_router_integrations.media.metadata import read_audio_seconds
from orq_router_integrations.media.mime import FileView
from orq_router_integrations.media.wav import MAX_HEADER_BYTES
from orq_router_integrations.tools.speech_audio import (
    JOINABLE_FORMATS,
    AudioExtractor,
    DetectedFormat,
    check_same_format,
    create_extractor,
    detect_format,
    write_wav_sizes,
)
from orq_router_integrations.tools.speech_result import Speech
from orq_router_integrations.tools.text_splitting import split_text
from orq_router_integrations.wire.call import MalformedResponseError, Response, StreamCall
from orq_router_integrations.wire.model_candidates import ModelCandidates
from orq_router_integrations.wire.speech import SpeechDecoder, SpeechRequest

DEFAULT_FORMAT = "mp3"  # what the router returns if no format is requested


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

    requests: list[StreamCall[bytes]] = field(default_factory=list)
    candidates: ModelCandidates
    requested_format: str
    voice: str
    characters: int
    pcm_rate: int
    target: Path | None
    _responses: list[Response] = field(default_factory=list)
    _chunk: int = 0
    _size: int = 0
    _start: bytes = b""
    _format: DetectedFormat = field(default_factory=DetectedFormat)
    _stream_format: str = ""
    _is_chunk_start: bool = True
    _extractor: AudioExtractor | None = None  # if there are several chunks

    @property
    def _is_joining(self) -> bool:
        return len(self.requests) > 1

    def summarize(self) -> str:
        return f"{self._size} bytes of {self._format.format} audio"

    def iter_requests(self) -> Iterator[StreamCall[bytes]]:
        """Yield the requests. Receive the response to each one before advancing."""
        for request in self.requests:
            self._chunk += 1
            yield request

    def create_decoder(self, response: Response) -> SpeechDecoder:
        self._responses[self._chunk - 1 :] = [response]  # replaces the response of a failed attempt
        self._is_chunk_start = True
        return SpeechDecoder(self._add_data, self._end_chunk)

    def _add_data(self, data: bytes) -> bytes:
        """Process bytes of a response, and return those that belong in the file."""
        is_first = self._chunk == 1
        if self._is_chunk_start:
            self._is_chunk_start = False
            detected = detect_format(data, self.requested_format, self._responses[-1])
            self._format = detected if is_first else self._format
            check_same_format(detected, self._format)
            if self._is_joining:
                self._extractor = create_extractor(detected.format, is_first=is_first)
        if self._extractor:
            data = self._extractor.extract(data)
            if stream_format := self._extractor.stream_format:
                self._stream_format = self._stream_format or stream_format
                check_same_format(stream_format, self._stream_format)
        if len(self._start) < MAX_HEADER_BYTES:
            self._start += data
        self._size += len(data)
        return data

    def _end_chunk(self) -> None:
        name = self._format.format
        if self._extractor:
            is_empty = self._extractor.is_empty
        elif self._is_joining:
            raise MalformedResponseError(f"{self._format} audio cannot be joined")
        else:
            is_short_wav = name == "wav" and self._size == len(self._start)
            is_empty = is_short_wav and not read_audio_seconds(self._start)
        if is_empty:
            raise MalformedResponseError(f"the {name} file contains no audio")

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
                    write_wav_sizes(output.file)
                    error.partial_bytes = output.data or b""
                raise

    def build_speech(self, output: OutputFile) -> Speech:
        """Finish the header of the audio and its file, and build the result."""
        detected, responses = self._format, self._responses
        is_assumed = detected.format == "pcm" and not detected.sample_rate
        sample_rate = self.pcm_rate if is_assumed else detected.sample_rate
        if sample_rate:
            seconds: float | None = self._size // 2 / sample_rate
        else:
            write_wav_sizes(output.file)
            seconds = read_audio_seconds(FileView(output.file))
        models = {self.candidates.resolve_model(None, item.headers) for item in responses}
        speech = Speech(
            data=output.data,
            format=detected.format,
            requested_format=self.requested_format,
            mime_type=detected.mime_type,
            size=self._size,
            sha256=output.compute_digest(),
            seconds=seconds and round(seconds, 3),
            assumed_pcm_format=f"{self.pcm_rate} Hz, 16 bit, mono" if is_assumed else None,
            sample_rate=sample_rate,
            model=self.candidates.model,
            answering_model=models.pop() if len(models) == 1 else None,
            voice=self.voice,
            characters=self.characters,
            chunks=len(self.requests),
            attempts=sum(item.attempts for item in responses),
            offline=responses[-1].is_offline,
            trace_ids=tuple(item.trace_id for item in responses if item.trace_id),
        )
        path = output.commit(speech.filename)
        return speech.model_copy(update={"path": str(path)}) if path else speech
