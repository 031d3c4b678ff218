"""``ChatOrq``: construction, copies, secrets, batches and streams."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.load import dumpd, dumps
from pydantic import SecretStr, ValidationError
from support.chat import GPT, create_model, last_body

from orq_router_integrations import ChatOrq, OfflineRouter, RouterControls, init_orq_chat_model
from orq_router_integrations.testing import Answer

SECRETS: dict[str, Any] = {
    "api_key": "sk-orq-SECRET",
    "default_headers": {"X-Token": "HEADER-SECRET"},
}


# Construction


def test_init_orq_chat_model_accepts_a_prefix() -> None:
    for name in ("openai/gpt-4o", "orq:openai/gpt-4o"):
        assert init_orq_chat_model(name, api_key="k", temperature=0).model == GPT
    no_name: Any = None
    with pytest.raises(ValidationError, match="model"):
        init_orq_chat_model(no_name, api_key="k")


CONTRADICTIONS: dict[str, Any] = {
    "api_key": "sk-other",
    "base_url": "https://other.example/v3/router",
    "timeout": 5.0,
    "max_retries": 0,
    "default_headers": {"X-A": "b"},
}


@pytest.mark.parametrize("name", CONTRADICTIONS)
def test_setting_that_contradicts_client_raises(router: OfflineRouter, name: str) -> None:
    with pytest.raises(ValidationError, match=rf"{name}.*client") as caught:
        create_model(router, **{name: CONTRADICTIONS[name]})
    assert "sk-other" not in str(caught.value)


def test_setting_equal_to_the_clients_is_accepted(router: OfflineRouter) -> None:
    client = router.client(max_retries=1)
    assert ChatOrq(model=GPT, client=client, max_retries=1).max_retries == 1


def test_assigned_controls_are_validated() -> None:
    model = ChatOrq(model=GPT, api_key="any")
    model.controls = {"fallbacks": ["anthropic/claude-sonnet-4-5"]}
    assert model.controls == RouterControls(fallbacks=["anthropic/claude-sonnet-4-5"])
    with pytest.raises(ValidationError, match="fallbacks"):
        model.controls = {"fallback": []}
    copied = model.model_copy(update={"controls": {"retry": {"count": 1}}})
    assert copied.controls == RouterControls(retry={"count": 1})
    model.controls = None


# Copies and pickles


def test_copies_work(router: OfflineRouter) -> None:
    model = create_model(router, temperature=0.5)
    for copied_model in (copy.deepcopy(model), copy.copy(model), model.model_copy(deep=True)):
        assert copied_model.invoke("Hi").text == model.invoke("Hi").text
        assert last_body(router)["temperature"] == 0.5


def test_pickle_contains_no_secret_and_reads_key_from_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ORQ_API_KEY", "sk-orq-ENV")
    model = ChatOrq(model=GPT, temperature=0.5, controls={"name": "a"}, **SECRETS)
    pickled = pickle.dumps(model)
    loaded = pickle.loads(pickled)
    assert b"SECRET" not in pickled
    assert (loaded.temperature, loaded.controls, loaded.model) == (0.5, model.controls, GPT)
    assert loaded.resolved_client.api_key.get_secret_value() == "sk-orq-ENV"
    assert loaded.resolved_client.base_url == model.base_url


# Secrets


DUMPS: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "model_dump": lambda model: str(model.model_dump()),
    "model_dump_json": lambda model: model.model_dump_json(),
    "asdict": lambda model: str(model.asdict()),
    "dumpd": lambda model: str(dumpd(model)),
    "dumps": dumps,
    "to_json": lambda model: str(model.to_json()),
    "bind": lambda model: repr(model.bind(temperature=1)),
    "_identifying_params": lambda model: str(model._identifying_params),
    "_get_ls_params": lambda model: str(model._get_ls_params()),
}


@pytest.mark.parametrize("dump", DUMPS.values(), ids=DUMPS)
@pytest.mark.parametrize("with_client", [True, False], ids=["client", "settings"])
def test_no_dump_contains_a_secret(router: OfflineRouter, with_client: bool, dump: Any) -> None:
    settings = {"client": router.client(**SECRETS)} if with_client else SECRETS
    dumped = dump(ChatOrq(model=GPT, temperature=0.5, controls={"name": "a"}, **settings))
    assert "gpt-4o" in dumped
    assert "SECRET" not in dumped


def test_api_key_is_stored_as_secret() -> None:
    assert isinstance(ChatOrq(model=GPT, api_key="sk-a").api_key, SecretStr)


def test_model_with_key_function_can_be_dumped_to_json() -> None:
    model = ChatOrq(model=GPT, api_key=lambda: "sk-orq-SECRET")
    assert "api_key" not in model.model_dump_json()


# Batches and events


async def test_batch_keeps_the_order(model: ChatOrq) -> None:
    questions = ["One", "Two", "Three"]
    for answers in (model.batch(questions), await model.abatch(questions)):
        pairs = zip(questions, answers, strict=True)
        assert [question for question, answer in pairs if question in answer.text] == questions


async def test_stream_events_end_with_the_complete_answer(model: ChatOrq) -> None:
    events = [event async for event in model.astream_events("Hi", version="v2")]
    texts = [e["data"]["chunk"].text for e in events if e["event"] == "on_chat_model_stream"]
    assert events[-1]["data"]["output"].text == "".join(texts)


@pytest.mark.parametrize("stream", [False, True])
def test_cost_is_in_the_metadata_of_responses(router: OfflineRouter, stream: bool) -> None:
    answer = create_model(router, api="responses", streaming=stream).invoke("Hi")
    assert answer.response_metadata["cost"] > 0


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
@pytest.mark.parametrize("stream", [False, True])
def test_logprobs_are_in_the_metadata(api: str, stream: bool) -> None:
    logprobs = [{"token": "Hello!", "logprob": -0.1}]
    router = OfflineRouter(answers={"Hi": Answer("Hello!", logprobs=logprobs)})
    model = create_model(router, api=api, streaming=stream)
    answer = model.invoke("Hi", logprobs=True, top_logprobs=1)
    assert answer.response_metadata["logprobs"]["content"] == logprobs
