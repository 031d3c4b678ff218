"""One text-to-speech call: its requests, and the audio that joins their responses. No network I/O.

The chunks of a long text are joined without decoding them. WAV and PCM are joined without gaps. MP3
keeps the few milliseconds of silence that encoders add at both ends of each chunk.
"""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, NamedTuple, NoReturn

from orq_router_integrations.errors import RouterError
from orq_router_integrations.media.atomic_write import OutputFile
from orq_router_integrations.media.metadata import read_audio_seconds
from orq_router_integrations.media.mime import (
    DEFAULT_TYPE,
    FileView,
    detect_mime_type,
    get_tags_size,
    is_text,
    normalize_mime_type,
)
from orq_router_integrations.media.mp3 import find_mp3_frame
from orq_router_integrations.media.wav import (
    MAX_HEADER_BYTES,
    build_wav_header,
    parse_wav_header,
    read_wav_header,
)
from orq_router_integrations.tools.speech_result import FORMATS, Speech
from orq_router_integrations.tools.text_splitting import split_text
from orq_router_integrations.wire.call import (
    MAX_ERROR_BYTES,
    MalformedResponseError,
    Response,
    StreamCall,
    raise_for_error,
)
from orq_router_integrations.wire.json import loads
from orq_router_integrations.wire.model_names import ModelCandidates
from orq_router_integrations.wire.speech import SpeechRequest

SNIFF_BYTES = 64  # the start of a response, which shows its format
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
    # MP4 and WebM start with the same bytes whether they contain video or only audio.
    return DetectedFormat(FORMATS[detected], detected.replace("video/", "audio/"))


class AudioStart(NamedTuple):
    """Where the audio of a file starts, and how to join it with the audio of other files."""

    offset: int = 0  # in bytes
    properties: str = ""  # must be equal in all files
    header: bytes = b""  # header of the joined file
    block_size: int = 1  # the audio of each file is cut to a multiple of it
    size: int | None = None  # size of the audio in bytes, if the file states it


def find_wav_start(data: bytes) -> AudioStart | None:
    """Find the samples, or return ``None`` if more bytes are needed."""
    try:
        header = parse_wav_header(data)
    except ValueError as error:
        raise MalformedResponseError(f"the audio is {error}") from None
    if header is None:
        return None
    joined_header = build_wav_header(header.format_chunk, None)
    return AudioStart(
        header.data_offset, header.description, joined_header, header.block_size, header.data_size
    )


def find_mp3_start(data: bytes) -> AudioStart | None:
    """Find the first frame with audio, or return ``None`` if more bytes are needed."""
    tags_size = get_tags_size(data)
    match = find_mp3_frame(data[tags_size : tags_size + MAX_HEADER_BYTES])
    if match is None:
        if len(data) - tags_size > MAX_HEADER_BYTES:
            raise MalformedResponseError("the mp3 file contains no audio")
        return None
    offset, frame = tags_size + match[0], match[1]
    if len(data) < offset + frame.size:
        return None
    if any(name in data[offset + 4 : offset + 48] for name in _MP3_LENGTH_TABLES):
        offset += frame.size  # it contains the length of the file instead of audio
    return AudioStart(offset, f"{frame.sample_rate} Hz, {frame.channels} channel(s)")


START_FINDERS: dict[str | None, Callable[[bytes], AudioStart | None]] = {
    "wav": find_wav_start,
    "pcm": lambda _: AudioStart(block_size=2),  # half a sample would turn the rest into noise
    "mp3": find_mp3_start,
}
"""Functions by audio format. Files of other formats cannot be joined."""


