"""The endpoint /audio/speech: its body, and how one provider call is answered.

The answer is always sent in pieces, as the router's page says. An error after the first of them
has no place in raw audio, so it ends the body as a cut does; what the real router does is unknown.
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
    find_provider,
    get_mime_type,
    split_chunks,
)
from orq_router_integrations.wire.controls import RouterControls, RouterRetry
from orq_router_integrations.wire.endpoints import SPEECH, Endpoint
from orq_router_integrations.wire.suggestions import create_pattern_validator


class SpeechRequest(RequestModel):
    """The body without the router's controls.

    The range of ``speed`` is OpenAI's; the contract names none.
    """

    model: str
    input: Annotated[
        str, Field(max_length=4096), create_pattern_validator(r"\S", "a text that is not blank")
    ]
    voice: str = Field(min_length=1)
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4, allow_inf_nan=False)


class SpeechEndpoint:
    """Speech: what ``answers`` scripts as ``audio``, else the text as tones that say it."""

    endpoint: Endpoint = SPEECH
    default_retry: RouterRetry | None = None

    def __init__(self, *, script: AnswerScript) -> None:
        self.script = script

    def parse(
        self,
        body: Mapping[str, Any],
        controls: RouterControls,  # noqa: ARG002 - none of them changes a body
        *,
        lenient: bool,
    ) -> "SpeechCall":
        """Check a body without its controls.

        Raises:
            HTTPError: 400, naming the member at fault.
        """
        return SpeechCall(self.script, validate_body(SpeechRequest, body, lenient=lenient))


@dataclass(frozen=True, slots=True)
class SpeechCall:
    """One valid request for speech."""

    script: AnswerScript
    request: SpeechRequest

    is_streamed = True
    is_cacheable = False
    guarded_text = None

    @property
    def model(self) -> str:
        """The model id of the request."""
        return self.request.model

    def provider_body(self, model: str) -> dict[str, Any]:
        """The body as the provider sees it."""
        return self.request.model_dump(exclude_unset=True) | {
            "model": get_provider_model_name(model)
        }

    def answer(self, model: str) -> ProviderResponse:
        """Speech in the format asked for, or in the one that this provider makes."""
        asked = self.request
        scripted = self.script.take_answer(self.provider_body(model), model, asked.input)
        if scripted and scripted.audio:
            kind, audio = get_mime_type(scripted.audio), scripted.audio
        else:
            maker = find_provider(model)
            kind, audio = maker.synthesize(asked.input, asked.response_format, asked.speed)
        return ProviderResponse(None, tuple(split_chunks(audio)), {"content-type": kind})

    def cut_stream(self, chunks: Chunks, after: int, error: Any) -> Chunks:  # noqa: ARG002 - no place
        """The first chunks, never all."""
        return chunks[:-1][:after]

    def finalize(self, outcome: RouterResponse) -> RouterResponse:
        """The outcome as it is."""
        return outcome
