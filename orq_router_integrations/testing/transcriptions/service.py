"""Both endpoints: their forms, and how one provider call is answered.

Chosen where the contract says "unknown": text, srt and vtt come as plain text, not as a JSON
string; ``diarize`` labels every word and segment with the one voice that there is; the language
of a transcription is the one asked for, or ``und``; a translation has the words as they were
spoken, for nothing here knows another language, and says ``english`` as its language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.routing.checking import checked
from orq_router_integrations.testing.routing.forms import FormFile
from orq_router_integrations.testing.routing.models import provider_name
from orq_router_integrations.testing.routing.refusals import Refusal
from orq_router_integrations.testing.routing.service import Chunks, Outcome, Produced
from orq_router_integrations.testing.transcriptions.listening import Heard, listen, recited
from orq_router_integrations.testing.transcriptions.schema import (
    MAX_BYTES,
    TranscriptionForm,
    TranslationForm,
    check_sense,
    checked_file,
)
from orq_router_integrations.wire.controls import RouterControls, RouterRetry
from orq_router_integrations.wire.endpoints import TRANSLATIONS, Endpoint
from orq_router_integrations.wire.subtitles import format_srt, format_vtt
from orq_router_integrations.wire.transcripts import Span

VOICE = "speaker_0"
"""The one speaker that there is."""


class TranscriptionService:
    """One of the two endpoints."""

    default_retry: RouterRetry | None = None

    def __init__(self, endpoint: Endpoint, *, script: AnswerScript) -> None:
        self.endpoint = endpoint
        self.script = script

    @property
    def translates(self) -> bool:
        """Whether English is wanted."""
        return self.endpoint is TRANSLATIONS

    def read(
        self,
        body: Mapping[str, Any],
        controls: RouterControls,  # noqa: ARG002 - none of them matters here
        *,
        lenient: bool,
    ) -> "TranscriptionJob":
        """Check a form.

        Raises:
            Refusal: 422, naming the member at fault; 413 for a file that is too large.
        """
        schema = TranslationForm if self.translates else TranscriptionForm
        try:
            form = checked(schema, body, lenient=lenient)
        except Refusal as refusal:
            refusal.status, refusal.code = 422, "invalid_request_body"
            raise
        check_sense(form, translates=self.translates)
        return TranscriptionJob(self, form, checked_file(form.file, max_bytes=MAX_BYTES))


@dataclass(frozen=True, slots=True)
class TranscriptionJob:
    """One valid request."""

    service: TranscriptionService
    form: TranslationForm
    file: FormFile

    streams = False
    cacheable = False
    guarded = None

    @property
    def model(self) -> str:
        """The model id of the request."""
        return self.form.model

    def provider_body(self, model: str) -> dict[str, Any]:
        """The form as the provider sees it."""
        return {
            **self.form.model_dump(exclude_unset=True, exclude={"file"}),
            "model": provider_name(model),
            "file": self.file,
        }

    def answer(self, model: str) -> Produced:
        """The scripted answer for this file name or model, or what is heard, as was asked for."""
        body = {**self.provider_body(model), "file": self.file.described}
        scripted = self.service.script.take(body, model, self.file.filename)
        data = self.file.data
        return Produced(self._written(recited(scripted.text, data) if scripted else listen(data)))

    def broken(self, chunks: Chunks, after: int, error: Any) -> Chunks:  # noqa: ARG002
        """Nothing here is a stream."""
        return chunks

    def finished(self, outcome: Outcome) -> Outcome:
        """The outcome as it is."""
        return outcome

    def _written(self, heard: Heard) -> Any:
        match self.form.response_format:
            case "json":
                return {"text": heard.text}
            case "text":
                return heard.text + "\n"
            case "srt":
                return format_srt(heard.segments)
            case "vtt":
                return format_vtt(heard.segments)
        return self._verbose(heard)

    def _verbose(self, heard: Heard) -> dict[str, Any]:
        granularities = getattr(self.form, "timestamp_granularities", None) or ["segment"]
        words = "word" in granularities or self.form.timestamps_granularity == "word"
        spoken = getattr(self.form, "language", None) or "und"
        whole = {
            "task": "translate" if self.service.translates else "transcribe",
            "language": "english" if self.service.translates else spoken,
            "duration": heard.seconds,
            "text": heard.text,
            "words": [self._word(word) for word in heard.words] if words else None,
        }
        if "segment" in granularities:
            whole["segments"] = [self._segment(*item) for item in enumerate(heard.segments)]
        return {name: value for name, value in whole.items() if value is not None}

    def _word(self, word: Span) -> dict[str, Any]:
        label = {"speaker_id": VOICE} if self.form.diarize else {}
        return {"word": word.text, "start": word.start, "end": word.end, **label}

    def _segment(self, number: int, segment: Span) -> dict[str, Any]:
        label = {"speaker": VOICE} if self.form.diarize else {}
        return {
            "id": number,
            "seek": 0,
            "start": segment.start,
            "end": segment.end,
            "text": segment.text,
            "tokens": [],
            "temperature": self.form.temperature or 0.0,
            "avg_logprob": 0.0,
            "compression_ratio": 1.0,
            "no_speech_prob": 0.0,
            **label,
        }
