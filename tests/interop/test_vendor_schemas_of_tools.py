"""What the image tool, the speech tool and the loaders send, held against the vendor's SDK."""

import json
from pathlib import Path
from typing import Any

import pytest
from support.schema_loss import lost

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
FILES = {"file", "image", "mask"}
TEXTS = {"model", "prompt", "name", "size", "user", "language"}

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
    return OfflineRouter(lenient=True)  # it draws PNG alone, and says so otherwise


@pytest.fixture
def client(router):
    return router.client(base_url=V2)


def sent(router: OfflineRouter) -> dict[str, Any]:
    """The members of the one request, without its files; those of a form in JSON's types."""
    (request,) = router.requests
    members = {name: value for name, value in request.body.items() if name not in FILES}
    if request.headers["content-type"].startswith("application/json"):
        return members
    return {name: _typed(name, value) for name, value in members.items()}


def _typed(name: str, value: Any) -> Any:
    if name in TEXTS or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def painter(client, model: str = "openai/gpt-image-1", **kwargs: Any) -> OrqImageTool:
    return OrqImageTool(model=model, client=client, **kwargs)


@pytest.mark.parametrize(
    ("model", "choices"),
    [
        ("openai/gpt-image-1", {"n": 2, "size": "1024x1024", "quality": "low"}),
        ("openai/gpt-image-1", {"background": "transparent", "output_format": "webp"}),
        ("openai/gpt-image-1", {"output_format": "jpeg", "output_compression": 50}),
        ("openai/gpt-image-1", {"moderation": "low"}),
        ("openai/dall-e-3", {"style": "vivid", "quality": "hd", "delivery": "b64_json"}),
        ("openai/gpt-image-1", {"controls": {**CACHED, "metadata": {"env": "dev"}}}),
    ],
)
def test_drawings(router, client, model, choices):
    painter(client, model).generate("a boat", **choices)
    assert lost(models.CreateImageRequestBody, sent(router)) == []


@pytest.mark.parametrize("images", [SQUARE, [SQUARE, MASK]], ids=["one", "several"])
def test_edits(router, client, images):
    painter(client, controls=CACHED).edit("fog", images, n=2, size="1024x1024", user="u1")
    assert lost(models.CreateImageEditRequestBody, sent(router)) == []


def test_a_mask_is_unknown_to_the_sdk(router, client):
    """The router's own page on images has it; the SDK's model and client do not."""
    painter(client).edit("fog", SQUARE, mask=MASK)
    assert "mask" in router.requests[0].body
    assert "mask" not in models.CreateImageEditRequestBody.model_fields


def test_variations(router, client):
    tool = painter(client, "openai/dall-e-2", delivery="url", controls=CACHED)
    tool.create_variation(SQUARE, n=2, size="256x256")
    assert lost(models.CreateImageVariationRequestBody, sent(router)) == []


def test_speech(router, client):
    controls = {**CONTROLS, "thread": {"id": "t1"}}
    OrqSpeechTool(
        model="openai/tts-1",
        voice="alloy",
        audio_format="wav",
        speed=1.25,
        controls=controls,
        client=client,
    ).synthesize("Hello.")
    assert lost(models.CreateSpeechRequestBody, sent(router)) == []


@pytest.mark.parametrize(
    "choices",
    [
        {"language": "en", "prompt": "Names: Ann.", "temperature": 0.5},
        {"granularity": "word"},
        {"granularity": "speaker", "diarize": True, "num_speakers": 2},
        {"tag_audio_events": False, "enable_logging": False, "timestamps_granularity": "character"},
        {"response_format": "vtt", "controls": CONTROLS},
    ],
)
def test_transcriptions(router, client, choices):
    OrqTranscriptionLoader(
        source=QUESTION, model="elevenlabs/scribe_v1", client=client, **choices
    ).load()
    assert lost(models.CreateTranscriptionRequestBody, sent(router)) == []


def test_translations(router, client):
    OrqTranslationLoader(
        source=QUESTION,
        model="openai/whisper-1",
        prompt="Names: Ann.",
        controls=CONTROLS,
        client=client,
    ).load()
    assert lost(models.CreateTranslationRequestBody, sent(router)) == []
