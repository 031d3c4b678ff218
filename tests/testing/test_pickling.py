"""Routers, clients and models in other processes."""

import multiprocessing
import pickle
from concurrent.futures import ProcessPoolExecutor

import pytest

from orq_router_integrations import ChatOrq, OfflineRouter, OrqSpeechTool

GPT = "openai/gpt-4o"


def invoke(model):
    return model.invoke("Hi").text


def answer_with_temperature(body):
    return f"temperature {body.get('temperature')}"


def create_model(router, **kwargs):
    return ChatOrq(GPT, client=router.client(**kwargs))


def test_copy_restarts_the_script():
    router = OfflineRouter(answers={"Hi": ["one", "two"]})
    model = create_model(router)
    assert invoke(model) == "one"
    copies = [pickle.loads(pickle.dumps(model)) for _ in range(2)]
    assert [invoke(copy) for copy in copies] == ["one", "one"]
    assert invoke(model) == "two"
    assert len(router.requests) == 2


def test_copy_keeps_the_settings():
    settings = {"faults": {GPT: 503}, "models": [GPT], "api_keys": ["k"], "requests_per_minute": 1}
    router = pickle.loads(pickle.dumps(OfflineRouter(**settings, lenient=True)))
    assert {name: getattr(router, name) for name in settings} == settings
    assert router.lenient is True
    client = OfflineRouter().client(max_retries=0, default_headers={"x-a": "b"})
    copy = pickle.loads(pickle.dumps(client))
    assert (copy.max_retries, copy.default_headers) == (0, {"x-a": "b"})
    assert copy.get_settings() == client.get_settings()


def test_objects_pickled_together_share_a_router():
    router = OfflineRouter(answers={"Hi": ["one", "two"]})
    models = [create_model(router), create_model(router)]
    assert [invoke(copy) for copy in pickle.loads(pickle.dumps(models))] == ["one", "two"]


def test_script_of_a_running_router_is_copied():
    router = OfflineRouter()
    router.script(answers={"Hi": "Hello!"})
    assert invoke(create_model(pickle.loads(pickle.dumps(router)))) == "Hello!"


def test_unpickled_tool_works():
    tool = OrqSpeechTool(model="openai/tts-1", voice="alloy", client=OfflineRouter().client())
    assert pickle.loads(pickle.dumps(tool)).synthesize("Hi").read()


@pytest.mark.slow
def test_model_works_in_spawned_processes():
    model = create_model(OfflineRouter(answers=answer_with_temperature)).bind(temperature=0.5)
    # Unlike a ``Pool``, it raises an error if a process dies.
    with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
        assert list(pool.map(invoke, [model, model])) == ["temperature 0.5"] * 2


def test_cloudpickle_keeps_functions():
    cloudpickle = pytest.importorskip("cloudpickle")
    model = create_model(OfflineRouter(answers=lambda body: "Hello!"))
    assert invoke(pickle.loads(cloudpickle.dumps(model))) == "Hello!"
