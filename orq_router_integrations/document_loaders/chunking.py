"""Split long recordings into overlapping chunks, without reading them into memory.

WAV files are cut directly. Other formats are decoded to a temporary WAV file with PyAV first.
"""

import io
import wave
from array import array
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, groupby, pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO, Self

from orq_router_integrations.document_loaders.sources import create_audio_upload, require_pyav
from orq_router_integrations.errors import RouterInputError, SavingError
from orq_router_integrations.media.wav import (
    MAX_HEADER_BYTES,
    WavHeader,
    build_wav_header,
    read_wav_header,
)
from orq_router_integrations.wire.call import Upload

DECODED_RATE = 16_000  # samples per second of decoded audio; speech models do not use more
PAUSE_SEARCH_SECONDS = 10.0
"""Seconds before the latest possible cut in which to search for a pause."""

BLOCK_SECONDS = 0.02  # length of the blocks whose loudness is measured
_PCM = 1
_MAX_PAUSE_LEVEL = 0.1  # loudness of a pause, as a share of the loudest block
_UNSIGNED_TO_SIGNED = bytes((byte + 128) % 256 for byte in range(256))


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """The part of a recording that is sent in one request. Times are those in the recording."""

    index: int
    upload: Upload
    start_seconds: float = 0.0
    end_seconds: float | None = None

    @property
    def duration_seconds(self) -> float:
        """Duration, or 0 if it is unknown."""
        return 0.0 if self.end_seconds is None else self.end_seconds - self.start_seconds


