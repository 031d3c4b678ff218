"""Detect the format of generated speech, measure it, and join its chunks as they arrive.

Chunks are joined without decoding them. WAV and PCM are joined without gaps. MP3 keeps the few
milliseconds of silence that encoders add at both ends of each chunk.
"""

import os
import re
from pathlib import Path
from typing import BinaryIO, NamedTuple

from orq_router_integrations.media.mime import (
    DEFAULT_TYPE,
    ID3_HEADER_BYTES,
    detect_mime_type,
    get_id3_tag_size,
    get_suffixes,
    normalize_mime_type,
)
from orq_router_integrations.media.mp3 import parse_mp3_frame
from orq_router_integrations.media.wav import WavHeader, build_wav_header, parse_wav_header
from orq_router_integrations.wire.call import Response
from orq_router_integrations.wire.speech import SPEECH_FORMATS, SpeechFormat

JOINABLE_FORMATS = ("wav", "pcm", "mp3")

_FORMATS = {
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/aac": "aac",
    "audio/flac": "flac",
    "audio/wav": "wav",
    "video/mp4": "m4a",
    "audio/mp4": "m4a",
    "video/webm": "webm",
}
"""Formats by MIME type. If a format has two, the last one has its usual suffix."""

_PCM_MIME_TYPES = {"audio/pcm", "audio/l16", "audio/x-pcm", "audio/raw"}

AUDIO_SUFFIXES = {
    **{name: get_suffixes(mime_type) for mime_type, name in _FORMATS.items()},
    "opus": (".opus", ".ogg", ".oga"),
    "pcm": (".pcm", ".raw"),
}
"""File suffixes by format, the preferred one first."""

_LENGTH_TABLES = (b"Xing", b"Info", b"VBRI")
_SAMPLE_RATE = re.compile(r";\s*rate=(\d{4,6})\b", re.IGNORECASE)


class AudioFormatError(Exception):
    """The data is not audio, or cannot be joined to the previous chunks."""


class DetectedFormat(NamedTuple):
    """The format of audio data; ``None`` if it is unknown. Only PCM may have a sample rate."""

    format: str | None
    mime_type: str
    sample_rate: int | None = None

    @property
    def description(self) -> str:
        name = self.format or self.mime_type
        return f"{name} at {self.sample_rate} Hz" if self.sample_rate else name


def detect_format(data: bytes, requested: str, response: Response) -> DetectedFormat:
    """Detect the format of audio from its first 64 bytes.

    PCM has no magic bytes. It is assumed if it was requested or declared, unless the data clearly
    has another format. Its sample rate is read from a content type like ``audio/L16;rate=24000``.
    Raises ``AudioFormatError`` if the data is not audio.
    """
    declared, detected = normalize_mime_type(response.content_type), detect_mime_type(data[:16])
    if declared in _PCM_MIME_TYPES or requested == "pcm":
        # Magic bytes this short also occur in samples, so the content type must agree with them.
        has_short_magic = data[:1] == b"\xff" or detected == "image/bmp"
        if detected is None or (has_short_magic and detected != declared):
            rate = _SAMPLE_RATE.search(response.headers.get("content-type", ""))
            return DetectedFormat("pcm", "audio/pcm", int(rate[1]) if rate else None)
    if detected is None:
        return DetectedFormat(None, declared or DEFAULT_TYPE)
    if detected not in _FORMATS:
        raise AudioFormatError(f"expected audio, got {detected}")
    if b"OpusHead" in data[:64]:
        return DetectedFormat("opus", detected)
    return DetectedFormat(_FORMATS[detected], detected.replace("video/", "audio/"))


class AudioJoiner:
    """Passes audio on unchanged. Used for formats that can be neither measured nor joined.

    Subclasses measure the audio, and extract the part of each chunk that remains when several
    chunks are joined. A single chunk is never changed.
    """

    def __init__(self, name: str = "", *, is_joining: bool = False) -> None:
        self.name = name
        self.is_joining = is_joining
        self.size = 0
        """Number of bytes of the file so far."""

    @property
    def seconds(self) -> float | None:
        """Duration of the audio so far; ``None`` if it is unknown."""
        return None

    def begin_chunk(self) -> None:
        """Start the first or the next chunk. Raises ``AudioFormatError`` if it cannot be joined."""
        if self.size:
            raise AudioFormatError(f"{self.name} audio cannot be joined")

    def end_chunk(self) -> None:
        """Finish a chunk. Raises ``AudioFormatError`` if it does not contain audio."""

    def feed(self, data: bytes) -> bytes:
        """Process bytes as they arrive, and return those that belong in the file.

        Raises ``AudioFormatError`` if they do not match the previous chunks.
        """
        samples = self.extract(data)
        output = samples if self.is_joining else data
        self.size += len(output)
        return output

    def extract(self, data: bytes) -> bytes:
        """Measure the data, and return the part that remains when chunks are joined."""
        return data

    def finish(self, file: BinaryIO) -> None:
        """Write the header fields that are only known at the end."""


class PcmJoiner(AudioJoiner):
    """Joins PCM: 16-bit mono samples, whose rate the data does not contain."""

    def __init__(self, sample_rate: int, *, is_joining: bool = False) -> None:
        super().__init__("pcm", is_joining=is_joining)
        self._block_size = 2
        self._bytes_per_second = sample_rate * self._block_size
        self._sample_bytes = 0
        self._incomplete = b""

    @property
    def seconds(self) -> float | None:
        return self._sample_bytes / self._bytes_per_second if self._bytes_per_second else None

    def begin_chunk(self) -> None:
        self._incomplete = b""  # half a sample would turn all following ones into noise

    def extract(self, data: bytes) -> bytes:
        data = self._incomplete + data
        end = len(data) - len(data) % self._block_size
        self._incomplete = data[end:]
        self._sample_bytes += end
        return data[:end]


