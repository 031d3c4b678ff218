"""``ResultStore``: values, claims, failures, and LangChain's interfaces."""

import asyncio
import gc
import json
import logging
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from langchain_core.messages import AIMessage, HumanMessage
from langchain_core.outputs import ChatGeneration
from support.recordings import create_recording

from orq_router_integrations import ChatOrq, OfflineRouter, OrqTranscriptionLoader
from orq_router_integrations.batch import ResultStore
from orq_router_integrations.batch.claims import create_file
from orq_router_integrations.errors import RouterInputError, ServerError


@pytest.fixture(params=["directory", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path) if request.param == "directory" else f"memory://{tmp_path.name}"


class TestValues:
    def test_first_writer_wins(self, url: str) -> None:
        ResultStore(url).mset([("a", b"1")])
        ResultStore(url).mset([("a", b"2"), ("b", b"3")])
        assert ResultStore(url).mget(["a", "b", "c"]) == [b"1", b"3", None]

    def test_deleted_key_is_missing(self, url: str) -> None:
        store = ResultStore(url)
        store.mset([("a", b"1")])
        store.mdelete(["a", "missing"])
        assert store.mget(["a"]) == [None]

    async def test_keys_may_contain_any_characters(self, url: str) -> None:
        keys = ["a", "a/b c", "ü:%", "x" * 140]
        store = ResultStore(url)
        store.mset([(key, b"1") for key in [*keys, "y" * 1000]])
        assert set(keys) <= set(store.yield_keys())
        assert [key async for key in store.ayield_keys(prefix="a/")] == ["a/b c"]
        assert store.mget(["y" * 1000]) == [b"1"]

    def test_empty_store_has_no_keys(self, url: str) -> None:
        assert list(ResultStore(url).yield_keys()) == []

    def test_file_that_is_being_written_is_not_a_key(self, tmp_path: Path) -> None:
        store = ResultStore(tmp_path)
        store.mset([("a", b"1")])
        (tmp_path / "00").mkdir()
        (tmp_path / "00" / ".+tmp").touch()
        store.mset([(".b", b"1")])
        assert sorted(store.yield_keys()) == [".b", "a"]

    def test_copy_works_in_another_working_directory(
        self, tmp_path: Path, monkeypatch: Any
    ) -> None:
        monkeypatch.chdir(tmp_path)
        store = ResultStore("answers")
        store.mset([("a", b"1")])
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert pickle.loads(pickle.dumps(store)).mget(["a"]) == [b"1"]

    def test_concurrent_writes_store_one_complete_value(self, tmp_path: Path) -> None:
        with ThreadPoolExecutor(16) as pool:
            values = [b"%d" % number * 10_000 for number in range(64)]
            list(pool.map(lambda value: ResultStore(tmp_path).mset([("a", value)]), values))
        assert ResultStore(tmp_path).mget(["a"])[0] in values
        assert not list(tmp_path.rglob(".*"))

    def test_failed_write_leaves_no_file(self, tmp_path: Path) -> None:
        """A value of the wrong type fails while it is written, like any value on a full disk."""
        value: Any = "text"
        ResultStore(tmp_path).mset([("a", value)])
        assert not [path for path in tmp_path.rglob("*") if path.is_file()]

    def test_pickle_keeps_values_and_settings(self, url: str) -> None:
        store = ResultStore(url, claim_seconds=7)
        store.mset([("a", b"1")])
        copy = pickle.loads(pickle.dumps(store))
        assert copy.mget(["a"]) == [b"1"]
        assert copy.claim_seconds == 7


class TestClaims:
    def test_only_one_worker_computes(self, url: str) -> None:
        computed: list[int] = []

        def work(number: int) -> bytes:
            store = ResultStore(url)
            value = store.get_or_claim("a")
            if value is None:
                computed.append(number)
                time.sleep(0.05)
                value = b"%d" % number
                store.mset([("a", value)])
            return value

        with ThreadPoolExecutor(8) as pool:
            results = set(pool.map(work, range(8)))
        assert len(computed) == 1
        assert results == {b"%d" % computed[0]}

    def test_released_claim_can_be_taken(self, url: str) -> None:
        store = ResultStore(url)
        assert store.get_or_claim("a") is None
        store.release("a")
        assert ResultStore(url).get_or_claim("a") is None

    @pytest.mark.slow
    def test_claim_of_a_dead_worker_expires(self, url: str, monkeypatch: Any) -> None:
        dead = ResultStore(url, claim_seconds=0.2)
        monkeypatch.setattr(dead._claims, "renew", lambda: 3600.0)
        assert dead.get_or_claim("a") is None
        assert ResultStore(url).get_or_claim("a") is None
        assert not ResultStore(url)._claims.acquire(dead._get_path("a"))

    @pytest.mark.slow
    @pytest.mark.parametrize(
        "content",
        [b"", b"[]", b'{"expires": 1e18, "seconds": 0.2}', b'{"expires": "NaN", "seconds": 1}'],
        ids=["empty", "list", "future", "nan"],
    )
    def test_damaged_claim_expires(self, url: str, content: bytes) -> None:
        """A worker that is killed while it renews a claim can leave an empty file."""
        store = ResultStore(url, claim_seconds=0.2)
        create_file(store._files, f"{store._get_path('a')}.claim.0", content)
        assert not store._claims.acquire(store._get_path("a"))
        assert store.get_or_claim("a") is None

    @pytest.mark.slow
    def test_claim_of_a_worker_whose_clock_is_ahead_is_respected(self, url: str) -> None:
        store = ResultStore(url, claim_seconds=30)
        path = store._get_path("a")
        for number in range(8):
            content = {"seconds": 0.3, "expires": time.time() + 3600 + number}
            store._files.makedirs(path.rpartition("/")[0], exist_ok=True)
            store._files.pipe_file(f"{path}.claim.0", json.dumps(content).encode())
            assert not store._claims.acquire(path)
            time.sleep(0.1)
        time.sleep(0.3)
        assert store._claims.acquire(path)

    def test_forked_child_keeps_the_claims_of_its_parent(self, url: str) -> None:
        store = ResultStore(url)
        assert store.get_or_claim("a") is None
        store._claims.reset_after_fork()
        store.release("a")
        assert not ResultStore(url)._claims.acquire(store._get_path("a"))

    def test_living_worker_renews_its_claim(self, url: str) -> None:
        store = ResultStore(url, claim_seconds=0.3)
        assert store.get_or_claim("a") is None
        path = store._get_path("a")
        first = store._claims._read_expiry(f"{path}.claim.0")
        assert first is not None
        for _ in range(200):
            if (store._claims._read_expiry(f"{path}.claim.0") or 0) > first:
                break
            time.sleep(0.02)
        else:
            pytest.fail("the claim was not renewed")

    def test_claim_may_be_released_during_a_renewal(self, url: str, monkeypatch) -> None:
        """The garbage collector may run at any time, and end a call that has claimed a result."""
        store = ResultStore(url)
        assert store.get_or_claim("a") is None
        monkeypatch.setattr(store._files, "pipe_file", lambda *_: store.release("a"))
        renewal = threading.Thread(target=store._claims.renew, daemon=True)
        renewal.start()
        renewal.join(30)
        assert not renewal.is_alive()
        assert ResultStore(url)._claims.acquire(store._get_path("a"))

    def test_claims_are_not_keys(self, url: str) -> None:
        store = ResultStore(url)
        store.get_or_claim("a")
        assert list(store.yield_keys()) == []

    def test_renewal_ends_with_the_store(self, url: str) -> None:
        threads_before = threading.enumerate()
        store = ResultStore(url, claim_seconds=0.03)
        store.get_or_claim("a")
        (thread,) = set(threading.enumerate()) - set(threads_before)
        del store
        gc.collect()
        thread.join(timeout=30)
        assert not thread.is_alive()


class TestUnreachable:
    @pytest.fixture
    def store(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ResultStore:
        store = ResultStore(f"memory://{tmp_path.name}")

        def fail(*_: Any, **__: Any) -> None:
            raise OSError("connection refused")

        for name in ("cat_file", "pipe_file"):
            monkeypatch.setattr(store._files, name, fail)
        return store

    def test_failures_are_logged(
        self, store: ResultStore, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.WARNING):
            store.mset([("a", b"1")])
            assert store.mget(["a"]) == [None]
            assert store.get_or_claim("a") is None
        assert caplog.text.count("connection refused") >= 3

    def test_answers_are_returned_without_the_store(self, store: ResultStore) -> None:
        model = ChatOrq("openai/gpt-4o", cache=store, client=OfflineRouter().client())
        assert model.invoke("Hi").text


class TestLangChain:
    def test_cached_answer_is_not_requested_again(self, url: str) -> None:
        router = OfflineRouter()
        for _ in range(2):
            model = ChatOrq("openai/gpt-4o", cache=ResultStore(url), client=router.client())
            message = model.invoke("Hi")
        assert len(router.log) == 1
        assert message.response_metadata["model_name"] == "openai/gpt-4o"
        assert isinstance(message, AIMessage)

    async def test_async_calls_use_the_cache(self, url: str) -> None:
        router = OfflineRouter()
        model = ChatOrq("openai/gpt-4o", cache=ResultStore(url), client=router.client())
        first, second = await model.ainvoke("Hi"), await model.ainvoke("Hi")
        assert first.content == second.content
        assert len(router.log) == 1

    def test_cached_message_keeps_its_tool_calls(self, url: str) -> None:
        message = AIMessage("", tool_calls=[{"name": "add", "args": {"a": 10**30}, "id": "1"}])
        store = ResultStore(url)
        store.update("prompt", "model", [ChatGeneration(message=message)])
        (generation,) = ResultStore(url).lookup("prompt", "model") or []
        assert isinstance(generation, ChatGeneration)
        assert generation.message == message

    def test_settings_are_part_of_the_key(self, url: str) -> None:
        router = OfflineRouter()
        for temperature in (0, 1):
            ChatOrq(
                "openai/gpt-4o",
                temperature=temperature,
                cache=ResultStore(url),
                client=router.client(),
            ).invoke("Hi")
        assert len(router.log) == 2

    def test_damaged_answer_is_ignored(self, url: str) -> None:
        store = ResultStore(url)
        store.update("prompt", "model", [])
        path = next(iter(store._files.find(store._root)))
        store._files.pipe_file(path, b"[{]")
        assert store.lookup("prompt", "model") is None

    def test_clear_removes_the_answers(self, url: str) -> None:
        store = ResultStore(url)
        store.update("prompt", "model", [])
        store.clear()
        assert store.lookup("prompt", "model") is None

    def test_stored_transcript_is_not_requested_again(self, url: str) -> None:
        router = OfflineRouter(answers={"openai/whisper-1": "Good day."})
        for _ in range(2):
            loader = OrqTranscriptionLoader(
                b"ID3...", model="openai/whisper-1", store=ResultStore(url), client=router.client()
            )
            assert loader.load()[0].page_content == "Good day."
        assert len(router.log) == 1


class TestClaimsOfCalls:
    """Chat models with a cache and loaders with a store wait for the results of other workers."""

    @pytest.mark.slow
    def test_threads_send_an_equal_prompt_once(self, url: str) -> None:
        router = OfflineRouter(latency=0.1)

        def ask(_: int) -> str:
            model = ChatOrq("openai/gpt-4o", cache=ResultStore(url), client=router.client())
            return model.invoke("Hi").text

        with ThreadPoolExecutor(4) as pool:
            assert len(set(pool.map(ask, range(4)))) == 1
        assert len(router.log) == 1

    @pytest.mark.slow
    async def test_tasks_send_an_equal_prompt_once(self, url: str) -> None:
        router = OfflineRouter(latency=0.1)
        model = ChatOrq("openai/gpt-4o", cache=ResultStore(url), client=router.client())
        await model.abatch(["Hi"] * 40)
        assert len(router.log) == 1

    async def test_repeated_prompt_does_not_block_its_call(self, url: str) -> None:
        router = OfflineRouter(faults={"openai/gpt-4o": [500, 500]})
        client = router.client(max_retries=0)
        model = ChatOrq("openai/gpt-4o", cache=ResultStore(url), client=client)
        prompts = [[HumanMessage("Hi")], [HumanMessage("Hi")]]
        with pytest.raises(ServerError):
            await asyncio.wait_for(model.agenerate(prompts), 20)

    async def test_failed_call_releases_its_claim(self, url: str) -> None:
        router = OfflineRouter(faults={"openai/gpt-4o": [500, 500]})
        client = router.client(max_retries=0)
        models = [ChatOrq("openai/gpt-4o", cache=ResultStore(url), client=client) for _ in "123"]
        with pytest.raises(ServerError):
            models[0].invoke("Hi")
        with pytest.raises(ServerError):
            await asyncio.wait_for(models[1].ainvoke("Hi"), 20)
        assert models[2].invoke("Hi").text

    @pytest.mark.slow
    async def test_claim_that_arrives_after_a_cancellation_is_released(
        self, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store = ResultStore(url)
        acquire = store._claims.acquire
        monkeypatch.setattr(store._claims, "acquire", lambda path: time.sleep(0.2) or acquire(path))
        model = ChatOrq("openai/gpt-4o", cache=store, client=OfflineRouter().client())
        task = asyncio.create_task(model.ainvoke("Hi"))
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.3)  # until the thread has the claim
        second_model = model.model_copy(update={"cache": ResultStore(url)})
        assert (await asyncio.wait_for(second_model.ainvoke("Hi"), 20)).text

    def test_lookups_of_other_models_do_not_claim(self, url: str) -> None:
        """Nothing would release the claim if their call failed."""
        assert ResultStore(url).lookup("prompt", "model") is None
        assert ResultStore(url).lookup("prompt", "model") is None

    def test_idempotency_keys_of_cached_calls_are_reproducible(self, tmp_path: Path) -> None:
        router = OfflineRouter()
        for name in "12":
            cache = ResultStore(tmp_path / name)
            model = ChatOrq("openai/gpt-4o", cache=cache, client=router.client())
            model.invoke("Hi")
            model.invoke("Bye")
        model.model_copy(update={"cache": False}).invoke("Hi")
        keys = [request.headers["idempotency-key"] for request in router.requests]
        assert keys[:2] == keys[2:4]
        assert len(set(keys)) == 3

    @pytest.mark.slow
    @pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
    async def test_loaders_send_an_equal_recording_once(self, url: str, is_async: bool) -> None:
        router = OfflineRouter(answers={"openai/whisper-1": "Good day."}, latency=0.1)

        def create_loader() -> OrqTranscriptionLoader:
            return OrqTranscriptionLoader(
                b"ID3...", model="openai/whisper-1", store=ResultStore(url), client=router.client()
            )

        if is_async:  # more loaders than threads, of which none may wait
            results = await asyncio.gather(*(create_loader().aload() for _ in range(40)))
        else:
            with ThreadPoolExecutor(4) as pool:
                results = list(pool.map(lambda _: create_loader().load(), range(4)))
        assert {documents[0].page_content for documents in results} == {"Good day."}
        assert len(router.log) == 1

    @pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
    async def test_failed_request_of_a_loader_releases_its_claim(
        self, url: str, is_async: bool
    ) -> None:
        router = OfflineRouter(faults={"openai/whisper-1": [500, 500]})
        client = router.client(max_retries=0)
        loaders = [
            OrqTranscriptionLoader(
                b"ID3...", model="openai/whisper-1", store=ResultStore(url), client=client
            )
            for _ in "123"
        ]
        for loader in loaders[:2]:
            with pytest.raises(ServerError):
                await loader.aload() if is_async else loader.load()
        assert loaders[2].load()

    def test_idempotency_keys_of_chunks_are_reproducible(self, tmp_path: Path) -> None:
        """Each chunk of a recording has its own key, which does not depend on the run."""
        keys = []
        for name in "12":
            router = OfflineRouter()
            loader = OrqTranscriptionLoader(
                create_recording("one two three four five six"),
                model="openai/whisper-1",
                store=tmp_path / f"{name}.db",
                max_seconds=1.0,
                overlap_seconds=0.2,
                client=router.client(),
            )
            loader.load()
            keys.append(sorted(request.headers["idempotency-key"] for request in router.requests))
        assert keys[0] == keys[1]
        assert len(set(keys[0])) == len(keys[0]) > 1

    def test_unusable_result_is_replaced(self, url: str, caplog: pytest.LogCaptureFixture) -> None:
        router = OfflineRouter(answers={"openai/whisper-1": "Good day."})

        def load() -> Any:
            store = ResultStore(url)
            return OrqTranscriptionLoader(
                b"ID3...", model="openai/whisper-1", store=store, client=router.client()
            ).load()

        load()
        store = ResultStore(url)
        (key,) = store.yield_keys()
        store.mdelete([key])
        store.mset([(key, b"damaged")])
        assert load() == load()
        assert caplog.text.count("Cannot use a result") == 2
        assert len(router.log) == 2


class TestInvalidInput:
    @pytest.mark.parametrize(
        ("url", "problem"),
        [
            ("nothing://x", "is not supported"),
            pytest.param(
                "abfs://container/x",
                "needs a driver that is missing",
                marks=pytest.mark.skipif(bool(find_spec("adlfs")), reason="adlfs is installed"),
            ),
        ],
    )
    def test_unsupported_url_raises(self, url: str, problem: str) -> None:
        with pytest.raises(RouterInputError, match=problem):
            ResultStore(url)

    @pytest.mark.parametrize("url", [None, 5, ""], ids=repr)
    def test_invalid_url_raises(self, url: Any) -> None:
        with pytest.raises(RouterInputError, match="url: Expected a directory or URL"):
            ResultStore(url)

    def test_path_of_a_file_raises(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(RouterInputError, match="is not a directory"):
            ResultStore(tmp_path / "file")

    @pytest.mark.parametrize("seconds", [0, float("nan"), float("inf"), "30", None], ids=repr)
    def test_invalid_claim_seconds_raise(self, tmp_path: Path, seconds: Any) -> None:
        with pytest.raises(RouterInputError, match="claim_seconds"):
            ResultStore(tmp_path, claim_seconds=seconds)
