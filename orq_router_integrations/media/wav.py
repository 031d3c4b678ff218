"""Parse and build the headers of WAV files."""

import struct
from dataclasses import dataclass

MAX_HEADER_BYTES = 64 * 1024
"""The samples must start within this many bytes."""

_EXTENSIBLE = b"\xfe\xff"
"""Format tag of headers that state the actual format further on."""

_UNKNOWN_SIZES = range(0x7FFF0000, 0x100000000)
"""Sizes that programs write when they stream a file and do not know its size."""


@dataclass(frozen=True, slots=True)
class WavHeader:
    """The header of a WAV file.

    Attributes:
        format_chunk: Content of the ``fmt`` chunk.
        data_offset: Offset of the samples in the file, in bytes.
        data_size: Size of the samples in bytes, or ``None`` if the header does not state it.
    """

    format_chunk: bytes
    data_offset: int
    data_size: int | None

    @property
    def format_tag(self) -> int:
        """Encoding of the samples: 1 is PCM, 3 is float, 6 and 7 are A-law and mu-law."""
        is_extensible = self.format_chunk[:2] == _EXTENSIBLE and len(self.format_chunk) >= 26
        tag = self.format_chunk[24:26] if is_extensible else self.format_chunk[:2]
        return int.from_bytes(tag, "little")

    @property
    def is_sliceable(self) -> bool:
        """Whether the file can be cut at any block, because each block holds one sample."""
        sample_bytes = self.channels * ((self._bits_per_sample + 7) // 8)
        return (
            self.format_tag in {1, 3, 6, 7}
            and self.sample_rate > 0
            and 0 < sample_bytes == self.block_size
        )

    @property
    def channels(self) -> int:
        """Number of channels."""
        return int.from_bytes(self.format_chunk[2:4], "little")

    @property
    def sample_rate(self) -> int:
        """Samples per second and channel."""
        return int.from_bytes(self.format_chunk[4:8], "little")

    @property
    def bytes_per_second(self) -> int:
        """Bytes per second of all channels."""
        return int.from_bytes(self.format_chunk[8:12], "little")

    @property
    def block_size(self) -> int:
        """Size in bytes of one sample of all channels, at least 1."""
        return int.from_bytes(self.format_chunk[12:14], "little") or 1

    @property
    def _bits_per_sample(self) -> int:
        return int.from_bytes(self.format_chunk[14:16], "little")

    @property
    def description(self) -> str:
        """Sample rate, channels and bits in words."""
        return f"{self.sample_rate} Hz, {self.channels} channel(s), {self._bits_per_sample} bit"


def parse_wav_header(data: bytes) -> WavHeader | None:
    """Parse the header of a WAV file. Return ``None`` if more bytes are needed.

    Raises:
        ValueError: It is not a WAV file, or the samples do not start within
            ``MAX_HEADER_BYTES``.

    >>> header = build_wav_header(build_pcm_format(24_000), 480)
    >>> parse_wav_header(header).description
    '24000 Hz, 1 channel(s), 16 bit'
    """
    if not _is_wav_prefix(data):
        raise ValueError("not a WAV file")
    offset, format_chunk = 12, b""
    while len(data) >= offset + 8:
        name, size = (
            data[offset : offset + 4],
            int.from_bytes(data[offset + 4 : offset + 8], "little"),
        )
        if name == b"data" and len(format_chunk) >= 16:
            data_size = None if not size or size in _UNKNOWN_SIZES else size
            return WavHeader(format_chunk, offset + 8, data_size)
        if name == b"fmt ":
            format_chunk = data[offset + 8 : offset + 8 + size]
        offset += 8 + size + size % 2
        if name == b"data" or offset > MAX_HEADER_BYTES:
            raise ValueError("a WAV file without a readable header")
    return None


def _is_wav_prefix(data: bytes) -> bool:
    """Return whether the data is the start, of any length, of a WAV file."""
    return data[:4] == b"RIFF"[: len(data)] and data[8:12] == b"WAVE"[: max(0, len(data) - 8)]


def build_pcm_format(sample_rate: int, channels: int = 1, bits: int = 16) -> bytes:
    """Build the ``fmt`` chunk of PCM samples."""
    block_size = channels * bits // 8
    bytes_per_second = sample_rate * block_size
    return struct.pack("<HHIIHH", 1, channels, sample_rate, bytes_per_second, block_size, bits)


def build_wav_header(format_chunk: bytes, data_size: int | None) -> bytes:
    """Build the header of a WAV file.

    Args:
        format_chunk: Content of the ``fmt`` chunk.
        data_size: Size of the samples in bytes, or ``None`` if it is not known yet.
    """
    riff_size = 20 + len(format_chunk) + (data_size or 0)
    if data_size is None or riff_size >= _UNKNOWN_SIZES.stop:
        riff_size = data_size = 0xFFFFFFFF
    start = struct.pack("<4sI8sI", b"RIFF", riff_size, b"WAVEfmt ", len(format_chunk))
    return start + format_chunk + struct.pack("<4sI", b"data", data_size)
