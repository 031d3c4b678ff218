"""The endpoint POST /audio/speech, which returns tones that encode the text.

A provider silently replaces an unsupported format by its default; which formats a provider
supports is not documented. Here OpenAI and Azure support all formats if PyAV is installed, and
other providers only wav and pcm. Sample rates, WAV headers without a size and content types are
choices of the offline router too, and deliberately differ between providers.
"""

from typing import Annotated, Literal

from pydantic import Field

from orq_router_integrations.media.mime import detect_mime_type
from orq_router_integrations.media.wav import build_pcm_format, build_wav_header
from orq_router_integrations.testing.media.audio import encode_audio, has_pyav
from orq_router_integrations.testing.media.tone_codec import SAMPLE_RATE, encode_speech
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RouterResponse,
    split_bytes,
)
from orq_router_integrations.wire.arguments import create_pattern_validator
from orq_router_integrations.wire.endpoints import SPEECH

OPENAI, GOOGLE = {"openai", "azure"}, {"google", "google-ai"}


class SpeechRequest(EndpointRequest):
    """Parameters of a request. The range of ``speed`` is OpenAI's; the router documents none."""

    input: Annotated[
        str, Field(max_length=4096), create_pattern_validator(r"\S", "text that is not blank")
    ]
    voice: str = Field(min_length=1)
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4, allow_inf_nan=False)

    @property
    def is_streamed(self) -> bool:
        return True


class SpeechEndpoint(EndpointHandler[SpeechRequest]):
    """Returns scripted audio, or else tones that encode the text."""

    endpoint = SPEECH
    schema = SpeechRequest

    def respond(self, request: SpeechRequest, model: str) -> RouterResponse:
        """Return audio in the requested format, or in the provider's default format."""
        body = request.build_provider_body(model)
        scripted = self._script.take_answer(
            body, model, request.input, accepts=lambda answer: answer.audio is not None
        )
        if scripted and scripted.audio:
            content_type, audio = _detect_type(scripted.audio), scripted.audio
        else:
            content_type, audio = _synthesize(request, model.partition("/")[0])
        return RouterResponse(chunks=split_bytes(audio), headers={"content-type": content_type})


def _synthesize(request: SpeechRequest, provider: str) -> tuple[str, bytes]:
    """Return the content type and the audio."""
    rate = 24_000 if provider in OPENAI | GOOGLE else SAMPLE_RATE
    samples = encode_speech(request.input, rate=rate, speed=request.speed)
    audio_format: str = request.response_format
    if audio_format not in {"wav", "pcm"}:
        if provider in OPENAI and has_pyav():
            audio = encode_audio(samples, rate, audio_format)
            return _detect_type(audio), audio
        audio_format = "pcm" if provider in GOOGLE else "wav"
    if audio_format == "pcm":
        return f"audio/pcm;rate={rate};channels=1", samples
    size = None if provider in OPENAI else len(samples)  # None as in audio that is streamed
    return "audio/wav", build_wav_header(build_pcm_format(rate), size) + samples


def _detect_type(audio: bytes) -> str:
    return detect_mime_type(audio[:16]) or "application/octet-stream"
