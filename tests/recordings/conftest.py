"""The same tests on two shelves of cassettes: from the offline router, and from the real one.

``python -m pytest tests/recordings --record-mode=rewrite`` records the first, and with
``ORQ_API_KEY`` set also the second. Played back, no cassette needs a key, a network or a router.
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
COMMAND = "ORQ_API_KEY=... python -m pytest tests/recordings --record-mode=rewrite"
REAL = {name: os.environ[name] for name in ("ORQ_API_KEY", "ORQ_BASE_URL") if name in os.environ}
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

MakeClient = Callable[..., RouterClient]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "shelf" in metafunc.fixturenames:
        metafunc.parametrize("shelf", ["offline", "live"])


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        callspec = getattr(item, "callspec", None)
        if callspec and callspec.params.get("shelf") == "live":
            reason = why_not_live(item, recording=is_recording(config))
            item.add_marker(pytest.mark.skipif(bool(reason), reason=reason))


def why_not_live(item: pytest.Item, *, recording: bool) -> str:
    if recording:
        return "" if "ORQ_API_KEY" in REAL else f"recording the real router needs a key: {COMMAND}"
    there = (CASSETTES / f"{cassette_of(item, 'live')}.yaml").exists()
    return "" if there else f"nobody with a key has recorded the real router yet: {COMMAND}"


def is_recording(config: pytest.Config) -> bool:
    return config.getoption("--record-mode") not in {None, "none"}


def cassette_of(item: pytest.Item, shelf: str) -> str:
    room = item.path.stem.removeprefix("test_").removeprefix("recorded_")
    choices = [str(value) for name, value in item.callspec.params.items() if name != "shelf"]
    return f"{shelf}/{room}/{'_'.join([item.originalname.removeprefix('test_'), *choices])}"


@pytest.fixture
def default_cassette_name(request: pytest.FixtureRequest, shelf: str) -> str:
    return cassette_of(request.node, shelf)


@pytest.fixture(scope="session")
def vcr_config(vcr_config: dict[str, Any]) -> dict[str, Any]:
    """Equal requests get their answers in turn: who asks whether it is done hears no, then yes."""
    return vcr_config | {"allow_playback_repeats": False}


@pytest.fixture(scope="module")
def vcr_cassette_dir() -> str:
    return str(CASSETTES)


@pytest.fixture
def only_loopback(shelf: str, pytestconfig: pytest.Config) -> None:
    """The network is open to one thing: recording the real router."""
    if not (shelf == "live" and is_recording(pytestconfig)):
        socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture
def make_client(shelf: str, pytestconfig: pytest.Config) -> MakeClient:
    """Makes the client that a cassette is recorded with; played back, it reaches nothing."""

    def made(api_key: str | None = None) -> RouterClient:
        if not is_recording(pytestconfig):
            nowhere = httpx.MockTransport(refuse)
            return RouterClient(
                api_key="sk-orq-played-back",
                http_client=httpx.Client(transport=nowhere),
                http_async_client=httpx.AsyncClient(transport=nowhere),
            )
        if shelf == "offline":
            router = OfflineRouter(api_keys=[OFFLINE_KEY], models=MODELS)
            return router.client(api_key=api_key or OFFLINE_KEY)
        settings = {name.removeprefix("ORQ_").lower(): value for name, value in REAL.items()}
        return RouterClient(**settings | ({"api_key": api_key} if api_key else {}))

    return made


@pytest.fixture
def client(make_client: MakeClient) -> RouterClient:
    return make_client()


def refuse(request: httpx.Request) -> httpx.Response:
    raise AssertionError(f"not in the cassette: {request.method} {request.url.path}")