@dataclass(slots=True, repr=False)
class SpeechDecoder:
    """Checks that a response is audio, and passes its bytes on as they arrive."""

    done: ClassVar = False  # the response ends with its body, not with a marker
    partial: ClassVar = ""  # required by StreamDecoder; audio has no text

    response: Response
    requested_format: str
    is_joined: bool = False  # whether to pass on only the bytes that belong in the joined file
    first: "SpeechDecoder | None" = None  # decoder of the first file, unless this is the first one
    format: DetectedFormat = field(default_factory=DetectedFormat)
    start: AudioStart | None = None
    size: int = 0  # number of bytes passed on
    _pending: bytes = b""  # what cannot be passed on yet: the start, or an incomplete block
    _audio_size: int = 0
    _head: bytes = b""  # the start of what was passed on

    def feed(self, data: bytes, *, is_last: bool = False) -> Iterator[bytes]:
        """Take the next bytes of the response, and yield those that belong in the file."""
        data = self._pending + data
        header = b""
        if self.start is None:
            self.start = self._read_start(data, is_last=is_last)
            if self.start is None:
                self._pending = data
                return
            data = data[self.start.offset :]
            header = b"" if self.first else self.start.header
        if self.start.size is not None:
            data = data[: self.start.size - self._audio_size]
        end = len(data) - len(data) % self.start.block_size
        self._pending = data[end:]
        self._audio_size += end
        if output := header + data[:end]:
            self.size += len(output)
            if len(self._head) < MAX_HEADER_BYTES:
                self._head += output
            yield output

    def _read_start(self, data: bytes, *, is_last: bool) -> AudioStart | None:
        """Detect the format, and find the audio. Return ``None`` if more bytes are needed."""
        if len(data) < SNIFF_BYTES and not is_last:
            return None
        if is_text(data[:SNIFF_BYTES]):
            if is_last or len(data) > MAX_ERROR_BYTES:
                _raise_for_text(data[:MAX_ERROR_BYTES])
            return None
        self.format = detect_format(data[:SNIFF_BYTES], self.requested_format, self.response)
        if self.first:
            _check_equal(self.format, self.first.format)
        if not self.is_joined or self.format.format not in START_FINDERS:
            return AudioStart()
        start = START_FINDERS[self.format.format](data)
        if start and self.first and self.first.start:
            _check_equal(start.properties, self.first.start.properties)
        return start

    def finish(self) -> Iterator[bytes]:
        """Yield the remaining bytes, and check that there is audio."""
        if self.start is None and not self._pending:
            raise MalformedResponseError("the response contains no audio: its body is empty")
        yield from self.feed(b"", is_last=True)
        name = self.format.format
        if not self.is_joined:
            is_short_wav = name == "wav" and self.size == len(self._head)  # long ones have audio
            is_empty = is_short_wav and not read_audio_seconds(self._head)
        elif name in START_FINDERS:
            is_empty = not self._audio_size
        else:
            raise MalformedResponseError(f"{self.format} audio cannot be joined")
        if is_empty:
            raise MalformedResponseError(f"the {name} file contains no audio")


def _raise_for_text(body: bytes) -> NoReturn:
    """Raise the error for text instead of audio, such as JSON or a web page."""
    try:
        raise_for_error(loads(body), body)
    except ValueError:
        raise MalformedResponseError("expected audio, got text", body) from None
    raise MalformedResponseError("expected audio, got JSON", body)


def _check_equal(audio_format: object, first_format: object) -> None:
    if audio_format != first_format:
        raise MalformedResponseError(
            f"the audio format changed from {first_format} to {audio_format}; another model may "
            "have answered (fallbacks, load balancer)"
        )


def write_wav_sizes(file: BinaryIO) -> None:
    """Write the sizes in the header of a WAV file if they are missing, as in streams."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    header = read_wav_header(file.read(MAX_HEADER_BYTES))
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
    if len(chunks) > 1 and audio_format not in START_FINDERS:
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
    _decoders: list[SpeechDecoder] = field(default_factory=list)  # one for each chunk
    _chunk: int = 0

    @property
    def _size(self) -> int:
        return sum(decoder.size for decoder in self._decoders)

    @property
    def summary(self) -> str:
        return f"{self._size} bytes of {self._decoders[0].format.format} audio"

    def iter_requests(self) -> Iterator[StreamCall[bytes]]:
        """Yield the requests. Receive the response to each one before advancing."""
        for request in self.requests:
            self._chunk += 1
            yield request

    def create_decoder(self, response: Response) -> SpeechDecoder:
        del self._decoders[self._chunk - 1 :]  # forget the decoder of a failed attempt
        decoder = SpeechDecoder(
            response,
            self.requested_format,
            is_joined=len(self.requests) > 1,
            first=self._decoders[0] if self._decoders else None,
        )
        self._decoders.append(decoder)
        return decoder

    @contextmanager
    def handle_errors(self) -> Iterator[None]:
        """Add the number of received bytes and the position of the failed chunk to errors."""
        try:
            yield
        except RouterError as error:
            error.received = max(error.received, self._size)
            if len(self.requests) > 1:
                position = f"chunk {self._chunk} of {len(self.requests)}"
                error.args = (f"{error.message} ({position})", *error.args[1:])
            raise

    @contextmanager
    def open_output(self) -> Iterator[OutputFile]:
        """Open the target. Errors contain audio in memory as ``partial_bytes``."""
        with OutputFile(self.target) as output:
            try:
                yield output
            except RouterError as error:
                if self.target is None:
                    write_wav_sizes(output.file)
                    error.partial_bytes = output.data or b""
                raise

    def build_speech(self, output: OutputFile) -> Speech:
        """Complete the audio header, give the file its final name, and build the result."""
        detected = self._decoders[0].format
        responses = [decoder.response for decoder in self._decoders]
        size = self._size
        sample_rate = None
        if detected.format == "pcm":
            sample_rate = detected.sample_rate or self.pcm_rate
            seconds: float | None = size // 2 / sample_rate
        else:
            write_wav_sizes(output.file)
            seconds = read_audio_seconds(FileView(output.file))
        models = {self.candidates.resolve_model(None, response.headers) for response in responses}
        digest = output.compute_digest()  # BytesIO copies its content if the data is read first
        speech = Speech(
            data=output.data,
            format=detected.format,
            requested_format=self.requested_format,
            mime_type=detected.mime_type,
            size=size,
            sha256=digest,
            seconds=seconds and round(seconds, 3),
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
