"""LangChain's machinery on the model: caches, limits, configuration, batches, tracing, dumps."""

import json
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumpd, dumps, load, loads
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import ConfigurableField
from langchain_core.tracers import BaseTracer, Run
from pydantic import BaseModel
from support.agent_tools import (
    FULL,
    GPT,
    both_apis,
    called,
    every_version,
    every_way,
    get_weather,
    orq,
)

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterError, ServerError
from orq_router_integrations.testing import Fault

CLAUDE = "anthropic/claude-sonnet-4-5"
KEY = "sk-orq-SECRET"


class City(BaseModel):
    """A city."""

    name: str


class Runs(BaseTracer):
    """A tracer that keeps what it is told, as LangSmith's would send it."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.runs.append(run)

    @property
    def metadata(self) -> dict[str, Any]:
        found: dict[str, Any] = self.runs[0].extra["metadata"]
        return found


class Counting(BaseRateLimiter):
    def __init__(self) -> None:
        self.asked: list[str] = []

    def acquire(self, *, blocking: bool = True) -> bool:
        self.asked.append("sync")
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        self.asked.append("async")
        return True


@both_apis
@every_way
async def test_a_rate_limiter_is_asked_once_before_every_call(
    router: OfflineRouter, api: str, awaited: bool
) -> None:
    limiter = Counting()
    model = orq(router, api, rate_limiter=limiter)
    await called(model, awaited)
    _ = [c async for c in model.astream("Hi")] if awaited else list(model.stream("Hi"))
    assert limiter.asked == ["async" if awaited else "sync"] * 2


@both_apis
@every_way
async def test_langchains_cache_answers_the_second_time(
    router: OfflineRouter, api: str, awaited: bool
) -> None:
    model = orq(router, api, cache=InMemoryCache())
    first, second = await called(model, awaited), await called(model, awaited)
    assert len(router.requests) == 1
    assert (second.content, second.tool_calls) == (first.content, first.tool_calls)


@both_apis
@every_way
@every_version
async def test_a_cached_answer_has_the_same_blocks(
    api: str, awaited: bool, version: str | None
) -> None:
    router = OfflineRouter(answers=lambda _: FULL)
    model = orq(router, api, cache=InMemoryCache(), output_version=version)
    first, second = await called(model, awaited), await called(model, awaited)
    assert second.content_blocks == first.content_blocks
    assert len(router.requests) == 1


APART: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "another account": ({"api_key": "sk-b"}, {}),
    "another router": ({"base_url": "https://b.invalid/v3/router"}, {}),
    "the client's controls": ({"controls": {"fallbacks": [CLAUDE]}}, {}),
    "the model's controls": ({}, {"controls": {"fallbacks": [CLAUDE]}}),
    "another model": ({}, {"model": CLAUDE}),
    "a parameter": ({}, {"temperature": 0.5}),
}


@pytest.mark.parametrize(("of_client", "of_model"), APART.values(), ids=APART)
@both_apis
@every_way
async def test_langchains_cache_misses_what_may_be_answered_differently(
    router: OfflineRouter, api: str, awaited: bool, of_client: Any, of_model: Any
) -> None:
    cache = InMemoryCache()
    await called(orq(router, api, cache=cache), awaited)
    client = router.client(**of_client)
    await called(orq(router, api, cache=cache, **{"client": client, **of_model}), awaited)
    assert len(router.requests) == 2


@every_way
async def test_the_two_apis_share_no_cached_answer(router: OfflineRouter, awaited: bool) -> None:
    cache = InMemoryCache()
    for api in ("chat_completions", "responses"):
        await called(orq(router, api, cache=cache), awaited)
    assert [request.path[-10:] for request in router.requests] == ["ompletions", "/responses"]


@both_apis
@every_way
async def test_controls_given_per_call_are_cached_apart(
    router: OfflineRouter, api: str, awaited: bool
) -> None:
    model = orq(router, api, cache=InMemoryCache())
    for fallback in (CLAUDE, "openai/gpt-4o-mini", CLAUDE):
        await called(model.bind(controls={"fallbacks": [fallback]}), awaited)
    assert len(router.requests) == 2


@both_apis
@every_way
async def test_an_error_is_not_cached(api: str, awaited: bool) -> None:
    router = OfflineRouter(faults={GPT: [Fault(status=501)]})
    model = orq(router, api, cache=InMemoryCache())
    with pytest.raises(ServerError):
        await called(model, awaited)
    assert (await called(model, awaited)).text


@both_apis
@every_way
async def test_fields_can_be_made_configurable(
    router: OfflineRouter, api: str, awaited: bool
) -> None:
    fields = {name: ConfigurableField(id=name) for name in ("model", "temperature", "controls")}
    model = orq(router, api).configurable_fields(**fields)
    chosen = {"model": CLAUDE, "temperature": 0.5, "controls": {"name": "a"}}
    await called(model.with_config(configurable=chosen), awaited)
    await called(model, awaited)
    changed, plain = (request.body for request in router.requests)
    assert (changed["model"], changed["temperature"]) == (CLAUDE, 0.5)
    assert '"a"' in json.dumps(changed)
    assert (plain["model"], "temperature" in plain) == (GPT, False)


@every_way
async def test_the_api_can_be_configurable(router: OfflineRouter, awaited: bool) -> None:
    model = orq(router, "chat_completions").configurable_fields(api=ConfigurableField(id="api"))
    bound = model.bind(tools=[get_weather])
    await called(bound, awaited)
    await called(bound, awaited, config={"configurable": {"api": "responses"}})
    names = [request.body["tools"][0].get("name") for request in router.requests]
    assert names == [None, "get_weather"]


@both_apis
@every_way
async def test_a_wrong_configured_field_is_refused(
    router: OfflineRouter, api: str, awaited: bool
) -> None:
    model = orq(router, api).configurable_fields(temperature=ConfigurableField(id="t"))
    with pytest.raises(ValueError, match="temperature"):
        await called(model, awaited, config={"configurable": {"t": 99}})
    assert not router.requests


@both_apis
@every_way
async def test_models_can_be_alternatives(router: OfflineRouter, api: str, awaited: bool) -> None:
    model = orq(router, api).configurable_alternatives(
        ConfigurableField(id="which"), default_key="gpt", claude=orq(router, api, model=CLAUDE)
    )
    chain = ChatPromptTemplate.from_messages([("user", "{word}")]) | model
    await called(chain, awaited, {"word": "Hi"}, config={"configurable": {"which": "claude"}})
    await called(chain, awaited, {"word": "Hi"})
    assert [request.body["model"] for request in router.requests] == [CLAUDE, GPT]


@both_apis
@every_way
async def test_a_response_format_goes_beside_bound_tools(
    router: OfflineRouter, api: str, awaited: bool
) -> None:
    bound = orq(router, api).bind_tools([get_weather], tool_choice="none", response_format=City)
    answer = await called(bound, awaited)
    sent = router.requests[0].body
    shape = sent["response_format"] if api == "chat_completions" else sent["text"]["format"]
    assert (len(sent["tools"]), shape["type"]) == (1, "json_schema")
    assert City.model_validate_json(answer.text)


@both_apis
@every_way
async def test_what_is_bound_is_sent_and_a_config_is_kept(
    router: OfflineRouter, api: str, awaited: bool
) -> None:
    seen = Runs()
    bound = orq(router, api).bind(temperature=0.5, stop=["END"])
    tagged = bound.with_config(tags=["t"], metadata={"m": 1}, run_name="named", callbacks=[seen])
    await called(tagged, awaited)
    stop = "stop" if api == "chat_completions" else "stop_sequences"
    assert (router.requests[0].body["temperature"], router.requests[0].body[stop]) == (0.5, ["END"])
    assert (seen.runs[0].name, seen.runs[0].tags) == ("named", ["t"])
    assert seen.metadata["m"] == 1


@both_apis
@every_way
async def test_a_batch_can_return_its_errors(api: str, awaited: bool) -> None:
    router = OfflineRouter(faults={CLAUDE: 501})
    model, texts = orq(router, api), ["One", "Two", "Three"]
    mixed = model.configurable_fields(model=ConfigurableField(id="model"))
    configs: Any = [{"configurable": {"model": name}} for name in (GPT, CLAUDE, GPT)]
    results: Any = (
        await mixed.abatch(texts, configs, return_exceptions=True)
        if awaited
        else mixed.batch(texts, configs, return_exceptions=True)
    )
    assert isinstance(results[1], ServerError)
    assert ["One" in results[0].text, "Three" in results[2].text] == [True, True]


@both_apis
async def test_a_batch_as_completed_names_each_answers_place(
    router: OfflineRouter, api: str
) -> None:
    model = orq(router, api)
    done = {place: answer.text async for place, answer in model.abatch_as_completed(["One", "Two"])}
    same = dict(model.batch_as_completed(["One", "Two"]))
    assert {place: answer.text for place, answer in same.items()} == done
    assert "One" in done[0]


async def traced(router: OfflineRouter, api: str, awaited: bool, stream: bool) -> Runs:
    seen = Runs()
    secret = {"default_headers": {"X-Token": "HEADER-SECRET"}, "default_query": {"q": "Q-SECRET"}}
    model = ChatOrq(
        model=GPT,
        client=router.client(api_key=KEY, **secret),
        api=api,
        temperature=0.5,
        max_tokens=9,
        stop="END",
        controls={"name": "a"},
    ).bind_tools([get_weather])
    config: Any = {"callbacks": [seen]}
    if stream and awaited:
        _ = [chunk async for chunk in model.astream("Hi", config)]
    elif stream:
        list(model.stream("Hi", config))
    else:
        await called(model, awaited, config=config)
    return seen


@both_apis
@every_way
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_tracers_learn_the_model_and_never_a_secret(
    router: OfflineRouter, api: str, awaited: bool, stream: bool
) -> None:
    seen = await traced(router, api, awaited, stream)
    wanted = {
        "ls_provider": "orq",
        "ls_model_type": "chat",
        "ls_model_name": GPT,
        "ls_temperature": 0.5,
        "ls_max_tokens": 9,
        "ls_stop": ["END"],
    }
    assert {name: seen.metadata.get(name) for name in wanted} == wanted
    assert seen.runs[0].extra["invocation_params"]["tools"][0]["function"]["name"] == "get_weather"
    told = seen.runs[0].model_dump_json()
    assert "SECRET" not in told
    assert GPT in told


@both_apis
@every_way
async def test_tracers_of_a_failed_call_see_its_error_and_no_secret(
    api: str, awaited: bool
) -> None:
    router = OfflineRouter(faults={GPT: Fault(status=401, message=f"the key {KEY} is wrong")})
    seen = Runs()
    model = ChatOrq(model=GPT, client=router.client(api_key=KEY), api=api)
    with pytest.raises(RouterError):
        await called(model, awaited, config={"callbacks": [seen]})
    assert "AuthenticationError" in str(seen.runs[0].error)
    assert "SECRET" not in seen.runs[0].model_dump_json()


@both_apis
@pytest.mark.filterwarnings("ignore::langchain_core._api.LangChainBetaWarning")
def test_a_dumped_model_loads_and_answers_alike(monkeypatch: pytest.MonkeyPatch, api: str) -> None:
    monkeypatch.setenv("ORQ_API_KEY", KEY)
    own = {"reasoning": {"effort": "high"}} if api == "responses" else {"seed": 1}
    model = ChatOrq(model=GPT, api=api, controls={"retry": {"count": 2}}, stop=["A"], **own)
    known: Any = {"allowed_objects": [ChatOrq], "valid_namespaces": ["orq_router_integrations"]}
    for twin in (
        loads(dumps(model), secrets_from_env=True, **known),
        load(dumpd(model), secrets_from_env=True, **known),
        load(dumpd(model), secrets_map={"ORQ_API_KEY": KEY}, **known),
    ):
        assert twin == model
        assert twin._get_llm_string() == model._get_llm_string()
    assert "SECRET" not in dumps(model)
