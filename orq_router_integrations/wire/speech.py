"""Build requests to ``POST /audio/speech``, whose response is the audio itself.

The audio is sent in chunks while it is generated, and the response does not say which model
answered. The router does not document OpenAI's ``instructions`` and ``stream_format``, so they are
not supported.
"""

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from orq_router_integrations.wire.arguments import create_pattern_validator
from orq_router_integrations.wire.controls import ModelId
from orq_router_integrations.wire.deferred_model import optional
from orq_router_integrations.wire.json import check_encodable

MAX_INPUT_CHARS = 4096  # in one request

SpeechFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
SPEECH_FORMATS: tuple[SpeechFormat, ...] = get_args(SpeechFormat)

Voice = Annotated[str, create_pattern_validator(r"\S", "the name of a voice")]


class SpeechParams(BaseModel):
    """Parameters of a speech request other than model, text and voice."""

    audio_format: SpeechFormat | None = optional(
        "Audio format: mp3, opus, aac, flac, wav or pcm. By default mp3.",
        serialization_alias="response_format",
    )
    # OpenAI's range; the router does not document one.
    speed: Annotated[float, Field(strict=True, ge=0.25, le=4, allow_inf_nan=False)] | None = (
        optional("Speed from 0.25 to 4; 1 is the normal speed.")
    )


class SpeechRequest(SpeechParams):
    """Parameters of one speech request.

    The router may silently return another ``audio_format`` if the provider does not support it.

    >>> SpeechRequest(model="openai/tts-1", text="Hello", voice="alloy").to_wire()
    {'model': 'openai/tts-1', 'input': 'Hello', 'voice': 'alloy'}
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    model: ModelId
    text: str = Field(serialization_alias="input")
    voice: Voice

    @field_validator("text")
    @classmethod
    def _check_text(cls, text: str) -> str:
        if not text.strip():
            raise ValueError("The text is empty. Pass the text to speak.")
        return check_encodable(text)

    def to_wire(self) -> dict[str, Any]:
        fields = self.model_dump(exclude_none=True, by_alias=True)
        return {name: fields.pop(name) for name in ("model", "input", "voice")} | fields
