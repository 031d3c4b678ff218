"""Transcriptions and translations of the offline router, asked for by plain httpx and openai."""

import struct
from collections.abc import Callable
from typing import Any

import httpx
import openai
import pytest
from support.recordings import TEXT, recording, wav

from orq_router_integrations.media.wav import build_wav_header
from orq_router_integrations.testing import Fault, OfflineRouter
from orq_router_integrations.testing.media.tone_codec import decode_speech, encode_speech
from orq_router_integrations.wire.endpoints import Dialect
from orq_router_integrations.wire.subtitles import parse_subtitles

WHISPER = "openai/whisper-1"
SPOKEN = recording()
SENTENCES = ["Good day.", "We meet at noon, in room 7!", "Bring Zo\u00eb."]
BOTH = pytest.mark.parametrize("path", ["transcriptions", "translations"])

Ask = Callable[..., httpx.Response]


@pytest.fixture
def ask(create_chat: Callable[..., Any]) -> Ask:
    def post(
        path: str = "transcriptions",
        data: bytes | None = SPOKEN,
        *,
        name: str = "talk.wav",
        prefix: str = "v3/router",
        router: dict[str, Any] | None = None,
        **members: Any,
    ) -> httpx.Response:
        files = {} if data is None else {"file": (name, data)}
        form = {"model": WHISPER, **members}
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


@BOTH
@pytest.mark.parametrize("dialect", Dialect)
def test_both_are_served_under_every_prefix(ask: Ask, path: str, dialect: Dialect) -> None:
    assert ask(path, prefix=dialect.value).json() == {"text": TEXT}


@BOTH
def test_text_srt_and_vtt_are_plain_text(ask: Ask, path: str) -> None:
    reply = ask(path, response_format="text")
    assert (reply.text, reply.headers["content-type"]) == (TEXT + "\n", "text/plain; charset=utf-8")
    for kind in ("srt", "vtt"):
        cues = parse_subtitles(ask(path, response_format=kind).text)
        assert [cue.text for cue in cues] == [
            "Good day.",
            "We meet at noon, in room 7!",
            "Bring Zo\u00eb.",
        ]
        assert cues[1].start > cues[0].end + 0.3


def test_words_and_segments_come_with_real_times(ask: Ask) -> None:
    members = {"response_format": "verbose_json", "language": "en"}
    body = ask(**members, timestamp_granularities=["word", "segment"]).json()
    spoken = decode_speech(encode_speech(TEXT))
    assert [(word["word"], word["start"]) for word in body["words"]] == [
        (word.text, word.start) for word in spoken
    ]
    assert body["segments"][0]["end"] == spoken[1].end
    assert (body["task"], body["language"], body["text"]) == ("transcribe", "en", TEXT)
    assert body["duration"] == pytest.approx((len(SPOKEN) - 44) / 32_000)


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        ({}, {"segments"}),
        ({"timestamp_granularities": ["word"]}, {"words"}),
        ({"timestamp_granularities": ["segment"]}, {"segments"}),
        ({"timestamps_granularity": "word"}, {"words", "segments"}),
    ],
)
def test_what_times_are_told_is_asked_for(ask: Ask, asked: dict[str, Any], held: set[str]) -> None:
    body = ask(response_format="verbose_json", **asked).json()
    assert body.keys() & {"words", "segments"} == held


def test_a_translation_says_so_and_has_the_words_as_spoken(ask: Ask) -> None:
    body = ask("translations", response_format="verbose_json").json()
    assert (body["task"], body["language"], body["text"]) == ("translate", "english", TEXT)


def test_diarize_labels_the_one_voice(ask: Ask) -> None:
    members = {"response_format": "verbose_json", "timestamps_granularity": "word"}
    body = ask(model="elevenlabs/scribe_v1", diarize="true", num_speakers="2", **members).json()
    assert {word["speaker_id"] for word in body["words"]} == {"speaker_0"}
    assert {segment["speaker"] for segment in body["segments"]} == {"speaker_0"}


@pytest.mark.parametrize(
    ("data", "name", "said"),
    [
        (wav(b"\0\x40" * 51_200), "a.wav", "[offline: 3.2 s of audio, 16 kHz mono]"),
        (
            wav(b"\0\x40" * 8_820, rate=44_100, channels=2),
            "a.wav",
            "0.1 s of audio, 44.1 kHz stereo]",
        ),
        (b"fLaC" + bytes(96), "a.flac", "[offline: 100 bytes of audio/flac]"),
    ],
)
def test_other_sound_is_described(ask: Ask, data: bytes, name: str, said: str) -> None:
    assert ask(data=data, name=name).json()["text"].endswith(said)


@pytest.mark.parametrize(
    "data", [wav(bytes(32_000)), wav(encode_speech("word")[6_000:9_000]), wav(b"")]
)
def test_silence_and_scraps_of_words_say_nothing(ask: Ask, data: bytes) -> None:
    assert ask(data=data).json()["text"] == ""


