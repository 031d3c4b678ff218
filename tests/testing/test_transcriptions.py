"""Transcriptions and translations of the offline router, requested with httpx and openai."""

import io
import struct
from collections.abc import Callable, Iterator
from typing import Any

import av
import httpx
import openai
import pytest
from support.recordings import TEXT, create_recording, create_wav

from orq_router_integrations.media.wav import build_wav_header
from orq_router_integrations.testing import Fault, OfflineRouter
from orq_router_integrations.testing.media import audio as audio_module
from orq_router_integrations.testing.media.audio import encode_audio
from orq_router_integrations.testing.media.tone_codec import decode_speech, encode_speech
from orq_router_integrations.wire.endpoints import Dialect
from orq_router_integrations.wire.subtitles import parse_subtitles

WHISPER = "openai/whisper-1"
SPOKEN = create_recording()
NOISE = create_wav((b"\0\x40" * 100 + bytes(200)) * 256)
SENTENCES = ["Good day.", "We meet at noon, in room 7!", "Bring Zo\u00eb."]
SUFFIXES = {"mp3": "mp3", "opus": "ogg", "flac": "flac", "m4a": "m4a"}
"""Suffixes of the files of each compressed format."""

both_endpoints = pytest.mark.parametrize("path", ["transcriptions", "translations"])

Send = Callable[..., httpx.Response]


@pytest.fixture
def send(create_chat: Callable[..., Any]) -> Send:
    def post(
        path: str = "transcriptions",
        data: bytes | None = SPOKEN,
        *,
        name: str = "talk.wav",
        prefix: str = "v3/router",
        router: dict[str, Any] | None = None,
        **fields: Any,
    ) -> httpx.Response:
        files = {} if data is None else {"file": (name, data)}
        form = {"model": WHISPER, **fields}
        parts = [(key, (None, value)) for key, value in form.items() if not isinstance(value, list)]
        parts += [
            (f"{key}[]", (None, item))
            for key, value in form.items()
            if isinstance(value, list)
            for item in value
        ]
        http = create_chat(**router or {}).http
        return http.post(f"/{prefix}/audio/{path}", files=[*parts, *files.items()])

    return post


@both_endpoints
@pytest.mark.parametrize("dialect", Dialect)
def test_served_under_every_prefix(send: Send, path: str, dialect: Dialect) -> None:
    assert send(path, prefix=dialect.value).json() == {"text": TEXT}


@both_endpoints
def test_text_and_subtitles_can_be_requested(send: Send, path: str) -> None:
    response = send(path, response_format="text")
    assert (response.text, response.headers["content-type"]) == (
        TEXT + "\n",
        "text/plain; charset=utf-8",
    )
    for response_format in ("srt", "vtt"):
        cues = parse_subtitles(send(path, response_format=response_format).text)
        assert [cue.text for cue in cues] == SENTENCES
        assert cues[1].start > cues[0].end + 0.3


def test_words_and_segments_have_times(send: Send) -> None:
    fields = {"response_format": "verbose_json", "language": "en"}
    body = send(**fields, timestamp_granularities=["word", "segment"]).json()
    words = decode_speech(encode_speech(TEXT))
    assert [(word["word"], word["start"]) for word in body["words"]] == [
        (word.text, word.start) for word in words
    ]
    assert body["segments"][0]["end"] == words[1].end
    assert (body["task"], body["language"], body["text"]) == ("transcribe", "en", TEXT)
    assert body["duration"] == pytest.approx((len(SPOKEN) - 44) / 32_000)


@pytest.mark.parametrize(
    ("fields", "keys"),
    [
        ({}, {"segments"}),
        ({"timestamp_granularities": ["word"]}, {"words"}),
        ({"timestamp_granularities": ["segment"]}, {"segments"}),
        ({"timestamps_granularity": "word"}, {"words", "segments"}),
    ],
)
def test_timestamp_granularities_select_words_and_segments(
    send: Send, fields: dict[str, Any], keys: set[str]
) -> None:
    body = send(response_format="verbose_json", **fields).json()
    assert body.keys() & {"words", "segments"} == keys


def test_translation_is_in_english(send: Send) -> None:
    body = send("translations", response_format="verbose_json").json()
    assert (body["task"], body["language"], body["text"]) == ("translate", "english", TEXT)


