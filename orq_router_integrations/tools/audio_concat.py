"""Audio as it comes: what it is, how long it lasts, and how pieces of it become one file.

Samples and MP3 frames are joined as they are, nothing is decoded. What an encoder adds around an
MP3 (silence of some milliseconds at both ends) stays; WAV and raw samples join without any gap.
"""

from abc import ABC, abstractmethod

from orq_router_integrations.media.metadata import Mp3Frame, parse_mp3_frame
from orq_router_integrations.media.wav import WavHeader, build_wav_header, parse_wav_header

JOINABLE_FORMATS = ("wav", "pcm", "mp3")
"""Formats whose pieces can be joined without a loss."""

Patch = tuple[int, bytes]
"""Bytes to be written at a place of the finished file."""


class AudioFormatError(Exception):
    """Audio that cannot become part of what was begun."""


class AudioJoiner(ABC):
    """One file in the making.

    Attributes:
        joined: whether it is made of several pieces; a single one is passed on byte by byte.
        size: bytes passed on so far.
    """

    def __init__(self, *, joined: bool = False) -> None:
        self.is_joining = joined
        self.size = 0

    @property
    def seconds(self) -> float | None:
        """Length of the audio so far; ``None`` where it cannot be known."""
        return None

    @abstractmethod
    def begin_chunk(self) -> None:
        """A piece begins: the first one, or one behind a complete one.

        Raises:
            BadAudioError: none can follow what there is.
        """

    @abstractmethod
    def end_chunk(self) -> None:
        """A piece is complete.

        Raises:
            BadAudioError: it held no audio that could be joined.
        """

    def feed(self, data: bytes) -> bytes:
        """Take bytes as they arrive; what of them belongs in the file.

        Raises:
            BadAudioError: they do not fit to what came before.
        """
        kept = self.measure(data)
        out = kept if self.is_joining else data
        self.size += len(out)
        return out

    @abstractmethod
    def measure(self, data: bytes) -> bytes:
        """Measure, and take out what has no place between pieces."""

    def get_patches(self) -> list[Patch]:
        """What could not be known before the end."""
        return []


class PassthroughJoiner(AudioJoiner):
    """A format that is neither measured nor joined."""

    def __init__(self, name: str, *, joined: bool = False) -> None:
        super().__init__(joined=joined)
        self.name = name

    def begin_chunk(self) -> None:
        """Only one piece can be had."""
        if self.size:
            raise AudioFormatError(f"pieces of {self.name} cannot be joined without a loss")

    def end_chunk(self) -> None:
        """Nothing is known of it."""

    def measure(self, data: bytes) -> bytes:
        """All of it."""
        return data


class PcmJoiner(AudioJoiner):
    """Raw samples: 16 bit, mono, at a rate that only the caller knows."""

    def __init__(self, rate: int, *, joined: bool = False) -> None:
        super().__init__(joined=joined)
        self.rate = rate
        self._half = b""
        self._samples = 0

    @property
    def seconds(self) -> float:
        """Length, at that rate."""
        return self._samples / self.rate

    def begin_chunk(self) -> None:
        """Nothing stands before samples."""

    def end_chunk(self) -> None:
        """Half a sample at the end of a piece would turn all that follow into noise."""
        self._half = b""

    def measure(self, data: bytes) -> bytes:
        """Whole samples."""
        data = self._half + data
        whole = len(data) - len(data) % 2
        self._half = data[whole:]
        self._samples += whole // 2
        return data[:whole]


