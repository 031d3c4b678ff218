"""Result of the speech tool: audio and how it was created."""

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar, Literal

from langchain_core.documents.base import Blob

from orq_router_integrations.media.mime import SUFFIXES
from orq_router_integrations.media.wav import build_pcm_format, build_wav_header
from orq_router_integrations.tools.artifact import Artifact, MediaData
from orq_router_integrations.wire.speech import SPEECH_FORMATS, SpeechFormat

FORMATS = {
    mime_type: suffixes[0].removeprefix(".")
    for mime_type, suffixes in SUFFIXES.items()
    if mime_type.startswith("audio/")
} | {"video/mp4": "m4a", "video/webm": "webm"}
"""Audio formats by MIME type."""

AUDIO_SUFFIXES = {
    # In reverse order, so that the first MIME type of a format determines its suffixes.
    **{name: SUFFIXES[mime_type] for mime_type, name in reversed(FORMATS.items())},
    "opus": (".opus", ".ogg", ".oga"),
    "pcm": (".pcm", ".raw"),
}
"""File suffixes by format, the preferred one first."""

DEFAULT_PCM_RATE = 24_000  # Hz, if the response does not contain it


def infer_format(path: Path) -> SpeechFormat | None:
    suffix = path.suffix.lower()
    return next((name for name in SPEECH_FORMATS if suffix in AUDIO_SUFFIXES[name]), None)


class Speech(Artifact, MediaData):
    """Generated speech and its metadata.

    Tool messages contain it as an audio content block with additional fields.

    Attributes:
        type: Always ``audio``.
        data: The audio, unless it is in a file. Serialized as ``base64``.
        path: Path of the file, if the audio was written to one.
        format: Format detected from the data, such as ``wav``; ``None`` if it is unknown.
        requested_format: The requested format. The router may silently return another format.
        mime_type: MIME type, detected from the data.
        size: Size in bytes.
        sha256: Hexadecimal SHA-256 digest of the audio.
        seconds: Duration; ``None`` for formats that are not measured (opus, aac, flac). It is
            estimated from the bitrate if an MP3 file does not state its length.
        sample_rate: Sample rate of PCM in Hz; ``pcm_rate`` of the tool, unless the response
            contains it.
        model: The requested model.
        answering_model: The model that answered. ``None`` if several answered, or if a fallback or
            load balancer may have chosen another model: speech responses do not name the model.
        voice: The requested voice.
        characters: Length of the text.
        chunks: Number of requests, one for each chunk of the text.
        attempts: Number of requests the client sent, including retries.
        trace_ids: The router's trace ids, one for each chunk that has one.
        offline: Whether the answer came from the offline router.

    >>> speech = Speech(data=b"RIFF", mime_type="audio/wav", format="wav", requested_format="mp3",
    ...     size=4, sha256="0", model="openai/tts-1", voice="alloy", characters=5)
    >>> speech
    Speech(4 bytes of wav, 'openai/tts-1')
    >>> Speech.of(speech.to_artifact()) == speech
    True
    >>> speech.blob().mimetype
    'audio/wav'
    """

    suffixes: ClassVar[Mapping[str, tuple[str, ...]]] = AUDIO_SUFFIXES

    type: Literal["audio"] = "audio"
    format: str | None
    requested_format: str
    mime_type: str
    size: int
    sha256: str
    seconds: float | None = None
    sample_rate: int | None = None
    model: str
    answering_model: str | None = None
    voice: str
    characters: int
    chunks: int = 1
    attempts: int = 1
    trace_ids: tuple[str, ...] = ()
    offline: bool = False

    @property
    def summary(self) -> str:
        """One sentence for the model: duration, format and location."""
        duration = f"{self.seconds:.1f} seconds of " if self.seconds is not None else ""
        audio = f"{(self.format or 'unknown').upper()} audio"
        if self.format != self.requested_format:
            audio += f" (not {self.requested_format.upper()})"
        location = f"saved as {self.path}" if self.path else "attached"
        return f"The text was spoken: {duration}{audio}, {location}."

    @property
    def _stem(self) -> str:
        return f"speech-{self.sha256[:12]}"

    @property
    def _format(self) -> str | None:
        return self.format

    def blob(self) -> Blob:
        """Convert the speech to a LangChain ``Blob`` for loaders and parsers. PCM becomes WAV.

        Raises:
            RouterInputError: The audio is not available, or its file cannot be read.
        """
        if self.data is None and self.path and self.format != "pcm":
            return Blob(id=self._stem, path=self.path, mimetype=self.mime_type)
        data, mime_type = self._read_playable()
        return Blob(id=self._stem, data=data, mimetype=mime_type)

    def _read_playable(self) -> tuple[bytes, str]:
        """Return the audio and its MIME type. PCM gets a WAV header, as players require one."""
        data = self.read()
        if self.format != "pcm":
            return data, self.mime_type
        pcm_format = build_pcm_format(self.sample_rate or DEFAULT_PCM_RATE)
        return build_wav_header(pcm_format, len(data)) + data, "audio/wav"

    def __repr__(self) -> str:
        duration = f"{self.seconds:.1f} s, " if self.seconds is not None else ""
        location = f" in {self.path!r}" if self.path else ""
        return f"Speech({duration}{self.size} bytes of {self.format}{location}, {self.model!r})"

    __str__ = __repr__

    def _repr_html_(self) -> str:
        return self._build_html('<audio controls src="{url}"></audio>', repr(self))
