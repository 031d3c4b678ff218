"""The vendor's SDK as a client of the offline router.

Requests that fail and fields that it drops are documented in ``tests/contract/README.md``.
"""

import base64
import warnings

import httpx
import pytest

from orq_router_integrations import OfflineRouter
from orq_router_integrations.media.mime import detect_mime_type

sdk = pytest.importorskip(
    "orq_ai_sdk", reason="the vendor's SDK is not installed: pip install '.[interop]'"
)

GPT = "openai/gpt-4o"
CLAUDE = "anthropic/claude-sonnet-4-5"
WHISPER = "openai/whisper-1"
USER = [{"role": "user", "content": "Hi"}]
SPOKEN = "The router answers."
ANSWER = f"Offline answer from {GPT} to 'Hi'."
PARAMETERS = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}


@pytest.fixture
async def orq(router):
    url = "https://offline.invalid"
    async with httpx.AsyncClient(transport=router.transport) as async_http:
        with httpx.Client(transport=router.transport) as http, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # importing its models causes warnings
            # The SDK would run an event loop in the garbage collector to close its own clients
            yield sdk.Orq(api_key="any", server_url=url, client=http, async_client=async_http)


@pytest.fixture
def speech():
    """A recording of ``SPOKEN``."""
    with httpx.Client(transport=OfflineRouter().transport) as http:
        params = {"model": "openai/tts-1", "voice": "alloy", "input": SPOKEN}
        response = http.post(
            "https://offline.invalid/v3/router/audio/speech",
            json={**params, "response_format": "wav"},
            headers={"Authorization": "Bearer any"},
        )
    return {"file_name": "speech.wav", "content": response.content, "content_type": "audio/wav"}


class TestChat:
    @pytest.mark.slow
    def test_complete_answer_is_read(self, orq):
        response = orq.router.chat.completions.create(model=GPT, messages=USER)
        assert response.choices[0].message.content == ANSWER

    def test_streamed_answer_is_read(self, orq):
        with orq.router.chat.completions.create(model=GPT, messages=USER, stream=True) as events:
            text = "".join(event.data.choices[0].delta.content or "" for event in events)
        assert text == ANSWER

    def test_tool_is_called(self, orq):
        response = orq.router.chat.completions.create(
            model=GPT,
            messages=[{"role": "user", "content": "f(3)"}],
            tools=[{"type": "function", "function": {"name": "f", "parameters": PARAMETERS}}],
            tool_choice="required",
        )
        (call,) = response.choices[0].message.tool_calls
        assert (call.function.name, call.function.arguments) == ("f", '{"a":3}')

    def test_integers_in_controls_are_sent_as_floats(self, orq, router):
        orq.router.chat.completions.create(
            model=GPT,
            messages=USER,
            fallbacks=[{"model": CLAUDE}],
            retry={"count": 2, "on_codes": [429]},
            cache={"type": "exact_match", "ttl": 60},
            timeout={"call_timeout": 5000},
            orq={"identity": {"id": "u1"}, "thread": {"id": "t1"}},
        )
        assert "429.0" in str(router.requests[0].body["retry"])

    def test_unknown_model_raises_a_typed_error(self, orq):
        with pytest.raises(sdk.models.APIErrorResponse, match="not enabled"):
            orq.router.chat.completions.create(model="nobody/x", messages=USER)


class TestResponses:
    def test_complete_answer_is_read(self, orq):
        response = orq.responses.create(model=GPT, input="Hi")
        (item,) = response.output
        assert item["content"][0]["text"] == ANSWER
        assert orq.responses.get(response_id=response.id).output == response.output

    def test_streamed_answer_is_read(self, orq):
        with orq.responses.create(model=GPT, input="Hi", stream=True) as events:
            assert len(list(events)) > 5


class TestImages:
    @pytest.mark.slow
    def test_images_are_generated_edited_and_varied(self, orq):
        images = orq.router.images
        generated = images.generations.create(model="openai/gpt-image-1", prompt="A boat")
        data = base64.b64decode(generated.data[0].b64_json)
        file = {"file_name": "boat.png", "content": data, "content_type": "image/png"}
        edited = images.edits.create(
            model="openai/gpt-image-1",
            prompt="In fog",
            image=file,
            n=2,
            retry={"count": 1},
            fallbacks=[{"model": "openai/dall-e-2"}],
        )
        variation = images.variations.create(model="openai/dall-e-2", image=file)
        assert [detect_mime_type(base64.b64decode(item.b64_json)) for item in edited.data] == [
            "image/png"
        ] * 2
        assert variation.data[0].url


class TestAudio:
    def test_speech_is_discarded(self, orq, router):
        """The SDK returns ``None`` instead of the audio."""
        result = orq.router.audio.speech.create(model="openai/tts-1", input="Hi", voice="alloy")
        assert result is None
        assert router.log[0].status == 200

    def test_json_transcript_is_read(self, orq, speech):
        transcribe = orq.router.audio.transcriptions.create
        assert transcribe(model=WHISPER, file=speech).text == SPOKEN
        response = transcribe(
            model=WHISPER,
            file=speech,
            response_format="verbose_json",
            timestamp_granularities=["word", "segment"],
            retry={"count": 1, "on_codes": [429]},
            orq={"identity": {"id": "u1"}},
        )
        assert [word.word for word in response.words] == SPOKEN.split()

    @pytest.mark.parametrize("response_format", ["text", "srt", "vtt"])
    def test_text_formats_raise(self, orq, router, speech, response_format):
        with pytest.raises(sdk.models.APIDefaultError, match="Unexpected response"):
            orq.router.audio.transcriptions.create(
                model=WHISPER, file=speech, response_format=response_format
            )
        assert router.log[0].status == 200

    def test_translation_is_read(self, orq, speech):
        assert orq.router.audio.translations.create(model=WHISPER, file=speech).text
