"""Speech as a value: what a program, a notebook and a checkpoint get of it."""

import html
import os
from pathlib import Path
from typing import ClassVar, Literal

from langchain_core.documents.base import Blob

from orq_router_integrations.media.wav import build_pcm_format, build_wav_header
from orq_router_integrations.tools.artifact import (
    Artifact,
    MediaData,
    encode_base64,
    warn_about_suffix,
)
from orq_router_integrations.tools.audio_format import has_wrong_suffix


class Speech(Artifact, MediaData):
    """Speech, with all that is known of it.

    In a tool's message it is a plain dict, an audio content block with more members, which JSON
    and checkpoints hold; ``Speech.of`` makes it whole again.

    Attributes:
        type: always ``audio``.
        data: the audio, unless it is in a file; under ``base64`` in the dict.
        path: the file that it is in.
        format: what its bytes are, such as ``wav``; ``None`` where they do not tell.
        asked_format: what was asked for; the router may send another format without a word.
        mime_type: media type, by its bytes.
        size: bytes.
        sha256: digest of the audio, in hex.
        seconds: length; ``None`` for formats that are not measured (opus, aac, flac).
        assumed: what ``seconds`` rests on, where the audio does not say: the rate of raw samples.
        rate: samples per second, of raw samples only.
        model: the model that was asked.
        answering_model: the one that answered; ``None`` where several did, or may have and the
            router does not tell, as its replies with sound do not.
        voice: the voice asked for.
        characters: how long the text was.
        pieces: how many requests it took, the text being cut at sentence ends.
        attempts: requests that were sent, repeated ones included.
        trace_ids: the router's traces, one for each piece that has one.
        offline: whether the offline router answered, which says nothing about the real one.

    >>> speech = Speech(data=b"RIFF", mime_type="audio/wav", format="wav", requested_format="mp3",
    ...     size=4, sha256="0", model="openai/tts-1", voice="alloy", characters=5)
    >>> speech
    Speech(4 bytes of wav, 'openai/tts-1')
    >>> Speech.of(speech.to_artifact()) == speech
    True
    >>> speech.blob().mimetype  # for a loader, or a parser
    'audio/wav'
    """

    missing_message: ClassVar[str] = "no speech is in it"

    type: Literal["audio"] = "audio"
    format: str | None
    requested_format: str
    mime_type: str
    size: int
    sha256: str
    seconds: float | None = None
    assumed: str | None = None
    rate: int | None = None
    model: str
    answering_model: str | None = None
    voice: str
    characters: int
    pieces: int = 1
    attempts: int = 1
    trace_ids: tuple[str, ...] = ()
    offline: bool = False

    @property
    def summary(self) -> str:
        """One sentence about it, for a model."""
        length = f"{self.seconds:.1f} seconds of " if self.seconds is not None else ""
        kind = (self.format or "unknown").upper()
        other = (
            ""
            if self.format == self.requested_format
            else f" (not {self.requested_format.upper()})"
        )
        where = f"saved as {self.path}" if self.path else "attached"
        return f"The text was spoken: {length}{kind} audio{other}, {where}."

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = True) -> Path:
        """Write the audio to a file, whole or not at all.

        Warns where the file's name says another format than it holds.

        Raises:
            RouterInputError: the path cannot be written to, or the file that it is in is gone.
        """
        warn_if_wrong_suffix(path, self.format)
        return super().save(path, overwrite=overwrite)

    def blob(self) -> Blob:
        """The same as LangChain's ``Blob``, which loaders and parsers take; raw samples as WAV.

        Raises:
            RouterInputError: the audio is not here, or its file is gone.
        """
        name = f"speech-{self.sha256[:12]}"
        if self.data is None and self.path and self.format != "pcm":
            return Blob(id=name, path=self.path, mimetype=self.mime_type)
        data, mime_type = self._playable()
        return Blob(id=name, data=data, mimetype=mime_type)

    def _playable(self) -> tuple[bytes, str]:
        """The audio and its media type; raw samples, which nothing plays, get the head of a WAV."""
        data = self.read()
        if self.format != "pcm":
            return data, self.mime_type
        return build_wav_header(
            build_pcm_format(self.rate or 24_000), len(data)
        ) + data, "audio/wav"

    def __repr__(self) -> str:
        length = f"{self.seconds:.1f} s, " if self.seconds is not None else ""
        where = f" in {self.path!r}" if self.path else ""
        return f"Speech({length}{self.size} bytes of {self.format}{where}, {self.model!r})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """A player, for notebooks."""
        told = f"<small>{html.escape(repr(self))}</small>"
        if not self._is_displayable(self.size):
            return told
        data, mime_type = self._playable()
        url = f"data:{html.escape(mime_type)};base64,{encode_base64(data)}"
        return f'<audio controls src="{url}"></audio><br>{told}'


def warn_if_wrong_suffix(path: str | os.PathLike[str], detected: str | None) -> None:
    """Warn where a file's name says another format than it holds."""
    if has_wrong_suffix(path, detected):
        warn_about_suffix(path, detected or "audio of an unknown format")
