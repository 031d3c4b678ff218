"""The endpoint POST /audio/speech: parse requests and answer provider calls.

The audio is always streamed, as documented. Raw audio has no format for errors, so an error during
the stream truncates the body; what the real router does is unknown.
"""

from typing import Annotated, Literal

from pydantic import Field

from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.routing.endpoint import (
    EndpointHandler,
    EndpointRequest,
    RouterResponse,
    split_bytes,
)
from orq_router_integrations.testing.speech.provider_formats import (
    get_content_type,
    get_provider,
)
from orq_router_integrations.wire.arguments import create_pattern_validator
from orq_router_integrations.wire.endpoints import SPEECH


class SpeechRequest(EndpointRequest):
    """The body of a request without the router's controls.

    The range of ``speed`` is OpenAI's; the documentation has none.
    """

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

    def __init__(self, script: AnswerScript) -> None:
        self._script = script

    def respond(self, request: SpeechRequest, model: str) -> RouterResponse:
        """Return audio in the requested format, or in the provider's default format."""
        text = request.input
        body = request.build_provider_body(model)
        scripted = self._script.take_answer(
            body, model, text, accepts=lambda answer: answer.audio is not None
        )
        if scripted and scripted.audio:
            content_type, audio = get_content_type(scripted.audio), scripted.audio
        else:
            content_type, audio = get_provider(model).synthesize(
                text, request.response_format, request.speed
            )
        return RouterResponse(chunks=split_bytes(audio), headers={"content-type": content_type})
