"""Rows 1 to 10: calls, streams, long inputs and concurrency."""

import time
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.contenders import (
    LOOP,
    QUESTION,
    Listener,
    RawSocketClient,
    build_base_url,
    create_history,
    create_models,
    create_tools,
    run_async,
)
from tests.benchmarks.measuring import FLOOR, OPENAI, OURS, SOCKET, Case, Row, Sample, measure_time
from tests.benchmarks.server import CHUNKS

CALLS = 60
SHORT = "our short call"


def iter_cases(server: str) -> Iterator[Case]:
    """Yield all cases, each of them created when it is needed."""
    yield create_invoke_case(server)
    yield create_ainvoke_case(server)
    yield create_traced_case(server)
    yield from iter_stream_cases(server)
    yield create_first_token_case(server)
    yield create_async_first_token_case(server)
    yield from iter_long_input_cases(server)
    yield from iter_batch_cases(server)
    yield create_threads_case(server)


def repeat(work: Any, units: int = CALLS) -> Any:
    """Create a run that repeats some work."""

    def run() -> Sample:
        def repeat_work() -> None:
            for _ in range(units):
                work()

        return measure_time(repeat_work, units)

    return run


def create_invoke_case(server: str) -> Case:
    url = build_base_url(server, "whole")
    runs = {
        name: repeat(lambda model=model: model.invoke(QUESTION))
        for name, model in create_models(url).items()
    }
    runs[SOCKET] = repeat(RawSocketClient(url, b"}").call)
    return Case([Row("1", "invoke", {FLOOR: 0.88, OPENAI: 0.40})], runs)


def create_traced_case(server: str) -> Case:
    config = {"callbacks": [Listener()]}
    runs = {
        name: repeat(lambda model=model: model.invoke(QUESTION, config=config))
        for name, model in create_models(build_base_url(server, "whole")).items()
    }
    return Case([Row("1", "invoke, with a tracer", {FLOOR: 1.05})], runs)


def create_ainvoke_case(server: str) -> Case:
    async def invoke_repeatedly(model: Any) -> None:
        for _ in range(CALLS):
            await model.ainvoke(QUESTION)

    runs = {
        name: lambda model=model: measure_time(run_async(lambda: invoke_repeatedly(model)), CALLS)
        for name, model in create_models(build_base_url(server, "whole")).items()
    }
    return Case([Row("2", "ainvoke", {FLOOR: 0.75})], runs)


def iter_stream_cases(server: str) -> Iterator[Case]:
    burst_kind, paced_kind, tool_kind = f"text.{CHUNKS}", "paced.100", f"tool.{CHUNKS}"
    yield create_stream_case(server, burst_kind, Row("3", "text chunk", {FLOOR: 0.90}))
    yield create_astream_case(server, burst_kind, Row("3", "text chunk, async", {FLOOR: 0.85}))
    traced = Row("3", "text chunk, with a tracer", {FLOOR: 1.05})
    yield create_stream_case(server, burst_kind, traced, callbacks=[Listener()])
    yield create_stream_case(server, paced_kind, Row("4", "paced chunk", {FLOOR: 0.90}))
    yield create_astream_case(server, paced_kind, Row("4", "paced chunk, async", {FLOOR: 0.65}))
    yield create_stream_case(server, tool_kind, Row("5", "tool-call chunk", {FLOOR: 0.50}))


def create_stream_case(server: str, kind: str, row: Row, **config: Any) -> Case:
    chunks = int(kind.partition(".")[2])
    url = build_base_url(server, kind)

    def read(model: Any) -> None:
        for _ in model.stream(QUESTION, config=config):
            pass

    runs = {
        name: lambda model=model: measure_time(lambda: read(model), chunks)
        for name, model in create_models(url).items()
    }
    socket_client = RawSocketClient(url, b"\r\n0\r\n\r\n")
    runs[SOCKET] = lambda: measure_time(socket_client.call, chunks)
    return Case([row], runs)


