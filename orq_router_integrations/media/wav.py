"""The head of a WAV file: what its samples are, where they begin, how many there should be."""

import struct
from dataclasses import dataclass

MAX_HEADER_BYTES = 64 * 1024
"""Bytes in which the samples must begin."""

EXTENSIBLE = b"\xfe\xff"
"""The longer form of a head, in which what samples are stands further behind."""

OPEN_SIZES = range(0x7FFF0000, 0x100000000)
"""Sizes that no file has: who streams does not know how much will come, and writes one of these."""


@dataclass(frozen=True, slots=True)
class WavHeader:
    """What stands before the samples of a WAV file.

    Attributes:
        format_chunk: the ``fmt`` chunk without its name and length.
        start: where the samples begin, in bytes.
        data_size: bytes of samples; ``None`` where the file leaves it open.
    """

    format_chunk: bytes
    data_offset: int
    data_size: int | None

    @property
    def format_tag(self) -> int:
        """How samples are written: 1 whole numbers, 3 floats, 6 and 7 telephony; else packed."""
        longer = self.format_chunk[:2] == EXTENSIBLE and len(self.format_chunk) >= 26
        return int.from_bytes(
            self.format_chunk[24:26] if longer else self.format_chunk[:2], "little"
        )

    @property
    def is_sliceable(self) -> bool:
        """Whether each block is one sample of all channels, so that it can be cut anywhere."""
        bits = int.from_bytes(self.format_chunk[14:16], "little")
        width = self.channels * ((bits + 7) // 8)
        return (
            self.format_tag in {1, 3, 6, 7}
            and self.sample_rate > 0
            and 0 < width == self.block_size
        )

    @property
    def channels(self) -> int:
        """Channels."""
        return int.from_bytes(self.format_chunk[2:4], "little")

    @property
    def sample_rate(self) -> int:
        """Samples per second and channel."""
        return int.from_bytes(self.format_chunk[4:8], "little")

    @property
    def bytes_per_second(self) -> int:
        """Bytes per second, all channels together."""
        return int.from_bytes(self.format_chunk[8:12], "little")

    @property
    def block_size(self) -> int:
        """Bytes of one sample of all channels; at least 1."""
        return int.from_bytes(self.format_chunk[12:14], "little") or 1

    @property
    def description(self) -> str:
        """Its sound in words."""
        bits = int.from_bytes(self.format_chunk[14:16], "little")
        return f"{self.sample_rate} Hz, {self.channels} channel(s), {bits} bit"


def parse_wav_header(data: bytes) -> WavHeader | None:
    """The head of a WAV file; ``None`` where more bytes are needed to tell.

    Raises:
        ValueError: it is no WAV, or its samples do not begin within ``LONGEST_HEAD``.

    >>> parse_wav_header(build_wav_header(build_pcm_format(24_000), 480)).description
    '24000 Hz, 1 channel(s), 16 bit'
    """
    if data[:4] != b"RIFF"[: len(data)] or data[8:12] != b"WAVE"[: max(0, len(data) - 8)]:
        raise ValueError("not a WAV file")
    at, shape = 12, b""
    while len(data) >= at + 8:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"data" and len(shape) >= 16:
            return WavHeader(shape, at + 8, None if not size or size in OPEN_SIZES else size)
        if name == b"fmt ":
            shape = data[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
        if name == b"data" or at > MAX_HEADER_BYTES:
            raise ValueError("a WAV file without a readable head")
    return None


def build_pcm_format(sample_rate: int, channels: int = 1, bits: int = 16) -> bytes:
    """The ``fmt`` chunk of plain samples."""
    block = channels * bits // 8
    return struct.pack("<HHIIHH", 1, channels, sample_rate, sample_rate * block, block, bits)


def build_wav_header(format_chunk: bytes, data_size: int | None) -> bytes:
    """The head of a file with these samples.

    Args:
        format_chunk: the ``fmt`` chunk.
        data_size: bytes of samples; ``None`` leaves it open, as those do who stream.
    """
    total, data = (
        (0xFFFFFFFF, 0xFFFFFFFF)
        if data_size is None
        else (20 + len(format_chunk) + data_size, data_size)
    )
    if data_size is not None and total >= OPEN_SIZES.stop:
        total, data = 0xFFFFFFFF, 0xFFFFFFFF
    start = struct.pack("<4sI8sI", b"RIFF", total, b"WAVEfmt ", len(format_chunk)) + format_chunk
    return start + struct.pack("<4sI", b"data", data)
