"""What the offline providers make of speech, and what they make instead of what was asked for.

The contract says that an unsupported format is replaced by the provider's default without a word
; which formats these are, it does not say. Here no provider encodes: each makes WAV
and raw samples, so mp3, opus, aac and flac are always replaced. Sample rates, open-ended WAV
headers and content types are choices too, and differ on purpose.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from orq_router_integrations.media.mime import detect_mime_type
from orq_router_integrations.media.wav import build_pcm_format, build_wav_header
from orq_router_integrations.testing.media.tone_codec import SAMPLE_RATE, encode_speech

CHUNK_BYTES = 4096
"""Bytes of a piece of a streamed body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechProvider:
    """How one provider makes speech.

    Attributes:
        default: its format for those it cannot make.
        rate: samples per second.
        open_ended: whether its WAV headers leave the size open, as those who stream do.
    """

    default: str = "wav"
    rate: int = SAMPLE_RATE
    streams_header: bool = False

    def synthesize(self, text: str, wanted: str, speed: float) -> tuple[str, bytes]:
        """The content type, and the speech."""
        samples = encode_speech(text, rate=self.rate, speed=speed)
        if (wanted if wanted in {"wav", "pcm"} else self.default) == "pcm":
            return f"audio/pcm;rate={self.rate};channels=1", samples
        size = None if self.streams_header else len(samples)
        return "audio/wav", build_wav_header(build_pcm_format(self.rate), size) + samples


_OPENAI = SpeechProvider(rate=24_000, streams_header=True)
_GOOGLE = SpeechProvider(default="pcm", rate=24_000)
_MAKERS = {"openai": _OPENAI, "azure": _OPENAI, "google": _GOOGLE, "google-ai": _GOOGLE}


def find_provider(model: str) -> SpeechProvider:
    """Who makes the speech of a model: WAV at the codec's own rate, unless the table knows more."""
    return _MAKERS.get(model.partition("/")[0], SpeechProvider())


def get_mime_type(audio: bytes) -> str:
    """The content type of scripted audio."""
    return detect_mime_type(audio[:16]) or "application/octet-stream"


def split_chunks(audio: bytes) -> Iterator[bytes]:
    """A body in the pieces in which it is sent."""
    for start in range(0, len(audio), CHUNK_BYTES):
        yield audio[start : start + CHUNK_BYTES]
