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
    align_script,
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

VOICE = "speaker_0"
"""The one speaker that there is."""


class TranscriptionEndpoint:
    """One of the two endpoints."""

    default_retry: RouterRetry | None = None

    def __init__(self, endpoint: Endpoint, *, script: AnswerScript) -> None:
        self.endpoint = endpoint
        self.script = script

    @property
    def translates(self) -> bool:
        """Whether English is wanted."""
        return self.endpoint is TRANSLATIONS

    def parse(
        self,
        body: Mapping[str, Any],
        controls: RouterControls,  # noqa: ARG002 - none of them matters here
        *,
        lenient: bool,
    ) -> "TranscriptionCall":
        """Check a form.

        Raises:
            HTTPError: 422, naming the member at fault; 413 for a file that is too large.
        """
        schema = TranslationForm if self.translates else TranscriptionForm
        try:
            form = validate_body(schema, body, lenient=lenient)
        except HTTPError as refusal:
            refusal.status, refusal.code = 422, "invalid_request_body"
            raise
        check_combinations(form, translates=self.translates)
        return TranscriptionCall(self, form, get_file(form.file, max_bytes=MAX_BYTES))


@dataclass(frozen=True, slots=True)
class TranscriptionCall:
    """One valid request."""

    service: TranscriptionEndpoint
    form: TranslationForm
    file: FormFile

    is_streamed = False
    is_cacheable = False
    guarded_text = None

    @property
    def model(self) -> str:
        """The model id of the request."""
        return self.form.model

    def provider_body(self, model: str) -> dict[str, Any]:
        """The form as the provider sees it."""
        return {
            **self.form.model_dump(exclude_unset=True, exclude={"file"}),
            "model": get_provider_model_name(model),
            "file": self.file,
        }

    def answer(self, model: str) -> ProviderResponse:
        """The scripted answer for this file name or model, or what is heard, as was asked for."""
        body = {**self.provider_body(model), "file": self.file.summary}
        scripted = self.service.script.take_answer(body, model, self.file.filename)
        data = self.file.data
        return ProviderResponse(
            self._format_transcript(
                align_script(scripted.text, data) if scripted else recognize(data)
            )
        )

    def cut_stream(self, chunks: Chunks, after: int, error: Any) -> Chunks:  # noqa: ARG002
        """Nothing here is a stream."""
        return chunks

    def finalize(self, outcome: RouterResponse) -> RouterResponse:
        """The outcome as it is."""
        return outcome

    def _format_transcript(self, heard: Recognition) -> Any:
        match self.form.response_format:
            case "json":
                return {"text": heard.text}
            case "text":
                return heard.text + "\n"
            case "srt":
                return format_srt(heard.segments)
            case "vtt":
                return format_vtt(heard.segments)
        return self._build_verbose(heard)

    def _build_verbose(self, heard: Recognition) -> dict[str, Any]:
        granularities = getattr(self.form, "timestamp_granularities", None) or ["segment"]
        words = "word" in granularities or self.form.timestamps_granularity == "word"
        spoken = getattr(self.form, "language", None) or "und"
        whole = {
            "task": "translate" if self.service.translates else "transcribe",
            "language": "english" if self.service.translates else spoken,
            "duration": heard.seconds,
            "text": heard.text,
            "words": [self._build_word(word) for word in heard.words] if words else None,
        }
        if "segment" in granularities:
            whole["segments"] = [self._build_segment(*item) for item in enumerate(heard.segments)]
        return {name: value for name, value in whole.items() if value is not None}

    def _build_word(self, word: Span) -> dict[str, Any]:
        label = {"speaker_id": VOICE} if self.form.diarize else {}
        return {"word": word.text, "start": word.start, "end": word.end, **label}

    def _build_segment(self, number: int, segment: Span) -> dict[str, Any]:
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
