"""Parse the headers of WAV and RF64 files, and build those of WAV files."""

import struct

MAX_HEADER_BYTES = 64 * 1024  # the samples must start within this many bytes
_EXTENSIBLE = 0xFFFE  # format tag of headers that contain the actual format in a later field
_UNKNOWN_SIZES = range(0x7FFF0000, 0x100000000)
"""Sizes that programs write when they stream a file and do not know its size."""

_NAMES = (b"RIFF", b"RF64", b"BW64")


class WavHeader:
    """The header of a WAV or RF64 file. Offsets and sizes are in bytes."""

    def __init__(
        self, format_chunk: bytes, data_offset: int, data_size: int | None, *, is_64_bit: bool
    ) -> None:
        fields = struct.unpack("<HHIIHH", format_chunk[:16])
        format_tag, channels, sample_rate, bytes_per_second, block_size, bits = fields
        if format_tag == _EXTENSIBLE and len(format_chunk) >= 26:
            format_tag = int.from_bytes(format_chunk[24:26], "little")
        self.format_chunk = format_chunk  # content of the ``fmt`` chunk
        self.format_tag: int = format_tag  # 1 is PCM, 3 is float, 6 and 7 are A-law and mu-law
        self.channels: int = channels
        self.sample_rate: int = sample_rate
        self.bytes_per_second: int = bytes_per_second
        self.block_size: int = block_size or 1  # one sample of each channel
        self.data_offset = data_offset
        self.data_size = data_size  # ``None`` if the header does not state it
        self.is_64_bit = is_64_bit
        self.description = f"{sample_rate} Hz, {channels} channel(s), {bits} bit"
        sample_bytes = channels * ((bits + 7) // 8)
        is_uncompressed = format_tag in {1, 3, 6, 7} and sample_rate > 0
        # Whether the file can be cut at any block, because blocks are not compressed together
        self.is_sliceable = is_uncompressed and 0 < sample_bytes == block_size

    def compute_data_size(self, file_size: int) -> int:
        """Return the size of the samples in a file, which may be truncated or larger than 4 GB."""
        available = max(0, file_size - self.data_offset)
        stated = min(available, self.data_size or available)
        overflow = (available - stated) // 2**32 * 2**32  # what a 32-bit size cannot express
        return stated if self.is_64_bit else stated + overflow


def parse_wav_header(data: bytes) -> WavHeader | None:
    """Parse the header of a WAV file. Return ``None`` if more bytes are needed.

    Raises ``ValueError`` if it is not a WAV file, or the samples start after ``MAX_HEADER_BYTES``.

    >>> header = build_wav_header(build_pcm_format(24_000), 480)
    >>> parse_wav_header(header).description
    '24000 Hz, 1 channel(s), 16 bit'
    """
    # The data may still be shorter than the names.
    if not any(name.startswith(data[:4]) for name in _NAMES) or not b"WAVE".startswith(data[8:12]):
        raise ValueError("not a WAV file")
    is_64_bit = data[:4] != b"RIFF"
    format_chunk, ds64_size, offset = b"", 0, 12
    while len(data) >= offset + 8:
        name, size = struct.unpack_from("<4sI", data, offset)
        offset += 8
        if name == b"data" and len(format_chunk) >= 16:
            stated = ds64_size if is_64_bit and size in _UNKNOWN_SIZES else size
            data_size = None if not stated or stated in _UNKNOWN_SIZES else stated
            return WavHeader(format_chunk, offset, data_size, is_64_bit=is_64_bit)
        if name == b"data" or offset + size > MAX_HEADER_BYTES:
            raise ValueError("a WAV file without a readable header")
        if name == b"fmt ":
            format_chunk = data[offset : offset + size]
        elif name == b"ds64":
            ds64_size = int.from_bytes(data[offset + 8 : offset + 16], "little")
        offset += size + size % 2
    return None


def read_wav_header(data: bytes) -> WavHeader | None:
    """Read the header of a complete file, or return ``None`` if it is not a readable WAV file."""
    try:
        return parse_wav_header(data)
    except ValueError:
        return None


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