class WavJoiner(PcmJoiner):
    """Joins WAV files: one header, followed by the samples of all chunks."""

    def __init__(self, *, is_joining: bool = False) -> None:
        super().__init__(0, is_joining=is_joining)  # the rate is in the header
        self.name = "wav"
        self._header: WavHeader | None = None
        self.begin_chunk()

    def begin_chunk(self) -> None:
        super().begin_chunk()
        self._header_data: bytes | None = b""
        self._remaining_bytes: int | None = None
        self._previous_bytes = self._sample_bytes

    def end_chunk(self) -> None:
        has_samples = self._sample_bytes > self._previous_bytes
        if self._header_data is not None or (self._header and not has_samples):
            raise AudioFormatError("the audio is a WAV file without samples")

    def extract(self, data: bytes) -> bytes:
        output = b""
        if self._header_data is not None:
            self._header_data += data
            try:
                header = parse_wav_header(self._header_data)
            except ValueError as error:
                if self.is_joining:
                    raise AudioFormatError(f"the audio is {error}") from None
                self._header_data = None  # a single chunk is passed on, its duration unknown
                return b""
            if header is None:
                return b""
            output, data = self._add_header(header), self._header_data[header.data_offset :]
            self._header_data, self._remaining_bytes = None, header.data_size
        if self._remaining_bytes is not None:
            data = data[: self._remaining_bytes]
            self._remaining_bytes -= len(data)
        return output + super().extract(data)

    def _add_header(self, header: WavHeader) -> bytes:
        if self._header is None:
            self._header = header
            self._block_size = header.block_size
            self._bytes_per_second = header.bytes_per_second
            return build_wav_header(header.format_chunk, None)
        if header.format_chunk[:16] != self._header.format_chunk[:16]:
            raise AudioFormatError(
                f"the audio has {header.description}, previous chunks have "
                f"{self._header.description}"
            )
        return b""

    def finish(self, file: BinaryIO) -> None:
        header = self._header
        if header and self.is_joining:
            file.seek(0)
            file.write(build_wav_header(header.format_chunk, self._sample_bytes))
        elif header and header.data_size is None and self.size < 1 << 32:
            sizes = {4: self.size - 8, header.data_offset - 4: self.size - header.data_offset}
            for offset, size in sizes.items():
                file.seek(offset)
                file.write(size.to_bytes(4, "little"))


class Mp3Joiner(AudioJoiner):
    """Joins MP3 files: the frames of all chunks, without tags and length tables."""

    def __init__(self, *, is_joining: bool = False) -> None:
        super().__init__("mp3", is_joining=is_joining)
        self._seconds = 0.0
        self._stream_format: str | None = None
        self.begin_chunk()

    def begin_chunk(self) -> None:
        self._buffer = b""
        self._skip_bytes = 0
        self._frames = 0
        self._is_out_of_sync = False

    def end_chunk(self) -> None:
        if self.is_joining and not self._frames:
            raise AudioFormatError("the audio is an MP3 file without frames")

    @property
    def seconds(self) -> float | None:
        return self._seconds or None

    def extract(self, data: bytes) -> bytes:
        data = self._buffer + data
        frames, offset = [], 0
        while len(data) - offset >= ID3_HEADER_BYTES:
            step = min(self._skip_bytes, len(data) - offset)
            self._skip_bytes -= step
            if not step:
                frame, step = self._read_frame(data, offset)
                if not step:
                    break
                frames.append(frame)
            offset += step
        self._buffer = data[offset:]
        return b"".join(frames)

    def _read_frame(self, data: bytes, offset: int) -> tuple[bytes, int]:
        """Return the next frame and the number of bytes read, 0 if the frame is incomplete."""
        if tag_size := get_id3_tag_size(data[offset : offset + ID3_HEADER_BYTES]):
            self._skip_bytes = tag_size - ID3_HEADER_BYTES
            return b"", ID3_HEADER_BYTES
        header = parse_mp3_frame(data[offset : offset + 4])
        stream_format = f"{header.sample_rate} Hz, {header.channels} channel(s)" if header else None
        # Out of sync, a header with another format is random data.
        is_random = self._is_out_of_sync and self._stream_format not in {None, stream_format}
        if header is None or is_random:
            self._is_out_of_sync = True
            return b"", 1
        frame = data[offset : offset + header.size]
        if len(frame) < header.size:
            return b"", 0
        if not self._frames and any(name in frame[4:48] for name in _LENGTH_TABLES):
            return b"", header.size  # it contains the length of the file instead of audio
        self._stream_format = self._stream_format or stream_format
        if self.is_joining and stream_format != self._stream_format:
            raise AudioFormatError(
                f"the audio has {stream_format}, previous chunks have {self._stream_format}"
            )
        self._is_out_of_sync = False
        self._frames += 1
        self._seconds += header.samples / header.sample_rate
        return frame, header.size


def create_joiner(detected: DetectedFormat, pcm_rate: int, *, is_joining: bool) -> AudioJoiner:
    match detected.format:
        case "pcm":
            return PcmJoiner(detected.sample_rate or pcm_rate, is_joining=is_joining)
        case "wav":
            return WavJoiner(is_joining=is_joining)
        case "mp3":
            return Mp3Joiner(is_joining=is_joining)
    return AudioJoiner(detected.format or "unknown audio", is_joining=is_joining)


def infer_format(path: str | os.PathLike[str]) -> SpeechFormat | None:
    suffix = Path(path).suffix.lower()
    return next((name for name in SPEECH_FORMATS if suffix in AUDIO_SUFFIXES[name]), None)