def test_answers_can_be_scripted_by_file_name_and_model(ask: Ask) -> None:
    router = {"answers": {"talk.wav": "Scripted words.", "groq/whisper-large-v3": "Other words."}}
    body = ask(router=router, response_format="verbose_json").json()
    assert body["text"] == "Scripted words."
    assert body["segments"][0]["end"] == pytest.approx(body["duration"])
    assert (
        ask(router=router, model="groq/whisper-large-v3", name="b.wav").json()["text"]
        == "Other words."
    )


@BOTH
@pytest.mark.parametrize(
    ("given", "param"),
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
def test_what_the_contract_has_not_is_a_422(
    ask: Ask, path: str, given: dict[str, Any], param: str
) -> None:
    reply = ask(path, **given)
    assert reply.status_code == 422
    assert reply.json()["error"].keys() == {"message", "type", "param", "code"}
    assert reply.json()["error"]["param"] == param


@pytest.mark.parametrize(
    ("path", "given", "param"),
    [
        ("transcriptions", {"timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ("transcriptions", {"language": "english"}, "language"),
        ("translations", {"language": "en"}, "language"),
        ("translations", {"timestamp_granularities": ["word"]}, "timestamp_granularities"),
        ("translations", {"model": "openai/gpt-4o-transcribe"}, "model"),
    ],
)
def test_the_endpoints_differ_as_the_contract_says(
    ask: Ask, path: str, given: dict[str, Any], param: str
) -> None:
    reply = ask(path, **given)
    assert (reply.status_code, reply.json()["error"]["param"]) == (422, param)


def test_too_large_a_file_is_a_413(ask: Ask) -> None:
    reply = ask(data=wav(bytes(25 * 2**20)))
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "file_too_large")


@BOTH
@pytest.mark.parametrize(
    ("control", "value"), [("cache", '{"type":"exact_match"}'), ("thread", '{"id":"t"}')]
)
def test_neither_takes_a_cache_or_a_thread(ask: Ask, path: str, control: str, value: str) -> None:
    reply = ask(path, **{control: value})
    assert reply.status_code == 400
    assert reply.json()["error"]["param"] == control


def test_retries_and_fallbacks_are_routed(create_chat: Callable[..., Any]) -> None:
    chat = create_chat(faults={WHISPER: [503, Fault(status=500)]})
    form = {"model": WHISPER, "retry": '{"count":1,"on_codes":[503]}'}
    form["fallbacks"] = '[{"model":"groq/whisper-large-v3"}]'
    reply = chat.http.post(
        "/v3/router/audio/transcriptions", data=form, files={"file": ("a.wav", SPOKEN)}
    )
    assert reply.json()["text"] == TEXT
    assert chat.provider_calls == [(WHISPER, 503), (WHISPER, 500), ("groq/whisper-large-v3", 200)]
    assert chat.router.log[-1].body["file"]["filename"] == "a.wav"


@pytest.fixture
def stock() -> openai.OpenAI:
    http = httpx.Client(transport=OfflineRouter().transport)
    return openai.OpenAI(base_url="https://any.host/v3/router", api_key="any", http_client=http)


@pytest.mark.filterwarnings("ignore:deprecated")
@pytest.mark.parametrize("kind", ["json", "text", "srt", "vtt", "verbose_json"])
def test_the_stock_client_reads_every_format(stock: openai.OpenAI, kind: Any) -> None:
    for audio in (stock.audio.transcriptions, stock.audio.translations):
        found = audio.create(model=WHISPER, file=("a.wav", SPOKEN), response_format=kind)
        text = found if isinstance(found, str) else found.text
        assert "Good day." in text


def test_the_stock_client_gets_its_words(stock: openai.OpenAI) -> None:
    found = stock.audio.transcriptions.create(
        model=WHISPER,
        file=("a.wav", SPOKEN),
        response_format="verbose_json",
        timestamp_granularities=["word"],
    )
    assert [word.word for word in found.words or ()] == TEXT.split()


@pytest.mark.filterwarnings("ignore:deprecated")
def test_the_stock_client_gets_typed_errors(stock: openai.OpenAI) -> None:
    with pytest.raises(openai.UnprocessableEntityError, match="temperature"):
        stock.audio.translations.create(model=WHISPER, file=("a.wav", SPOKEN), temperature=3)


def test_words_are_heard_in_the_longer_form_of_a_wav_and_despite_a_wrong_byte_rate(
    ask: Ask,
) -> None:
    shape = struct.pack("<HHIIHHHHI", 0xFFFE, 1, 16_000, 0, 2, 16, 22, 16, 4)
    shape += struct.pack("<H", 1) + bytes.fromhex("00000000 1000 8000 00aa00389b71")
    samples = encode_speech("Good day.")
    assert ask(data=build_wav_header(shape, len(samples)) + samples).json()["text"] == "Good day."
