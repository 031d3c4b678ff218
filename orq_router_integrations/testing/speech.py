"""The endpoints POST /audio/speech, /audio/transcriptions and /audio/translations.

Speech consists of tones that encode the text, so it can be transcribed word for word. Choices where
the documentation is silent:

* OpenAI and Azure support all formats of speech if PyAV is installed, other providers only wav and
  pcm. An unsupported format is replaced by wav. Sample rates and the size in WAV headers
  deliberately differ between providers.
* Transcripts as text, srt and vtt are sent as plain text. The language of a transcription is the
  requested one, or ``und``. A translation contains the words as spoken.
* ``diarize`` labels every word and segment with the same speaker.
* Invalid forms have the status 422, the only one that is documented.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Self

from pydantic import AfterValidator, Field, model_validator

from orq_router_integrations.media import mime, wav
from orq_router_integrations.testing.answering.script import Answer
from orq_router_integrations.testing.media import audio, tone_codec
from orq_router_integrations.testing.routing.endpoint import EndpointHandler, EndpointRequest
from orq_router_integrations.testing.routing.multipart_parsing import AnyFile, FormBool, FormFile
from orq_router_integrations.testing.routing.response import HTTPError, RouterResponse, reject_field
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import SPEECH, TRANSCRIPTIONS, TRANSLATIONS
from orq_router_integrations.wire.subtitles import Span, format_srt, format_vtt
from orq_router_integrations.wire.transcriptions import LanguageCode

CHUNK_BYTES = 4096
SPEAKER_ID = "speaker_0"


class SpeechRequest(EndpointRequest):
    """Parameters of a request. The range of ``speed`` is OpenAI's; the router documents none."""

    is_streamed: ClassVar[bool] = True

    input: str = Field(max_length=4096, pattern=r"\S")
    voice: str = Field(min_length=1)
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(default=1.0, ge=0.25, le=4, allow_inf_nan=False)


class SpeechEndpoint(EndpointHandler[SpeechRequest]):
    endpoint = SPEECH
    schema = SpeechRequest

    def respond(self, request: SpeechRequest, model: str) -> RouterResponse:
        """Return scripted or synthesized audio."""
        body = request.build_provider_body(model)
        scripted = self._script.take_answer(body, model, request.input, accepts=lambda a: a.audio)
        if scripted and scripted.audio:
            content_type, data = "", scripted.audio
        else:
            content_type, data = _synthesize(request, model.partition("/")[0])
        detected_type = mime.detect_mime_type(data[:16]) or "application/octet-stream"
        chunks = tuple(data[i : i + CHUNK_BYTES] for i in range(0, len(data), CHUNK_BYTES))
        headers = {"content-type": content_type or detected_type}
        return RouterResponse(chunks=chunks, headers=headers)


def _synthesize(request: SpeechRequest, provider: str) -> tuple[str, bytes]:
    """Return the content type and the audio. The type is empty if the first bytes show it."""
    is_openai = provider in {"openai", "azure"}
    rate = 24_000 if is_openai else tone_codec.SAMPLE_RATE
    samples = tone_codec.encode_speech(request.input, rate=rate, speed=request.speed)
    if request.response_format == "pcm":
        return f"audio/pcm;rate={rate};channels=1", samples
    if request.response_format != "wav" and is_openai and audio.has_pyav():
        return "", audio.encode_audio(samples, rate, request.response_format)
    size = None if is_openai else len(samples)  # None as in audio that is streamed
    return "audio/wav", wav.build_wav_header(wav.build_pcm_format(rate), size) + samples


def _check_file(file: FormFile) -> FormFile:
    if not file.filename.lower().endswith(mime.RECORDING_SUFFIXES):
        raise ValueError(f"the file name must end in one of {', '.join(mime.RECORDING_SUFFIXES)}")
    mime.build_recording_name(file.filename, mime.detect_mime_type(file.data) or "")
    return file


def _check_model(model: str) -> str:
    if model.partition("/")[2].startswith("gpt-4o"):
        raise ValueError("does not support translation. Use openai/whisper-1.")
    return model


class _AudioForm(EndpointRequest, strict=False):
    file: Annotated[AnyFile, AfterValidator(_check_file)]
    prompt: str | None = None
    response_format: Literal["json", "text", "srt", "verbose_json", "vtt"] = "json"
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    timestamps_granularity: Literal["none", "word", "character"] | None = None
    diarize: FormBool = False
    num_speakers: Annotated[int, Field(ge=1, le=32)] | None = None
    tag_audio_events: FormBool | None = None
    enable_logging: FormBool | None = None


class TranslationForm(_AudioForm):
    model: Annotated[str, AfterValidator(_check_model)]


