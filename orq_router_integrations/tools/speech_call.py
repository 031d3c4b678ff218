"""One text-to-speech call: its requests, and the audio that joins their responses. No network I/O.

The chunks of a long text are joined without decoding them. WAV and PCM are joined without gaps. MP3
keeps the few milliseconds of silence that encoders add at both ends of each chunk.
"""

import os
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from orq_router_integrations.errors import RouterError
from orq_router_integrations.media.atomic_write import OutputFile, map_write_errors
from orq_router_integrations.media.metadata import read_audio_seconds
from orq_router_integrations.media.mime import (
    DEFAULT_TYPE,
    FileView,
    detect_mime_type,
    get_tags_size,
    normalize_mime_type,
)
from orq_router_integrations.media.mp3 import find_mp3_frame
from orq_router_integrations.media.wav import (
    MAX_HEADER_BYTES,
    build_wav_header,
    parse_wav_header,
)
from orq_router_integrations.tools.speech_result import FORMATS, Speech
from orq_router_integrations.tools.text_splitting import split_text
from orq_router_integrations.wire.call import MalformedResponseError, Response, StreamCall
from orq_router_integrations.wire.model_names import ModelCandidates
from orq_router_integrations.wire.speech import SpeechDecoder, SpeechRequest

DEFAULT_FORMAT = "mp3"  # what the router returns if no format is requested
_PCM_MIME_TYPES = {"audio/pcm", "audio/l16", "audio/x-pcm", "audio/raw"}
_SAMPLE_RATE = re.compile(r";\s*rate=(\d{4,6})\b", re.IGNORECASE)
_MP3_LENGTH_TABLES = (b"Xing", b"Info", b"VBRI")


class DetectedFormat(NamedTuple):
    """The format of audio data; ``None`` if it is unknown. Only PCM may have a sample rate."""

    format: str | None = None
    mime_type: str = ""
    sample_rate: int | None = None

    def __str__(self) -> str:
        name = self.format or self.mime_type
        return f"{name} at {self.sample_rate} Hz" if self.sample_rate else name


def detect_format(data: bytes, requested: str, response: Response) -> DetectedFormat:
    """Detect the format of audio from its first 64 bytes.

    PCM has no magic bytes. It is assumed if it was requested or declared, unless the data clearly
    has another format. Its sample rate is read from a content type like ``audio/L16;rate=24000``.
    Raises ``MalformedResponseError`` if the data is not audio.
    """
    declared = normalize_mime_type(response.content_type)
    detected = detect_mime_type(data[:16])
    if declared in _PCM_MIME_TYPES or requested == "pcm":
        # Magic bytes this short also occur in samples, so the content type must agree with them.
        has_short_magic = data[:1] == b"\xff" or detected == "image/bmp"
        if detected is None or (has_short_magic and detected != declared):
            rate = _SAMPLE_RATE.search(response.headers.get("content-type", ""))
            return DetectedFormat("pcm", "audio/pcm", int(rate[1]) if rate else None)
    if detected is None:
        return DetectedFormat(None, declared or DEFAULT_TYPE)
    if detected not in FORMATS:
        raise MalformedResponseError(f"expected audio, got {detected}")
    if b"OpusHead" in data[:64]:
        return DetectedFormat("opus", detected)
    return DetectedFormat(FORMATS[detected], detected.replace("video/", "audio/"))


def check_same_format(found: object, previous: object) -> None:
    if found != previous:
        raise MalformedResponseError(
            f"the audio format changed from {previous} to {found}; another model may have answered "
            "(fallbacks, load balancer)"
        )


class AudioExtractor(ABC):
    """Extracts what belongs in the joined file from one chunk."""

    stream_format = ""  # properties that all chunks must share, once they are known
    is_empty = True  # whether the chunk contains no audio so far

    def __init__(self, *, is_first: bool) -> None:
        self._is_first = is_first

    @abstractmethod
    def extract(self, data: bytes) -> bytes:
        """Take the next bytes of the chunk, and return those that belong in the joined file."""


