"""The model: what reaches the wire, what is on top of what, and what it may be turned into."""

import copy
import pickle
from typing import Any

import pytest
from langchain_core.load import dumpd, dumps
from langchain_core.runnables import ConfigurableField
from pydantic import ValidationError

from orq_router_integrations import ChatOrq, OfflineRouter, RouterControls
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.chat_params import ChatParams

GPT = "openai/gpt-4o"
CLAUDE = "anthropic/claude-sonnet-4-5"
SPEECH = {"voice": "alloy", "format": "mp3"}

PARAMS: dict[str, tuple[Any, str, Any]] = {
    "temperature": (0.0, "temperature", 0),
    "top_p": (0.5, "top_p", 0.5),
    "top_k": (40, "top_k", 40),
    "max_tokens": (2000, "max_completion_tokens", 2000),
    "frequency_penalty": (-2, "frequency_penalty", -2),
    "presence_penalty": (2, "presence_penalty", 2),
    "n": (2, "n", 2),
    "logprobs": (True, "logprobs", True),
    "top_logprobs": (3, "top_logprobs", 3),
    "seed": (7, "seed", 7),
    "stop": ("END", "stop", ["END"]),
    "modalities": (["text", "audio"], "modalities", ["text", "audio"]),
    "audio": (SPEECH, "audio", SPEECH),
    "reasoning_effort": ("high", "reasoning_effort", "high"),
    "thinking": (
        {"type": "enabled", "budget_tokens": 1024},
        "thinking",
        {"type": "enabled", "budget_tokens": 1024},
    ),
    "verbosity": ("low", "verbosity", "low"),
    "cache_control": (
        {"type": "ephemeral", "ttl": "1h"},
        "cache_control",
        {"type": "ephemeral", "ttl": "1h"},
    ),
    "prompt_cache_key": ("k", "prompt_cache_key", "k"),
}
TOGETHER = {"top_logprobs": {"logprobs": True}, "modalities": {"audio": SPEECH}}

every_param = pytest.mark.parametrize("name", PARAMS)


def body(router: OfflineRouter) -> dict[str, Any]:
    sent: dict[str, Any] = router.requests[-1].body
    return sent


def orq(router: OfflineRouter, **kwargs: Any) -> ChatOrq:
    return ChatOrq(**{"model": GPT, "client": router.client(), **kwargs})


def test_the_table_has_every_parameter() -> None:
    assert PARAMS.keys() == ChatParams.model_fields.keys()


@every_param
def test_a_parameter_of_the_model_reaches_the_wire(router: OfflineRouter, name: str) -> None:
    given, on_wire, wanted = PARAMS[name]
    orq(router, **{name: given}, **TOGETHER.get(name, {})).invoke("Hi")
    assert body(router)[on_wire] == wanted


@every_param
def test_a_parameter_of_a_call_reaches_the_wire(router: OfflineRouter, name: str) -> None:
    given, on_wire, wanted = PARAMS[name]
    orq(router).invoke("Hi", **{name: given}, **TOGETHER.get(name, {}))
    assert body(router)[on_wire] == wanted


def test_what_is_not_set_is_not_sent(model: ChatOrq, router: OfflineRouter) -> None:
    model.invoke("Hi")
    assert body(router) == {"model": GPT, "messages": [{"role": "user", "content": "Hi"}]}


@pytest.mark.parametrize("nothing", [{"temperature": None}, {"stop": []}], ids=str)
def test_nothing_in_a_call_takes_the_models_own_away(
    router: OfflineRouter, nothing: dict[str, Any]
) -> None:
    orq(router, temperature=1, stop="END").invoke("Hi", **nothing)
    assert not nothing.keys() & body(router).keys()


OVERRIDES = {
    "a call": lambda model: model.invoke("Hi", temperature=0.5, model=CLAUDE),
    "a binding": lambda model: model.bind(temperature=0.5, model=CLAUDE).invoke("Hi"),
    "a copy": lambda model: model.model_copy(update={"temperature": 0.5, "model": CLAUDE}).invoke(
        "Hi"
    ),
    "an option": lambda model: (
        model.configurable_fields(
            temperature=ConfigurableField(id="t"), model=ConfigurableField(id="m")
        )
        .with_config(configurable={"t": 0.5, "m": CLAUDE})
        .invoke("Hi")
    ),
}


