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
from orq_router_integrations.testing.routing.endpoint import (
    Chunks,
    ProviderResponse,
    RouterResponse,
)
from orq_router_integrations.testing.routing.error_responses import HTTPError
from orq_router_integrations.testing.routing.model_registry import get_provider_model_name
from orq_router_integrations.testing.routing.multipart_parsing import FormFile
from orq_router_integrations.testing.routing.schema_validation import validate_body
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
from orq_router_integrations.wire.controls import RouterControls, RouterRetry
from orq_router_integrations.wire.endpoints import TRANSLATIONS, Endpoint
from orq_router_integrations.wire.subtitles import format_srt, format_vtt
from orq_router_integrations.wire.transcripts import Span

SPEAKER_ID = "speaker_0"
"""Label of every word and segment; speakers are not distinguished."""


class TranscriptionEndpoint:
    """Handler of transcriptions or of translations, depending on ``endpoint``."""

    default_retry: RouterRetry | None = None

    def __init__(self, endpoint: Endpoint, *, script: AnswerScript) -> None:
        self.endpoint = endpoint
        self.script = script

    @property
    def translates(self) -> bool:
        """Whether this is the translation endpoint."""
        return self.endpoint is TRANSLATIONS

    def parse(
        self,
        body: Mapping[str, Any],
        controls: RouterControls,  # noqa: ARG002 - no control changes a form
        *,
        lenient: bool,
    ) -> "TranscriptionCall":
        """Validate a form without its controls.

        Raises:
            HTTPError: 422, naming the invalid field; 413, the file is too large.
        """
        schema = TranslationForm if self.translates else TranscriptionForm
        try:
            form = validate_body(schema, body, lenient=lenient)
        except HTTPError as error:
            error.status, error.code = 422, "invalid_request_body"
            raise
        check_combinations(form, translates=self.translates)
        return TranscriptionCall(self, form, get_file(form.file, max_bytes=MAX_BYTES))


@dataclass(frozen=True, slots=True)
class TranscriptionCall:
    """A valid request for a transcription or translation."""

    endpoint: TranscriptionEndpoint
    form: TranslationForm
    file: FormFile

    is_streamed = False
    is_cacheable = False
    guarded_text = None

    @property
    def model(self) -> str:
        """Model id of the request."""
        return self.form.model

    def provider_body(self, model: str) -> dict[str, Any]:
        """Return the form as the provider of ``model`` receives it."""
        return {
            **self.form.model_dump(exclude_unset=True, exclude={"file"}),
            "model": get_provider_model_name(model),
            "file": self.file,
        }

    def answer(self, model: str) -> ProviderResponse:
        """Return the scripted answer for the file name or model, or else the recognized words."""
        body = {**self.provider_body(model), "file": self.file.summary}
        scripted = self.endpoint.script.take_answer(body, model, self.file.filename)
        data = self.file.data
        recognition = align_text(scripted.text, data) if scripted else recognize(data)
        return ProviderResponse(self._format_transcript(recognition))

    def cut_stream(self, chunks: Chunks, after: int, error: Any) -> Chunks:  # noqa: ARG002
        """Return the chunks unchanged; these endpoints do not stream."""
        return chunks

    def finalize(self, outcome: RouterResponse) -> RouterResponse:
        """Return the outcome unchanged."""
        return outcome

    def _format_transcript(self, recognition: Recognition) -> Any:
        match self.form.response_format:
            case "json":
                return {"text": recognition.text}
            case "text":
                return recognition.text + "\n"
            case "srt":
                return format_srt(recognition.segments)
            case "vtt":
                return format_vtt(recognition.segments)
        return self._build_verbose(recognition)

    def _build_verbose(self, recognition: Recognition) -> dict[str, Any]:
        granularities = getattr(self.form, "timestamp_granularities", None) or ["segment"]
        with_words = "word" in granularities or self.form.timestamps_granularity == "word"
        language = getattr(self.form, "language", None) or "und"
        body = {
            "task": "translate" if self.endpoint.translates else "transcribe",
            "language": "english" if self.endpoint.translates else language,
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
