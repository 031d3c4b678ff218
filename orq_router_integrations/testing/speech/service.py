"""The endpoint /audio/speech: its body, and how one provider call is answered.

The answer is always sent in pieces, as the router's page says. An error after the first of them
has no place in raw audio, so it ends the body as a cut does; what the real router does is unknown.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field

from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.routing.checking import Schema, checked
from orq_router_integrations.testing.routing.models import provider_name
from orq_router_integrations.testing.routing.service import Chunks, Outcome, Produced
from orq_router_integrations.testing.speech.makers import chunks_of, maker_of, type_of
from orq_router_integrations.wire.controls import RouterControls, RouterRetry
from orq_router_integrations.wire.endpoints import SPEECH, Endpoint
from orq_router_integrations.wire.suggestions import create_pattern_validator


class SpeechRequest(Schema):
    """The body without the router's controls (contract section 2.5).

    The range of ``speed`` is OpenAI's; the contract names none.
    """

    model: str
    input: Annotated[
        str, Field(max_length=4096), create_pattern_validator(r"\S", "a text that is not blank")
    ]
    voice: str = Field(min_length=1)
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4, allow_inf_nan=False)


class SpeechService:
    """Speech: what ``answers`` scripts as ``audio``, else the text as tones that say it."""

    endpoint: Endpoint = SPEECH
    default_retry: RouterRetry | None = None

    def __init__(self, *, script: AnswerScript) -> None:
        self.script = script

    def read(
        self,
        body: Mapping[str, Any],
        controls: RouterControls,  # noqa: ARG002 - none of them changes a body
        *,
        lenient: bool,
    ) -> "SpeechJob":
        """Check a body without its controls.

        Raises:
            Refusal: 400, naming the member at fault.
        """
        return SpeechJob(self.script, checked(SpeechRequest, body, lenient=lenient))


@dataclass(frozen=True, slots=True)
class SpeechJob:
    """One valid request for speech."""

    script: AnswerScript
    request: SpeechRequest

    streams = True
    cacheable = False
    guarded = None

    @property
    def model(self) -> str:
        """The model id of the request."""
        return self.request.model

    def provider_body(self, model: str) -> dict[str, Any]:
        """The body as the provider sees it."""
        return self.request.model_dump(exclude_unset=True) | {"model": provider_name(model)}

    def answer(self, model: str) -> Produced:
        """Speech in the format asked for, or in the one that this provider makes."""
        asked = self.request
        scripted = self.script.take(self.provider_body(model), model, asked.input)
        if scripted and scripted.audio:
            kind, audio = type_of(scripted.audio), scripted.audio
        else:
            maker = maker_of(model)
            kind, audio = maker.made(asked.input, asked.response_format, asked.speed)
        return Produced(None, tuple(chunks_of(audio)), {"content-type": kind})

    def broken(self, chunks: Chunks, after: int, error: Any) -> Chunks:  # noqa: ARG002 - no place
        """The first chunks, never all."""
        return chunks[:-1][:after]

    def finished(self, outcome: Outcome) -> Outcome:
        """The outcome as it is."""
        return outcome
