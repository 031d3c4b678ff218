"""Parse the headers of WAV, RF64 and Wave64 files, and build those of WAV files."""

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

MAX_HEADER_BYTES = 64 * 1024
"""The samples must start within this many bytes."""

_EXTENSIBLE = b"\xfe\xff"
"""Format tag of headers that contain the actual format in a later field."""

_UNKNOWN_SIZES = range(0x7FFF0000, 0x100000000)
"""Sizes that programs write when they stream a file and do not know its size."""

_PREFIXES = (b"RIFF", b"RF64", b"BW64")
_WAVE64_PREFIX = bytes.fromhex("726966662e91cf11a5d628db04c10000")
_WAVE64_NAME_END = bytes.fromhex("f3acd3118cd100c04f8edb8a")
"""Names of Wave64 chunks have 16 bytes: the 4 of a WAV file, and these."""

_Chunk = tuple[bytes, int, int]
"""Name of a chunk, offset of its content in the file, and size of its content."""


@dataclass(frozen=True, slots=True)
class WavHeader:
    """The header of a WAV, RF64 or Wave64 file. Offsets and sizes are in bytes.

    Attributes:
        format_chunk: Content of the ``fmt`` chunk.
        data_offset: Offset of the samples in the file.
        data_size: Size of the samples, or ``None`` if the header does not state it.
        is_64_bit: Whether it is an RF64 or Wave64 file.
    """

    format_chunk: bytes
    data_offset: int
    data_size: int | None
    is_64_bit: bool = False

    def _read_int(self, start: int, end: int) -> int:
        return int.from_bytes(self.format_chunk[start:end], "little")

    @property
    def format_tag(self) -> int:
        """Encoding of the samples: 1 is PCM, 3 is float, 6 and 7 are A-law and mu-law."""
        is_extensible = self.format_chunk[:2] == _EXTENSIBLE and len(self.format_chunk) >= 26
        return self._read_int(24, 26) if is_extensible else self._read_int(0, 2)

    @property
    def channels(self) -> int:
        return self._read_int(2, 4)

    @property
    def sample_rate(self) -> int:
        return self._read_int(4, 8)

    @property
    def bytes_per_second(self) -> int:
        return self._read_int(8, 12)

    @property
    def block_size(self) -> int:
        """Size of one sample of all channels, at least 1."""
        return self._read_int(12, 14) or 1

    @property
    def _bits_per_sample(self) -> int:
        return self._read_int(14, 16)

    @property
    def is_sliceable(self) -> bool:
        """Whether the file can be cut at any block, because blocks are not compressed together."""
        sample_bytes = self.channels * ((self._bits_per_sample + 7) // 8)
        is_uncompressed = self.format_tag in {1, 3, 6, 7} and self.sample_rate > 0
        return is_uncompressed and 0 < sample_bytes == self.block_size

    @property
    def description(self) -> str:
        return f"{self.sample_rate} Hz, {self.channels} channel(s), {self._bits_per_sample} bit"

    def compute_data_size(self, file_size: int) -> int:
        """Return the size of the samples in a file.

        The file may have been truncated, or its size may exceed the 32 bits of the header.
        """
        available = max(0, file_size - self.data_offset)
        stated = min(available, self.data_size or available)
        return stated if self.is_64_bit else stated + (available - stated) // 2**32 * 2**32


def parse_wav_header(data: bytes) -> WavHeader | None:
    """Parse the header of a WAV file. Return ``None`` if more bytes are needed.

    Raises ``ValueError`` if it is not a WAV file, or the samples start after ``MAX_HEADER_BYTES``.

    >>> header = build_wav_header(build_pcm_format(24_000), 480)
    >>> parse_wav_header(header).description
    '24000 Hz, 1 channel(s), 16 bit'
    """
    if data and _WAVE64_PREFIX.startswith(data[:16]):
        return _find_samples(data, _iter_wave64_chunks(data), is_64_bit=True)
    if not _is_wav_prefix(data):
        raise ValueError("not a WAV file")
    return _find_samples(data, _iter_chunks(data), is_64_bit=data[:4] != b"RIFF")


def _find_samples(data: bytes, chunks: Iterable[_Chunk], *, is_64_bit: bool) -> WavHeader | None:
    format_chunk, ds64_size = b"", 0
    for name, offset, size in chunks:
        if name == b"data" and len(format_chunk) >= 16:
            stated = ds64_size if is_64_bit and size in _UNKNOWN_SIZES else size
            data_size = None if not stated or stated in _UNKNOWN_SIZES else stated
            return WavHeader(format_chunk, offset, data_size, is_64_bit)
        if name == b"fmt ":
            format_chunk = data[offset : offset + size]
        if name == b"ds64":
            ds64_size = int.from_bytes(data[offset + 8 : offset + 16], "little")
        if name == b"data" or offset + size > MAX_HEADER_BYTES:
            raise ValueError("a WAV file without a readable header")
    return None


def _iter_chunks(data: bytes) -> Iterator[_Chunk]:
    offset = 12
    while len(data) >= offset + 8:
        size = int.from_bytes(data[offset + 4 : offset + 8], "little")
        yield data[offset : offset + 4], offset + 8, size
        offset += 8 + size + size % 2


def _iter_wave64_chunks(data: bytes) -> Iterator[_Chunk]:
    """Yield the chunks of a Wave64 file. Sizes include the header of 24 bytes; 8 is the unit."""
    offset = 40
    while len(data) >= offset + 24:
        size = max(24, int.from_bytes(data[offset + 16 : offset + 24], "little"))
        is_known = data[offset + 4 : offset + 16] == _WAVE64_NAME_END
        yield data[offset : offset + 4] if is_known else b"", offset + 24, size - 24
        offset += -(-size // 8) * 8


def _is_wav_prefix(data: bytes) -> bool:
    """Return whether the data may be the start of a WAV file, however short it is."""
    starts = any(prefix.startswith(data[:4]) for prefix in _PREFIXES)
    return starts and data[8:12] == b"WAVE"[: max(0, len(data) - 8)]


def build_pcm_format(sample_rate: int, channels: int = 1, bits: int = 16) -> bytes:
    block_size = channels * bits // 8
    bytes_per_second = sample_rate * block_size
    return struct.pack("<HHIIHH", 1, channels, sample_rate, bytes_per_second, block_size, bits)


def build_wav_header(format_chunk: bytes, data_size: int | None) -> bytes:
    """Build the header of a WAV file. ``data_size`` is ``None`` if it is not known yet."""
    riff_size = 20 + len(format_chunk) + (data_size or 0)
    if data_size is None or riff_size >= _UNKNOWN_SIZES.stop:
        riff_size = data_size = 0xFFFFFFFF
    start = struct.pack("<4sI8sI", b"RIFF", riff_size, b"WAVEfmt ", len(format_chunk))
    return start + format_chunk + struct.pack("<4sI", b"data", data_size)