class TranscriptionForm(_AudioForm):
    language: LanguageCode | None = None
    timestamp_granularities: list[Literal["word", "segment"]] | None = None

    @model_validator(mode="after")
    def _check_format(self) -> Self:
        if self.timestamp_granularities and self.response_format != "verbose_json":
            reject_field("timestamp_granularities", "needs response_format=verbose_json")
        return self


AnyForm = TranslationForm | TranscriptionForm


class TranscriptionEndpoint(EndpointHandler[AnyForm]):
    endpoint = TRANSCRIPTIONS
    schema: type[AnyForm] = TranscriptionForm

    def parse(self, body: Mapping[str, Any], controls: RouterControls, *, lenient: bool) -> AnyForm:
        try:
            return super().parse(body, controls, lenient=lenient)
        except HTTPError as error:
            error.status, error.code = 422, "invalid_request_body"
            raise

    def respond(self, request: AnyForm, model: str) -> RouterResponse:
        """Return the scripted answer for the file name or model, otherwise the recognized words."""
        body = request.build_provider_body(model)
        scripted = self._script.take_answer(body, model, request.file.filename)
        transcript = transcribe(request.file.data, scripted)
        builders: dict[str, Callable[[], Any]] = {
            "json": lambda: {"text": transcript.text},
            "text": lambda: transcript.text + "\n",
            "srt": lambda: format_srt(transcript.segments),
            "vtt": lambda: format_vtt(transcript.segments),
            "verbose_json": lambda: _build_verbose(request, transcript),
        }
        return RouterResponse(builders[request.response_format]())


class TranslationEndpoint(TranscriptionEndpoint):
    endpoint = TRANSLATIONS
    schema = TranslationForm


class Transcript(NamedTuple):
    words: list[Span]
    seconds: float | None  # duration of the file, if known

    @property
    def text(self) -> str:
        return " ".join(word.text for word in self.words)

    @property
    def segments(self) -> list[Span]:
        """The sentences, with their times."""
        sentences, start = [], 0
        for end, word in enumerate(self.words, 1):
            if tone_codec.ends_sentence(word.text) or end == len(self.words):
                text = " ".join(word.text for word in self.words[start:end])
                sentences.append(Span(text, self.words[start].start, word.end))
                start = end
        return sentences


def transcribe(data: bytes, scripted: Answer | None = None) -> Transcript:
    """Align a scripted text, decode speech of the offline router, or describe any other audio."""
    seconds = audio.measure_audio(data)
    if scripted is not None:
        texts = scripted.text.split()  # spread evenly over the file
        step = (seconds or 0.5 * len(texts)) / max(1, len(texts))
        spans = (Span(text, step * index, step * (index + 1)) for index, text in enumerate(texts))
        return Transcript(list(spans), seconds)
    samples, rate = audio.decode_audio(data) or (b"", 0)
    words = tone_codec.decode_speech(samples, rate) if rate else None
    if words is not None:
        return Transcript(words, len(samples) / (2 * rate))
    mime_type = mime.detect_mime_type(data) or "audio"
    size = f"{len(data)} bytes" if seconds is None else f"{seconds:.1f} seconds"
    hint = "" if samples or audio.has_pyav() else "; install av to transcribe it"
    description = Span(f"[offline: {size} of {mime_type}{hint}]", 0.0, seconds or 0.0)
    return Transcript([description], seconds)


def _build_verbose(form: AnyForm, transcript: Transcript) -> dict[str, Any]:
    body: dict[str, Any] = {"task": "translate", "language": "english", "text": transcript.text}
    granularities = None
    if isinstance(form, TranscriptionForm):
        body |= {"task": "transcribe", "language": form.language or "und"}
        granularities = form.timestamp_granularities
    if transcript.seconds is not None:
        body["duration"] = transcript.seconds
    if "word" in (granularities or ()) or form.timestamps_granularity == "word":
        label = {"speaker_id": SPEAKER_ID} if form.diarize else {}
        body["words"] = [
            {"word": word.text, "start": word.start, "end": word.end, **label}
            for word in transcript.words
        ]
    if granularities is None or "segment" in granularities:
        # OpenAI's clients require these fields.
        fields = {"seek": 0, "tokens": [], "temperature": form.temperature or 0.0}
        fields |= {"avg_logprob": 0.0, "compression_ratio": 1.0, "no_speech_prob": 0.0}
        if form.diarize:
            fields["speaker"] = SPEAKER_ID
        body["segments"] = [
            {"id": index, "start": span.start, "end": span.end, "text": span.text, **fields}
            for index, span in enumerate(transcript.segments)
        ]
    return body
