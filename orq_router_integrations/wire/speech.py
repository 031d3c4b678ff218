"""Build requests to ``POST /audio/speech`` and decode the audio of the response.

The body of a successful response is the audio itself, sent in chunks while it is generated. It
contains no events and does not say which model answered. The router does not document OpenAI's
``instructions`` and ``stream_format``, so they are not supported.
"""

from codecs import getincrementaldecoder
from collections.abc import Callable, Iterator
from typing import Annotated, Any, Literal, NoReturn, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator

from orq_router_integrations.wire.arguments import create_pattern_validator
from orq_router_integrations.wire.call import (
    MAX_ERROR_BYTES,
    MalformedResponseError,
    raise_for_error,
)
from orq_router_integrations.wire.controls import ModelId
from orq_router_integrations.wire.deferred_model import optional
from orq_router_integrations.wire.json import check_encodable, loads

MAX_INPUT_CHARS = 4096  # in one request
SNIFF_BYTES = 64  # bytes to check: enough for the magic bytes of all formats

SpeechFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
SPEECH_FORMATS: tuple[SpeechFormat, ...] = get_args(SpeechFormat)

Voice = Annotated[str, create_pattern_validator(r"\S", "the name of a voice")]


class SpeechParams(BaseModel):
    """Parameters of a speech request besides model, text and voice."""

    audio_format: SpeechFormat | None = optional(
        "Audio format: mp3, opus, aac, flac, wav or pcm. By default mp3.",
        serialization_alias="response_format",
    )
    # The range of OpenAI; the router documents none.
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


class SpeechDecoder:
    """Checks that a response is audio, and passes its bytes on as they arrive.

    A body that is text, such as JSON or a web page, is an error even if its status is 200.
    ``process`` converts the bytes before they are passed on; ``end`` is called at the end of audio.
    """

    done = False  # the response ends with its body, not with a marker
    partial = ""  # required by StreamDecoder; audio has no text

    def __init__(self, process: Callable[[bytes], bytes], end: Callable[[], object]) -> None:
        self._process = process
        self._end = end
        self._is_audio = False  # until enough bytes have arrived to recognize audio
        self._buffer = b""

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take the next bytes and yield those that are audio."""
        if not self._is_audio:
            self._buffer += data
            if len(self._buffer) < SNIFF_BYTES:
                return
            if _is_text(self._buffer[:SNIFF_BYTES]):
                if len(self._buffer) > MAX_ERROR_BYTES:
                    self._raise_for_text()
                return
            self._is_audio = True
            data = self._buffer
        if output := self._process(data):
            yield output

    def finish(self) -> Iterator[bytes]:
        """Yield the remaining bytes, and check that there is audio."""
        if not self._buffer:
            raise MalformedResponseError("the response contains no audio: its body is empty")
        if not self._is_audio:
            if _is_text(self._buffer[:SNIFF_BYTES]):
                self._raise_for_text()
            if output := self._process(self._buffer):
                yield output
        self._end()

    def _raise_for_text(self) -> NoReturn:
        body = self._buffer[:MAX_ERROR_BYTES]
        try:
            raise_for_error(loads(body), body)
        except ValueError:
            raise MalformedResponseError("expected audio, got text", body) from None
        raise MalformedResponseError("expected audio, got JSON", body)


def _is_text(prefix: bytes) -> bool:
    """Return whether the first bytes are printable UTF-8; samples and file headers are not."""
    try:
        text = getincrementaldecoder("utf-8")().decode(prefix)  # it may end within a character
    except UnicodeDecodeError:
        return False
    return bool(text) and all(char.isprintable() or char in "\t\r\n\ufeff" for char in text)
