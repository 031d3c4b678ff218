"""Runs a fault through every face and mode, and judges what became of each call."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx

from faults.catalogue import NOT_APPLICABLE, Fault
from faults.integrations import INTEGRATIONS, Integration
from faults.server import FaultServer, get_refusing_port
from orq_router_integrations import OfflineRouter, RouterClient, RouterError

KEY = "sk-orq-nobodys-key.0123456789"
TIMEOUTS = {
    "": {"timeout": 15.0, "deadline": 20.0, "stream_chunk_timeout": 15.0},
    "silence": {"timeout": 0.5, "deadline": 4.0, "stream_chunk_timeout": 15.0},
    "drip": {"timeout": 15.0, "deadline": 0.8, "stream_chunk_timeout": 0.5},
}
MAX_OVERRUN_SECONDS = 0.5
MAX_CLEANUP_SECONDS = 1.0
POOLS = ("own", "httpx")


@dataclass
class Result:
    """What became of one call.

    Attributes:
        outcome: the name of the error's class, or ``ok``.
        attempts: requests that the server saw.
        unseen: further attempts that the error tells of: on a busy machine a connection may take
            longer than an impatient client waits for it, so that nothing was sent.
        back: whether the connection was back or closed in time, and the next call worked.
        problems: what should have been otherwise.
    """

    integration: str
    mode: str
    pool: str
    outcome: str = "ok"
    attempts: int = 0
    unsent_attempts: int = 0
    seconds: float = 0.0
    is_recovered: bool = False
    problems: tuple[str, ...] = ()


@cache
def get_expected_result(face: Integration) -> Any:
    """What the face answers where all is well."""
    return face.call(OfflineRouter().client(), False)


def run_fault(fault: Fault, *, all_pools: bool = True) -> list[Result]:
    """All cells of a fault; or half of them, each pool in one mode of a face."""
    asked = [
        (face, mode, pool)
        for number, face in enumerate(INTEGRATIONS.values(), len(fault.name))
        for mode in ("sync", "async")
        for pool in POOLS
        if fault.get_outcome(*face.outcome_keys) != NOT_APPLICABLE
        and (all_pools or (mode == "sync") == (pool == POOLS[number % 2]))
    ]
    with ThreadPoolExecutor(len(asked) if fault.delay else 4) as threads:
        return list(threads.map(lambda cell: _run_call(fault, *cell), asked))


def _run_call(fault: Fault, face: Integration, mode: str, pool: str) -> Result:
    with _serve_fault(fault) as (server, url):
        verb = _run_sync if mode == "sync" else lambda *given: asyncio.run(_run_async(*given))
        found = verb(fault, face, server, url, pool)
    cell = Result(face.name, mode, pool, "ok", found.attempts, found.unsent_attempts, found.seconds)
    error = found.error
    cell.outcome = "ok" if error is None else type(error).__name__
    cell.is_recovered = found.is_freed and found.next_result == get_expected_result(face)
    cell.problems = tuple(_find_problems(fault, face, cell, found))
    return cell


@dataclass
class Outcome:
    """What a call gave, how long it took, and what it left behind."""

    result: Any = None
    error: BaseException | None = None
    seconds: float = 0.0
    attempts: int = 0
    unsent_attempts: int = 0
    is_freed: bool = False
    next_result: Any = None


def _create_client(fault: Fault, url: str, **mine: Any) -> RouterClient:
    patience = TIMEOUTS[fault.delay]
    return RouterClient(api_key=KEY, base_url=f"{url}/v3/router", **patience, **mine)


def _run_sync(fault: Fault, face: Integration, server: FaultServer, url: str, pool: str) -> Outcome:
    with ExitStack() as stack:
        mine = {}
        if pool == "httpx":
            mine["http_client"] = stack.enter_context(httpx.Client(**_single_connection_options()))
        found, client = Outcome(), _create_client(fault, url, **mine)
        began = time.monotonic()
        try:
            found.result = face.call(client, fault.has_large_request)
        except BaseException as error:  # noqa: BLE001 - which it is, is the question
            found.error = error
        _record(found, server, began, **_get_record_options(fault))
        if not fault.location:
            found.is_freed = fault.ignores_disconnect or wait_until(lambda: server.open <= 1)
            server.recover()
            found.next_result = _call_or_error(
                lambda: face.call(_without_short_timeouts(client), False)
            )
        return found


async def _run_async(
    fault: Fault, face: Integration, server: FaultServer, url: str, pool: str
) -> Outcome:
    async with httpx.AsyncClient(**_single_connection_options()) as http:
        mine = {"http_async_client": http} if pool == "httpx" else {}
        found, client = Outcome(), _create_client(fault, url, **mine)
        began = time.monotonic()
        try:
            found.result = await face.acall(client, fault.has_large_request)
        except BaseException as error:  # noqa: BLE001
            found.error = error
        _record(found, server, began, **_get_record_options(fault))
        if not fault.location:
            found.is_freed = fault.ignores_disconnect or await asyncio.to_thread(
                wait_until, lambda: server.open <= 1
            )
            server.recover()
            try:
                found.next_result = await face.acall(_without_short_timeouts(client), False)
            except Exception as error:  # noqa: BLE001
                found.next_result = error
        return found


def _without_short_timeouts(client: RouterClient) -> RouterClient:
    return client.model_copy(update=TIMEOUTS[""])


def _call_or_error(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - it is shown where an answer should be
        return error


def _get_record_options(fault: Fault) -> dict[str, bool]:
    return {"haste": fault.delay == "silence" and not fault.location, "reached": not fault.location}


def _record(
    found: Outcome, server: FaultServer, began: float, *, haste: bool, reached: bool
) -> None:
    found.seconds = time.monotonic() - began
    told = getattr(found.error, "attempts", 0)
    if haste:
        wait_until(
            lambda: len(server.requests) >= told, MAX_CLEANUP_SECONDS
        )  # the last may be on its way
    found.attempts = len(server.requests) if reached else told
    if haste:
        found.unsent_attempts = max(told - found.attempts, 0)


def wait_until(reached: Callable[[], bool], seconds: float = MAX_CLEANUP_SECONDS) -> bool:
    end = time.monotonic() + seconds
    while not reached() and time.monotonic() < end:
        time.sleep(0.005)
    return reached()


@cache
def _create_tls_context() -> Any:
    return httpx.create_ssl_context()


def _single_connection_options() -> dict[str, Any]:
    """A pool of one connection: whoever leaks it, stops."""
    return {"limits": httpx.Limits(max_connections=1), "verify": _create_tls_context()}


@contextmanager
def _serve_fault(fault: Fault) -> Iterator[tuple[FaultServer, str]]:
    """The server of a fault, and the URL that a client is given."""
    with FaultServer(*fault.steps, tls=fault.location == "tls") as server, ExitStack() as stack:
        url = server.url
        if fault.location == "refused":
            url = f"http://127.0.0.1:{get_refusing_port()}"
        elif fault.location == "blackhole":
            url = f"http://127.0.0.1:{stack.enter_context(_open_black_hole())}"
        yield server, url


@contextmanager
def _open_black_hole() -> Iterator[int]:
    """A port that lets nobody in, not even to be refused: its queue is full."""
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(full.getsockname())
        yield full.getsockname()[1]


def _find_problems(fault: Fault, face: Integration, cell: Result, found: Outcome) -> Iterator[str]:
    classes, attempts = fault.get_outcome(*face.outcome_keys)
    if classes is None:
        if found.error:
            yield f"should work, but: {found.error!r}"
        elif found.result != get_expected_result(face):
            yield f"a wrong answer: {found.result!r:.80}"
    elif not isinstance(found.error, classes):
        yield f"should be {classes}, is {found.error!r:.200} {found.result!r:.80}"
    else:
        yield from _find_error_problems(fault, cell, found.error)
    sent = attempts if isinstance(attempts, tuple) else (attempts,)
    if not any(cell.attempts <= number <= cell.attempts + cell.unsent_attempts for number in sent):
        yield f"{cell.attempts} requests, not {attempts}"
    if cell.seconds > TIMEOUTS[fault.delay]["deadline"] + MAX_OVERRUN_SECONDS:
        yield f"took {cell.seconds:.2f} seconds"
    if not (cell.is_recovered or fault.location):
        yield f"connections open: freed={found.is_freed}, next call: {found.next_result!r:.200}"


def _find_error_problems(fault: Fault, cell: Result, error: BaseException | None) -> Iterator[str]:
    """What every error must tell."""
    assert isinstance(error, RouterError)
    told = f"{error} {error!r} {error.body}"
    if KEY in told or len(str(error)) > 2000:
        yield "the error shows too much"
    if not error.endpoint.startswith("/"):
        yield "the error does not say where"
    if not fault.location and error.attempts != cell.attempts + cell.unsent_attempts:
        yield f"the error says {error.attempts} attempts"
