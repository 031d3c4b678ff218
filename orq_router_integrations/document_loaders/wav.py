"""WAV files by their frames: pieces that stream from the file, and places where it is quiet."""

import io
import struct
import wave
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from itertools import groupby
from typing import BinaryIO

from typing_extensions import Self

from orq_router_integrations.document_loaders.sources import Recording
from orq_router_integrations.wire.call import Upload

HEAD = 44
"""Bytes before the frames of a piece."""

BLOCK_SECONDS = 0.02
_QUIET_SHARE = 0.1
_UNSIGNED = bytes((byte + 128) % 256 for byte in range(256))


@dataclass(frozen=True, slots=True)
class Wav:
    """The frames of a PCM file, wherever it lies; none of them is held.

    Attributes:
        open: a new stream at the first byte of the file.
        offset: where the frames begin.
        frames: how many there are.
        rate: frames per second.
        channels: samples per frame.
        width: bytes per sample.
    """

    open: Callable[[], BinaryIO]
    offset: int
    frames: int
    rate: int
    channels: int
    width: int

    @classmethod
    def of(cls, recording: Recording) -> Self | None:
        """The frames of a recording; ``None`` where it is no PCM that the stdlib reads."""
        with recording.open() as stream:
            try:
                with wave.open(stream) as file:
                    rate, channels = file.getframerate(), file.getnchannels()
                    width, frames = file.getsampwidth(), file.getnframes()
                    offset = stream.tell()
            except (wave.Error, EOFError):
                return None
        size = width * channels
        there = (recording.size - offset) // size  # streamed files promise more than there is
        return cls(recording.open, offset, min(frames, there), rate, channels, width)

    @property
    def size(self) -> int:
        """Bytes of a frame."""
        return self.channels * self.width

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.frames / self.rate

    def piece(self, start: int, end: int, name: str) -> Upload:
        """The frames from ``start`` up to ``end`` as a file of their own."""
        length = (end - start) * self.size
        head = self._head(length)
        place = self.offset + start * self.size

        def opened() -> BinaryIO:
            return io.BufferedReader(_Piece(head, self.open(), place, length))

        return Upload(name, "audio/wav", len(head) + length, opened)

    def quietest(self, start: int, end: int) -> int:
        """A frame in the midst of the longest quiet between two frames; the last of equals.

        Quiet is what is softer than a tenth of the loudest. Where nothing is, the end.
        """
        block = max(1, int(BLOCK_SECONDS * self.rate))
        loudness = self._loudness(start, end, block)
        limit = max(loudness, default=0) * _QUIET_SHARE
        best, best_length, at = end, 0, 0
        for quiet, some in groupby(loudness, lambda level: level <= limit):
            length = len(list(some))
            if quiet and length >= best_length:
                best, best_length = start + (2 * at + length) * block // 2, length
            at += length
        return best

    def _loudness(self, start: int, end: int, block: int) -> list[int]:
        """The loudest sample of each block, by its high byte."""
        with self.open() as stream:
            stream.seek(self.offset + start * self.size)
            data = stream.read((end - start) * self.size)
        high = data[self.width - 1 :: self.width]
        if self.width == 1:
            high = high.translate(_UNSIGNED)
        step = block * self.channels
        blocks = (array("b", high[at : at + step]) for at in range(0, len(high), step))
        return [max(abs(max(some)), abs(min(some))) for some in blocks]

    def _head(self, length: int) -> bytes:
        second = self.rate * self.size
        shape = struct.pack(
            "<HHIIHH", 1, self.channels, self.rate, second, self.size, self.width * 8
        )
        return b"RIFF%sWAVEfmt %s%sdata%s" % (
            struct.pack("<I", 36 + length),
            struct.pack("<I", len(shape)),
            shape,
            struct.pack("<I", length),
        )


class _Piece(io.RawIOBase):
    """A head, and then a stretch of a file."""

    def __init__(self, head: bytes, stream: BinaryIO, place: int, length: int) -> None:
        self._head = head
        self._stream = stream
        self._left = length
        stream.seek(place)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "memoryview") -> int:  # type: ignore[override]
        room = len(buffer)
        if self._head:
            found, self._head = self._head[:room], self._head[room:]
        else:
            found = self._stream.read(min(room, self._left))
            self._left -= len(found)
        buffer[: len(found)] = found
        return len(found)

    def close(self) -> None:
        self._stream.close()
        super().close()
