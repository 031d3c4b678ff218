"""Where a long recording is cut, so that no request is too large and no word is lost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

from orq_router_integrations.document_loaders.wav_reader import WavReader
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.call import Upload

T = TypeVar("T")

QUIET_SEARCH_SECONDS = 10.0
"""How far back from where a piece must end a quiet place is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkLimits:
    """How large one request may be, and how much two of them share.

    Attributes:
        max_bytes: of a file.
        max_seconds: of a recording; ``None`` for no limit.
        overlap_seconds: what the end of a piece and the beginning of the next have in common.
    """

    max_bytes: int
    max_seconds: float | None = None
    overlap_seconds: float = 2.0


@dataclass(frozen=True, slots=True)
class AudioChunk:
    """A stretch of a recording, as it is sent.

    Attributes:
        number: from 0.
        upload: the file.
        start: seconds from the beginning of the recording.
        end: where it ends; ``None`` where the length of a whole recording is not known.
        cut: where the piece before ends and this one begins, in the midst of what they share.
    """

    index: int
    upload: Upload
    start_seconds: float = 0.0
    end_seconds: float | None = None
    cut_seconds: float = 0.0


def split_wav(reader: WavReader, limits: ChunkLimits, filename: str) -> list[AudioChunk]:
    """Cut frames into pieces, preferably where it is quiet.

    Raises:
        RouterInputError: the limits leave less than the overlap to a piece.
    """
    stem = filename.rpartition(".")[0]
    cuts = list(_cuts(reader, limits))
    half = _half(reader, limits)
    edges = [0, *cuts, reader.frame_count]
    pieces = []
    for number, (begin, end) in enumerate(pairwise(edges)):
        first, last = max(0, begin - half), min(reader.frame_count, end + half)
        upload = reader.create_upload(first, last, f"{stem}.{number + 1:03}.wav")
        seconds = (place / reader.frame_rate for place in (first, last, begin))
        pieces.append(AudioChunk(number, upload, *seconds))
    return pieces


def _half(frames: WavReader, limits: ChunkLimits) -> int:
    return int(limits.overlap_seconds * frames.frame_rate / 2)


def _cuts(frames: WavReader, limits: ChunkLimits) -> Iterator[int]:
    half = _half(frames, limits)
    longest = frames.max_frames(limits.max_bytes)
    if limits.max_seconds is not None:
        longest = min(longest, int(limits.max_seconds * frames.frame_rate))
    room = longest - 2 * half
    if room < frames.frame_rate // 10 or room < half:
        raise RouterInputError(
            f"max_bytes, max_seconds: {longest / frames.frame_rate:.2f} seconds are too few "
            f"for a piece "
            f"with {limits.overlap_seconds:g} seconds of overlap; allow more, or overlap less"
        )
    searched = min(int(QUIET_SEARCH_SECONDS * frames.frame_rate), room // 4)
    at = 0
    while frames.frame_count > (at - half if at else 0) + longest:
        latest = at + room + (0 if at else half)
        at = frames.find_quiet_frame(latest - searched, latest)
        yield at


def partition(items: Sequence[T], count: int) -> list[Sequence[T]]:
    """Neighbours together, in so many lists of about the same length."""
    count = min(count, len(items))
    edges = [len(items) * lane // count for lane in range(count + 1)]
    return [items[start:end] for start, end in pairwise(edges)]
