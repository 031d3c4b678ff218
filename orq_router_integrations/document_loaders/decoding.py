"""Audio of any kind as a WAV file on disk, packet by packet, through PyAV."""

import wave
from collections.abc import Iterator
from contextlib import closing, contextmanager
from importlib.util import find_spec
from itertools import chain
from pathlib import Path
from typing import Any

from orq_router_integrations.document_loaders.sources import Recording
from orq_router_integrations.errors import RouterInputError

SAMPLE_RATE = 16_000
"""Samples per second of what is decoded; speech models hear no more."""

INSTALL_COMMAND = "pip install 'orq-router-integrations[audio]'"


def check_decodable(recording: Recording) -> None:
    """Check that PyAV is there.

    Raises:
        RouterInputError: it is not; the message names the extra.
    """
    if find_spec("av") is None:
        raise RouterInputError(
            f"source: {recording.label} may be longer than one request can be; to measure and cut "
            f"{recording.mime_type} takes PyAV: {INSTALL_COMMAND}, or convert it to WAV"
        )


def decode_to_wav(recording: Recording, directory: Path) -> Path:
    """A mono WAV file of 16 kHz in a folder.

    Raises:
        RouterInputError: PyAV is not installed, or cannot read the recording.
    """
    check_decodable(recording)
    import av  # noqa: PLC0415 - an extra, and heavy

    target = directory / "decoded.wav"
    with _readable(av, recording) as container:
        _write(av, container, target)
    return target


def read_duration(recording: Recording) -> float | None:
    """The length of a recording by its header; ``None`` where it does not tell.

    Raises:
        RouterInputError: PyAV is not installed, or cannot read the recording.
    """
    check_decodable(recording)
    import av  # noqa: PLC0415 - an extra, and heavy

    with _readable(av, recording) as container:
        return container.duration / av.time_base if container.duration else None


@contextmanager
def _readable(av: Any, recording: Recording) -> Iterator[Any]:
    try:
        with recording.open() as stream, av.open(stream) as container:
            yield container
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        raise RouterInputError(f"source: {recording.label} cannot be decoded: {error}") from None


def _write(av: Any, container: Any, target: Path) -> None:
    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    with closing(wave.open(str(target), "wb")) as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(SAMPLE_RATE)
        for frame in chain(container.decode(audio=0), [None]):
            for mono in resampler.resample(frame):
                file.writeframesraw(bytes(mono.planes[0])[: 2 * mono.samples])