def test_diarized_words_and_segments_have_speakers(send: Send) -> None:
    fields = {"response_format": "verbose_json", "timestamps_granularity": "word"}
    body = send(model="elevenlabs/scribe_v1", diarize="true", num_speakers="2", **fields).json()
    assert {word["speaker_id"] for word in body["words"]} == {"speaker_0"}
    assert {segment["speaker"] for segment in body["segments"]} == {"speaker_0"}


@pytest.mark.parametrize(
    ("data", "name", "text"),
    [
        (NOISE, "a.wav", "[offline: 3.2 seconds of audio/wav]"),
        (b"fLaC" + bytes(96), "a.flac", "[offline: 100 bytes of audio/flac]"),
    ],
    ids=["wav", "flac"],
)
def test_other_audio_is_described(send: Send, data: bytes, name: str, text: str) -> None:
    assert send(data=data, name=name).json()["text"].endswith(text)


def encode(audio_format: str) -> bytes:
    """Encode the spoken text; the AAC in an M4A file is copied."""
    source = "aac" if audio_format == "m4a" else audio_format
    encoded = encode_audio(encode_speech(TEXT), 16_000, source)
    return convert_to_m4a(encoded) if audio_format == "m4a" else encoded


def convert_to_m4a(aac: bytes) -> bytes:
    file = io.BytesIO()
    with av.open(io.BytesIO(aac)) as source, av.open(file, "w", format="ipod") as target:
        stream = target.add_stream_from_template(source.streams.audio[0])
        for packet in source.demux(audio=0):
            if packet.dts is not None:
                packet.stream = stream
                target.mux(packet)
    return file.getvalue()


ENCODED = {name: encode(name) for name in SUFFIXES}


@pytest.mark.parametrize("audio_format", SUFFIXES)
def test_compressed_speech_is_transcribed_word_for_word(send: Send, audio_format: str) -> None:
    fields = {"response_format": "verbose_json", "timestamp_granularities": ["word"]}
    file_name = f"talk.{SUFFIXES[audio_format]}"
    body = send(data=ENCODED[audio_format], name=file_name, **fields).json()
    assert body["text"] == TEXT
    assert body["duration"] == pytest.approx(len(encode_speech(TEXT)) / 32_000, abs=0.1)
    starts = [word.start for word in decode_speech(encode_speech(TEXT))]
    assert [word["start"] for word in body["words"]] == pytest.approx(starts, abs=0.05)


