"""Pacing: a gate that rejections close, and a limit per client or fleet."""

import asyncio
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from support.scripted_router import (
    ANSWER,
    Script,
    both_callers,
    create_call,
    create_client,
    respond,
)

from orq_router_integrations import ChatOrq, OfflineRouter, Pace, RouterClient
from orq_router_integrations._http import pace as pace_module
from orq_router_integrations._http.deadline import Deadline, DeadlineExceededError
from orq_router_integrations._http.pace import Gate, Pacer, TokenBucket
from orq_router_integrations.errors import RateLimitError, RouterInputError, RouterTimeoutError
from orq_router_integrations.testing import Fault

LIMITED = respond(429, {}, retry_after="0.2")


@pytest.fixture
def clock(monkeypatch) -> Any:
    """A clock that only advances when a test says so."""

    class Clock:
        now = 100.0

    monkeypatch.setattr(pace_module.time, "monotonic", lambda: Clock.now)
    monkeypatch.setattr(pace_module.random, "uniform", lambda low, high: low)
    return Clock


def create_deadline(seconds: float = 5.0) -> Deadline:
    return Deadline(timeout=seconds, idle_timeout=seconds)


def learn_interval(clock) -> Gate:
    """Return an open gate with an interval of half a second and a period of 7.5 seconds."""
    gate = Gate()
    for _ in range(8):
        gate.admit()
    gate.close(7.5)
    clock.now += 7.5
    gate.get_delay()
    return gate


class TestGate:
    def test_gate_is_open_at_first(self) -> None:
        assert Gate().get_delay() == 0

    def test_rejection_closes_the_gate(self, clock) -> None:
        gate = Gate()
        gate.reject(2.0)
        assert gate.get_delay() == 2.0
        clock.now += 2.0
        assert gate.get_delay() == 0

    def test_longest_closing_time_applies(self, clock) -> None:
        gate = Gate()
        gate.close(5.0)
        gate.close(1.0)
        assert gate.get_delay() == 5.0

    def test_calls_exceed_the_accepted_rate_a_little(self, clock) -> None:
        gate = Gate()
        for _ in range(12):
            gate.admit()
        gate.reject(6.0)
        gate.reject(6.0)
        clock.now += 6.0
        assert gate.get_delay() == 0
        gate.admit()
        assert gate.get_delay() == pytest.approx(6 / 12 / 1.5)  # 10 calls accepted, and two more

    def test_few_calls_do_not_determine_the_rate(self, clock) -> None:
        gate = learn_interval(clock)
        for calls in (2, 2):
            for _ in range(calls):
                gate.admit()
            gate.reject(1.0)
            clock.now += 1.0
            gate.get_delay()
        gate.admit()
        assert gate.get_delay() == pytest.approx(0.5)
        for _ in range(4):
            gate.admit()
        gate.reject(1.0)
        clock.now += 1.0
        gate.get_delay()
        gate.admit()
        assert gate.get_delay() == pytest.approx(3 / (6 + 2) / 1.5)  # of the last three seconds

    @pytest.mark.parametrize(("seconds", "interval"), [(1.0, 0.1), (0.2, 0.05)])
    def test_first_rejections_spread_the_calls(self, clock, seconds, interval) -> None:
        gate = Gate()
        for _ in range(4):
            gate.reject(seconds)
        clock.now += seconds
        assert gate.get_delay() == 0
        gate.admit()
        assert gate.get_delay() == pytest.approx(interval)

    def test_rate_recovers_without_rejections(self, clock) -> None:
        gate = learn_interval(clock)
        gate.admit()
        assert gate.get_delay() == pytest.approx(0.5)
        clock.now += 7.5
        gate.admit()
        assert gate.get_delay() == pytest.approx(0.25)
        clock.now += 22.5
        gate.admit()
        assert gate.get_delay() == pytest.approx(0.5 / 16)

    def test_used_up_limit_only_pauses_within_a_period(self, clock) -> None:
        gate = learn_interval(clock)
        gate.admit()
        gate.close(1.0)
        assert gate.get_delay() == 1.0
        clock.now += 1.0
        gate.admit()
        assert gate.get_delay() == pytest.approx(0.5 * 0.5 ** (1 / 7.5))

    @pytest.mark.slow
    def test_clients_return_at_different_times(self) -> None:
        """Clients that were rejected together do not come back together."""
        delays = set()
        for _ in range(20):
            gate = Gate()
            gate.reject(0.05)
            time.sleep(0.055)
            delays.add(round(gate.get_delay(), 5))
        assert len(delays) > 5


