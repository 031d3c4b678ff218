"""Detect the format of generated speech, and join its chunks as they arrive.

Chunks are joined without decoding them. WAV and PCM are joined without gaps. MP3 keeps the few
milliseconds of silence that encoders add at both ends of each chunk.
"""

import os
import re
from pathlib import Path
from typing import BinaryIO, NamedTuple

from orq_router_integrations.media.mime import (
    DEFAULT_TYPE,
    SUFFIXES,
    detect_mime_type,
    get_suffixes,
    get_tags_size,
    normalize_mime_type,
)
from orq_router_integrations.media.mp3 import find_mp3_frame
from orq_router_integrations.media.wav import (
    MAX_HEADER_BYTES,
    build_wav_header,
    parse_wav_header,
)
from orq_router_integrations.wire.call import MalformedResponseError, Response
from orq_router_integrations.wire.speech import SPEECH_FORMATS, SpeechFormat

JOINABLE_FORMATS = ("wav", "pcm", "mp3")

_FORMATS = {
    mime_type: suffixes[0]
    for mime_type, suffixes in SUFFIXES.items()
    if mime_type.startswith("audio/")
} | {"video/mp4": "m4a", "video/webm": "webm"}
"""Formats by MIME type."""

AUDIO_SUFFIXES = {
    **{name: get_suffixes(mime_type) for mime_type, name in reversed(_FORMATS.items())},
    "opus": (".opus", ".ogg", ".oga"),
    "pcm": (".pcm", ".raw"),
}
"""File suffixes by format, the preferred one first."""

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
        raise MalformedResponseError(f"expected audio, got {detected}")
    if b"OpusHead" in data[:64]:
        return DetectedFormat("opus", detected)
    return DetectedFormat(_FORMATS[detected], detected.replace("video/", "audio/"))


def infer_format(path: str | os.PathLike[str]) -> SpeechFormat | None:
    suffix = Path(path).suffix.lower()
    return next((name for name in SPEECH_FORMATS if suffix in AUDIO_SUFFIXES[name]), None)


def check_same_format(found: object, previous: object) -> None:
    if found != previous:
        raise MalformedResponseError(
            f"the audio has the format {found}, previous chunks {previous}; another model may have "
            "answered (fallbacks, load balancer)"
        )


class PcmExtractor:
    """Extracts the samples of a chunk of PCM.

    An incomplete sample at the end is dropped: it would turn all following ones into noise.
    """

    stream_format = ""
    """Properties that all chunks must share; empty until they are known."""

    is_empty = True
    """Whether the chunk contains no audio so far."""

    _block_size = 2
    _incomplete = b""

    def extract(self, data: bytes) -> bytes:
        """Take the next bytes of the chunk, and return those that belong in the joined file."""
        data = self._incomplete + data
        end = len(data) - len(data) % self._block_size
        self._incomplete = data[end:]
        self.is_empty = self.is_empty and not end
        return data[:end]


class WavExtractor(PcmExtractor):
    """Extracts the samples of a WAV file, and its header if it is the first chunk."""

    def __init__(self, *, is_first: bool) -> None:
        self._is_first = is_first
        self._header_data: bytes | None = b""  # until it is complete
        self._remaining_bytes: int | None = None  # of the samples, if the header states their size

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
            self._header_data, self._remaining_bytes = None, header.data_size
            self._block_size, self.stream_format = header.block_size, header.description
        if self._remaining_bytes is not None:
            data = data[: self._remaining_bytes]
            self._remaining_bytes -= len(data)
        return output + super().extract(data)


class Mp3Extractor:
    """Extracts an MP3 file without the tags and the length table at its start."""

    stream_format = ""
    is_empty = True
    _start = b""

    def extract(self, data: bytes) -> bytes:
        if not self.stream_format:
            self._start += data
            data = self._remove_start(self._start)
        self.is_empty = self.is_empty and not data
        return data

    def _remove_start(self, data: bytes) -> bytes:
        """Return the audio, or nothing until the first frame is complete."""
        offset = get_tags_size(data)
        found = find_mp3_frame(data[offset : offset + MAX_HEADER_BYTES])
        if found is None and len(data) - offset > MAX_HEADER_BYTES:
            raise MalformedResponseError("the mp3 file contains no audio")
        if found is None or len(data) < offset + found[0] + found[1].size:
            return b""
        offset, frame = offset + found[0], found[1]
        if any(name in data[offset + 4 : offset + 48] for name in _MP3_LENGTH_TABLES):
            offset += frame.size  # it contains the length of the file instead of audio
        self.stream_format = f"{frame.sample_rate} Hz, {frame.channels} channel(s)"
        return data[offset:]


AudioExtractor = PcmExtractor | WavExtractor | Mp3Extractor


def create_extractor(audio_format: str | None, *, is_first: bool) -> AudioExtractor | None:
    """Create the extractor for a chunk; ``None`` if chunks of this format cannot be joined."""
    match audio_format:
        case "pcm":
            return PcmExtractor()
        case "wav":
            return WavExtractor(is_first=is_first)
        case "mp3":
            return Mp3Extractor()
    return None


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
