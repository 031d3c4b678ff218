"""Storms: many concurrent or cancelled calls, event loops, threads and forks."""

import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx

from faults.integrations import PROMPT
from faults.server import FaultServer, ServerRequest, get_refusing_port, respond_normally
from faults.steps import send_raw
from orq_router_integrations import ChatOrq, OfflineRouter, RouterClient, RouterError
from orq_router_integrations._http import retry

KEY = "sk-orq-nobodys-key.0123456789"
ANSWER = ChatOrq(model="openai/gpt-4o", client=OfflineRouter().client()).invoke(PROMPT).text


def create_model(url: str, **settings: Any) -> ChatOrq:
    """Create a chat model that calls a server of these tests."""
    defaults = {"api_key": KEY, "base_url": f"{url}/v3/router", "max_retries": 0, "timeout": 20.0}
    return ChatOrq(model="openai/gpt-4o", client=RouterClient(**defaults | settings))


def run_cancelled(calls: int = 200, pool: int = 4) -> str:
    """Cancel calls at different moments, half of them twice, with a small pool."""

    async def storm(server: FaultServer) -> str:
        limits = httpx.Limits(max_connections=pool)
        async with httpx.AsyncClient(limits=limits) as http:
            model = create_model(server.url, http_async_client=http)
            tasks = [asyncio.create_task(_call_or_stream(model, number)) for number in range(calls)]
            for number, task in enumerate(tasks):
                if number % 10 == 0:
                    await asyncio.sleep(0.002)
                task.cancel()
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
            failures = {type(result).__name__ for result in results} - {"CancelledError"}
            assert not failures, failures
            server.recover()
            after = await asyncio.gather(*(model.ainvoke(PROMPT) for _ in range(3 * pool)))
            assert {answer.text for answer in after} == {ANSWER}
            assert server.open <= pool, server.open
        return f"{calls} cancelled, {len(after)} later ones answered, {server.open} connections"

    with FaultServer(send_raw(ending="hang"), _respond_slowly, send_raw(ending="hang")) as server:
        return asyncio.run(storm(server))


async def _respond_slowly(request: ServerRequest) -> None:
    await asyncio.sleep(0.01)
    await respond_normally(request)


async def _call_or_stream(model: ChatOrq, number: int) -> None:
    if number % 3:
        await model.ainvoke(PROMPT)
    else:
        async for _ in model.astream(PROMPT):
            pass


def run_dead_router(calls: int = 400) -> str:
    """Call a router that is down."""
    backoff, retry.INITIAL_BACKOFF_SECONDS = retry.INITIAL_BACKOFF_SECONDS, 0.0005
    model, attempts = create_model(f"http://127.0.0.1:{get_refusing_port()}", max_retries=2), 0
    try:
        for _ in range(calls):
            try:
                model.invoke(PROMPT)
            except RouterError as error:
                attempts += error.attempts
    finally:
        retry.INITIAL_BACKOFF_SECONDS = backoff
    assert calls <= attempts <= 500, attempts
    return f"{calls} calls made {attempts} attempts"


def run_several_loops(loops: int = 6) -> str:
    """Use one model in several event loops, one after another, without retries."""
    with FaultServer(respond_normally) as server:
        model = create_model(server.url)
        answers = [asyncio.run(model.ainvoke(PROMPT)).text for _ in range(loops)]
        assert answers == [ANSWER] * loops
        assert len(server.requests) == loops, len(server.requests)
        return f"{loops} loops, {len(answers)} answers, {len(server.requests)} requests"


async def _respond_with_number(request: ServerRequest) -> None:
    """Respond with the number in the question, after a short delay."""
    number = request.body.split(b"number ")[1].split(b".")[0]
    await asyncio.sleep(0.001)
    request.body = request.body.replace(PROMPT.encode(), number)
    await respond_normally(request)


def _answers_with_number(model: ChatOrq, number: int) -> bool:
    return f"number {number}." in model.invoke(f"number {number}.").text


def run_threads(count: int = 32, calls: int = 10) -> str:
    """Share one model between threads, which must get their own answers."""
    with FaultServer(_respond_with_number) as server:
        model, results = create_model(server.url), []

        def ask(start: int) -> None:
            results.extend(_answers_with_number(model, start * 1000 + n) for n in range(calls))

        workers = [threading.Thread(target=ask, args=[n]) for n in range(count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert results == [True] * (count * calls)
        assert server.accepted <= count, server.accepted
        return f"{len(results)} correct answers in {count} threads, {server.accepted} connections"


def run_forks(children: int = 4) -> str:
    """Call from forked children and their parent, which has open connections."""
    with FaultServer(_respond_with_number) as server:
        model = create_model(server.url)
        assert _answers_with_number(model, 1)
        pids = []
        for child in range(children):
            if not (pid := os.fork()):
                is_correct = False
                with suppress(BaseException):
                    is_correct = all(
                        _answers_with_number(model, 1000 * (child + 1) + n) for n in range(20)
                    )
                os._exit(0 if is_correct else 1)
            pids.append(pid)
        is_parent_correct = all(_answers_with_number(model, n) for n in range(20))
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        assert is_parent_correct
        assert codes == [0] * children, codes
        return f"{children} children and their parent, {len(server.requests)} correct answers"


def run_interleaved_streams() -> str:
    """Read two streams of one model in turn."""
    with FaultServer(_respond_with_number) as server:
        model = create_model(server.url)
        first, second = model.stream("number 1."), model.stream("number 2.")
        pairs = list(zip(first, second, strict=True))
        for index, number in ((0, 1), (1, 2)):
            assert f"number {number}." in "".join(pair[index].text for pair in pairs)
        return f"2 streams, {len(pairs)} pairs of chunks"


def run_unread_streams(streams: int = 20) -> str:
    """Leave streams unfinished: by break, by closing, and without closing."""

    async def leave_streams(server: FaultServer) -> None:
        model = create_model(server.url)
        for number in range(streams):
            stream = model.astream(PROMPT)
            await anext(stream)
            await asyncio.sleep(0.005)
            if number % 2:
                await stream.aclose()
            del stream
        assert (await model.ainvoke(PROMPT)).text == ANSWER
        for _ in range(200):
            if server.open <= 1:
                break
            await asyncio.sleep(0.005)
        assert server.open <= 1, server.open

    with FaultServer(respond_normally) as server:
        asyncio.run(leave_streams(server))
        model = create_model(server.url)
        for _ in range(streams):
            for _ in model.stream(PROMPT):
                break
        assert model.invoke(PROMPT).text == ANSWER
        return f"{2 * streams} unfinished streams, {server.accepted} connections"


STORMS: dict[str, Callable[[], str]] = {
    "cancelled": run_cancelled,
    "dead router": run_dead_router,
    "several loops": run_several_loops,
    "threads": run_threads,
    "forks": run_forks,
    "interleaved": run_interleaved_streams,
    "unread streams": run_unread_streams,
}


def run_storms(names: list[str]) -> int:
    """Run all storms, or those with these names; returns the number of failures."""
    failed = 0
    for name in names or STORMS:
        start = time.monotonic()
        try:
            message = STORMS[name]()
        except AssertionError as error:
            message, failed = f"!! {error!r}", failed + 1
        print(f"{name:<16} {time.monotonic() - start:6.2f} s  {message}", flush=True)
    return failed
