"""The audio transcription and translation endpoints: parse forms and answer provider calls.

Choices where the documentation is silent:

* text, srt and vtt are sent as plain text, not as a JSON string.
* ``diarize`` labels every word and segment with the same speaker.
* The language of a transcription is the requested one, or ``und``.
* A translation contains the words as spoken, and reports ``english`` as its language.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from orq_router_integrations.testing.answering.script import AnswerScript
from orq_router_integrations.testing.routing.endpoint import EndpointHandler, RouterResponse
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.transcriptions.recognition import (
    Recognition,
    align_text,
    recognize,
)
from orq_router_integrations.testing.transcriptions.schema import (
    MAX_BYTES,
    TranscriptionForm,
    TranslationForm,
    check_combinations,
    get_file,
)
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import TRANSLATIONS, Endpoint
from orq_router_integrations.wire.subtitles import format_srt, format_vtt
from orq_router_integrations.wire.transcripts import Span

SPEAKER_ID = "speaker_0"
"""Label of every word and segment; speakers are not distinguished."""


class TranscriptionEndpoint(EndpointHandler[TranslationForm]):
    """Handler of transcriptions or of translations, depending on ``endpoint``."""

    def __init__(self, endpoint: Endpoint, script: AnswerScript) -> None:
        self.endpoint = endpoint
        self._script = script
        self._translates = endpoint is TRANSLATIONS
        self.schema = TranslationForm if self._translates else TranscriptionForm

    def parse(
        self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool
    ) -> TranslationForm:
        """Validate a form without its controls.

        Raises:
            HTTPError: 422, naming the invalid field; 413, the file is too large.
        """
        try:
            form = super().parse(body, controls, lenient=lenient)
        except HTTPError as error:
            error.status, error.code = 422, "invalid_request_body"
            raise
        check_combinations(form, translates=self._translates)
        get_file(form.file, max_bytes=MAX_BYTES)
        return form

    def respond(self, request: TranslationForm, model: str) -> RouterResponse:
        """Return the scripted answer for the file name or model, or else the recognized words."""
        file = get_file(request.file, max_bytes=MAX_BYTES)
        body = {**request.build_provider_body(model), "file": file.summary}
        scripted = self._script.take_answer(body, model, file.filename)
        recognition = align_text(scripted.text, file.data) if scripted else recognize(file.data)
        task = "translate" if self._translates else "transcribe"
        return RouterResponse(Transcript(request, recognition, task).format())


@dataclass(frozen=True, slots=True)
class Transcript:
    """A transcript or translation, in any of the response formats."""

    form: TranslationForm
    recognition: Recognition
    task: str

    def format(self) -> Any:
        recognition = self.recognition
        match self.form.response_format:
            case "json":
                return {"text": recognition.text}
            case "text":
                return recognition.text + "\n"
            case "srt":
                return format_srt(recognition.segments)
            case "vtt":
                return format_vtt(recognition.segments)
        return self._build_verbose()

    def _build_verbose(self) -> dict[str, Any]:
        recognition = self.recognition
        granularities = getattr(self.form, "timestamp_granularities", None) or ["segment"]
        with_words = "word" in granularities or self.form.timestamps_granularity == "word"
        language = getattr(self.form, "language", None) or "und"
        body = {
            "task": self.task,
            "language": "english" if self.task == "translate" else language,
            "duration": recognition.seconds,
            "text": recognition.text,
            "words": [self._build_word(word) for word in recognition.words] if with_words else None,
        }
        if "segment" in granularities:
            body["segments"] = [
                self._build_segment(number, segment)
                for number, segment in enumerate(recognition.segments)
            ]
        return {name: value for name, value in body.items() if value is not None}

    def _build_word(self, word: Span) -> dict[str, Any]:
        label = {"speaker_id": SPEAKER_ID} if self.form.diarize else {}
        return {"word": word.text, "start": word.start, "end": word.end, **label}

    def _build_segment(self, number: int, segment: Span) -> dict[str, Any]:
        label = {"speaker": SPEAKER_ID} if self.form.diarize else {}
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
