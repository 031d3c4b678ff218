"""Parameters and responses of ``POST /audio/transcriptions`` and ``/audio/translations``.

Formats other than JSON can arrive as plain text or as a JSON string. Speaker labels are not
documented, so they are read from the fields that providers use.
"""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, StrictBool, StrictInt, model_validator

from orq_router_integrations.wire.arguments import create_pattern_validator
from orq_router_integrations.wire.call import MalformedResponseError, Response, raise_for_error
from orq_router_integrations.wire.chat_params import StrictNumber
from orq_router_integrations.wire.deferred_model import optional
from orq_router_integrations.wire.json import as_dicts, as_float, as_str, dumps, get_adapter, loads
from orq_router_integrations.wire.subtitles import Span, parse_subtitles
from orq_router_integrations.wire.word_tokenizer import join_words

TranscriptFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]
LanguageCode = Annotated[
    str,
    # Cantonese (yue) and Hawaiian (haw) have no two-letter code. OpenAI accepts these two regions.
    create_pattern_validator(
        r"^(?i:[a-z]{2,3}|zh-(cn|tw))\Z",
        "a language code of two or three letters without a region, such as 'en' or 'yue'",
    ),
]
Language = Annotated[LanguageCode, AfterValidator(str.lower)]

_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s";]+)', re.IGNORECASE)
_MAX_JITTER_SECONDS = 0.5
"""A word may start this much earlier than the previous one without being out of order."""


class TranslationParams(BaseModel):
    """Parameters of a translation other than model and file."""

    prompt: str | None = optional(
        "Text in the expected style and spelling, or the text that precedes the recording."
    )
    response_format: TranscriptFormat | None = optional(
        "Format of the response: `json`, `text`, `srt`, `verbose_json` or `vtt`."
    )
    temperature: Annotated[StrictNumber, Field(ge=0, le=1)] | None = optional(
        "Sampling temperature, 0 to 1. At 0 the provider may raise it when the model is uncertain."
    )
    timestamps_granularity: Literal["none", "word", "character"] | None = optional(
        "Timestamps to return, as in ElevenLabs' API: `none`, `word` or `character`. OpenAI's "
        "parameter is `timestamp_granularities`."
    )
    diarize: StrictBool | None = optional("Label the speakers (ElevenLabs).")
    num_speakers: Annotated[StrictInt, Field(ge=1, le=32)] | None = optional(
        "Maximum number of speakers, 1 to 32 (ElevenLabs)."
    )
    tag_audio_events: StrictBool | None = optional("Include events such as laughter (ElevenLabs).")
    enable_logging: StrictBool | None = optional(
        "`False` requests zero retention (ElevenLabs, enterprise plans)."
    )

    def build_audio_params(self) -> dict[str, Any]:
        return self.model_dump(include=set(TranscriptionParams.model_fields), exclude_none=True)


class TranscriptionParams(TranslationParams):
    """Parameters of a transcription: two more than those of a translation."""

    language: Language | None = optional(
        "Language spoken, as an ISO 639-1 code such as `en`, or an ISO 639-3 code such as `yue` "
        "for languages without one."
    )
    timestamp_granularities: (
        Annotated[list[Literal["word", "segment"]], Field(min_length=1)] | None
    ) = optional(
        "Timestamps to return: `word`, `segment` or both. Requires "
        "`response_format='verbose_json'`, and not all models support it."
    )

    @model_validator(mode="after")
    def _check_timestamps(self) -> Self:
        if self.timestamp_granularities and self.response_format != "verbose_json":
            raise ValueError(
                "timestamp_granularities: Requires response_format='verbose_json'. Set it, or "
                "remove timestamp_granularities."
            )
        return self


def check_translation_model(model: str) -> None:
    name = model.partition("/")[2]
    if name.startswith(("gpt-4o-transcribe", "gpt-4o-mini-transcribe")):
        raise ValueError(f"model: {name} does not support translation. Use openai/whisper-1.")


@dataclass(frozen=True, slots=True)
class Transcript:
    """The transcript of a recording, or its translation, as parsed from a response."""

    text: str
    words: tuple[Span, ...] = ()
    segments: tuple[Span, ...] = ()
    language: str | None = None  # as named by the provider, such as ``english``
    duration: float | None = None  # in seconds
    model: str | None = None
    offline: bool = False  # whether the offline router produced it

    @property
    def errors(self) -> list[str]:
        return [span.error for span in self.segments if span.error]

    def remove_gaps(self) -> "Transcript":
        """Return the transcript without the parts that could not be transcribed."""
        words = tuple(span for span in self.words if not span.error)
        segments = tuple(span for span in self.segments if not span.error)
        return replace(self, words=words, segments=segments)

    def to_json(self) -> bytes:
        return dumps(asdict(self))

    @staticmethod
    def from_json(data: bytes) -> "Transcript":
        """Deserialize a transcript that ``to_json`` has written, or raise ``ValueError``."""
        transcript: Transcript = get_adapter(Transcript).validate_json(data, strict=True)
        return transcript


