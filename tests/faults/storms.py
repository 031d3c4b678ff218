"""Storms: what many calls at once, cancelled calls, loops, threads and forks leave behind."""

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
    """A chat model that asks a server of ours."""
    given = {"api_key": KEY, "base_url": f"{url}/v3/router", "max_retries": 0, "timeout": 20.0}
    return ChatOrq(model="openai/gpt-4o", client=RouterClient(**given | settings))


def run_cancelled(calls: int = 200, pool: int = 4) -> str:
    """Calls that are cancelled at every moment, half of them twice, on a small pool."""

    async def storm(server: FaultServer) -> str:
        limits = httpx.Limits(max_connections=pool)
        async with httpx.AsyncClient(limits=limits) as http:
            asked = create_model(server.url, http_async_client=http)
            tasks = [asyncio.create_task(_call_or_stream(asked, number)) for number in range(calls)]
            for number, task in enumerate(tasks):
                if number % 10 == 0:
                    await asyncio.sleep(0.002)
                task.cancel()
            await asyncio.sleep(0)
            for task in tasks[::2]:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
            others = {type(end).__name__ for end in ended} - {"CancelledError"}
            assert not others, others
            server.recover()
            after = await asyncio.gather(*(asked.ainvoke(PROMPT) for _ in range(3 * pool)))
            assert {answer.text for answer in after} == {ANSWER}
            assert server.open <= pool, server.open
        return f"{calls} cancelled, {len(after)} answered after them, {server.open} connections"

    with FaultServer(send_raw(ending="hang"), _respond_slowly, send_raw(ending="hang")) as server:
        return asyncio.run(storm(server))


async def _respond_slowly(wire: ServerRequest) -> None:
    await asyncio.sleep(0.01)
    await respond_normally(wire)


async def _call_or_stream(asked: ChatOrq, number: int) -> None:
    if number % 3:
        await asked.ainvoke(PROMPT)
    else:
        async for _ in asked.astream(PROMPT):
            pass


def run_dead_router(calls: int = 400) -> str:
    """Calls to a router that is down."""
    pauses, retry.INITIAL_BACKOFF_SECONDS = retry.INITIAL_BACKOFF_SECONDS, 0.0005
    asked, sent = create_model(f"http://127.0.0.1:{get_refusing_port()}", max_retries=2), 0
    try:
        for _ in range(calls):
            try:
                asked.invoke(PROMPT)
            except RouterError as error:
                sent += error.attempts
    finally:
        retry.INITIAL_BACKOFF_SECONDS = pauses
    assert calls <= sent <= 500, sent
    return f"{calls} calls made {sent} attempts"


def run_several_loops(loops: int = 6) -> str:
    """One object in one event loop after another, without retries."""
    with FaultServer(respond_normally) as server:
        asked = create_model(server.url)
        answers = [asyncio.run(asked.ainvoke(PROMPT)).text for _ in range(loops)]
        assert answers == [ANSWER] * loops
        assert len(server.requests) == loops, len(server.requests)
        return f"{loops} loops, {len(answers)} answers, {len(server.requests)} requests"


async def _respond_with_number(wire: ServerRequest) -> None:
    """Answers with the number in the question, a little later."""
    number = wire.body.split(b"number ")[1].split(b".")[0]
    await asyncio.sleep(0.001)
    wire.body = wire.body.replace(PROMPT.encode(), number)
    await respond_normally(wire)


def _gets_its_number(asked: ChatOrq, number: int) -> bool:
    return f"number {number}." in asked.invoke(f"number {number}.").text


def run_threads(count: int = 32, each: int = 10) -> str:
    """Threads that share one object get their own answers, over as few connections."""
    with FaultServer(_respond_with_number) as server:
        asked, right = create_model(server.url), []

        def ask(start: int) -> None:
            right.extend(_gets_its_number(asked, start * 1000 + n) for n in range(each))

        workers = [threading.Thread(target=ask, args=[n]) for n in range(count)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert right == [True] * (count * each)
        assert server.accepted <= count, server.accepted
        return f"{len(right)} right answers in {count} threads, {server.accepted} connections"


def run_forks(children: int = 4) -> str:
    """Children of a process whose connections are warm ask at the same time as it does."""
    with FaultServer(_respond_with_number) as server:
        asked = create_model(server.url)
        assert _gets_its_number(asked, 1)
        pids = []
        for child in range(children):
            if not (pid := os.fork()):
                right = False
                with suppress(BaseException):
                    right = all(_gets_its_number(asked, 1000 * (child + 1) + n) for n in range(20))
                os._exit(0 if right else 1)
            pids.append(pid)
        mine = all(_gets_its_number(asked, n) for n in range(20))
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        assert mine
        assert codes == [0] * children, codes
        return f"{children} children and their parent, {len(server.requests)} right answers"


def run_interleaved_streams() -> str:
    """Two streams of one object, read in turn, sync and async."""
    with FaultServer(_respond_with_number) as server:
        asked = create_model(server.url)
        first, second = asked.stream("number 1."), asked.stream("number 2.")
        pairs = list(zip(first, second, strict=True))
        for side, number in ((0, 1), (1, 2)):
            assert f"number {number}." in "".join(pair[side].text for pair in pairs)
        return f"2 streams, {len(pairs)} pairs of chunks"


def run_unread_streams(streams: int = 20) -> str:
    """Streams that nobody reads on, then left: by break, by close, and forgotten."""

    async def leave(server: FaultServer) -> None:
        asked = create_model(server.url)
        for number in range(streams):
            stream = asked.astream(PROMPT)
            await anext(stream)
            await asyncio.sleep(0.005)
            if number % 2:
                await stream.aclose()
            del stream
        assert (await asked.ainvoke(PROMPT)).text == ANSWER
        for _ in range(200):
            if server.open <= 1:
                break
            await asyncio.sleep(0.005)
        assert server.open <= 1, server.open

    with FaultServer(respond_normally) as server:
        asyncio.run(leave(server))
        asked = create_model(server.url)
        for _ in range(streams):
            for _ in asked.stream(PROMPT):
                break
        assert asked.invoke(PROMPT).text == ANSWER
        return f"{2 * streams} streams left, {server.accepted} connections, none kept busy"


STORMS: dict[str, Callable[[], str]] = {
    "cancelled": run_cancelled,
    "dead router": run_dead_router,
    "several loops": run_several_loops,
    "threads": run_threads,
    "forks": run_forks,
    "interleaved": run_interleaved_streams,
    "no reader": run_unread_streams,
}


def run_storms(names: list[str]) -> int:
    """Run the storms, or some; the number of those that did damage."""
    failed = 0
    for name in names or STORMS:
        began = time.monotonic()
        try:
            told = STORMS[name]()
        except AssertionError as error:
            told, failed = f"!! {error!r}", failed + 1
        print(f"{name:<16} {time.monotonic() - began:6.2f} s  {told}", flush=True)
    return failed