@dataclass(frozen=True, slots=True)
class ChunkLimits:
    max_bytes: int
    max_seconds: float | None = None
    overlap_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class WavReader:
    """Access to the frames of a WAV file, without reading the file into memory.

    A frame holds one sample per channel.
    """

    open: Callable[[], BinaryIO]
    header: WavHeader
    frame_count: int

    @classmethod
    def from_upload(cls, upload: Upload) -> Self | None:
        """Create a reader, or return ``None`` for compressed WAV files and other formats."""
        if upload.mime_type != "audio/wav":
            return None
        with upload.open() as stream:
            header = read_wav_header(stream.read(MAX_HEADER_BYTES))
        if header is None or not header.is_sliceable:
            return None
        data_size = header.compute_data_size(upload.size)
        return cls(upload.open, header, data_size // header.block_size)

    @property
    def duration_seconds(self) -> float:
        return self.frame_count / self.header.sample_rate

    def create_upload(self, start: int, end: int, filename: str) -> Upload:
        """Create an upload of the frames from ``start`` up to, but not including, ``end``."""
        length = (end - start) * self.header.block_size
        header = build_wav_header(self.header.format_chunk, length)
        offset = self.header.data_offset + start * self.header.block_size

        def open_slice() -> BinaryIO:
            return io.BufferedReader(_WavSlice(header, self.open(), offset, length))

        return Upload(filename, "audio/wav", len(header) + length, open_slice)

    def find_quiet_frame(self, start: int, end: int) -> int:
        """Return the middle of the longest pause in a range of frames, or else its ``end``."""
        if self.header.format_tag != _PCM:
            return end
        block_frames = max(1, int(BLOCK_SECONDS * self.header.sample_rate))
        levels = self._measure_levels(start, end, block_frames)
        threshold = max(levels, default=0) * _MAX_PAUSE_LEVEL
        groups = groupby(range(len(levels)), lambda index: levels[index] <= threshold)
        pauses = [list(indexes) for is_quiet, indexes in groups if is_quiet]
        if not pauses:
            return end
        pause = max(reversed(pauses), key=len)  # the last of the longest ones, for long chunks
        return min(start + (pause[0] + pause[-1] + 1) * block_frames // 2, end)

    def _measure_levels(self, start: int, end: int, block_frames: int) -> list[int]:
        """Return the loudness of each block of frames, from the most significant bytes."""
        header = self.header
        with self.open() as stream:
            stream.seek(header.data_offset + start * header.block_size)
            data = stream.read((end - start) * header.block_size)
        sample_bytes = header.block_size // header.channels
        high_bytes = data[sample_bytes - 1 :: sample_bytes]
        if sample_bytes == 1:  # 8-bit samples are unsigned
            high_bytes = high_bytes.translate(_UNSIGNED_TO_SIGNED)
        step = block_frames * header.channels
        blocks = (array("b", high_bytes[i : i + step]) for i in range(0, len(high_bytes), step))
        return [max(abs(max(samples)), abs(min(samples))) for samples in blocks]


class _WavSlice(io.RawIOBase):
    """A WAV header followed by a range of bytes of another file."""

    def __init__(self, header: bytes, stream: BinaryIO, offset: int, length: int) -> None:
        self._header = header
        self._stream = stream
        self._remaining = length
        stream.seek(offset)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        size = len(buffer)
        if self._header:
            data, self._header = self._header[:size], self._header[size:]
        else:
            data = self._stream.read(min(size, self._remaining))
            self._remaining -= len(data)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._stream.close()
        super().close()


def check_chunk_seconds(seconds: float, overlap_seconds: float, argument: str) -> None:
    """Check that chunks of a duration are long enough for their overlap."""
    min_seconds = overlap_seconds + max(0.1, overlap_seconds / 2)
    if seconds < min_seconds - 0.001:  # because frames are rounded down
        raise RouterInputError(
            f"{argument}: Chunks of {seconds:g} seconds are too short for overlap_seconds="
            f"{overlap_seconds:g}. Allow at least {min_seconds:g} seconds, or reduce "
            "overlap_seconds."
        )


def split_wav(reader: WavReader, limits: ChunkLimits, filename: str) -> list[AudioChunk]:
    """Split a WAV file into chunks, preferably at pauses."""
    stem = filename.rpartition(".")[0]
    frame_rate = reader.header.sample_rate
    half_overlap = int(limits.overlap_seconds * frame_rate / 2)
    boundaries = [0, *_iter_cuts(reader, limits, half_overlap), reader.frame_count]
    chunks = []
    for index, (cut, next_cut) in enumerate(pairwise(boundaries)):
        start = max(0, cut - half_overlap)
        end = min(reader.frame_count, next_cut + half_overlap)
        name = f"{stem}.{index + 1:03}.wav" if len(boundaries) > 2 else f"{stem}.wav"
        upload = reader.create_upload(start, end, name)
        chunks.append(AudioChunk(index, upload, start / frame_rate, end / frame_rate))
    return chunks


def _iter_cuts(reader: WavReader, limits: ChunkLimits, half_overlap: int) -> Iterator[int]:
    """Yield the frames at which the recording is cut; each chunk extends beyond its cuts."""
    header, frame_rate = reader.header, reader.header.sample_rate
    header_size = len(build_wav_header(header.format_chunk, 0))
    max_frames = (limits.max_bytes - header_size) // header.block_size
    if limits.max_seconds is not None:
        max_frames = min(max_frames, int(limits.max_seconds * frame_rate))
    check_chunk_seconds(max_frames / frame_rate, limits.overlap_seconds, "max_bytes, max_seconds")
    max_step = max_frames - 2 * half_overlap
    search_frames = min(int(PAUSE_SEARCH_SECONDS * frame_rate), max_step // 4)
    start = 0
    while start + max_frames < reader.frame_count:
        latest = start + max_frames - half_overlap
        cut = reader.find_quiet_frame(latest - search_frames, latest)
        start = cut - half_overlap
        yield cut


@contextmanager
def open_decoded(upload: Upload, label: str) -> Iterator[WavReader]:
    """Decode a recording to a temporary WAV file (mono, 16 kHz), packet by packet."""
    try:
        directory = TemporaryDirectory(prefix="orq-audio-")
    except OSError as error:
        message = f"Cannot create a temporary directory: {error.strerror or error}"
        raise SavingError(message, errno=error.errno) from error
    with directory:
        path = Path(directory.name, "decoded.wav")
        with _open_container(upload, label) as (av, container), wave.open(str(path), "wb") as file:
            file.setparams((1, 2, DECODED_RATE, 0, "NONE", "not compressed"))
            resampler = av.AudioResampler(format="s16", layout="mono", rate=DECODED_RATE)
            for frame in chain(container.decode(audio=0), [None]):  # None flushes the resampler
                for mono in resampler.resample(frame):
                    file.writeframesraw(bytes(mono.planes[0])[: 2 * mono.samples])
        reader = WavReader.from_upload(create_audio_upload(path))
        assert reader is not None  # noqa: S101 - uncompressed PCM can always be sliced
        yield reader


def read_duration(upload: Upload, label: str) -> float | None:
    """Read the duration in seconds from the file header, or ``None`` if the header omits it."""
    with _open_container(upload, label) as (av, container):
        return container.duration / av.time_base if container.duration else None


@contextmanager
def _open_container(upload: Upload, label: str) -> Iterator[tuple[Any, Any]]:
    require_pyav(label, upload.mime_type)
    import av  # noqa: PLC0415 - optional dependency, slow to import

    try:
        with upload.open() as stream, av.open(stream) as container:
            yield av, container
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        raise RouterInputError(f"source: Cannot decode {label}: {error}") from None