def test_truncated_mp3_is_transcribed_as_far_as_possible(send: Send) -> None:
    data = ENCODED["mp3"][: len(ENCODED["mp3"]) // 2]
    text = send(data=data, name="talk.mp3").json()["text"]
    assert TEXT.startswith(text)
    assert 0 < len(text) < len(TEXT)


def test_scripted_answer_has_the_duration_of_an_ogg_file(send: Send) -> None:
    options = {"router": {"answers": {"talk.ogg": "Two words."}}, "response_format": "verbose_json"}
    body = send(data=ENCODED["opus"], name="talk.ogg", **options).json()
    assert body["text"] == "Two words."
    assert body["duration"] == pytest.approx(len(encode_speech(TEXT)) / 32_000, abs=0.1)


def test_compressed_speech_without_pyav_is_described(
    send: Send, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audio_module, "has_pyav", lambda: False)
    text = send(data=ENCODED["flac"], name="talk.flac").json()["text"]
    size = len(ENCODED["flac"])
    hint = "install av to transcribe it"
    assert text == f"[offline: {size} bytes of audio/flac; {hint}]"
    assert (
        f"seconds of audio/mpeg; {hint}]" in send(data=ENCODED["mp3"], name="a.mp3").json()["text"]
    )
    assert send().json()["text"] == TEXT


@pytest.mark.parametrize(
    "data",
    [create_wav(bytes(32_000)), create_wav(encode_speech("word")[6_000:9_000]), create_wav(b"")],
    ids=["silence", "fragment", "empty"],
)
def test_silence_and_fragments_of_words_have_no_text(send: Send, data: bytes) -> None:
    assert send(data=data).json()["text"] == ""


def test_scripted_answers_are_used_by_filename_or_model(send: Send) -> None:
    router = {"answers": {"talk.wav": "Scripted words.", "groq/whisper-large-v3": "Other words."}}
    body = send(router=router, response_format="verbose_json").json()
    assert body["text"] == "Scripted words."
    assert body["segments"][0]["end"] == pytest.approx(body["duration"])
    assert (
        send(router=router, model="groq/whisper-large-v3", name="b.wav").json()["text"]
        == "Other words."
    )


@both_endpoints
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": "2"}, "temperature"),
        ({"num_speakers": "33"}, "num_speakers"),
        ({"response_format": "docx"}, "response_format"),
        ({"timestamps_granularity": "segment"}, "timestamps_granularity"),
        ({"diarize": "perhaps"}, "diarize"),
        ({"data": None}, "file"),
        ({"name": "talk.txt"}, "file"),
        ({"data": b"%PDF-1.7", "name": "talk.mp3"}, "file"),
        ({"data": b"\x01\x02\x03\x04", "name": "talk.mp3"}, "file"),
        ({"stream": "true"}, "stream"),
    ],
)
def test_invalid_form_names_the_field(
    send: Send, path: str, fields: dict[str, Any], param: str
) -> None:
    response = send(path, **fields)
    assert response.status_code == 422
    assert response.json()["error"].keys() == {"message", "type", "param", "code"}
    assert response.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("path", "fields", "param"),
    [
        ("transcriptions", {"timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ("transcriptions", {"language": "english"}, "language"),
        ("translations", {"language": "en"}, "language"),
        ("translations", {"timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ("translations", {"model": "openai/gpt-4o-transcribe"}, "model"),
    ],
)
def test_rules_of_each_endpoint_are_enforced(
    send: Send, path: str, fields: dict[str, Any], param: str
) -> None:
    response = send(path, **fields)
    assert (response.status_code, response.json()["error"]["param"]) == (422, param)


@pytest.mark.slow
@both_endpoints
@pytest.mark.parametrize(
    ("control", "value"), [("cache", '{"type":"exact_match"}'), ("thread", '{"id":"t"}')]
)
def test_unsupported_controls_are_rejected(send: Send, path: str, control: str, value: str) -> None:
    response = send(path, **{control: value})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == control


def test_retries_and_fallbacks(create_chat: Callable[..., Any]) -> None:
    client = create_chat(faults={WHISPER: [503, Fault(status=500)]})
    form = {"model": WHISPER, "retry": '{"count":1,"on_codes":[503]}'}
    form["fallbacks"] = '[{"model":"groq/whisper-large-v3"}]'
    response = client.http.post(
        "/v3/router/audio/transcriptions", data=form, files={"file": ("a.wav", SPOKEN)}
    )
    assert response.json()["text"] == TEXT
    assert client.provider_calls == [(WHISPER, 503), (WHISPER, 500), ("groq/whisper-large-v3", 200)]
    assert client.router.log[-1].body["file"]["filename"] == "a.wav"


@pytest.fixture
def openai_client() -> Iterator[openai.OpenAI]:
    http = httpx.Client(transport=OfflineRouter().transport)
    url = "https://any.host/v3/router"
    with openai.OpenAI(base_url=url, api_key="any", http_client=http) as client:
        yield client


@pytest.mark.filterwarnings("ignore:deprecated")
@pytest.mark.parametrize("response_format", ["json", "text", "srt", "vtt", "verbose_json"])
def test_openai_client_reads_every_format(
    openai_client: openai.OpenAI, response_format: Any
) -> None:
    for audio in (openai_client.audio.transcriptions, openai_client.audio.translations):
        transcript = audio.create(
            model=WHISPER, file=("a.wav", SPOKEN), response_format=response_format
        )
        text = transcript if isinstance(transcript, str) else transcript.text
        assert "Good day." in text


def test_openai_client_reads_words(openai_client: openai.OpenAI) -> None:
    transcript = openai_client.audio.transcriptions.create(
        model=WHISPER,
        file=("a.wav", SPOKEN),
        response_format="verbose_json",
        timestamp_granularities=["word"],
    )
    assert [word.word for word in transcript.words or ()] == TEXT.split()


@pytest.mark.filterwarnings("ignore:deprecated")
def test_openai_client_raises_errors(openai_client: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="temperature"):
        openai_client.audio.translations.create(
            model=WHISPER, file=("a.wav", SPOKEN), temperature=3
        )


def test_extensible_wav_header_is_read(send: Send) -> None:
    """WAVE_FORMAT_EXTENSIBLE is read, and its byte rate, which is wrong here, is not used."""
    format_chunk = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16_000, 0, 2, 16, 22, 16, 4)
    format_chunk += struct.pack("<H", 1) + bytes.fromhex("00000000 1000 8000 00aa00389b71")
    samples = encode_speech("Good day.")
    wav = build_wav_header(format_chunk, len(samples)) + samples
    assert send(data=wav).json()["text"] == "Good day."