@pytest.mark.parametrize("override", OVERRIDES.values(), ids=OVERRIDES)
def test_the_models_own_can_be_overridden(router: OfflineRouter, override: Any) -> None:
    model = orq(router, temperature=1, top_p=0.9)
    assert CLAUDE in override(model).text
    assert (body(router)["temperature"], body(router)["top_p"]) == (0.5, 0.9)
    assert (model.temperature, model.model) == (1, GPT)


def test_stop_can_be_given_to_a_call(router: OfflineRouter) -> None:
    orq(router, stop=["END"]).invoke("Hi", stop=["STOP", "HALT"])
    assert body(router)["stop"] == ["STOP", "HALT"]


def test_controls_of_a_call_go_over_the_models_and_those_over_the_clients() -> None:
    router = OfflineRouter()
    client = router.client(controls={"name": "c", "thread": "c", "identity": "c", "cache": {}})
    model = ChatOrq(model=GPT, client=client, controls={"name": "m", "thread": "m", "cache": None})
    model.invoke("Hi", controls={"name": "call"})
    assert body(router)["name"] == "call"
    assert body(router)["thread"] == {"id": "m"}
    assert body(router)["identity"] == {"id": "c"}
    assert "cache" not in body(router)
    assert model.controls is not None
    assert model.controls.name == "m"


def test_further_members_go_with_the_body() -> None:
    router = OfflineRouter(lenient=True)
    orq(router, extra_body={"vendor": {"a": [1]}}).invoke("Hi")
    assert body(router)["vendor"] == {"a": [1]}


COLLISIONS: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a parameter": ({"temperature": 1}, {"temperature": 1}, "must not contain 'temperature'"),
    "the model": ({}, {"model": CLAUDE}, "must not contain 'model'"),
    "the messages": ({}, {"messages": []}, "must not contain 'messages'"),
    "a control": (
        {"controls": {"name": "a"}},
        {"name": "b"},
        "router control 'name'",
    ),
    "the limit by its wire name": (
        {"max_tokens": 5},
        {"max_completion_tokens": 5},
        "must not contain 'max_completion_tokens'",
    ),
}


@pytest.mark.parametrize(("own", "extra", "hint"), COLLISIONS.values(), ids=COLLISIONS)
def test_further_members_that_have_a_keyword_are_refused(
    router: OfflineRouter, own: dict[str, Any], extra: dict[str, Any], hint: str
) -> None:
    with pytest.raises(RouterInputError) as caught:
        orq(router, extra_body=extra, **own).invoke("Hi")
    assert hint in str(caught.value)
    assert router.requests == []


CONTRADICTIONS: list[dict[str, Any]] = [
    {"api_key": "sk-other"},
    {"base_url": "https://other.example/v3/router"},
    {"timeout": 5.0},
    {"max_retries": 0},
    {"default_headers": {"X-A": "b"}},
]


@pytest.mark.parametrize("setting", CONTRADICTIONS, ids=str)
def test_settings_that_contradict_the_client_are_refused(
    router: OfflineRouter, setting: dict[str, Any]
) -> None:
    (name,) = setting
    with pytest.raises(ValidationError, match=f"{name}: client= decides it") as caught:
        orq(router, **setting)
    assert "sk-other" not in str(caught.value)


def test_settings_that_agree_with_the_client_are_fine(router: OfflineRouter) -> None:
    client = router.client(max_retries=1)
    assert ChatOrq(model=GPT, client=client, max_retries=1).max_retries == 1


def test_copies_of_every_kind_work_on(router: OfflineRouter) -> None:
    model = orq(router, temperature=0.5)
    for twin in (copy.deepcopy(model), copy.copy(model), model.model_copy(deep=True)):
        assert twin.invoke("Hi").text == model.invoke("Hi").text
        assert body(router)["temperature"] == 0.5


@pytest.fixture
def secretive(router: OfflineRouter) -> ChatOrq:
    client = router.client(api_key="sk-orq-SECRET", default_headers={"X-Token": "HEADER-SECRET"})
    return ChatOrq(model=GPT, client=client, temperature=0.5, controls={"name": "a"})


def test_a_pickle_holds_no_secret_and_reads_the_key_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORQ_API_KEY", "sk-orq-ENV")
    secret = {"api_key": "sk-orq-SECRET", "default_headers": {"X-Token": "HEADER-SECRET"}}
    secretive = ChatOrq(model=GPT, temperature=0.5, controls={"name": "a"}, **secret)
    pickled = pickle.dumps(secretive)
    twin = pickle.loads(pickled)
    assert b"SECRET" not in pickled
    assert (twin.temperature, twin.controls, twin.model) == (0.5, secretive.controls, GPT)
    assert twin.resolved_client.api_key.get_secret_value() == "sk-orq-ENV"
    assert twin.resolved_client.base_url == secretive.base_url