class PcmExtractor(AudioExtractor):
    """Extracts whole samples: half a sample would turn all following ones into noise."""

    _block_size = 2
    _incomplete = b""

    def extract(self, data: bytes) -> bytes:
        data = self._incomplete + data
        end = len(data) - len(data) % self._block_size
        self._incomplete = data[end:]
        self.is_empty = self.is_empty and not end
        return data[:end]


class WavExtractor(PcmExtractor):
    """Extracts the samples of a WAV file, and its header if it is the first chunk."""

    _header_data: bytes | None = b""  # until it is complete
    _remaining_bytes: int | None = None  # of the samples, if the header states their size

    def extract(self, data: bytes) -> bytes:
        output = b""
        if self._header_data is not None:
            self._header_data += data
            try:
                header = parse_wav_header(self._header_data)
            except ValueError as error:
                raise MalformedResponseError(f"the audio is {error}") from None
            if header is None:
                return b""
            if self._is_first:
                output = build_wav_header(header.format_chunk, None)
            data = self._header_data[header.data_offset :]
            self._header_data = None
            self._remaining_bytes = header.data_size
            self._block_size = header.block_size
            self.stream_format = header.description
        if self._remaining_bytes is not None:
            data = data[: self._remaining_bytes]
            self._remaining_bytes -= len(data)
        return output + super().extract(data)


class Mp3Extractor(AudioExtractor):
    """Extracts an MP3 file without the tags and the length table at its start."""

    _start = b""

    def extract(self, data: bytes) -> bytes:
        if not self.stream_format:
            self._start += data
            data = self._remove_start(self._start)
        self.is_empty = self.is_empty and not data
        return data

    def _remove_start(self, data: bytes) -> bytes:
        """Return the audio, or nothing until the first frame is complete."""
        tags_size = get_tags_size(data)
        found = find_mp3_frame(data[tags_size : tags_size + MAX_HEADER_BYTES])
        if found is None:
            if len(data) - tags_size > MAX_HEADER_BYTES:
                raise MalformedResponseError("the mp3 file contains no audio")
            return b""
        offset, frame = found
        start = tags_size + offset
        if len(data) < start + frame.size:
            return b""
        if any(name in data[start + 4 : start + 48] for name in _MP3_LENGTH_TABLES):
            start += frame.size  # it contains the length of the file instead of audio
        self.stream_format = f"{frame.sample_rate} Hz, {frame.channels} channel(s)"
        return data[start:]


EXTRACTORS: dict[str | None, type[AudioExtractor]] = {
    "wav": WavExtractor,
    "pcm": PcmExtractor,
    "mp3": Mp3Extractor,
}
"""Classes by audio format. Chunks of other formats cannot be joined."""


def write_wav_sizes(file: BinaryIO) -> None:
    """Write the sizes in the header of a WAV file if they are missing, as in streams."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    try:
        header = parse_wav_header(file.read(MAX_HEADER_BYTES))
    except ValueError:
        return
    if header and header.data_size is None and size < 1 << 32:
        data_offset = header.data_offset
        for offset, value in ((4, size - 8), (data_offset - 4, size - data_offset)):
            file.seek(offset)
            file.write(value.to_bytes(4, "little"))


def build_speech_requests(
    text: str, params: Mapping[str, Any], max_chars: int
) -> list[SpeechRequest]:
    chunks = [text]
    if len(text) > max_chars:
        chunks = split_text(text, max_chars) or [text]
    audio_format = params.get("audio_format") or DEFAULT_FORMAT
    if len(chunks) > 1 and audio_format not in EXTRACTORS:
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
            if self._is_joining and detected.format in EXTRACTORS:
                self._extractor = EXTRACTORS[detected.format](is_first=is_first)
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
        detected = self._format
        responses = self._responses
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
