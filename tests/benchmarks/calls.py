"""Rows 1 to 10: calls, streams, long inputs, many at once."""

import time
from collections.abc import Iterator
from typing import Any

from tests.benchmarks.contenders import (
    LOOP,
    QUESTION,
    Listener,
    Wire,
    awaited,
    base_url,
    history,
    models,
    twenty_tools,
)
from tests.benchmarks.measuring import FLOOR, OPENAI, OURS, SOCKET, Case, Line, Sample, timed
from tests.benchmarks.server import CHUNKS

CALLS = 60
SHORT = "our short call"


def cases(server: str) -> Iterator[Case]:
    """All cases, each made when it is its turn."""
    yield invoke(server)
    yield ainvoke(server)
    yield traced(server)
    yield from streams(server)
    yield first_token(server)
    yield from long_inputs(server)
    yield from many_at_once(server)
    yield threads(server)


def repeated(work: Any, units: int = CALLS) -> Any:
    """A run of some work, over and over."""

    def run() -> Sample:
        def all_of_it() -> None:
            for _ in range(units):
                work()

        return timed(all_of_it, units)

    return run


def invoke(server: str) -> Case:
    url = base_url(server, "whole")
    runs = {
        name: repeated(lambda model=model: model.invoke(QUESTION))
        for name, model in models(url).items()
    }
    runs[SOCKET] = repeated(Wire(url, b"}").call)
    return Case([Line("1", "invoke", {FLOOR: 1.05, OPENAI: 0.40})], runs)


def traced(server: str) -> Case:
    config = {"callbacks": [Listener()]}
    runs = {
        name: repeated(lambda model=model: model.invoke(QUESTION, config=config))
        for name, model in models(base_url(server, "whole")).items()
    }
    return Case([Line("1", "invoke, with a tracer", {FLOOR: 1.05, OPENAI: 0.40})], runs)


def ainvoke(server: str) -> Case:
    async def several(model: Any) -> None:
        for _ in range(CALLS):
            await model.ainvoke(QUESTION)

    runs = {
        name: lambda model=model: timed(awaited(lambda: several(model)), CALLS)
        for name, model in models(base_url(server, "whole")).items()
    }
    return Case([Line("2", "ainvoke", {FLOOR: 1.05, OPENAI: 0.46})], runs)


def streams(server: str) -> Iterator[Case]:
    text = {FLOOR: 1.15, OPENAI: 0.22}
    yield streamed(server, f"text.{CHUNKS}", Line("3", "text chunk", text))
    yield astreamed(
        server, f"text.{CHUNKS}", Line("3", "text chunk, async", {FLOOR: 1.15, OPENAI: 0.20})
    )
    traced = Line("3", "text chunk, with a tracer", text)
    yield streamed(server, f"text.{CHUNKS}", traced, callbacks=[Listener()])
    yield streamed(server, "paced.100", Line("4", "paced chunk", {FLOOR: 1.15, OPENAI: 0.48}))
    tool = {FLOOR: 0.55, OPENAI: 0.20}
    yield streamed(server, f"tool.{CHUNKS}", Line("5", "tool-call chunk", tool))


def streamed(server: str, kind: str, line: Line, **config: Any) -> Case:
    chunks = int(kind.partition(".")[2])
    url = base_url(server, kind)

    def read(model: Any) -> None:
        for _ in model.stream(QUESTION, config=config):
            pass

    runs = {
        name: lambda model=model: timed(lambda: read(model), chunks)
        for name, model in models(url).items()
    }
    wire = Wire(url, b"\r\n0\r\n\r\n")
    runs[SOCKET] = lambda: timed(wire.call, chunks)
    return Case([line], runs)


def astreamed(server: str, kind: str, line: Line) -> Case:
    chunks = int(kind.partition(".")[2])

    async def read(model: Any) -> None:
        async for _ in model.astream(QUESTION):
            pass

    runs = {
        name: lambda model=model: timed(awaited(lambda: read(model)), chunks)
        for name, model in models(base_url(server, kind)).items()
    }
    return Case([line], runs)


def first_token(server: str) -> Case:
    def run(model: Any) -> Sample:
        cpu = 0.0
        for _ in range(CALLS):
            began = time.process_time()
            stream = model.stream(QUESTION)
            next(stream)
            cpu += time.process_time() - began
            for _ in stream:
                pass
        return {"cpu": cpu / CALLS * 1e6}

    runs = {
        name: lambda model=model: run(model)
        for name, model in models(base_url(server, "text.3")).items()
    }
    return Case([Line("6", "time to first token", {FLOOR: 1.10, OPENAI: 0.32})], runs)


def long_inputs(server: str) -> Iterator[Case]:
    found, messages, tools = models(base_url(server, "whole")), history(61), twenty_tools()
    short = repeated(lambda: found[OURS].invoke(QUESTION))
    limits = {OPENAI: 0.10, SHORT: 1.5}
    runs = {
        name: repeated(lambda model=model: model.invoke(messages), 20)
        for name, model in found.items()
    }
    yield Case([Line("7", "61 messages", limits)], {**runs, SHORT: short})
    bound = {name: model.bind_tools(tools) for name, model in found.items()}
    runs = {
        name: repeated(lambda model=model: model.invoke(QUESTION), 20)
        for name, model in bound.items()
    }
    yield Case([Line("7", "20 tools", limits)], {**runs, SHORT: short})


def at_once(model: Any, concurrency: int, calls: int) -> Sample:
    """Many async calls, so many at a time."""
    config = {"max_concurrency": concurrency}
    return timed(awaited(lambda: model.abatch([QUESTION] * calls, config=config)), calls)


def many_at_once(server: str) -> Iterator[Case]:
    found = models(base_url(server, "late"))
    fifty = {name: lambda m=model: at_once(m, 50, 300) for name, model in found.items()}
    lines = [
        Line("8", "abatch, 50 at once", {OPENAI: 0.12}),
        Line("8", "... time per request", {OPENAI: 1 / 4.5}, "wall"),
    ]
    yield Case(lines, fifty, rounds=5)
    found = models(base_url(server, "late"))
    many = {name: lambda m=model: at_once(m, 200, 400) for name, model in found.items()}
    many["ours, 50 at once"] = fifty[OURS]
    lines = [
        Line("9", "abatch, 200 at once", {OPENAI: 0.11, "ours, 50 at once": 1.3}),
        Line("9", "... time per request", {OPENAI: 1 / 8}, "wall"),
    ]
    yield Case(lines, many, rounds=3)


def threads(server: str) -> Case:
    def batch(model: Any) -> Sample:
        config = {"max_concurrency": 16}
        return timed(lambda: model.batch([QUESTION] * 200, config=config), 200)

    runs = {
        name: lambda model=model: batch(model)
        for name, model in models(base_url(server, "whole")).items()
    }
    lines = [
        Line("10", "batch, 16 threads", {OPENAI: 0.40}),
        Line("10", "... time per request", {OPENAI: 0.5}, "wall"),
    ]
    return Case(lines, runs)


def close() -> None:
    """End the loop of the async runs."""
    LOOP.run_until_complete(LOOP.shutdown_asyncgens())
