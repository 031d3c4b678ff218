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

from faults.catalogue import NOT_THERE, Fault
from faults.faces import FACES, Face
from faults.server import FaultServer, refusing_port
from orq_router_integrations import OfflineRouter, RouterClient, RouterError

KEY = "sk-orq-nobodys-key.0123456789"
PATIENCE = {
    "": {"timeout": 15.0, "deadline": 20.0, "stream_chunk_timeout": 15.0},
    "silence": {"timeout": 0.5, "deadline": 4.0, "stream_chunk_timeout": 15.0},
    "drip": {"timeout": 15.0, "deadline": 0.8, "stream_chunk_timeout": 0.5},
}
OVERRUN = 0.5
FREED = 1.0
POOLS = ("own", "httpx")


@dataclass
class Cell:
    """What became of one call.

    Attributes:
        outcome: the name of the error's class, or ``ok``.
        attempts: requests that the server saw.
        unseen: further attempts that the error tells of: on a busy machine a connection may take
            longer than an impatient client waits for it, so that nothing was sent.
        back: whether the connection was back or closed in time, and the next call worked.
        problems: what should have been otherwise.
    """

    face: str
    mode: str
    pool: str
    outcome: str = "ok"
    attempts: int = 0
    unseen: int = 0
    seconds: float = 0.0
    back: bool = False
    problems: tuple[str, ...] = ()


@cache
def healthy(face: Face) -> Any:
    """What the face answers where all is well."""
    return face.call(OfflineRouter().client(), False)


def run(fault: Fault, *, all_pools: bool = True) -> list[Cell]:
    """All cells of a fault; or half of them, each pool in one mode of a face."""
    asked = [
        (face, mode, pool)
        for number, face in enumerate(FACES.values(), len(fault.name))
        for mode in ("sync", "async")
        for pool in POOLS
        if fault.expected(*face.kinds) != NOT_THERE
        and (all_pools or (mode == "sync") == (pool == POOLS[number % 2]))
    ]
    with ThreadPoolExecutor(len(asked) if fault.slow else 4) as threads:
        return list(threads.map(lambda cell: _cell(fault, *cell), asked))


def _cell(fault: Fault, face: Face, mode: str, pool: str) -> Cell:
    with _server(fault) as (server, url):
        verb = _sync if mode == "sync" else lambda *given: asyncio.run(_async(*given))
        found = verb(fault, face, server, url, pool)
    cell = Cell(face.name, mode, pool, "ok", found.attempts, found.unseen, found.seconds)
    error = found.error
    cell.outcome = "ok" if error is None else type(error).__name__
    cell.back = found.freed and found.again == healthy(face)
    cell.problems = tuple(_problems(fault, face, cell, found))
    return cell


@dataclass
class Found:
    """What a call gave, how long it took, and what it left behind."""

    answer: Any = None
    error: BaseException | None = None
    seconds: float = 0.0
    attempts: int = 0
    unseen: int = 0
    freed: bool = False
    again: Any = None


def _client(fault: Fault, url: str, **mine: Any) -> RouterClient:
    patience = PATIENCE[fault.slow]
    return RouterClient(api_key=KEY, base_url=f"{url}/v3/router", **patience, **mine)


def _sync(fault: Fault, face: Face, server: FaultServer, url: str, pool: str) -> Found:
    with ExitStack() as stack:
        mine = {}
        if pool == "httpx":
            mine["http_client"] = stack.enter_context(httpx.Client(**_one()))
        found, client = Found(), _client(fault, url, **mine)
        began = time.monotonic()
        try:
            found.answer = face.call(client, fault.big)
        except BaseException as error:  # noqa: BLE001 - which it is, is the question
            found.error = error
        _note(found, server, began, **_kind(fault))
        if not fault.where:
            found.freed = fault.deaf or _until(lambda: server.open <= 1)
            server.heal()
            found.again = _tried(lambda: face.call(_patient(client), False))
        return found


