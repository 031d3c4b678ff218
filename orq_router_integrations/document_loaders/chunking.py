"""Splitting of long recordings into overlapping chunks."""

from collections.abc import Iterator
from itertools import pairwise

from orq_router_integrations.document_loaders.sources import AudioChunk, ChunkLimits
from orq_router_integrations.document_loaders.wav_reader import WavReader
from orq_router_integrations.errors import RouterInputError

PAUSE_SEARCH_SECONDS = 10.0
"""How far before the latest possible cut a pause is searched for."""


def split_wav(reader: WavReader, limits: ChunkLimits, filename: str) -> list[AudioChunk]:
    """Split a WAV file into chunks, preferably at pauses."""
    stem = filename.rpartition(".")[0]
    half_overlap = int(limits.overlap_seconds * reader.frame_rate / 2)
    boundaries = [0, *_iter_cuts(reader, limits, half_overlap), reader.frame_count]
    chunks = []
    is_split = len(boundaries) > 2
    for index, (cut, next_cut) in enumerate(pairwise(boundaries)):
        start = max(0, cut - half_overlap)
        end = min(reader.frame_count, next_cut + half_overlap)
        chunk = AudioChunk(
            index=index,
            upload=reader.create_upload(
                start, end, f"{stem}.{index + 1:03}.wav" if is_split else f"{stem}.wav"
            ),
            start_seconds=start / reader.frame_rate,
            end_seconds=end / reader.frame_rate,
            cut_seconds=cut / reader.frame_rate,
        )
        chunks.append(chunk)
    return chunks


def _iter_cuts(reader: WavReader, limits: ChunkLimits, half_overlap: int) -> Iterator[int]:
    """Yield the frames at which the recording is cut; each chunk extends beyond its cuts."""
    max_frames = reader.compute_max_frames(limits.max_bytes)
    if limits.max_seconds is not None:
        max_frames = min(max_frames, int(limits.max_seconds * reader.frame_rate))
    max_step = max_frames - 2 * half_overlap
    if max_step < reader.frame_rate // 10 or max_step < half_overlap:
        raise RouterInputError(
            f"max_bytes, max_seconds: A chunk of {max_frames / reader.frame_rate:.2f} seconds is "
            f"too short for overlap_seconds={limits.overlap_seconds:g}. Increase max_bytes or "
            "max_seconds, or reduce overlap_seconds."
        )
    search_frames = min(int(PAUSE_SEARCH_SECONDS * reader.frame_rate), max_step // 4)
    start = 0
    while start + max_frames < reader.frame_count:
        latest = start + max_frames - half_overlap
        cut = reader.find_quiet_frame(latest - search_frames, latest)
        start = cut - half_overlap
        yield cut
