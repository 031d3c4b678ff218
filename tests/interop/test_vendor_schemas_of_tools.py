"""Requests of the tools and loaders, compared with the request models of the vendor's SDK."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.schema_loss import find_lost_fields

from orq_router_integrations import (
    OfflineRouter,
    OrqImageTool,
    OrqSpeechTool,
    OrqTranscriptionLoader,
    OrqTranslationLoader,
)

models = pytest.importorskip(
    "orq_ai_sdk.models", reason="the vendor's SDK is not installed: pip install '.[interop]'"
)

V2 = "https://offline.invalid/v2/router"
ASSETS = Path(__file__).parents[1] / "assets"
SQUARE, MASK, QUESTION = (ASSETS / name for name in ("square.png", "mask.png", "question.wav"))
FILE_FIELDS = {"file", "image", "mask"}
STRING_FIELDS = {"model", "prompt", "name", "size", "user", "language"}

CONTROLS = {
    "fallbacks": ["azure/model"],
    "fallback_on_codes": [429, 503],
    "retry": {"count": 2, "on_codes": [429]},
    "load_balancer": {"models": [{"model": "azure/model", "weight": 0.7}]},
    "timeout": {"call_timeout": 5000},
    "name": "n",
    "identity": {"id": "u1", "metadata": {"team": "a"}},
}
CACHED = {**CONTROLS, "cache": {"ttl": 60}}


@pytest.fixture
def router():
    return OfflineRouter(lenient=True)  # otherwise it only accepts PNG


@pytest.fixture
def client(router):
    return router.client(base_url=V2)


def get_body(router: OfflineRouter) -> dict[str, Any]:
    """Return the fields of the only request, without files; form fields are parsed as JSON."""
    (request,) = router.requests
    fields = {name: value for name, value in request.body.items() if name not in FILE_FIELDS}
    if request.headers["content-type"].startswith("application/json"):
        return fields
    return {name: _parse_field(name, value) for name, value in fields.items()}


def _parse_field(name: str, value: Any) -> Any:
    if name in STRING_FIELDS or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def create_tool(client, model: str = "openai/gpt-image-1", **kwargs: Any) -> OrqImageTool:
    return OrqImageTool(model=model, client=client, **kwargs)


@pytest.mark.parametrize(
    ("model", "kwargs"),
    [
        ("openai/gpt-image-1", {"n": 2, "size": "1024x1024", "quality": "low"}),
        ("openai/gpt-image-1", {"background": "transparent", "output_format": "webp"}),
        ("openai/gpt-image-1", {"output_format": "jpeg", "output_compression": 50}),
        ("openai/gpt-image-1", {"moderation": "low"}),
        ("openai/dall-e-3", {"style": "vivid", "quality": "hd", "return_format": "b64_json"}),
        ("openai/gpt-image-1", {"controls": {**CACHED, "metadata": {"env": "dev"}}}),
    ],
)
def test_generation_request_matches_the_schema(router, client, model, kwargs):
    create_tool(client, model).generate("a boat", **kwargs)
    assert find_lost_fields(models.CreateImageRequestBody, get_body(router)) == []


@pytest.mark.parametrize("images", [SQUARE, [SQUARE, MASK]], ids=["one", "several"])
def test_edit_request_matches_the_schema(router, client, images):
    create_tool(client, controls=CACHED).edit("fog", images, n=2, size="1024x1024", user="u1")
    assert find_lost_fields(models.CreateImageEditRequestBody, get_body(router)) == []


def test_mask_is_missing_in_the_sdk(router, client):
    """The router's documentation has ``mask``; the SDK does not."""
    create_tool(client).edit("fog", SQUARE, mask=MASK)
    assert "mask" in router.requests[0].body
    assert "mask" not in models.CreateImageEditRequestBody.model_fields


def test_variation_request_matches_the_schema(router, client):
    tool = create_tool(client, "openai/dall-e-2", return_format="url", controls=CACHED)
    tool.create_variation(SQUARE, n=2, size="256x256")
    assert find_lost_fields(models.CreateImageVariationRequestBody, get_body(router)) == []


def test_speech_request_matches_the_schema(router, client):
    controls = {**CONTROLS, "thread": {"id": "t1"}}
    OrqSpeechTool(
        model="openai/tts-1",
        voice="alloy",
        audio_format="wav",
        speed=1.25,
        controls=controls,
        client=client,
    ).synthesize("Hello.")
    assert find_lost_fields(models.CreateSpeechRequestBody, get_body(router)) == []


@pytest.mark.parametrize(
    "kwargs",
    [
        {"language": "en", "prompt": "Names: Ann.", "temperature": 0.5},
        {"granularity": "word"},
        {"granularity": "speaker", "diarize": True, "num_speakers": 2},
        {"tag_audio_events": False, "enable_logging": False, "timestamps_granularity": "character"},
        {"response_format": "vtt", "controls": CONTROLS},
    ],
)
def test_transcription_request_matches_the_schema(router, client, kwargs):
    OrqTranscriptionLoader(
        source=QUESTION, model="elevenlabs/scribe_v1", client=client, **kwargs
    ).load()
    assert find_lost_fields(models.CreateTranscriptionRequestBody, get_body(router)) == []


def test_translation_request_matches_the_schema(router, client):
    OrqTranslationLoader(
        source=QUESTION,
        model="openai/whisper-1",
        prompt="Names: Ann.",
        controls=CONTROLS,
        client=client,
    ).load()
    assert find_lost_fields(models.CreateTranslationRequestBody, get_body(router)) == []
