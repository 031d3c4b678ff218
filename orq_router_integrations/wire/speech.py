"""Shapes of ``POST /audio/speech``: parameters out, the bytes of the audio in.

Source: contract section 2.5. The body of a good reply is the audio itself, in pieces as they are
made; there are no events in it and nothing says who answered. ``instructions`` and
``stream_format``, which OpenAI has, are in no source of the router.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from orq_router_integrations.wire.call import MalformedResponseError, Response, TruncatedStreamError
from orq_router_integrations.wire.controls import ModelId
from orq_router_integrations.wire.event_stream import raise_for_error
from orq_router_integrations.wire.json import loads
from orq_router_integrations.wire.suggestions import create_pattern_validator

MAX_INPUT_CHARS = 4096
"""Characters of text in one request."""

MAX_ERROR_BYTES = 64 * 1024
"""Bytes kept of a reply that turns out to be no audio."""

SNIFF_BYTES = 64
"""Bytes that are looked at before any is handed on: enough for every file's magic bytes."""

SpeechFormat = Literal["mp3", "opus", "aac", "flac", "wav", "pcm"]
SPEECH_FORMATS: tuple[SpeechFormat, ...] = get_args(SpeechFormat)

Voice = Annotated[str, create_pattern_validator(r"\S", "a name of a voice")]
Speed = Annotated[float, Field(strict=True, ge=0.25, le=4, allow_inf_nan=False)]


class SpeechRequest(BaseModel):
    """One request for speech.

    Attributes:
        model: the provider, a slash, the provider's model.
        text: the text to speak, not blank; travels as ``input``.
        voice: the provider's name of a voice; which there are, the provider knows.
        format: travels as ``response_format``; the router's default is mp3. A format that the
            provider does not make is replaced by its own default without a word.
        speed: 0.25 to 4, which is OpenAI's range; the router states none.
        limit: how many characters ``text`` may have; not sent.

    Raises:
        pydantic.ValidationError: a value is missing, empty or out of range.

    >>> SpeechRequest(model="openai/tts-1", text="Hello", voice="alloy").to_wire()
    {'model': 'openai/tts-1', 'input': 'Hello', 'voice': 'alloy'}
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    model: ModelId
    text: str = Field(serialization_alias="input")
    voice: Voice
    audio_format: SpeechFormat | None = Field(default=None, serialization_alias="response_format")
    speed: Speed | None = None
    max_chars: Annotated[int, Field(ge=1)] = Field(default=MAX_INPUT_CHARS, exclude=True)

    @model_validator(mode="after")
    def _can_be_spoken(self) -> Self:
        if not self.text.strip():
            raise ValueError("text: it is empty; give something to speak")
        if len(self.text) > self.max_chars:
            raise ValueError(
                f"text: {len(self.text)} characters, and one request takes {self.max_chars}; "
                "split the text"
            )
        try:
            self.text.encode()
        except UnicodeEncodeError as error:
            raise ValueError(f"text: half a character at position {error.start}") from None
        return self

    def to_wire(self) -> dict[str, Any]:
        """The members of the body: those that are set."""
        return self.model_dump(exclude_none=True, by_alias=True)


BODY_FIELDS = frozenset({"model", "input", "voice", "response_format", "speed"})
"""The members of a body, under their names on the wire."""


class SpeechDecoder:
    """Bytes of a reply in, bytes of audio out, as they arrive.

    What is text (JSON, a web page) is no audio, whatever its status says. A body that is shorter
    than its ``Content-Length`` was cut off.
    """

    done = False
    partial = ""

    def __init__(self, head: Response) -> None:
        self._promised = _promised(head)
        self._received = 0
        self._start: bytes | None = b""
        self._text = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Take bytes, hand on those that are audio.

        Raises:
            BadReply: what comes is a text, and a long one.
        """
        self._received += len(data)
        if self._start is not None:
            self._start += data
            if len(self._start) < SNIFF_BYTES:
                return
            data = self._begun()
        if self._text:
            self._text += data
            if len(self._text) > MAX_ERROR_BYTES:
                self._refuse_text()
        elif data:
            yield data

    def finish(self) -> Iterator[bytes]:
        """Hand on what is left, and check that there was audio, and all of it.

        Raises:
            Truncated: the body is shorter than promised.
            BadReply: it is empty, or no audio.
            ErrorInReply: it is an error.
        """
        data = self._begun() if self._start is not None else b""
        self._refuse_text()
        if data:
            yield data
        if self._promised is not None and self._received < self._promised:
            raise TruncatedStreamError(f"{self._received} of {self._promised} bytes arrived")
        if not self._received:
            raise MalformedResponseError("the reply holds no audio: its body is empty")

    def _begun(self) -> bytes:
        """The first bytes, if they are audio; text is kept for the error."""
        start, self._start = self._start or b"", None
        if not _is_text(start[:SNIFF_BYTES]):
            return start
        self._text += start
        return b""

    def _refuse_text(self) -> None:
        if not self._text:
            return
        body = bytes(self._text[:MAX_ERROR_BYTES])
        try:
            raise_for_error(loads(body), body)
        except ValueError:
            raise MalformedResponseError("text came where audio was asked for", body) from None
        raise MalformedResponseError("JSON came where audio was asked for", body)


def _promised(head: Response) -> int | None:
    """How long the body says it is; a compressed one is another length when it is unpacked."""
    length = head.headers.get("content-length", "")
    plain = "content-encoding" not in head.headers
    return int(length) if plain and length.isdecimal() and len(length) < 16 else None


def _is_text(start: bytes) -> bool:
    """Whether bytes are text; samples and files have bytes among their first that are not."""
    try:
        text = start.decode()
    except UnicodeDecodeError as error:
        if len(start) < SNIFF_BYTES or error.start < len(start) - 3:
            return False
        text = start[: error.start].decode()  # the end of the bytes cut a character
    return bool(text) and all(char.isprintable() or char in "\t\r\n\ufeff" for char in text)