class TestBucket:
    def test_bucket_allows_95_percent_of_the_limit(self, clock) -> None:
        """95 % of the limit, of which a twentieth may be sent at the same moment."""
        bucket = TokenBucket(Pace(200, per=10))
        assert [bucket.acquire() == 0 for _ in range(11)] == [True] * 10 + [False]
        clock.now += bucket.acquire() + 1e-9
        assert bucket.acquire() == 0
        clock.now += 1.0
        assert sum(bucket.acquire() == 0 for _ in range(30)) == 10

    def test_copies_share_a_bucket(self) -> None:
        pace = Pace(20, per=timedelta(minutes=1))
        assert pace.seconds == 60
        copy = pickle.loads(pickle.dumps(pace))
        assert copy == pace
        assert pace_module.get_bucket(copy) is pace_module.get_bucket(pace)
        assert pace_module.get_bucket(Pace(20)) is not pace_module.get_bucket(pace)


class TestPacer:
    @pytest.mark.slow
    @pytest.mark.parametrize("kind", ["sync", "async"])
    async def test_cancelled_waits_leave_no_thread(self, kind) -> None:
        pacer = Pacer(None)
        pacer.gate.close(30.0)
        if kind == "async":
            tasks = [asyncio.ensure_future(pacer.await_turn(create_deadline())) for _ in range(50)]
            await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        else:
            with ThreadPoolExecutor(8) as pool:
                for future in [
                    pool.submit(pacer.wait_for_turn, create_deadline(0.1)) for _ in range(8)
                ]:
                    assert isinstance(future.exception(), DeadlineExceededError)
        for _ in range(200):
            if not any(thread.name == "orq-pacer" for thread in threading.enumerate()):
                break
            await asyncio.sleep(0.02)
        assert not pacer._waiting
        assert not pacer._has_thread

    @pytest.mark.parametrize(("seconds", "messages"), [(9.0, ["Calls wait 9 s"]), (0.5, [])])
    def test_long_wait_is_logged_once(self, caplog, seconds, messages) -> None:
        caplog.set_level("INFO", "orq_router_integrations")
        pacer = Pacer(None)
        pacer.gate.close(seconds)
        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(pacer.wait_for_turn, create_deadline(0.05)) for _ in range(4)]
        assert all(isinstance(future.exception(), DeadlineExceededError) for future in futures)
        assert [record.getMessage()[:14] for record in caplog.records] == messages

    def test_wait_works_after_a_thread_could_not_be_started(self, monkeypatch) -> None:
        def fail(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        pacer = Pacer(Pace(20, per=1))
        pacer.wait_for_turn(create_deadline())
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", fail)
            with pytest.raises(RuntimeError):
                pacer.wait_for_turn(create_deadline())
        pacer.wait_for_turn(create_deadline())

    @pytest.mark.slow
    async def test_wait_that_ends_early_is_a_timeout(self, monkeypatch) -> None:
        """The timers of uvloop may end a wait shortly before the deadline."""

        async def end_early(turn: Any, _: float) -> None:
            turn.cancel()
            raise TimeoutError

        pacer = Pacer(None)
        pacer.gate.close(60)
        monkeypatch.setattr(asyncio, "wait_for", end_early)
        with pytest.raises(DeadlineExceededError):
            await pacer.await_turn(create_deadline())

    async def test_calls_are_sent_in_order(self) -> None:
        pacer = Pacer(Pace(100, per=1))
        order: list[int] = []

        async def call(number: int) -> None:
            await pacer.await_turn(create_deadline())
            order.append(number)

        await asyncio.gather(*map(call, range(20)))
        assert order == list(range(20))

    def test_backend_of_the_caller_is_used(self) -> None:
        class Backend:
            delays = [0.01, 0.0, 0.01, 0.0]

            def acquire(self) -> float:
                return self.delays.pop(0)

        pacer = Pacer(Pace(5, shared=Backend()))
        for _ in range(2):
            pacer.wait_for_turn(create_deadline())
        assert Backend.delays == []


@both_callers
class TestClient:
    @pytest.mark.slow
    def test_other_calls_wait_too(self, caller) -> None:
        script = Script(LIMITED, respond())
        client = create_client(script)
        start = time.monotonic()
        assert caller.send(client, create_call()) == ANSWER
        assert time.monotonic() - start >= 0.2
        assert client._state.retry_tokens == 500

    @pytest.mark.slow
    def test_calls_wait_without_retries(self, caller) -> None:
        script = Script(LIMITED, respond())
        client = create_client(script, max_retries=0)
        with pytest.raises(RateLimitError):
            caller.send(client, create_call())
        start = time.monotonic()
        assert caller.send(client, create_call()) == ANSWER
        assert time.monotonic() - start >= 0.15

    @pytest.mark.slow
    def test_wait_counts_towards_the_deadline(self, caller) -> None:
        client = create_client(Script(respond(429, {}, retry_after="30")), deadline=0.2)
        with pytest.raises(RateLimitError):
            caller.send(client, create_call())
        with pytest.raises(RouterTimeoutError, match="waited for its turn") as raised:
            caller.send(client, create_call())
        assert (raised.value.attempts, raised.value.ambiguous) == (0, False)

    @pytest.mark.slow
    def test_used_up_limit_closes_the_gate_before_a_rejection(self, caller) -> None:
        headers = {"x_ratelimit_remaining": "0", "x_ratelimit_reset": "0.3s"}
        client = create_client(Script(respond(**headers), respond()))
        caller.send(client, create_call())
        start = time.monotonic()
        caller.send(client, create_call())
        assert time.monotonic() - start >= 0.25

    @pytest.mark.parametrize(("remaining", "reset"), [("1", "30s"), ("0", "2h"), ("0", "soon")])
    def test_other_headers_do_not_close_the_gate(self, caller, remaining, reset) -> None:
        headers = {"x_ratelimit_remaining": remaining, "x_ratelimit_reset": reset}
        client = create_client(Script(respond(**headers)))
        caller.send(client, create_call())
        assert client._state.pacer is None

    @pytest.mark.slow
    def test_calls_keep_to_the_pace(self, caller) -> None:
        client = create_client(Script(), pace=Pace(20, per=1))
        start = time.monotonic()
        for _ in range(6):
            caller.send(client, create_call())
        assert time.monotonic() - start >= 0.25

    def test_copy_may_have_another_pace(self, caller) -> None:
        client = create_client(Script(), pace=Pace(1, per=60))
        caller.send(client, create_call())
        copy = client.model_copy(update={"pace": None})
        assert caller.send(copy, create_call()) == ANSWER


class TestSettings:
    @pytest.mark.parametrize(
        ("arguments", "problem"),
        [
            ({"limit": 0}, "limit: Expected a positive int"),
            ({"limit": 1.5}, "limit: Expected a positive int"),
            ({"limit": True}, "limit: Expected a positive int"),
            ({"limit": 5, "per": 0}, "per: Expected seconds above 0"),
            ({"limit": 5, "per": timedelta(0)}, "per: Expected seconds above 0"),
            ({"limit": 5, "per": "minute"}, "per: Expected seconds above 0"),
            ({"limit": 5, "shared": 7}, "shared: Expected a URL, a path or an object"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_invalid_pace_raises(self, arguments, problem) -> None:
        with pytest.raises(RouterInputError, match=problem):
            Pace(**arguments)

    def test_client_requires_a_pace(self) -> None:
        with pytest.raises(ValueError, match="Pace"):
            RouterClient(api_key="sk-orq-example", pace=600)

    def test_pickled_client_keeps_its_pace(self, monkeypatch) -> None:
        monkeypatch.setenv("ORQ_API_KEY", "sk-orq-example")
        client = RouterClient(pace=Pace(600))
        assert pickle.loads(pickle.dumps(client)).pace == client.pace

    def test_pace_does_not_affect_cache_keys(self) -> None:
        without_pace, with_pace = (
            RouterClient(api_key="sk-orq-example", pace=pace) for pace in (None, Pace(5))
        )
        assert without_pace.fingerprint() == with_pace.fingerprint()


@pytest.mark.slow
def test_short_waits_do_not_count_as_retries_at_first() -> None:
    """A rolling limit rejects many calls shortly before the next one is accepted."""
    fault = Fault(status=429, headers={"retry-after": "0.005"})
    for rejections, requests in ((8, 9), (100, 11)):
        router = OfflineRouter(faults={"openai/gpt-4o": [fault] * rejections})
        model = ChatOrq("openai/gpt-4o", client=router.client(max_retries=2))
        with nullcontext() if rejections == 8 else pytest.raises(RateLimitError):
            model.invoke("Hi")
        assert len(router.requests) == requests
