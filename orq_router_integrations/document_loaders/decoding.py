"""Decode audio files with PyAV."""

import wave
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orq_router_integrations.document_loaders.chunking import WavReader
from orq_router_integrations.document_loaders.sources import (
    INSTALL_COMMAND,
    Recording,
    create_recording,
)
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.media.atomic_write import map_write_errors

SAMPLE_RATE = 16_000
"""Samples per second of decoded audio; speech models do not use more."""


def check_decodable(recording: Recording) -> None:
    if find_spec("av") is None:
        raise RouterInputError(
            f"source: {recording.label} may exceed max_bytes or max_seconds, and splitting "
            f"{recording.upload.mime_type} requires PyAV. Install it with {INSTALL_COMMAND} or "
            "convert the file to WAV."
        )


@contextmanager
def open_decoded(recording: Recording) -> Iterator[WavReader]:
    """Decode a recording to a temporary WAV file (mono, 16 kHz), packet by packet.

    The file is deleted at the end of the block.
    """
    with ExitStack() as stack:
        with map_write_errors("a temporary directory"):
            directory = stack.enter_context(TemporaryDirectory(prefix="orq-audio-"))
        path = Path(directory, "decoded.wav")
        with (
            _open_container(recording) as (av, container),
            closing(wave.open(str(path), "wb")) as file,
        ):
            file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "not compressed"))
            resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
            for frame in chain(container.decode(audio=0), [None]):  # None flushes the resampler
                for mono in resampler.resample(frame):
                    file.writeframesraw(bytes(mono.planes[0])[: 2 * mono.samples])
        reader = WavReader.from_recording(create_recording(path))
        assert reader is not None  # noqa: S101 - uncompressed PCM can always be sliced
        yield reader


def read_duration(recording: Recording) -> float | None:
    """Read the duration in seconds from the file header, or ``None`` if the header omits it."""
    with _open_container(recording) as (av, container):
        return container.duration / av.time_base if container.duration else None


@contextmanager
def _open_container(recording: Recording) -> Iterator[tuple[Any, Any]]:
    check_decodable(recording)
    import av  # noqa: PLC0415 - optional dependency, slow to import

    try:
        with recording.upload.open() as stream, av.open(stream) as container:
            yield av, container
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        raise RouterInputError(f"source: Cannot decode {recording.label}: {error}") from None