async def _async(fault: Fault, face: Face, server: FaultServer, url: str, pool: str) -> Found:
    async with httpx.AsyncClient(**_one()) as http:
        mine = {"http_async_client": http} if pool == "httpx" else {}
        found, client = Found(), _client(fault, url, **mine)
        began = time.monotonic()
        try:
            found.answer = await face.acall(client, fault.big)
        except BaseException as error:  # noqa: BLE001
            found.error = error
        _note(found, server, began, **_kind(fault))
        if not fault.where:
            found.freed = fault.deaf or await asyncio.to_thread(_until, lambda: server.open <= 1)
            server.heal()
            try:
                found.again = await face.acall(_patient(client), False)
            except Exception as error:  # noqa: BLE001
                found.again = error
        return found


def _patient(client: RouterClient) -> RouterClient:
    return client.model_copy(update=PATIENCE[""])


def _tried(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - it is shown where an answer should be
        return error


def _kind(fault: Fault) -> dict[str, bool]:
    return {"haste": fault.slow == "silence" and not fault.where, "reached": not fault.where}


def _note(found: Found, server: FaultServer, began: float, *, haste: bool, reached: bool) -> None:
    found.seconds = time.monotonic() - began
    told = getattr(found.error, "attempts", 0)
    if haste:
        _until(lambda: len(server.requests) >= told, FREED)  # the last may be on its way
    found.attempts = len(server.requests) if reached else told
    if haste:
        found.unseen = max(told - found.attempts, 0)


def _until(reached: Callable[[], bool], seconds: float = FREED) -> bool:
    end = time.monotonic() + seconds
    while not reached() and time.monotonic() < end:
        time.sleep(0.005)
    return reached()


@cache
def _context() -> Any:
    return httpx.create_ssl_context()


def _one() -> dict[str, Any]:
    """A pool of one connection: whoever leaks it, stops."""
    return {"limits": httpx.Limits(max_connections=1), "verify": _context()}


@contextmanager
def _server(fault: Fault) -> Iterator[tuple[FaultServer, str]]:
    """The server of a fault, and the URL that a client is given."""
    with FaultServer(*fault.steps, tls=fault.where == "tls") as server, ExitStack() as stack:
        url = server.url
        if fault.where == "refused":
            url = f"http://127.0.0.1:{refusing_port()}"
        elif fault.where == "blackhole":
            url = f"http://127.0.0.1:{stack.enter_context(_blackhole())}"
        yield server, url


@contextmanager
def _blackhole() -> Iterator[int]:
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


def _problems(fault: Fault, face: Face, cell: Cell, found: Found) -> Iterator[str]:
    classes, attempts = fault.expected(*face.kinds)
    if classes is None:
        if found.error:
            yield f"should work, but: {found.error!r}"
        elif found.answer != healthy(face):
            yield f"a wrong answer: {found.answer!r:.80}"
    elif not isinstance(found.error, classes):
        yield f"should be {classes}, is {found.error!r:.200} {found.answer!r:.80}"
    else:
        yield from _of_error(fault, cell, found.error)
    sent = attempts if isinstance(attempts, tuple) else (attempts,)
    if not any(cell.attempts <= number <= cell.attempts + cell.unseen for number in sent):
        yield f"{cell.attempts} requests, not {attempts}"
    if cell.seconds > PATIENCE[fault.slow]["deadline"] + OVERRUN:
        yield f"took {cell.seconds:.2f} seconds"
    if not (cell.back or fault.where):
        yield f"connections open: freed={found.freed}, next call: {found.again!r:.200}"


def _of_error(fault: Fault, cell: Cell, error: BaseException | None) -> Iterator[str]:
    """What every error must tell."""
    assert isinstance(error, RouterError)
    told = f"{error} {error!r} {error.body}"
    if KEY in told or len(str(error)) > 2000:
        yield "the error shows too much"
    if not error.endpoint.startswith("/"):
        yield "the error does not say where"
    if not fault.where and error.attempts != cell.attempts + cell.unseen:
        yield f"the error says {error.attempts} attempts"
