"""OpenAI's client against a served offline router: every endpoint that both support."""

import base64
import io
import json
import wave
from pathlib import Path

import openai
import pytest

from orq_router_integrations.media.mime import detect_mime_type

BROKEN = "openai/broken"
GPT = "openai/gpt-4o"
WHISPER = "openai/whisper-1"
ASSETS = Path(__file__).parents[1] / "assets"
USER = [{"role": "user", "content": "What is magic_function(3)?"}]
SPOKEN = "The router answers."
PARAMETERS = {"type": "object", "properties": {"input": {"type": "integer"}}, "required": ["input"]}
TOOL = {"name": "magic_function", "description": "Magic.", "parameters": PARAMETERS}

deprecated = pytest.mark.filterwarnings("ignore::DeprecationWarning")
"""OpenAI's client warns about endpoints that OpenAI deprecates; the router supports them."""


@pytest.fixture(scope="module")
def client(base_url):
    with openai.OpenAI(api_key="any", base_url=base_url, max_retries=0) as client:
        yield client


@pytest.fixture(scope="module")
def speech(client):
    """A recording of ``SPOKEN``."""
    response = client.audio.speech.create(
        model="openai/tts-1", voice="alloy", input=SPOKEN, response_format="wav"
    )
    return ("speech.wav", response.content, "audio/wav")


class TestChat:
    def test_complete_answer_is_read(self, client):
        response = client.chat.completions.create(model=GPT, messages=USER)
        assert response.choices[0].message.content.startswith(f"Offline answer from {GPT}")
        assert response.usage.total_tokens > 0

    def test_streamed_answer_is_read(self, client):
        chunks = list(
            client.chat.completions.create(
                model=GPT, messages=USER, stream=True, stream_options={"include_usage": True}
            )
        )
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text.startswith("Offline answer")
        assert chunks[-1].usage.total_tokens > 0

    def test_tool_is_called(self, client):
        response = client.chat.completions.create(
            model=GPT,
            messages=USER,
            tools=[{"type": "function", "function": TOOL}],
            tool_choice="required",
        )
        (call,) = response.choices[0].message.tool_calls
        assert (call.function.name, call.function.arguments) == ("magic_function", '{"input":3}')

    def test_unknown_model_raises_and_models_are_listed(self, client):
        with pytest.raises(openai.NotFoundError, match="not enabled"):
            client.chat.completions.create(model="nobody/x", messages=USER)
        assert GPT in {model.id for model in client.models.list()}

    def test_truncated_stream_is_not_detected(self, client):
        """``ChatOrq`` raises an error here."""
        stream = client.chat.completions.create(model=BROKEN, messages=USER, stream=True)
        assert len(list(stream)) == 2


class TestResponses:
    @pytest.mark.slow
    def test_complete_answer_is_read(self, client):
        response = client.responses.create(model=GPT, input="Hi")
        assert response.output_text == f"Offline answer from {GPT} to 'Hi'."
        assert response.usage.total_tokens > 0
        assert client.responses.retrieve(response.id).output_text == response.output_text

    def test_streamed_answer_is_read(self, client):
        events = list(client.responses.create(model=GPT, input="Hi", stream=True))
        text = "".join(e.delta for e in events if e.type == "response.output_text.delta")
        assert events[-1].type == "response.completed"
        assert events[-1].response.output_text == text

    def test_tool_is_called(self, client):
        response = client.responses.create(
            model=GPT,
            input=USER,
            tools=[{"type": "function", "strict": False, **TOOL}],
            tool_choice="required",
        )
        (call,) = [item for item in response.output if item.type == "function_call"]
        assert (call.name, json.loads(call.arguments)) == ("magic_function", {"input": 3})


class TestImages:
    def test_images_are_generated(self, client):
        response = client.images.generate(model="openai/gpt-image-1", prompt="A boat", n=2)
        images = [base64.b64decode(item.b64_json) for item in response.data]
        assert [detect_mime_type(image) for image in images] == ["image/png", "image/png"]
        assert images[0] != images[1]

    def test_image_is_edited_with_a_mask(self, client):
        image = base64.b64decode(
            client.images.generate(model="openai/gpt-image-1", prompt="A boat").data[0].b64_json
        )
        response = client.images.edit(
            model="openai/gpt-image-1", image=image, mask=image, prompt="In fog"
        )
        assert detect_mime_type(base64.b64decode(response.data[0].b64_json)) == "image/png"

    @deprecated
    def test_variations_are_created(self, client):
        image = (ASSETS / "diagram.png").read_bytes()
        response = client.images.create_variation(
            model="openai/dall-e-2", image=image, n=2, response_format="b64_json"
        )
        assert [detect_mime_type(base64.b64decode(item.b64_json)) for item in response.data] == [
            "image/png"
        ] * 2


class TestSpeech:
    def test_speech_is_streamed_to_a_file(self, client, tmp_path):
        path = tmp_path / "speech.wav"
        with client.audio.speech.with_streaming_response.create(
            model="openai/tts-1", voice="alloy", input=SPOKEN, response_format="wav"
        ) as response:
            response.stream_to_file(path)
        with wave.open(io.BytesIO(path.read_bytes())) as sound:
            assert sound.getnframes() > 0

    @pytest.mark.parametrize("audio_format", ["mp3", "opus", "aac", "flac", "wav", "pcm"])
    def test_every_format_is_returned(self, client, audio_format):
        response = client.audio.speech.create(
            model="openai/tts-1", voice="alloy", input="Hi", response_format=audio_format
        )
        assert len(response.content) > 100


class TestTranscriptions:
    def test_json_transcript_is_read(self, client, speech):
        assert client.audio.transcriptions.create(model=WHISPER, file=speech).text == SPOKEN

    def test_words_and_segments_are_read(self, client, speech):
        response = client.audio.transcriptions.create(
            model=WHISPER,
            file=speech,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
        )
        assert response.text == SPOKEN
        assert [word.word for word in response.words] == SPOKEN.split()
        assert 0 <= response.segments[0].start < response.segments[0].end

    @pytest.mark.parametrize(
        ("response_format", "prefix"),
        [("text", SPOKEN), ("srt", "1\n00:00:00,000"), ("vtt", "WEBVTT")],
    )
    def test_text_formats_are_read(self, client, speech, response_format, prefix):
        response = client.audio.transcriptions.create(
            model=WHISPER, file=speech, response_format=response_format
        )
        assert response.startswith(prefix)
        assert SPOKEN in response

    @deprecated
    def test_translation_is_read(self, client, speech):
        assert client.audio.translations.create(model=WHISPER, file=speech).text


class TestEmbeddings:
    @pytest.mark.parametrize("encoding_format", ["float", "base64"])
    def test_every_encoding_is_returned(self, client, encoding_format):
        response = client.embeddings.create(
            model="openai/text-embedding-3-small",
            input=["A red boat", "A blue car"],
            dimensions=64,
            encoding_format=encoding_format,
        )
        assert [item.index for item in response.data] == [0, 1]
        if encoding_format == "base64":  # the client decodes base64 only if it has chosen it
            assert [len(base64.b64decode(item.embedding)) for item in response.data] == [256, 256]
        else:
            assert [len(item.embedding) for item in response.data] == [64, 64]

    @pytest.mark.slow
    def test_default_encoding_of_the_client_is_decoded(self, client):
        response = client.embeddings.create(model="openai/text-embedding-3-small", input="Hi")
        assert len(response.data[0].embedding) == 1536
        assert response.usage.prompt_tokens > 0
