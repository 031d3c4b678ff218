"""Pickles leave out secrets, and say what the other process has to provide."""

import copy
import multiprocessing
import pickle
import warnings
from typing import Any

import pytest
from langchain_core.rate_limiters import BaseRateLimiter, InMemoryRateLimiter
from support.scripted_router import KEY

from orq_router_integrations import (
    ChatOrq,
    OfflineRouter,
    OrqEmbeddings,
    OrqImageTool,
    OrqSpeechTool,
    OrqTranscriptionLoader,
    RouterClient,
)
from orq_router_integrations.errors import RouterInputError

CLASSES: dict[str, tuple[Any, dict[str, Any]]] = {
    "client": (RouterClient, {}),
    "chat model": (ChatOrq, {"model": "openai/gpt-4o"}),
    "image tool": (OrqImageTool, {"model": "openai/gpt-image-1"}),
    "speech tool": (OrqSpeechTool, {"model": "openai/tts-1", "voice": "alloy"}),
    "loader": (OrqTranscriptionLoader, {"source": "a.mp3", "model": "openai/whisper-1"}),
    "embeddings": (OrqEmbeddings, {"model": "openai/text-embedding-3-small"}),
}
INTEGRATIONS = {name: value for name, value in CLASSES.items() if name != "client"}
each_class = pytest.mark.parametrize(("cls", "fields"), CLASSES.values(), ids=CLASSES)
each_integration = pytest.mark.parametrize(
    ("cls", "fields"), INTEGRATIONS.values(), ids=INTEGRATIONS
)


def dump(value: Any) -> tuple[bytes, list[str]]:
    """Return a pickle, and the warnings that it issued."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        data = pickle.dumps(value)
    assert all(warning.filename == __file__ for warning in caught)
    return data, [str(warning.message) for warning in caught]


@pytest.fixture(autouse=True)
def api_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORQ_API_KEY", KEY)


@each_class
def test_key_from_the_environment_needs_no_warning(cls: Any, fields: Any) -> None:
    data, messages = dump(cls(**fields))
    assert messages == []
    assert KEY.encode() not in data
    assert pickle.loads(data).api_key.get_secret_value() == KEY


@each_class
def test_everything_left_out_is_in_one_warning(cls: Any, fields: Any) -> None:
    secrets = {
        "api_key": "sk-orq-SECRET",
        "default_headers": {"X-Team": "SECRET", "X-App": "SECRET"},
        "default_query": {"token": "SECRET"},
    }
    data, (message,) = dump(cls(**fields, **secrets))
    assert b"SECRET" not in data
    assert "SECRET" not in message
    assert f"The process that loads this {cls.__name__} needs:" in message
    assert "the environment variable ORQ_API_KEY, because api_key was passed" in message
    assert "default_headers with X-App, X-Team" in message
    assert "default_query with token" in message


@each_integration
def test_client_warns_once(cls: Any, fields: Any) -> None:
    client = RouterClient(api_key="sk-orq-SECRET", default_headers={"X-Team": "SECRET"})
    _, (message,) = dump(cls(**fields, client=client))
    assert "this RouterClient needs:" in message


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"api_key": "sk-orq-other"}, "ORQ_API_KEY"),
        ({"default_headers": {"X-A": "1"}}, "default_headers with X-A"),
        ({"default_query": {"a": "1"}}, "default_query with a"),
    ],
    ids=["key", "headers", "query"],
)
def test_warning_names_only_what_is_left_out(settings: Any, text: str) -> None:
    _, (message,) = dump(ChatOrq("openai/gpt-4o", **settings))
    assert text in message
    assert message.count("because") + message.count(" with ") == 1


@each_class
def test_missing_key_raises_while_loading(
    cls: Any, fields: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, _ = dump(cls(**fields))
    monkeypatch.delenv("ORQ_API_KEY")
    with pytest.raises(RouterInputError, match=r"Set ORQ_API_KEY in the process that loads it\.$"):
        pickle.loads(data)
    monkeypatch.setenv("ORQ_API_KEY", "two words")
    with pytest.raises(RouterInputError, match=r"that loads it \(api_key: Character 4 of 9 is"):
        pickle.loads(data)


def get_key() -> str:
    return KEY


def test_key_function_is_pickled(monkeypatch: pytest.MonkeyPatch) -> None:
    data, messages = dump(ChatOrq("openai/gpt-4o", api_key=get_key))
    monkeypatch.delenv("ORQ_API_KEY")
    assert messages == []
    assert pickle.loads(data).api_key is get_key


def test_offline_model_needs_no_key(router: OfflineRouter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORQ_API_KEY")
    data, messages = dump(ChatOrq("openai/gpt-4o", client=router.client()))
    assert messages == []
    assert pickle.loads(data).invoke("Hi").text


def test_copies_keep_the_secrets() -> None:
    model = ChatOrq("openai/gpt-4o", api_key="sk-orq-SECRET", default_headers={"X-A": "1"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for clone in (copy.copy(model), copy.deepcopy(model), model.model_copy()):
            assert (clone.api_key, clone.default_headers) == (model.api_key, {"X-A": "1"})


# Rate limiters


@each_integration
def test_rate_limiter_of_langchain_cannot_be_pickled(cls: Any, fields: Any) -> None:
    model = cls(**fields, rate_limiter=InMemoryRateLimiter())
    with pytest.raises(pickle.PicklingError, match="InMemoryRateLimiter counts the requests of"):
        pickle.dumps(model)
    pickle.dumps(model.model_copy(update={"rate_limiter": None}))


class SharedRateLimiter(BaseRateLimiter):
    """A rate limiter that can be pickled, for example because it counts in a database."""

    def acquire(self, *, blocking: bool = True) -> bool:
        return blocking

    async def aacquire(self, *, blocking: bool = True) -> bool:
        return blocking


@each_integration
def test_other_rate_limiter_is_pickled(cls: Any, fields: Any) -> None:
    clone = pickle.loads(pickle.dumps(cls(**fields, rate_limiter=SharedRateLimiter())))
    assert isinstance(clone.rate_limiter, SharedRateLimiter)


def load_model(data: bytes) -> str:
    """Load a model in another process, and return the type of error or the key."""
    try:
        return str(pickle.loads(data).api_key.get_secret_value())
    except RouterInputError as error:
        return type(error).__name__


@pytest.mark.slow
@pytest.mark.parametrize(("key", "result"), [("sk-other", "sk-other"), ("", "RouterInputError")])
def test_key_is_read_in_the_other_process(
    monkeypatch: pytest.MonkeyPatch, key: str, result: str
) -> None:
    data, _ = dump(ChatOrq("openai/gpt-4o"))
    monkeypatch.setenv("ORQ_API_KEY", key)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(load_model, (data,)) == result