DUMPS = {
    "repr": repr,
    "str": str,
    "model_dump": lambda model: str(model.model_dump()),
    "model_dump_json": lambda model: model.model_dump_json(),
    "asdict": lambda model: str(model.asdict()),
    "dumpd": lambda model: str(dumpd(model)),
    "dumps": dumps,
    "to_json": lambda model: str(model.to_json()),
    "bound": lambda model: repr(model.bind(temperature=1)),
    "identifying params": lambda model: str(model._identifying_params),
    "tracing params": lambda model: str(model._get_ls_params()),
}


@pytest.mark.parametrize("dump", DUMPS.values(), ids=DUMPS)
@pytest.mark.parametrize("own", [False, True], ids=["by client", "by itself"])
def test_no_dump_holds_a_secret(secretive: ChatOrq, own: bool, dump: Any) -> None:
    headers = {"X-Token": "HEADER-SECRET"}
    alone = ChatOrq(model=GPT, api_key="sk-orq-SECRET", default_headers=headers)
    assert GPT.partition("/")[2] in dump(alone if own else secretive)
    assert "SECRET" not in dump(alone if own else secretive)


def test_a_model_whose_key_a_function_gives_has_json() -> None:
    model = ChatOrq(model=GPT, api_key=lambda: "sk-orq-SECRET")
    assert '"api_key":"**********"' in model.model_dump_json()


QUESTIONS = ["One", "Two", "Three"]


async def test_a_batch_keeps_its_order(model: ChatOrq) -> None:
    for answers in (model.batch(QUESTIONS), await model.abatch(QUESTIONS)):
        said = zip(QUESTIONS, answers, strict=True)
        assert [word for word, answer in said if word in answer.text] == QUESTIONS


async def test_events_of_a_stream_end_with_the_whole_answer(model: ChatOrq) -> None:
    events = [event async for event in model.astream_events("Hi", version="v2")]
    texts = [e["data"]["chunk"].text for e in events if e["event"] == "on_chat_model_stream"]
    assert events[-1]["data"]["output"].text == "".join(texts)


def test_tracers_learn_the_model_and_its_parameters(router: OfflineRouter) -> None:
    model = orq(router, temperature=0.5, max_tokens=9, stop="END")
    assert model._get_ls_params() == {
        "ls_provider": "orq",
        "ls_model_type": "chat",
        "ls_model_name": GPT,
        "ls_temperature": 0.5,
        "ls_max_tokens": 9,
        "ls_stop": ["END"],
    }
    assert model._get_ls_params(model=CLAUDE, stop=["A"])["ls_model_name"] == CLAUDE
    assert model._get_ls_params(model=CLAUDE, stop=["A"])["ls_stop"] == ["A"]


@pytest.mark.parametrize("where", ["constructor", "call", "extra_body"])
def test_a_stream_of_several_answers_is_refused(router: OfflineRouter, where: str) -> None:
    own = {"constructor": {"n": 2}, "extra_body": {"extra_body": {"n": 2}}}.get(where, {})
    model = ChatOrq(model=GPT, client=router.client(), **own)
    with pytest.raises(RouterInputError, match="Cannot stream n > 1"):
        list(model.stream("Hi", **({"n": 2} if where == "call" else {})))
    assert router.requests == []


def test_an_n_of_null_in_the_extra_body_is_one_answer(router: OfflineRouter) -> None:
    model = ChatOrq(model=GPT, client=router.client(), extra_body={"n": None})
    assert list(model.stream("Hi"))


def test_controls_that_are_assigned_are_checked_like_those_that_are_given() -> None:
    model = ChatOrq(model=GPT, api_key="any")
    model.controls = {"fallbacks": ["anthropic/claude-sonnet-4-5"]}
    assert model.controls == RouterControls(fallbacks=["anthropic/claude-sonnet-4-5"])
    with pytest.raises(ValidationError, match="did you mean 'fallbacks'"):
        model.controls = {"fallback": []}
    copied = model.model_copy(update={"controls": {"retry": {"count": 1}}})
    assert copied.controls == RouterControls(retry={"count": 1})
    model.controls = None
