"""Speech, transcriptions, translations: every format. The assertions hold for any router."""

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


def load(client: RouterClient, **kwargs: Any) -> list[Document]:
    documents = OrqTranscriptionLoader(
        source=QUESTION, **{"model": WHISPER, **kwargs}, client=client
    ).load()
    assert documents
    assert all(document.page_content.strip() for document in documents)
    return documents


@pytest.fixture
def tool(client: RouterClient) -> OrqSpeechTool:
    return OrqSpeechTool(model="openai/tts-1", voice="alloy", client=client)


def test_speech(tool: OrqSpeechTool) -> None:
    speech = tool.synthesize("Hi.", audio_format="wav")
    assert speech.read().startswith(b"RIFF")


def test_speech_in_default_format(tool: OrqSpeechTool) -> None:
    assert tool.synthesize("Hi.").format


def test_streamed_speech(tool: OrqSpeechTool) -> None:
    assert sum(map(len, tool.stream("Hi.", audio_format="pcm"))) > 1000


def test_voice_of_another_provider(client: RouterClient) -> None:
    tool = OrqSpeechTool(model="elevenlabs/eleven_multilingual_v2", voice="aria", client=client)
    assert tool.synthesize("Hi.").size > 100


def test_unknown_speech_model(tool: OrqSpeechTool) -> None:
    with pytest.raises(RouterStatusError) as caught:
        tool.synthesize("Hi.", model="openai/no-such-model-9")
    assert 400 <= caught.value.status_code < 500


def test_transcript(client: RouterClient) -> None:
    (document,) = load(client)
    assert document.metadata["model"]


@pytest.mark.parametrize("granularity", ["segment", "word"])
def test_transcript_with_timestamps(client: RouterClient, granularity: str) -> None:
    documents = load(client, granularity=granularity)
    starts = [document.metadata["start"] for document in documents]
    assert starts == sorted(starts)
    assert all(document.metadata["end"] >= document.metadata["start"] for document in documents)


@pytest.mark.parametrize("response_format", ["text", "srt", "vtt"])
def test_transcript_as_text(client: RouterClient, response_format: str) -> None:
    assert load(client, response_format=response_format)


def test_transcript_with_hints_and_controls(client: RouterClient) -> None:
    controls = {"retry": {"count": 1}, "fallbacks": ["groq/whisper-large-v3"], "identity": "u1"}
    assert load(client, language="en", prompt="A question.", temperature=0, controls=controls)


def test_speakers(client: RouterClient) -> None:
    assert load(client, model="elevenlabs/scribe_v1", granularity="speaker", num_speakers=1)


def test_translation(client: RouterClient) -> None:
    (document,) = OrqTranslationLoader(source=QUESTION, model=WHISPER, client=client).load()
    assert document.page_content


def test_unknown_transcription_model(client: RouterClient) -> None:
    with pytest.raises(RouterStatusError) as caught:
        load(client, model="openai/no-such-model-9")
    assert 400 <= caught.value.status_code < 500