class WavJoiner(AudioJoiner):
    """WAV files: the samples of all pieces behind the head of the first."""

    def __init__(self, *, joined: bool = False) -> None:
        super().__init__(joined=joined)
        self._first: WavHeader | None = None
        self._samples = 0
        self.begin_chunk()

    def begin_chunk(self) -> None:
        """Expect a head."""
        self._unread: bytes | None = b""
        self._left: int | None = None
        self._rest = b""
        self._before = self._samples

    def end_chunk(self) -> None:
        """A head must have come, and sound; of what is no plain WAV nothing is known."""
        if self._unread is not None or (self._first and self._samples == self._before):
            what = "a piece is" if self.is_joining else "the audio is"
            raise AudioFormatError(f"{what} a WAV file without samples")

    @property
    def seconds(self) -> float | None:
        """Length, by the samples that came."""
        per_second = self._first.bytes_per_second if self._first else 0
        return self._samples / per_second if per_second else None

    def measure(self, data: bytes) -> bytes:
        """The head, once, and whole samples."""
        head = b""
        if self._unread is not None:
            self._unread += data
            found = self._head(self._unread)
            if found is None:
                return b""
            head, data = self._noted(found), self._unread[found.data_offset :]
            self._unread, self._left = None, found.data_size
        return head + self._whole(data)

    def _head(self, data: bytes) -> WavHeader | None:
        try:
            return parse_wav_header(data)
        except ValueError as error:
            if self.is_joining:
                raise AudioFormatError(f"a piece is {error}") from None
            self._unread = None  # passed on all the same, its length unknown
            return None

    def _noted(self, found: WavHeader) -> bytes:
        if self._first is None:
            self._first = found
            return build_wav_header(found.format_chunk, None)
        if found.format_chunk[:16] != self._first.format_chunk[:16]:
            raise AudioFormatError(
                f"a piece is {found.description}, those before it {self._first.description}"
            )
        return b""

    def _whole(self, data: bytes) -> bytes:
        if self._left is not None:
            data = data[: self._left]
            self._left -= len(data)
        data = self._rest + data
        whole = len(data) - len(data) % (self._first.block_size if self._first else 1)
        self._rest = data[whole:]
        self._samples += whole
        return data[:whole]

    def get_patches(self) -> list[Patch]:
        """The sizes, which the head of a streamed file leaves open."""
        first = self._first
        if first is None:
            return []
        if self.is_joining:
            return [(0, build_wav_header(first.format_chunk, self._samples))]
        if first.data_size is not None or self.size >= 1 << 32:
            return []
        sizes = ((4, self.size - 8), (first.data_offset - 4, self.size - first.data_offset))
        return [(place, size.to_bytes(4, "little")) for place, size in sizes]


class Mp3Joiner(AudioJoiner):
    """MP3: the frames of all pieces, without the tags and tables around them."""

    def __init__(self, *, joined: bool = False) -> None:
        super().__init__(joined=joined)
        self._seconds = 0.0
        self._shape: tuple[int, int] | None = None
        self.begin_chunk()

    def begin_chunk(self) -> None:
        """Expect tags, and the table of a file that is one piece."""
        self._rest = b""
        self._skip = 0
        self._frames = 0
        self._lost = False

    def end_chunk(self) -> None:
        """There must have been sound."""
        if self.is_joining and not self._frames:
            raise AudioFormatError("a piece is an MP3 file without frames")

    @property
    def seconds(self) -> float | None:
        """Length, by the frames that came."""
        return self._seconds or None

    def measure(self, data: bytes) -> bytes:
        """Whole frames."""
        data = self._rest + data
        kept, at = [], 0
        while len(data) - at >= 10:
            step = min(self._skip, len(data) - at)
            self._skip -= step
            if not step:
                frame, step = self._at(data, at)
                if not step:
                    break
                kept.append(frame)
            at += step
        self._rest = data[at:]
        return b"".join(kept)

    def _at(self, data: bytes, at: int) -> tuple[bytes, int]:
        """A frame that belongs in the file, and how far to go on; 0 waits for more bytes."""
        if data.startswith(b"ID3", at):
            self._skip = _id3_size(data[at : at + 10])
            return b"", 10
        found = parse_mp3_frame(data[at : at + 4])
        if found is None or (self._lost and self._shape not in {None, _shape_of(found)}):
            self._lost = True  # what then looks like another kind of frame is none
            return b"", 1
        frame = data[at : at + found.size]
        if len(frame) < found.size:
            return b"", 0
        if not self._frames and _is_table(frame):
            return b"", found.size
        self._check(_shape_of(found))
        self._lost = False
        self._frames += 1
        self._seconds += found.samples / found.sample_rate
        return frame, found.size

    def _check(self, shape: tuple[int, int]) -> None:
        self._shape = self._shape or shape
        if self.is_joining and shape != self._shape:
            told = "a piece is {} Hz, {} channel(s), those before it {} Hz, {} channel(s)"
            raise AudioFormatError(told.format(*shape, *self._shape))


def _shape_of(frame: Mp3Frame) -> tuple[int, int]:
    return frame.sample_rate, frame.channels


def _id3_size(head: bytes) -> int:
    size = 0
    for byte in head[6:]:
        size = size << 7 | byte & 0x7F
    return size


def _is_table(frame: bytes) -> bool:
    """Whether a first frame holds no sound but the lengths of a file that is one piece."""
    return any(name in frame[4:48] for name in (b"Xing", b"Info", b"VBRI"))
