"""Fixtures for every test: loopback traffic only, no API key, an offline router."""

import gc
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from pytest_socket import socket_allow_hosts
from support import cassettes

from orq_router_integrations import ChatOrq, OfflineRouter

WITHOUT_TIME_LIMITS: Any = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("quick", max_examples=50, derandomize=True, **WITHOUT_TIME_LIMITS)
settings.register_profile("long", max_examples=5000, **WITHOUT_TIME_LIMITS)
settings.load_profile("quick")


@pytest.fixture(autouse=True)
def block_network() -> None:
    socket_allow_hosts(["127.0.0.1", "::1"], allow_unix_socket=True)


@pytest.fixture(autouse=True)
def clear_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ORQ_API_KEY", "ORQ_BASE_URL", "LC_OUTPUT_VERSION"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def router() -> OfflineRouter:
    return OfflineRouter()


@pytest.fixture
def model(router: OfflineRouter) -> ChatOrq:
    return ChatOrq(model="openai/gpt-4o", client=router.client())


def pytest_collection() -> None:
    """Collect without garbage collection, which finds nothing but takes a quarter of the time."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Exclude imported modules and collected tests from garbage collection."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_recording_configure(config: pytest.Config, vcr: Any) -> None:
    vcr.register_serializer("yaml", cassettes)


@pytest.fixture(scope="session")
def vcr_config() -> dict[str, Any]:
    return {
        "serializer": "yaml",
        "match_on": ["method", "uri", "body"],
        "allow_playback_repeats": True,
        "decode_compressed_response": True,
        "before_record_request": cassettes.anonymize_request,
        "before_record_response": cassettes.scrub_response,
    }


@pytest.fixture(scope="module")
def vcr_cassette_dir(request: pytest.FixtureRequest) -> str:
    """Cassettes recorded from the offline router; they prove nothing about the real one."""
    module = Path(request.node.fspath)
    return str(Path(__file__).parent / "cassettes" / "offline" / module.stem)
