"""Shapes of ``POST /audio/transcriptions`` and ``/audio/translations``: parameters, replies.

Source: contract sections 2.6 and 2.7, and trap 13: what is no JSON object may come as plain text
or as a JSON string. Speakers have no documented place; they are read from where providers put
them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, Field, model_validator

from orq_router_integrations.wire.call import MalformedResponseError, Response
from orq_router_integrations.wire.chat_params import StrictInt, StrictNumber
from orq_router_integrations.wire.event_stream import get_json_type_name, raise_for_error
from orq_router_integrations.wire.json import as_dicts, as_str, loads
from orq_router_integrations.wire.subtitles import parse_subtitles
from orq_router_integrations.wire.suggestions import create_pattern_validator
from orq_router_integrations.wire.transcripts import Span, Transcript
from orq_router_integrations.wire.word_tokenizer import join_words

TranscriptFormat = Literal["json", "text", "srt", "verbose_json", "vtt"]
Language = Annotated[
    str,
    create_pattern_validator(r"^[A-Za-z]{2}\Z", "the two letters of a language, such as 'en'"),
    AfterValidator(str.lower),
]
Switch = Annotated[bool, Field(strict=True)]

_NO_TRANSLATORS = ("gpt-4o-transcribe", "gpt-4o-mini-transcribe")


class TranslationParams(BaseModel):
    """Parameters of a translation beside model and file; sent only when set.

    Attributes:
        prompt: text that shows the style, or precedes the recording.
        response_format: ``json``, ``text``, ``srt``, ``verbose_json`` or ``vtt``.
        temperature: 0 to 1; 0 lets the provider raise it where it is unsure.
        timestamps_granularity: ``none``, ``word`` or ``character``. Not the same field as
            ``timestamp_granularities``.
        diarize: whether to tell speakers apart (ElevenLabs).
        num_speakers: at most so many speakers, 1 to 32 (ElevenLabs).
        tag_audio_events: whether to note laughter and the like (ElevenLabs).
        enable_logging: ``False`` asks for zero retention (enterprise plans).
    """

    prompt: str | None = None
    response_format: TranscriptFormat | None = None
    temperature: Annotated[StrictNumber, Field(ge=0, le=1)] | None = None
    timestamps_granularity: Literal["none", "word", "character"] | None = None
    diarize: Switch | None = None
    num_speakers: Annotated[StrictInt, Field(ge=1, le=32)] | None = None
    tag_audio_events: Switch | None = None
    enable_logging: Switch | None = None

    def build_audio_params(self) -> dict[str, Any]:
        """The parameters that are set, as they go on the wire."""
        return _set(self, TranslationParams)


class TranscriptionParams(TranslationParams):
    """Parameters of a transcription: those of a translation, and two that it does not take.

    Attributes:
        language: what is spoken, as two letters (ISO 639-1).
        timestamp_granularities: ``word``, ``segment`` or both; needs
            ``response_format="verbose_json"``, and not all models have it.
    """

    language: Language | None = None
    timestamp_granularities: (
        Annotated[list[Literal["word", "segment"]], Field(min_length=1)] | None
    ) = None

    def build_audio_params(self) -> dict[str, Any]:
        """The parameters that are set, as they go on the wire."""
        return _set(self, TranscriptionParams)

    @model_validator(mode="after")
    def _timed(self) -> Self:
        if self.timestamp_granularities and self.response_format != "verbose_json":
            raise ValueError("timestamp_granularities: needs response_format='verbose_json'")
        return self


def _set(params: BaseModel, kind: type[BaseModel]) -> dict[str, Any]:
    values = ((name, getattr(params, name)) for name in kind.model_fields)
    return {name: value for name, value in values if value is not None}


def check_translation_model(model: str) -> None:
    """Check that a model is not known to be unable to translate.

    Raises:
        ValueError: it is one of those.
    """
    name = model.partition("/")[2]
    if name.startswith(_NO_TRANSLATORS):
        raise ValueError(f"model: {name} does not translate; use openai/whisper-1")


def parse_transcript(
    reply: Response, response_format: TranscriptFormat | None = None
) -> Transcript:
    """The transcript in a reply, whatever its format.

    Args:
        reply: what came.
        response_format: the ``response_format`` that was asked for.

    Raises:
        BadReply: it is in none of the formats that ``wanted`` allows, or has no text.
        ErrorInReply: it is an error after all.
    """
    offline = "x-orq-offline" in reply.headers
    if response_format == "srt" and not reply.content and reply.content_type == "text/plain":
        return Transcript("", offline=offline)  # silence: SubRip has no head, no cues are no bytes
    body = _body(reply, plain=response_format in {"text", "srt", "vtt"})
    if isinstance(body, dict):
        raise_for_error(body, reply.content)
        found = _from_object(body, offline=offline)
        return _with_cues(found) if response_format in {"srt", "vtt"} else found
    if not isinstance(body, str):
        raise MalformedResponseError(
            f"the transcript is {get_json_type_name(body)}, not an object or a text"
        )
    if response_format not in {"srt", "vtt"}:
        return Transcript(body.strip(), offline=offline)
    try:
        cues = tuple(parse_subtitles(body))
    except ValueError as error:
        raise MalformedResponseError(f"the reply is not {response_format}: {error}") from None
    return Transcript(join_words(cue.text for cue in cues), segments=cues, offline=offline)


def _with_cues(found: Transcript) -> Transcript:
    """Subtitles that came as the text of an object, as some proxies wrap them."""
    try:
        cues = tuple(parse_subtitles(found.text))
    except ValueError:  # an object in the place of subtitles is an answer too
        return found
    return replace(found, text=join_words(cue.text for cue in cues), segments=cues)


def _body(reply: Response, *, plain: bool) -> Any:
    """JSON as its value; anything else, where text was asked for, as text."""
    if not reply.content:
        raise MalformedResponseError("the body is empty")
    head = reply.content[:64].lstrip().lower()
    claims = reply.content_type == "application/json" and (head[:1] == b"{" or head == b"null")
    if head.startswith((b"{", b'"')) or claims or not plain:
        try:
            return loads(reply.content)
        except ValueError as error:
            if claims or not plain:
                raise MalformedResponseError(f"the body is not JSON ({error})") from None
    if head.startswith((b"<!doctype", b"<html")) or reply.content_type == "text/html":
        raise MalformedResponseError("the body is a web page, not a transcript")
    try:
        return reply.content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise MalformedResponseError("the body is no text in UTF-8") from None


def _from_object(body: Mapping[str, Any], *, offline: bool) -> Transcript:
    text = body.get("text")
    if not isinstance(text, str):
        raise MalformedResponseError("the transcript has no text")
    known = {"text", "words", "segments", "language", "duration", "model"}
    return Transcript(
        text=text.strip(),
        words=_spans(body.get("words"), ("word", "text")),
        segments=_spans(body.get("segments"), ("text",)),
        language=as_str(body.get("language")) or as_str(body.get("language_code")) or None,
        duration=_number(body.get("duration")),
        model=as_str(body.get("model")) or None,
        offline=offline,
        raw={name: value for name, value in body.items() if name not in known},
    )


def _spans(items: Any, names: Sequence[str]) -> tuple[Span, ...]:
    """Those items that have a text; a provider's spaces between words have none.

    One whose start is missing begins where the one before ends, so that nothing said is lost;
    where no item has a time there are no spans. No time is before the beginning, or its start.
    """
    found: list[Span] = []
    timed, at = False, 0.0
    for item in as_dicts(items):
        text = next(filter(None, (as_str(item.get(name)).strip() for name in names)), "")
        if not text or item.get("type") == "spacing":
            continue
        start, end = _number(item.get("start")), _number(item.get("end"))
        timed = timed or start is not None
        start = at if start is None else max(0.0, start)
        at = max(start, start if end is None else end)
        found.append(Span(text, start, at, _speaker(item)))
    return tuple(found) if timed else ()


def _speaker(item: Mapping[str, Any]) -> str | None:
    """The label of a speaker, under any name that a provider gives it."""
    found = (item.get(name) for name in ("speaker", "speaker_id", "speaker_label"))
    label = next((value for value in found if value is not None), None)
    return str(label) if isinstance(label, (str, int)) and str(label) else None


def _number(value: Any) -> float | None:
    """A number, also one spelled as text (contract section 2.6 leaves ``duration`` open)."""
    try:
        spelled = isinstance(value, (str, int, float)) and not isinstance(value, bool)
        number = float(value) if spelled else math.nan
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None
