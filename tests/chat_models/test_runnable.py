"""Features of LangChain runnables: rate limits, configuration, bindings, batches and tracing."""

import json
from typing import Any

import pytest
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.rate_limiters import BaseRateLimiter
from langchain_core.runnables import ConfigurableField
from langchain_core.tracers import BaseTracer, Run
from pydantic import BaseModel
from support.agent_tools import (
    GPT,
    both_apis,
    create_agent_model,
    get_weather,
    invoke_runnable,
)
from support.chat import CLAUDE
from support.marks import sync_and_async

from orq_router_integrations import ChatOrq, OfflineRouter
from orq_router_integrations.errors import RouterError, ServerError
from orq_router_integrations.testing import Fault

KEY = "sk-orq-SECRET"


class City(BaseModel):
    """A city."""

    name: str


class RunRecorder(BaseTracer):
    """Record the runs that LangSmith would receive."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: list[Run] = []

    def _persist_run(self, run: Run) -> None:
        self.runs.append(run)

    @property
    def metadata(self) -> dict[str, Any]:
        metadata: dict[str, Any] = self.runs[0].extra["metadata"]
        return metadata


class RateLimiterSpy(BaseRateLimiter):
    def __init__(self) -> None:
        self.calls: list[str] = []

    def acquire(self, *, blocking: bool = True) -> bool:
        self.calls.append("sync")
        return True

    async def aacquire(self, *, blocking: bool = True) -> bool:
        self.calls.append("async")
        return True


@both_apis
@sync_and_async
async def test_rate_limiter_is_acquired_once_per_call(
    router: OfflineRouter, api: str, is_async: bool
) -> None:
    limiter = RateLimiterSpy()
    model = create_agent_model(router, api, rate_limiter=limiter)
    await invoke_runnable(model, is_async)
    _ = [c async for c in model.astream("Hi")] if is_async else list(model.stream("Hi"))
    assert limiter.calls == ["async" if is_async else "sync"] * 2


@both_apis
@sync_and_async
async def test_fields_can_be_configured(router: OfflineRouter, api: str, is_async: bool) -> None:
    fields = {name: ConfigurableField(id=name) for name in ("model", "temperature", "controls")}
    model = create_agent_model(router, api).configurable_fields(**fields)
    values = {"model": CLAUDE, "temperature": 0.5, "controls": {"name": "a"}}
    await invoke_runnable(model.with_config(configurable=values), is_async)
    await invoke_runnable(model, is_async)
    configured, default = (request.body for request in router.requests)
    assert (configured["model"], configured["temperature"]) == (CLAUDE, 0.5)
    assert '"a"' in json.dumps(configured)
    assert (default["model"], "temperature" in default) == (GPT, False)


@sync_and_async
async def test_api_can_be_configured(router: OfflineRouter, is_async: bool) -> None:
    model = create_agent_model(router, "chat_completions").configurable_fields(
        api=ConfigurableField(id="api")
    )
    bound = model.bind(tools=[get_weather])
    await invoke_runnable(bound, is_async)
    await invoke_runnable(bound, is_async, config={"configurable": {"api": "responses"}})
    names = [request.body["tools"][0].get("name") for request in router.requests]
    assert names == [None, "get_weather"]


@both_apis
@sync_and_async
async def test_invalid_configured_field_raises(
    router: OfflineRouter, api: str, is_async: bool
) -> None:
    model = create_agent_model(router, api).configurable_fields(
        temperature=ConfigurableField(id="t")
    )
    with pytest.raises(ValueError, match="temperature"):
        await invoke_runnable(model, is_async, config={"configurable": {"t": 99}})
    assert not router.requests


@both_apis
@sync_and_async
async def test_alternatives_can_be_configured(
    router: OfflineRouter, api: str, is_async: bool
) -> None:
    model = create_agent_model(router, api).configurable_alternatives(
        ConfigurableField(id="which"),
        default_key="gpt",
        claude=create_agent_model(router, api, model=CLAUDE),
    )
    chain = ChatPromptTemplate.from_messages([("user", "{word}")]) | model
    await invoke_runnable(
        chain, is_async, {"word": "Hi"}, config={"configurable": {"which": "claude"}}
    )
    await invoke_runnable(chain, is_async, {"word": "Hi"})
    assert [request.body["model"] for request in router.requests] == [CLAUDE, GPT]


@both_apis
@sync_and_async
async def test_bind_tools_accepts_a_response_format(
    router: OfflineRouter, api: str, is_async: bool
) -> None:
    bound = create_agent_model(router, api).bind_tools(
        [get_weather], tool_choice="none", response_format=City
    )
    answer = await invoke_runnable(bound, is_async)
    body = router.requests[0].body
    format_ = body["response_format"] if api == "chat_completions" else body["text"]["format"]
    assert (len(body["tools"]), format_["type"]) == (1, "json_schema")
    assert City.model_validate_json(answer.text)


@both_apis
@sync_and_async
async def test_bound_params_and_config_are_used(
    router: OfflineRouter, api: str, is_async: bool
) -> None:
    recorder = RunRecorder()
    bound = create_agent_model(router, api).bind(temperature=0.5, stop=["END"])
    configured = bound.with_config(
        tags=["t"], metadata={"m": 1}, run_name="named", callbacks=[recorder]
    )
    await invoke_runnable(configured, is_async)
    stop = "stop" if api == "chat_completions" else "stop_sequences"
    assert (router.requests[0].body["temperature"], router.requests[0].body[stop]) == (0.5, ["END"])
    assert (recorder.runs[0].name, recorder.runs[0].tags) == ("named", ["t"])
    assert recorder.metadata["m"] == 1


@both_apis
@sync_and_async
async def test_batch_can_return_exceptions(api: str, is_async: bool) -> None:
    router = OfflineRouter(faults={CLAUDE: 501})
    model, texts = create_agent_model(router, api), ["One", "Two", "Three"]
    configurable = model.configurable_fields(model=ConfigurableField(id="model"))
    configs: Any = [{"configurable": {"model": name}} for name in (GPT, CLAUDE, GPT)]
    results: Any = (
        await configurable.abatch(texts, configs, return_exceptions=True)
        if is_async
        else configurable.batch(texts, configs, return_exceptions=True)
    )
    assert isinstance(results[1], ServerError)
    assert ["One" in results[0].text, "Three" in results[2].text] == [True, True]


@both_apis
async def test_batch_as_completed_returns_every_answer(router: OfflineRouter, api: str) -> None:
    model = create_agent_model(router, api)
    questions = ["One", "Two"]
    for answers in (
        dict(model.batch_as_completed(questions)),
        {index: answer async for index, answer in model.abatch_as_completed(questions)},
    ):
        assert "One" in answers[0].text
        assert "Two" in answers[1].text


async def record_run(router: OfflineRouter, api: str, is_async: bool, stream: bool) -> RunRecorder:
    recorder = RunRecorder()
    secrets = {"default_headers": {"X-Token": "HEADER-SECRET"}, "default_query": {"q": "Q-SECRET"}}
    model = ChatOrq(
        model=GPT,
        client=router.client(api_key=KEY, **secrets),
        api=api,
        temperature=0.5,
        max_tokens=9,
        stop="END",
        controls={"name": "a"},
    ).bind_tools([get_weather])
    config: Any = {"callbacks": [recorder]}
    if stream and is_async:
        _ = [chunk async for chunk in model.astream("Hi", config)]
    elif stream:
        list(model.stream("Hi", config))
    else:
        await invoke_runnable(model, is_async, config=config)
    return recorder


@both_apis
@sync_and_async
@pytest.mark.parametrize("stream", [False, True], ids=["complete", "streamed"])
async def test_traces_contain_params_and_no_secret(
    router: OfflineRouter, api: str, is_async: bool, stream: bool
) -> None:
    recorder = await record_run(router, api, is_async, stream)
    expected = {
        "ls_provider": "orq",
        "ls_model_type": "chat",
        "ls_model_name": GPT,
        "ls_temperature": 0.5,
        "ls_max_tokens": 9,
        "ls_stop": ["END"],
    }
    assert {name: recorder.metadata.get(name) for name in expected} == expected
    assert (
        recorder.runs[0].extra["invocation_params"]["tools"][0]["function"]["name"] == "get_weather"
    )
    trace = recorder.runs[0].model_dump_json()
    assert "SECRET" not in trace
    assert GPT in trace


@both_apis
@sync_and_async
async def test_traces_of_failed_calls_contain_the_error_and_no_secret(
    api: str, is_async: bool
) -> None:
    router = OfflineRouter(faults={GPT: Fault(status=401, message=f"the key {KEY} is wrong")})
    recorder = RunRecorder()
    model = ChatOrq(model=GPT, client=router.client(api_key=KEY), api=api)
    with pytest.raises(RouterError):
        await invoke_runnable(model, is_async, config={"callbacks": [recorder]})
    assert "AuthenticationError" in str(recorder.runs[0].error)
    assert "SECRET" not in recorder.runs[0].model_dump_json()
