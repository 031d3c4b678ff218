"""Runs a fault with every integration and mode, and checks the result of each call."""

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx
from support.local_client import wait_until

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
"""Settings of the client for each kind of delay."""

MAX_OVERRUN_SECONDS = 0.5
MAX_CLEANUP_SECONDS = 1.0
POOLS = ("own", "httpx")


@dataclass
class Result:
    """What happened to one call.

    Attributes:
        outcome: class name of the error, or ``ok``.
        attempts: requests that the server received.
        unsent_attempts: other attempts that the error counts. On a slow machine, opening a
            connection may take longer than a short timeout, so that nothing is sent.
        is_recovered: whether the connection was freed in time and the next call succeeded.
        problems: what was unexpected.
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


@dataclass
class Observation:
    """What a call returned, how long it took, and what it left open."""

    value: Any = None
    error: BaseException | None = None
    seconds: float = 0.0
    attempts: int = 0
    unsent_attempts: int = 0
    is_freed: bool = False
    next_value: Any = None


@cache
def get_expected_value(integration: Integration) -> Any:
    """Return what an integration returns without a fault."""
    return integration.call(OfflineRouter().client(), False)


def run_fault(fault: Fault, *, all_pools: bool = True) -> list[Result]:
    """Run a fault in all combinations, or in half of them: each pool with one mode."""
    combinations = [
        (integration, mode, pool)
        for number, integration in enumerate(INTEGRATIONS.values(), len(fault.name))
        for mode in ("sync", "async")
        for pool in POOLS
        if fault.get_outcome(*integration.outcome_keys) != NOT_APPLICABLE
        and (all_pools or (mode == "sync") == (pool == POOLS[number % 2]))
    ]
    with ThreadPoolExecutor(len(combinations) if fault.delay else 4) as executor:
        return list(executor.map(lambda args: _run_call(fault, *args), combinations))


def _run_call(fault: Fault, integration: Integration, mode: str, pool: str) -> Result:
    with _serve_fault(fault) as (server, url):
        if mode == "sync":
            observation = _observe(fault, integration, server, url, pool)
        else:
            observation = asyncio.run(_aobserve(fault, integration, server, url, pool))
    outcome = "ok" if observation.error is None else type(observation.error).__name__
    result = Result(integration.name, mode, pool, outcome)
    result.attempts, result.unsent_attempts = observation.attempts, observation.unsent_attempts
    result.seconds = observation.seconds
    next_is_correct = observation.next_value == get_expected_value(integration)
    result.is_recovered = observation.is_freed and next_is_correct
    result.problems = tuple(_find_problems(fault, integration, result, observation))
    return result


def _create_client(fault: Fault, url: str, **settings: Any) -> RouterClient:
    timeouts = TIMEOUTS[fault.delay]
    return RouterClient(api_key=KEY, base_url=f"{url}/v3/router", **timeouts, **settings)


def _observe(
    fault: Fault, integration: Integration, server: FaultServer, url: str, pool: str
) -> Observation:
    with ExitStack() as stack:
        settings = {}
        if pool == "httpx":
            http = httpx.Client(**_get_single_connection_options())
            settings["http_client"] = stack.enter_context(http)
        observation, client = Observation(), _create_client(fault, url, **settings)
        start = time.monotonic()
        try:
            observation.value = integration.call(client, fault.has_large_request)
        except BaseException as error:  # noqa: BLE001 - checked later
            observation.error = error
        _record(observation, fault, server, start)
        if not fault.location:
            observation.is_freed = fault.ignores_disconnect or _is_freed(server)
            server.recover()
            next_client = _create_next_client(url, settings)
            try:
                observation.next_value = integration.call(next_client, False)
            except Exception as error:  # noqa: BLE001 - reported as a problem
                observation.next_value = error
        return observation


async def _aobserve(
    fault: Fault, integration: Integration, server: FaultServer, url: str, pool: str
) -> Observation:
    async with httpx.AsyncClient(**_get_single_connection_options()) as http:
        settings = {"http_async_client": http} if pool == "httpx" else {}
        observation, client = Observation(), _create_client(fault, url, **settings)
        start = time.monotonic()
        try:
            observation.value = await integration.acall(client, fault.has_large_request)
        except BaseException as error:  # noqa: BLE001 - checked later
            observation.error = error
        _record(observation, fault, server, start)
        if not fault.location:
            is_freed = fault.ignores_disconnect or await asyncio.to_thread(_is_freed, server)
            observation.is_freed = is_freed
            server.recover()
            next_client = _create_next_client(url, settings)
            try:
                observation.next_value = await integration.acall(next_client, False)
            except Exception as error:  # noqa: BLE001 - reported as a problem
                observation.next_value = error
        return observation


def _create_next_client(url: str, settings: dict[str, Any]) -> RouterClient:
    """Create a client with the same connections and long timeouts, without a known rate limit."""
    return RouterClient(api_key=KEY, base_url=f"{url}/v3/router", **TIMEOUTS[""], **settings)


def _is_freed(server: FaultServer) -> bool:
    return wait_until(lambda: server.open <= 1, MAX_CLEANUP_SECONDS)


def _record(observation: Observation, fault: Fault, server: FaultServer, start: float) -> None:
    observation.seconds = time.monotonic() - start
    counted_attempts = getattr(observation.error, "attempts", 0)
    if fault.location:
        observation.attempts = counted_attempts
        return
    if fault.delay == "silence":  # the last request may still be on its way
        wait_until(lambda: len(server.requests) >= counted_attempts, MAX_CLEANUP_SECONDS)
    observation.attempts = len(server.requests)
    if fault.delay == "silence":
        observation.unsent_attempts = max(counted_attempts - observation.attempts, 0)


@cache
def _create_tls_context() -> Any:
    return httpx.create_ssl_context()


def _get_single_connection_options() -> dict[str, Any]:
    """Return options for a pool with one connection, which shows when that connection is lost."""
    return {"limits": httpx.Limits(max_connections=1), "verify": _create_tls_context()}


@contextmanager
def _serve_fault(fault: Fault) -> Iterator[tuple[FaultServer, str]]:
    """Yield the server of a fault, and the URL for the client."""
    with FaultServer(*fault.steps, tls=fault.location == "tls") as server, ExitStack() as stack:
        url = server.url
        if fault.location == "refused":
            url = f"http://127.0.0.1:{get_refusing_port()}"
        elif fault.location == "blackhole":
            url = f"http://127.0.0.1:{stack.enter_context(_open_black_hole())}"
        yield server, url


@contextmanager
def _open_black_hole() -> Iterator[int]:
    """Yield a port that neither accepts nor refuses connections, because its queue is full."""
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield listener.getsockname()[1]


def _find_problems(
    fault: Fault, integration: Integration, result: Result, observation: Observation
) -> Iterator[str]:
    error_classes, attempts = fault.get_outcome(*integration.outcome_keys)
    if error_classes is None:
        if observation.error:
            yield f"unexpected error {observation.error!r}"
        elif observation.value != get_expected_value(integration):
            yield f"unexpected result {observation.value!r:.80}"
    elif not isinstance(observation.error, error_classes):
        yield f"expected {error_classes}, got {observation.error!r:.200} {observation.value!r:.80}"
    else:
        yield from _find_error_problems(fault, result, observation.error)
    expected = attempts if isinstance(attempts, tuple) else (attempts,)
    highest = result.attempts + result.unsent_attempts
    if not any(result.attempts <= number <= highest for number in expected):
        yield f"expected {attempts} requests, got {result.attempts}"
    if result.seconds > TIMEOUTS[fault.delay]["deadline"] + MAX_OVERRUN_SECONDS:
        yield f"took {result.seconds:.2f} seconds"
    if not (result.is_recovered or fault.location):
        next_value = f"{observation.next_value!r:.200}"
        yield f"not recovered: freed={observation.is_freed}, next call: {next_value}"


def _find_error_problems(
    fault: Fault, result: Result, error: BaseException | None
) -> Iterator[str]:
    """Yield what is wrong with the text and the attributes of an error."""
    assert isinstance(error, RouterError)
    if KEY in f"{error} {error!r} {error.body}" or len(str(error)) > 2000:
        yield "the error shows too much"
    if not error.endpoint.startswith("/"):
        yield "the error has no endpoint"
    if not fault.location and error.attempts != result.attempts + result.unsent_attempts:
        yield f"the error counts {error.attempts} attempts"
