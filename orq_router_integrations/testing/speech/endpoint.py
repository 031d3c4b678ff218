"""The endpoint POST /audio/speech: parse requests and answer provider calls.

The audio is always streamed, as documented. Raw audio has no format for errors, so an error during
the stream truncates the body; what the real router does is unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.routing.endpoint import (
    Chunks,
    ProviderResponse,
    RouterResponse,
)
from orq_router_integrations.testing.routing.model_registry import get_provider_model_name
from orq_router_integrations.testing.routing.schema_validation import RequestModel, validate_body
from orq_router_integrations.testing.speech.provider_formats import (
    get_content_type,
    get_provider,
    split_chunks,
)
from orq_router_integrations.wire.controls import RouterControls, RouterRetry
from orq_router_integrations.wire.endpoints import SPEECH, Endpoint
from orq_router_integrations.wire.suggestions import create_pattern_validator


class SpeechRequest(RequestModel):
    """The body of a request without the router's controls.

    The range of ``speed`` is OpenAI's; the documentation has none.
    """

    model: str
    input: Annotated[
        str, Field(max_length=4096), create_pattern_validator(r"\S", "text that is not blank")
    ]
    voice: str = Field(min_length=1)
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4, allow_inf_nan=False)


class SpeechEndpoint:
    """Handler of speech: returns scripted audio, or else tones that encode the text."""

    endpoint: Endpoint = SPEECH
    default_retry: RouterRetry | None = None

    def __init__(self, *, script: AnswerScript) -> None:
        self.script = script

    def parse(
        self,
        body: Mapping[str, Any],
        controls: RouterControls,  # noqa: ARG002 - no control changes a body
        *,
        lenient: bool,
    ) -> "SpeechCall":
        """Validate a body without its controls.

        Raises:
            HTTPError: 400, naming the invalid field.
        """
        return SpeechCall(self.script, validate_body(SpeechRequest, body, lenient=lenient))


@dataclass(frozen=True, slots=True)
class SpeechCall:
    """A valid request for speech."""

    script: AnswerScript
    request: SpeechRequest

    is_streamed = True
    is_cacheable = False
    guarded_text = None

    @property
    def model(self) -> str:
        """Model id of the request."""
        return self.request.model

    def provider_body(self, model: str) -> dict[str, Any]:
        """Return the body as the provider of ``model`` receives it."""
        return self.request.model_dump(exclude_unset=True) | {
            "model": get_provider_model_name(model)
        }

    def answer(self, model: str) -> ProviderResponse:
        """Return audio in the requested format, or in the provider's default format."""
        text = self.request.input
        scripted = self.script.take_answer(self.provider_body(model), model, text)
        if scripted and scripted.audio:
            content_type, audio = get_content_type(scripted.audio), scripted.audio
        else:
            content_type, audio = get_provider(model).synthesize(
                text, self.request.response_format, self.request.speed
            )
        return ProviderResponse(None, tuple(split_chunks(audio)), {"content-type": content_type})

    def cut_stream(self, chunks: Chunks, after: int, error: Any) -> Chunks:  # noqa: ARG002 - audio has no errors
        """Return the chunks that arrive before a stream breaks, never the final one."""
        return chunks[:-1][:after]

    def finalize(self, outcome: RouterResponse) -> RouterResponse:
        """Return the outcome unchanged."""
        return outcome