def parse_transcript(
    response: Response, response_format: TranscriptFormat | None = None
) -> Transcript:
    """Parse a response in any format; ``response_format`` is the one that was requested."""
    if response_format == "srt" and not response.content and response.content_type == "text/plain":
        return Transcript("", offline=response.is_offline)  # a SubRip file without cues is empty
    expects_subtitles = response_format in {"srt", "vtt"}
    body = _parse_body(response, allow_text=expects_subtitles or response_format == "text")
    if isinstance(body, dict):
        raise_for_error(body, response.content)
        transcript = _parse_object(body)
    elif isinstance(body, str):
        transcript = Transcript(body.strip())
    else:
        raise MalformedResponseError(f"expected an object or text, got {type(body).__name__}")
    transcript = replace(transcript, offline=response.is_offline)
    if not expects_subtitles:
        return transcript
    try:
        cues = _sort(parse_subtitles(transcript.text))  # some proxies wrap them in an object
    except ValueError as error:
        if isinstance(body, dict):
            return transcript  # JSON is accepted even if subtitles were requested
        message = f"the response is not {response_format}: {error}"
        raise MalformedResponseError(message) from None
    return replace(transcript, text=join_words(cue.text for cue in cues), segments=cues)


def _parse_body(response: Response, *, allow_text: bool) -> Any:
    """Parse a body as JSON, or decode it as text if it is not JSON and text is allowed."""
    content = _encode_utf8(response)
    if not content:
        raise MalformedResponseError("the body is empty")
    start = content[:64].lstrip().lower()
    is_json_type = response.content_type == "application/json"
    may_be_json = start.startswith((b"{", b'"')) or (is_json_type and start == b"null")
    if may_be_json or not allow_text:
        try:
            return loads(content)
        except ValueError as error:
            # Transcripts may start like JSON, such as '"Stop," she said.', and some servers label
            # plain text as JSON.
            if not allow_text or (is_json_type and start.startswith(b"{")):
                raise MalformedResponseError(f"the body is not JSON ({error})") from None
    if start.startswith((b"<!doctype", b"<html")) or response.content_type == "text/html":
        raise MalformedResponseError("expected a transcript, got a web page")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MalformedResponseError("the body is not UTF-8 text") from None


def _encode_utf8(response: Response) -> bytes:
    """Return the body in UTF-8, converted from the charset of a text response."""
    match = _CHARSET.search(response.headers.get("content-type", ""))
    if match and response.content_type.startswith("text/"):
        with suppress(LookupError, UnicodeError):
            return response.content.decode(match[1]).encode()
    return response.content


def _parse_object(body: Mapping[str, Any]) -> Transcript:
    text = body.get("text")
    if not isinstance(text, str):
        raise MalformedResponseError("the transcript has no text")
    return Transcript(
        text=text.strip(),
        words=_sort(_parse_spans(body.get("words")), _MAX_JITTER_SECONDS),
        segments=_sort(_parse_spans(body.get("segments"))),
        language=as_str(body.get("language")) or as_str(body.get("language_code")) or None,
        duration=as_float(body.get("duration")),
        model=as_str(body.get("model")) or None,
    )


def _parse_spans(items: Any) -> tuple[Span, ...]:
    """Parse words or segments; items without text, such as spacing, are skipped.

    An item without a start time starts at the end of the previous one, so that its text is kept.
    If no item has a start time, there are no spans. Times are at least 0, and spans do not end
    before they start.
    """
    spans: list[Span] = []
    has_times, previous_end = False, 0.0
    for item in as_dicts(items):
        text = as_str(item.get("word")).strip() or as_str(item.get("text")).strip()
        if not text or item.get("type") == "spacing":
            continue
        start, end = as_float(item.get("start")), as_float(item.get("end"))
        has_times = has_times or start is not None
        start = previous_end if start is None else max(0.0, start)
        previous_end = max(start, start if end is None else end)
        spans.append(Span(text, start, previous_end, _get_speaker(item)))
    return tuple(spans) if has_times else ()


def _sort(spans: Sequence[Span], jitter_seconds: float = 0.0) -> tuple[Span, ...]:
    """Sort spans by start time, unless all are in order within the tolerance ``jitter_seconds``."""
    if all(span.start >= previous.start - jitter_seconds for previous, span in pairwise(spans)):
        return tuple(spans)
    return tuple(sorted(spans, key=lambda span: span.start))


def _get_speaker(item: Mapping[str, Any]) -> str | None:
    labels = (item.get(name) for name in ("speaker", "speaker_id", "speaker_label"))
    label = next((label for label in labels if label is not None), None)
    return str(label) if isinstance(label, (str, int)) and str(label) else None
