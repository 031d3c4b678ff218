"""Speech, transcriptions, translations: every format. What is asserted holds for any router."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from orq_router_integrations import (
    OrqSpeechTool,
    OrqTranscriptionLoader,
    OrqTranslationLoader,
    RouterClient,
)
from orq_router_integrations.errors import RouterStatusError

pytestmark = pytest.mark.vcr

QUESTION = Path(__file__).parents[1] / "assets" / "question.wav"
WHISPER = "openai/whisper-1"


def heard(client: RouterClient, **kwargs: Any) -> list[Document]:
    documents = OrqTranscriptionLoader(
        source=QUESTION, **{"model": WHISPER, **kwargs}, client=client
    ).load()
    assert documents
    assert all(document.page_content.strip() for document in documents)
    return documents


@pytest.fixture
def speaker(client: RouterClient) -> OrqSpeechTool:
    return OrqSpeechTool(model="openai/tts-1", voice="alloy", client=client)


def test_speech(speaker: OrqSpeechTool) -> None:
    speech = speaker.synthesize("Hi.", audio_format="wav")
    assert speech.read().startswith(b"RIFF")


def test_speech_in_the_routers_own_format(speaker: OrqSpeechTool) -> None:
    assert speaker.synthesize("Hi.").format


def test_streamed_speech(speaker: OrqSpeechTool) -> None:
    assert sum(map(len, speaker.stream("Hi.", format="pcm"))) > 1000


def test_a_voice_of_another_provider(client: RouterClient) -> None:
    tool = OrqSpeechTool(model="elevenlabs/eleven_multilingual_v2", voice="aria", client=client)
    assert tool.synthesize("Hi.").size > 100


def test_a_model_that_cannot_speak(speaker: OrqSpeechTool) -> None:
    with pytest.raises(RouterStatusError) as caught:
        speaker.synthesize("Hi.", model="openai/no-such-model-9")
    assert 400 <= caught.value.status_code < 500


def test_a_transcript(client: RouterClient) -> None:
    (document,) = heard(client)
    assert document.metadata["model"]


@pytest.mark.parametrize("granularity", ["segment", "word"])
def test_a_transcript_with_times(client: RouterClient, granularity: str) -> None:
    documents = heard(client, granularity=granularity)
    starts = [document.metadata["start"] for document in documents]
    assert starts == sorted(starts)
    assert all(document.metadata["end"] >= document.metadata["start"] for document in documents)


@pytest.mark.parametrize("wanted", ["text", "srt", "vtt"])
def test_a_transcript_as_text(client: RouterClient, wanted: str) -> None:
    assert heard(client, response_format=wanted)


def test_a_transcript_with_hints_and_controls(client: RouterClient) -> None:
    controls = {"retry": {"count": 1}, "fallbacks": ["groq/whisper-large-v3"], "identity": "u1"}
    assert heard(client, language="en", prompt="A question.", temperature=0, controls=controls)


def test_speakers(client: RouterClient) -> None:
    assert heard(client, model="elevenlabs/scribe_v1", granularity="speaker", num_speakers=1)


def test_a_translation(client: RouterClient) -> None:
    (document,) = OrqTranslationLoader(source=QUESTION, model=WHISPER, client=client).load()
    assert document.page_content


def test_a_model_that_cannot_hear(client: RouterClient) -> None:
    with pytest.raises(RouterStatusError) as caught:
        heard(client, model="openai/no-such-model-9")
    assert 400 <= caught.value.status_code < 500