def create_astream_case(server: str, kind: str, row: Row) -> Case:
    chunks = int(kind.partition(".")[2])

    async def read(model: Any) -> None:
        async for _ in model.astream(QUESTION):
            pass

    runs = {
        name: lambda model=model: measure_time(run_async(lambda: read(model)), chunks)
        for name, model in create_models(build_base_url(server, kind)).items()
    }
    return Case([row], runs)


def create_first_token_case(server: str) -> Case:
    def run(model: Any) -> Sample:
        cpu = 0.0
        for _ in range(CALLS):
            start = time.process_time()
            stream = model.stream(QUESTION)
            next(stream)
            cpu += time.process_time() - start
            for _ in stream:
                pass
        return {"cpu": cpu / CALLS * 1e6}

    runs = {
        name: lambda model=model: run(model)
        for name, model in create_models(build_base_url(server, "text.3")).items()
    }
    return Case([Row("6", "time to first token", {FLOOR: 0.95})], runs)


def create_async_first_token_case(server: str) -> Case:
    async def run(model: Any) -> Sample:
        cpu = 0.0
        for _ in range(CALLS):
            start = time.process_time()
            stream = model.astream(QUESTION)
            await anext(stream)
            cpu += time.process_time() - start
            async for _ in stream:
                pass
        return {"cpu": cpu / CALLS * 1e6}

    runs = {
        name: run_async(lambda model=model: run(model))
        for name, model in create_models(build_base_url(server, "text.3")).items()
    }
    return Case([Row("6", "time to first token, async", {FLOOR: 0.80})], runs)


def iter_long_input_cases(server: str) -> Iterator[Case]:
    models = create_models(build_base_url(server, "whole"))
    messages, tools = create_history(61), create_tools()
    short_run = repeat(lambda: models[OURS].invoke(QUESTION))
    runs = {
        name: repeat(lambda model=model: model.invoke(messages), 20)
        for name, model in models.items()
    }
    yield Case([Row("7", "61 messages", {OPENAI: 0.10, SHORT: 1.5})], {**runs, SHORT: short_run})
    models_with_tools = {name: model.bind_tools(tools) for name, model in models.items()}
    runs = {
        name: repeat(lambda model=model: model.invoke(QUESTION), 20)
        for name, model in models_with_tools.items()
    }
    yield Case([Row("7", "20 tools", {SHORT: 1.5})], {**runs, SHORT: short_run})


def run_batch(model: Any, concurrency: int, calls: int) -> Sample:
    """Run many async calls with limited concurrency."""
    config = {"max_concurrency": concurrency}
    return measure_time(run_async(lambda: model.abatch([QUESTION] * calls, config=config)), calls)


def iter_batch_cases(server: str) -> Iterator[Case]:
    models = create_models(build_base_url(server, "late"))
    runs = {name: lambda m=model: run_batch(m, 50, 300) for name, model in models.items()}
    rows = [
        Row("8", "abatch, 50 concurrent", {OPENAI: 0.22}),
        Row("8", "... requests", {OPENAI: 3.5}, "rate"),
    ]
    yield Case(rows, runs, rounds=5)
    models = create_models(build_base_url(server, "late"))
    runs = {name: lambda m=model: run_batch(m, 200, 400) for name, model in models.items()}
    rows = [
        Row("9", "abatch, 200 concurrent", {OPENAI: 0.18}),
        Row("9", "... requests", {OPENAI: 4.5}, "rate"),
    ]
    yield Case(rows, runs, rounds=5)


def create_threads_case(server: str) -> Case:
    def batch(model: Any) -> Sample:
        config = {"max_concurrency": 16}
        return measure_time(lambda: model.batch([QUESTION] * 200, config=config), 200)

    runs = {
        name: lambda model=model: batch(model)
        for name, model in create_models(build_base_url(server, "whole")).items()
    }
    rows = [
        Row("10", "batch, 16 threads", {FLOOR: 0.85}),
        Row("10", "... requests", {OPENAI: 2.8}, "rate"),
    ]
    return Case(rows, runs)


def close() -> None:
    """Close the event loop of the async runs."""
    LOOP.run_until_complete(LOOP.shutdown_asyncgens())
