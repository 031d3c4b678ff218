"""The frames of a WAV file: pieces that stream from where it lies, and places where it is quiet."""

import io
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import BinaryIO, Self

from orq_router_integrations.document_loaders.sources import Recording
from orq_router_integrations.media.wav import (
    MAX_HEADER_BYTES,
    WavHeader,
    build_wav_header,
    parse_wav_header,
)
from orq_router_integrations.wire.call import Upload

BLOCK_SECONDS = 0.02
_QUIET_SHARE = 0.1
_UNSIGNED = bytes((byte + 128) % 256 for byte in range(256))


@dataclass(frozen=True, slots=True)
class WavReader:
    """All frames of a file; none of them is held.

    Attributes:
        open: a new stream at the first byte of the file.
        head: what stands before them.
        count: how many there are.
    """

    open: Callable[[], BinaryIO]
    header: WavHeader
    frame_count: int

    @classmethod
    def from_recording(cls, recording: Recording) -> Self | None:
        """The frames of a recording; ``None`` where it is no WAV that can be cut as it is."""
        with recording.open() as stream:
            try:
                head = parse_wav_header(stream.read(MAX_HEADER_BYTES))
            except ValueError:
                return None
        if head is None or not head.is_sliceable:
            return None
        there = recording.size - head.data_offset  # files that were cut off promise more
        return cls(recording.open, head, min(there, head.data_size or there) // head.block_size)

    @property
    def frame_rate(self) -> int:
        """Frames per second."""
        return self.header.sample_rate

    @property
    def duration_seconds(self) -> float:
        """How long they last."""
        return self.frame_count / self.frame_rate

    def max_frames(self, size: int) -> int:
        """How many of them fit into a file of so many bytes."""
        return (size - len(build_wav_header(self.header.format_chunk, 0))) // self.header.block_size

    def create_upload(self, start: int, end: int, name: str) -> Upload:
        """Those from ``start`` up to ``end`` as a file of their own."""
        length = (end - start) * self.header.block_size
        head = build_wav_header(self.header.format_chunk, length)
        place = self.header.data_offset + start * self.header.block_size

        def opened() -> BinaryIO:
            return io.BufferedReader(_Piece(head, self.open(), place, length))

        return Upload(name, "audio/wav", len(head) + length, opened)

    def find_quiet_frame(self, start: int, end: int) -> int:
        """A frame in the midst of the longest quiet between two frames; the last of equals.

        Quiet is what is softer than a tenth of the loudest. Where nothing is, the end.
        """
        if self.header.format_tag != 1:
            return end
        block = max(1, int(BLOCK_SECONDS * self.frame_rate))
        loudness = self._loudness(start, end, block)
        limit = max(loudness, default=0) * _QUIET_SHARE
        best, best_length, at = end, 0, 0
        for quiet, some in groupby(loudness, lambda level: level <= limit):
            length = len(list(some))
            if quiet and length >= best_length:
                best, best_length = start + (2 * at + length) * block // 2, length
            at += length
        return min(best, end)

    def _loudness(self, start: int, end: int, block: int) -> list[int]:
        """The loudest sample of each block, by its high byte."""
        size = self.header.block_size
        with self.open() as stream:
            stream.seek(self.header.data_offset + start * size)
            data = stream.read((end - start) * size)
        width = size // self.header.channels
        high = data[width - 1 :: width]
        if width == 1:
            high = high.translate(_UNSIGNED)
        step = block * self.header.channels
        blocks = (array("b", high[at : at + step]) for at in range(0, len(high), step))
        return [max(abs(max(some)), abs(min(some))) for some in blocks]


class _Piece(io.RawIOBase):
    """A head, and then a stretch of a file."""

    def __init__(self, head: bytes, stream: BinaryIO, place: int, length: int) -> None:
        self._head = head
        self._stream = stream
        self._left = length
        stream.seek(place)

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        """Fill the buffer as far as there is something."""
        room = len(buffer)
        if self._head:
            found, self._head = self._head[:room], self._head[room:]
        else:
            found = self._stream.read(min(room, self._left))
            self._left -= len(found)
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        super().close()
