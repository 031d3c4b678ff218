"""Audio formats of the simulated providers.

A provider silently replaces an unsupported format by its default; which formats a provider
supports is not documented. Here OpenAI and Azure support all formats if PyAV is installed, and
other providers only wav and pcm. Sample rates, WAV headers without a size and content types are
choices of the offline router too, and deliberately differ between providers.
"""

from dataclasses import dataclass

from orq_router_integrations.media.mime import detect_mime_type
from orq_router_integrations.media.wav import build_pcm_format, build_wav_header
from orq_router_integrations.testing.media.audio_codec import Samples, encode_audio, has_pyav
from orq_router_integrations.testing.media.tone_codec import SAMPLE_RATE, encode_speech


@dataclass(frozen=True, slots=True, kw_only=True)
class SpeechProvider:
    """Speech synthesis of one provider.

    Attributes:
        default_format: Format used instead of unsupported ones.
        sample_rate: Samples per second.
        has_open_header: Whether WAV headers omit the size, because the audio is streamed.
        can_encode: Whether compressed formats are supported, with PyAV.
    """

    default_format: str = "wav"
    sample_rate: int = SAMPLE_RATE
    has_open_header: bool = False
    can_encode: bool = False

    def synthesize(self, text: str, response_format: str, speed: float) -> tuple[str, bytes]:
        """Return the content type and the audio."""
        samples = encode_speech(text, rate=self.sample_rate, speed=speed)
        if response_format not in {"wav", "pcm"}:
            if self.can_encode and has_pyav():
                audio = encode_audio(Samples(samples, self.sample_rate), response_format)
                return get_content_type(audio), audio
            response_format = self.default_format
        if response_format == "pcm":
            return f"audio/pcm;rate={self.sample_rate};channels=1", samples
        size = None if self.has_open_header else len(samples)
        return "audio/wav", build_wav_header(build_pcm_format(self.sample_rate), size) + samples


_OPENAI = SpeechProvider(sample_rate=24_000, has_open_header=True, can_encode=True)
_GOOGLE = SpeechProvider(default_format="pcm", sample_rate=24_000)
_PROVIDERS = {"openai": _OPENAI, "azure": _OPENAI, "google": _GOOGLE, "google-ai": _GOOGLE}


def get_provider(model: str) -> SpeechProvider:
    """Return the provider of a model; unlisted ones return WAV at the codec's sample rate."""
    return _PROVIDERS.get(model.partition("/")[0], SpeechProvider())


def get_content_type(audio: bytes) -> str:
    """Return the content type of scripted audio."""
    return detect_mime_type(audio[:16]) or "application/octet-stream"
