"""Replay recorded responses of two routers with the same tests: the offline and the real one.

``python -m pytest tests/recordings --record-mode=rewrite`` records the offline router, and the real
router too if ``ORQ_API_KEY`` is set. Replaying needs neither a key nor a network.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from pytest_socket import socket_allow_hosts

from orq_router_integrations import OfflineRouter, RouterClient

CASSETTES = Path(__file__).parents[1] / "cassettes"
RECORD_COMMAND = "ORQ_API_KEY=... python -m pytest tests/recordings --record-mode=rewrite"
LIVE_SETTINGS = {
    name: os.environ[name] for name in ("ORQ_API_KEY", "ORQ_BASE_URL") if name in os.environ
}
OFFLINE_KEY = "offline-no-key-needed"
MODELS = (
    "openai/gpt-4o-mini",
    "openai/gpt-4o-audio-preview",
    "openai/gpt-5-mini",
    "openai/gpt-image-1",
    "openai/dall-e-2",
    "openai/tts-1",
    "openai/whisper-1",
    "elevenlabs/eleven_multilingual_v2",
    "elevenlabs/scribe_v1",
    "groq/whisper-large-v3",
    "anthropic/claude-sonnet-4-5",
)

CreateClient = Callable[..., RouterClient]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "origin" in metafunc.fixturenames:
        metafunc.parametrize("origin", ["offline", "live"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec and callspec.params.get("origin") == "live":
            reason = get_skip_reason(item, recording=is_recording(config))
            item.add_marker(pytest.mark.skipif(bool(reason), reason=reason))


def get_skip_reason(item: pytest.Item, *, recording: bool) -> str:
    if recording:
        if "ORQ_API_KEY" in LIVE_SETTINGS:
            return ""
        return f"recording the real router requires a key: {RECORD_COMMAND}"
    if (CASSETTES / f"{get_cassette_name(item, 'live')}.yaml").exists():
        return ""
    return f"the real router has not been recorded yet: {RECORD_COMMAND}"


def is_recording(config: pytest.Config) -> bool:
    return config.getoption("--record-mode") not in {None, "none"}


def get_cassette_name(item: pytest.Item, origin: str) -> str:
    directory = item.path.stem.removeprefix("test_recorded_")
    params = [str(value) for name, value in item.callspec.params.items() if name != "origin"]
    return f"{origin}/{directory}/{'_'.join([item.originalname.removeprefix('test_'), *params])}"


@pytest.fixture
def default_cassette_name(request: pytest.FixtureRequest, origin: str) -> str:
    return get_cassette_name(request.node, origin)


@pytest.fixture(scope="session")
def vcr_config(vcr_config: dict[str, Any]) -> dict[str, Any]:
    """Replay responses to equal requests in their order, because polling sends equal requests."""
    return vcr_config | {"allow_playback_repeats": False}


@pytest.fixture(scope="module")
def vcr_cassette_dir() -> str:
    return str(CASSETTES)


@pytest.fixture
def only_loopback(origin: str, pytestconfig: pytest.Config) -> None:
    """Block the network, except for recording the real router."""
    if not (origin == "live" and is_recording(pytestconfig)):
        socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture
def create_client(origin: str, pytestconfig: pytest.Config) -> CreateClient:
    """Create a client to record with, or one that reaches nothing if the test is replayed."""

    def create(api_key: str | None = None) -> RouterClient:
        if not is_recording(pytestconfig):
            transport = httpx.MockTransport(fail_request)
            return RouterClient(
                api_key="sk-orq-replayed",
                http_client=httpx.Client(transport=transport),
                http_async_client=httpx.AsyncClient(transport=transport),
            )
        if origin == "offline":
            router = OfflineRouter(api_keys=[OFFLINE_KEY], models=MODELS)
            return router.client(api_key=api_key or OFFLINE_KEY)
        settings = {
            name.removeprefix("ORQ_").lower(): value for name, value in LIVE_SETTINGS.items()
        }
        return RouterClient(**settings | ({"api_key": api_key} if api_key else {}))

    return create


@pytest.fixture
def client(create_client: CreateClient) -> RouterClient:
    return create_client()


def fail_request(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"not in the cassette: {request.method} {request.url.path}")
