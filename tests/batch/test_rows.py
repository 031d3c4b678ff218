"""Rows: columns, errors, stored results, pickles, media and embeddings."""

import asyncio
import io
import os
import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnableLambda, RunnableParallel
from pydantic import BaseModel

from orq_router_integrations import (
    ChatOrq,
    OfflineRouter,
    OrqAudioParser,
    OrqEmbeddings,
    OrqImageTool,
)
from orq_router_integrations.batch import (
    AsyncRows,
    ChatRows,
    EmbeddingRows,
    ImageRows,
    ResultStore,
    TranscriptRows,
)
from orq_router_integrations.errors import RouterInputError

MODEL = "openai/gpt-4o"
PROMPTS = [f"Question {number}?" for number in range(12)]


def create_rows(router: OfflineRouter, **settings: Any) -> ChatRows:
    return ChatRows(ChatOrq(MODEL, client=router.client(max_retries=0)), **settings)


class TestColumns:
    def test_order_and_other_columns_are_kept(self) -> None:
        router = OfflineRouter(answers={prompt: prompt.upper() for prompt in PROMPTS})
        table = create_rows(router)({"id": list(range(12)), "prompt": PROMPTS})
        assert table["id"] == list(range(12))
        assert table["answer"] == [prompt.upper() for prompt in PROMPTS]

    def test_columns_with_metadata_are_added(self) -> None:
        table = create_rows(OfflineRouter())({"prompt": ["Hi"]})
        assert table["answering_model"] == [MODEL]
        assert table["attempts"] == [1]
        assert table["input_tokens"][0] > 0
        assert table["trace_id"][0]
        assert table["error"] == table["status"] == [None]
        assert table["from_store"] == [False]

    async def test_sync_and_async_rows_are_equal(self) -> None:
        rows = create_rows(OfflineRouter(answers={"Hi": "Hello!"}))
        table = await AsyncRows(rows)({"prompt": ["Hi", ""]})
        assert table["answer"] == rows({"prompt": ["Hi", ""]})["answer"] == ["Hello!", None]

    def test_empty_batch_makes_no_request(self) -> None:
        assert create_rows(OfflineRouter())({"prompt": []})["answer"] == []

    def test_prompt_may_be_a_list_of_messages(self) -> None:
        messages = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}]
        router = OfflineRouter(answers={"Hi": "Hello!"})
        assert create_rows(router)({"prompt": [messages]})["answer"] == ["Hello!"]

    def test_chain_returns_structured_output(self) -> None:
        class City(BaseModel):
            name: str

        router = OfflineRouter(answers={MODEL: City(name="Utrecht")})
        model = ChatOrq(MODEL, client=router.client())
        chain = ChatPromptTemplate.from_template("{text}") | model.with_structured_output(City)
        rows = ChatRows(RunnableLambda(lambda text: {"text": text}) | chain)
        assert rows({"prompt": ["Where?"]})["answer"] == [{"name": "Utrecht"}]

    @pytest.mark.parametrize("kind", ["numpy", "pandas", "arrow"])
    def test_batch_of_numpy_pandas_or_arrow(self, kind: str) -> None:
        create = {"numpy": create_numpy, "pandas": create_pandas, "arrow": create_arrow}[kind]
        batch = create({"id": [1, 2], "prompt": ["a", "b"]})
        table = create_rows(OfflineRouter(answers={"a": "A", "b": "B"}))(batch)
        assert list(table["answer"]) == ["A", "B"] or table["answer"].to_pylist() == ["A", "B"]
        assert isinstance(table, dict if kind == "numpy" else type(batch))

    def test_other_columns_are_not_converted(self) -> None:
        """Conversion to lists would lose types, and take long for images."""
        numpy = pytest.importorskip("numpy")
        image = numpy.zeros((1, 4, 4), dtype="uint8")
        batch = {5: image, "prompt": numpy.array(["a"])}
        table = create_rows(OfflineRouter(answers={"a": "A"}))(batch)
        assert table[5] is image
        assert table["answer"] == ["A"]
        assert list(batch) == [5, "prompt"]

    def test_messages_in_numpy_arrays(self) -> None:
        """NumPy and pandas convert cells with lists to arrays."""
        numpy = pytest.importorskip("numpy")
        cell = numpy.empty(1, dtype=object)
        cell[0] = {"role": "user", "content": "Hi"}
        column = numpy.empty(2, dtype=object)
        column[:] = [cell, None]
        table = create_rows(OfflineRouter(answers={"Hi": "Hello!"}))({"prompt": column})
        assert table["answer"] == ["Hello!", None]

    def test_arrow_columns_keep_their_types(self) -> None:
        arrow = pytest.importorskip("pyarrow")
        schema = {"id": arrow.int32(), "note": arrow.string(), "prompt": arrow.string()}
        columns = {"id": [1], "note": [None], "prompt": ["a"]}
        for table_type in (arrow.Table, arrow.RecordBatch):
            batch = table_type.from_pydict(columns, schema=arrow.schema(schema))
            table = create_rows(OfflineRouter(answers={"a": "A"}))(batch)
            assert isinstance(table, table_type)
            assert table.schema.types[:3] == list(schema.values())
            assert table["answer"].to_pylist() == ["A"]

    def test_pandas_columns_keep_their_types(self) -> None:
        pandas = pytest.importorskip("pandas")
        batch = pandas.DataFrame({"id": [1, None], "prompt": ["a", None], 7: [1, 2]}, index=[5, 5])
        batch = batch.astype({"id": "Int64", 7: "int8"})
        batch.insert(0, "id", [3, 4], allow_duplicates=True)
        table = create_rows(OfflineRouter(answers={"a": "A"}))(batch)
        assert table.iloc[:, :4].equals(batch)
        assert list(table.columns[:4]) == ["id", "id", "prompt", 7]
        assert table["answer"].iloc[0] == "A"
        assert "answer" not in batch

    def test_embeddings_are_lists(self) -> None:
        numpy = pytest.importorskip("numpy")
        embeddings = OrqEmbeddings("openai/text-embedding-3-small", client=OfflineRouter().client())
        table = EmbeddingRows(embeddings)({"text": numpy.array(["a", ""])})
        assert [type(vector) for vector in table["embedding"]] == [list, type(None)]


def create_numpy(columns: dict[str, Any]) -> Any:
    numpy = pytest.importorskip("numpy")
    return {name: numpy.array(values) for name, values in columns.items()}


def create_pandas(columns: dict[str, Any]) -> Any:
    return pytest.importorskip("pandas").DataFrame(columns, index=[5, 6])


def create_arrow(columns: dict[str, Any]) -> Any:
    return pytest.importorskip("pyarrow").table(columns)


class TestErrors:
    def test_failed_item_becomes_a_row_with_its_error(self) -> None:
        router = OfflineRouter(answers={"a": "A", "b": RuntimeError("down"), "c": "C"})
        table = create_rows(router)({"prompt": ["a", "b", "c"]})
        assert table["answer"] == ["A", None, "C"]
        assert table["error_type"] == [None, "ServerError", None]
        assert table["status"][1] == 500
        assert table["retryable"][1] is True
        assert table["trace_id"][1]

    @pytest.mark.parametrize("value", ["", " ", None, 7, [], [{"role": "alien"}]])
    def test_invalid_prompt_becomes_a_row_with_its_error(self, value: Any) -> None:
        router = OfflineRouter(answers={"a": "A"})
        table = create_rows(router)({"prompt": ["a", value]})
        assert table["answer"] == ["A", None]
        assert table["error_type"][1] == "RouterInputError"
        assert len(router.requests) == 1

    def test_missing_column_is_named(self) -> None:
        table = create_rows(OfflineRouter())({"question": ["a", "b"]})
        assert table["error_type"] == ["RouterInputError"] * 2
        assert "'prompt' is missing. Columns: question" in table["error"][0]

    def test_columns_of_the_batch_are_not_replaced(self) -> None:
        router = OfflineRouter(answers={"a": "A"})
        batch = {"prompt": ["a"], "cost": [1.5], "answer": ["mine"]}
        with pytest.raises(RouterInputError, match=r"would be added: answer, cost\."):
            create_rows(router)(batch)
        assert router.requests == []
        table = create_rows(router, answer="reply", metadata_prefix="reply_")(batch)
        assert (table["cost"], table["answer"], table["reply"]) == ([1.5], ["mine"], ["A"])
        assert table["reply_error"] == [None]

    @pytest.mark.parametrize("answer", ["prompt", "cost"])
    def test_repeated_name_of_a_new_column_raises(self, answer: str) -> None:
        with pytest.raises(RouterInputError, match=f"The name '{answer}' of the new column"):
            create_rows(OfflineRouter(), answer=answer)

    @pytest.mark.parametrize("status", [401, 402, 404])
    def test_fatal_error_ends_the_batch(self, status: int) -> None:
        """What was paid for is returned, and the other rows have the same error."""
        router = OfflineRouter(faults={MODEL: [*[200] * 3, *[status] * 50]})
        rows = create_rows(router, max_concurrency=1)
        table = rows({"prompt": PROMPTS})
        assert len([answer for answer in table["answer"] if answer]) == 3
        assert set(table["status"][3:]) == {status}
        assert len(router.log) == 4
        assert set(rows({"prompt": PROMPTS})["status"]) == {status}
        assert len(router.log) == 4

    @pytest.mark.parametrize(
        ("table", "problem"),
        [
            ({"prompt": ["a"], "id": [1, 2]}, "different lengths"),
            ({"prompt": "abc"}, "Pass a list of values"),
            ({"prompt": 5}, "Pass a list of values"),
            ({"prompt": {"a": "b"}}, "Pass a list of values"),
            (["a"], "Expected a dict of columns"),
        ],
    )
    def test_invalid_table_raises(self, table: Any, problem: str) -> None:
        with pytest.raises(RouterInputError, match=problem):
            create_rows(OfflineRouter())(table)


class TestStore:
    def test_stored_results_are_not_requested_again(self, tmp_path: Path) -> None:
        router = OfflineRouter()
        first = create_rows(router, store=ResultStore(tmp_path))({"prompt": PROMPTS})
        second = create_rows(router, store=ResultStore(tmp_path))({"prompt": PROMPTS})
        assert second["answer"] == first["answer"]
        assert second["from_store"] == [True] * 12
        assert second["input_tokens"] == first["input_tokens"]
        assert len(router.log) == 12

    @pytest.mark.slow
    def test_duplicates_are_paid_once(self, tmp_path: Path) -> None:
        router = OfflineRouter(latency=0.05)
        table = create_rows(router, store=ResultStore(tmp_path))({"prompt": ["a", "b"] * 8})
        assert len(router.log) == 2
        assert len(set(table["answer"])) == 2

    @pytest.mark.slow
    async def test_duplicates_are_paid_once_in_the_event_loop(self, tmp_path: Path) -> None:
        router = OfflineRouter(latency=0.05)
        rows = AsyncRows(create_rows(router, store=ResultStore(tmp_path)))
        await asyncio.gather(*(rows({"prompt": ["a", "b"]}) for _ in range(4)))
        assert len(router.log) == 2

    def test_errors_are_not_stored(self, tmp_path: Path) -> None:
        router = OfflineRouter(faults={MODEL: [500]})
        rows = create_rows(router, store=ResultStore(tmp_path))
        assert rows({"prompt": ["a"]})["status"] == [500]
        assert rows({"prompt": ["a"]})["error"] == [None]

    @pytest.mark.slow
    async def test_canceled_item_can_be_computed_by_others(self, tmp_path: Path) -> None:
        slow = create_rows(OfflineRouter(latency=30), store=ResultStore(tmp_path))
        task = asyncio.create_task(slow.acall({"prompt": ["a"]}))
        await asyncio.sleep(0.2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        second_rows = create_rows(OfflineRouter(), store=ResultStore(tmp_path))
        table = await asyncio.wait_for(second_rows.acall({"prompt": ["a"]}), timeout=20)
        assert table["error"] == [None]

    @pytest.mark.slow
    async def test_canceled_wait_leaves_the_claim_of_another_item(self, tmp_path: Path) -> None:
        router = OfflineRouter(latency=1)
        rows = create_rows(router, store=ResultStore(tmp_path))
        first = asyncio.create_task(rows.acall({"prompt": ["a"]}))
        await asyncio.sleep(0.2)
        waiting = asyncio.create_task(rows.acall({"prompt": ["a"]}))
        await asyncio.sleep(0.2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        third = await rows.acall({"prompt": ["a"]})
        assert third["answer"] == (await first)["answer"]
        assert len(router.log) == 1

    def test_unreadable_result_is_replaced(self, tmp_path: Path) -> None:
        router = OfflineRouter()
        create_rows(router, store=ResultStore(tmp_path))({"prompt": ["a"]})
        (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
        path.write_bytes(b"{damaged")
        for is_stored in (False, True):
            table = create_rows(router, store=ResultStore(tmp_path))({"prompt": ["a"]})
            assert table["error"] == [None]
            assert table["from_store"] == [is_stored]
        assert len(router.log) == 2

    def test_unreadable_result_that_cannot_be_deleted_is_ignored(self, tmp_path: Path) -> None:
        store = ResultStore(tmp_path)
        rows = create_rows(OfflineRouter(), store=store)
        rows({"prompt": ["a"]})
        (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
        path.write_bytes(b"{damaged")
        store._files = Mock(wraps=store._files)
        store._files.rm_file.side_effect = PermissionError("read-only")
        assert rows({"prompt": ["a"]})["error"] == [None]

    def test_result_that_cannot_be_stored_is_returned(self, tmp_path: Path) -> None:
        rows = create_rows(OfflineRouter(), store=ResultStore(tmp_path))
        rows._call = lambda _: {"answer": {1, 2}}  # type: ignore[method-assign]
        assert rows({"prompt": ["a"]})["answer"] == [{1, 2}]

    def test_settings_and_account_are_part_of_the_key(self, tmp_path: Path) -> None:
        router = OfflineRouter()
        for settings in ({}, {"temperature": 0.1}, {"max_tokens": 5}):
            model = ChatOrq(MODEL, client=router.client(), **settings)
            ChatRows(model, store=ResultStore(tmp_path))({"prompt": ["a"]})
        other_account = ChatOrq(MODEL, client=router.client(api_key="sk-orq-other"))
        ChatRows(other_account, store=ResultStore(tmp_path))({"prompt": ["a"]})
        assert len(router.log) == 4

    def test_function_in_a_chain_is_rejected(self, tmp_path: Path) -> None:
        chain = RunnableLambda(lambda text: text) | ChatOrq(MODEL, api_key="sk-orq-example")
        with pytest.raises(RouterInputError, match="contains a function"):
            ChatRows(chain, store=ResultStore(tmp_path))

    def test_idempotency_key_is_reproducible(self, tmp_path: Path) -> None:
        """A router that honors the key charges nothing twice after a crash."""
        keys = []
        for number in range(2):
            router = OfflineRouter()
            create_rows(router, store=ResultStore(tmp_path / str(number)))({"prompt": ["a", "b"]})
            keys.append({request.headers["idempotency-key"] for request in router.requests})
        assert keys[0] == keys[1]
        assert len(keys[0]) == 2

    @pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
    async def test_equal_requests_have_different_idempotency_keys(
        self, tmp_path: Path, is_async: bool
    ) -> None:
        """A chain that asks twice expects two answers, and the same keys after a restart."""
        keys = []
        for number in range(2):
            router = OfflineRouter()
            model = ChatOrq(MODEL, client=router.client())
            chain = RunnableParallel(dict.fromkeys("xy", model | StrOutputParser()))
            rows = ChatRows(chain, store=ResultStore(tmp_path / str(number)))
            batch = {"prompt": ["a", "b"]}
            await rows.acall(batch) if is_async else rows(batch)
            keys.append(sorted(request.headers["idempotency-key"] for request in router.requests))
        assert keys[0] == keys[1]
        assert len(set(keys[0])) == 4

    @pytest.mark.slow
    def test_retried_request_keeps_its_idempotency_key(self, tmp_path: Path) -> None:
        router = OfflineRouter(faults={MODEL: [500, 200]})
        model = ChatOrq(MODEL, client=router.client(max_retries=1))
        table = ChatRows(model, store=ResultStore(tmp_path))({"prompt": ["a"]})
        assert table["attempts"] == [2]
        assert len({request.headers["idempotency-key"] for request in router.requests}) == 1


class TestPickle:
    def test_copies_share_the_limit(self, tmp_path: Path) -> None:
        rows = create_rows(OfflineRouter(), store=ResultStore(tmp_path), max_concurrency=3)
        copy = pickle.loads(pickle.dumps(rows))
        assert copy.id == rows.id
        assert copy({"prompt": ["Hi"]})["answer"][0]

    def test_fatal_error_is_not_pickled(self) -> None:
        rows = create_rows(OfflineRouter(faults={MODEL: [401]}))
        assert rows({"prompt": ["a"]})["status"] == [401]
        copy = pickle.loads(pickle.dumps(rows))
        copy.model = ChatOrq(MODEL, client=OfflineRouter().client())
        assert copy({"prompt": ["a"]})["error"] == [None]


class TestMedia:
    def test_recordings_by_path_and_bytes(self, tmp_path: Path) -> None:
        path = tmp_path / "talk.mp3"
        path.write_bytes(b"ID3...")
        router = OfflineRouter(answers={"openai/whisper-1": "Good day."})
        parser = OrqAudioParser(model="openai/whisper-1", client=router.client(max_retries=0))
        rows = TranscriptRows(parser, store=ResultStore(tmp_path / "store"))
        table = rows({"audio": [b"ID3...", str(path), str(tmp_path / "missing.mp3"), b"text"]})
        assert table["text"] == ["Good day.", "Good day.", None, None]
        assert len(router.log) == 1
        assert table["error_type"][2:] == ["FileNotFoundError", "RouterInputError"]

    def test_images_are_stored(self, tmp_path: Path) -> None:
        router = OfflineRouter()
        tool = OrqImageTool(model="openai/gpt-image-1", client=router.client())
        for _ in range(2):
            table = ImageRows(tool, store=ResultStore(tmp_path))({"prompt": ["a boat"]})
            assert table["image"][0].startswith(b"\x89PNG")
        assert len(router.log) == 1

    def test_images_in_a_directory_are_paths(self, tmp_path: Path) -> None:
        tool = OrqImageTool(
            model="openai/gpt-image-1", directory=tmp_path, client=OfflineRouter().client()
        )
        (path,) = ImageRows(tool)({"prompt": ["a boat"]})["image"]
        assert Path(path).parent == tmp_path
        with pytest.raises(RouterInputError, match="Leave out directory="):
            ImageRows(tool, store=ResultStore(tmp_path))

    def test_idempotency_keys_of_uploads_are_reproducible(self, tmp_path: Path) -> None:
        keys = []
        for number in range(2):
            router = OfflineRouter()
            parser = OrqAudioParser(model="openai/whisper-1", client=router.client())
            rows = TranscriptRows(parser, store=ResultStore(tmp_path / str(number)))
            assert rows({"audio": [b"ID3 a", b"ID3 b"]})["error"] == [None, None]
            keys.append({request.headers["idempotency-key"] for request in router.requests})
        assert keys[0] == keys[1]
        assert len(keys[0]) == 2


class TestEmbeddings:
    def create(self, router: OfflineRouter, **settings: Any) -> EmbeddingRows:
        embeddings = OrqEmbeddings(
            "openai/text-embedding-3-small", dimensions=8, client=router.client(max_retries=0)
        )
        return EmbeddingRows(embeddings, **settings)

    async def test_batch_is_embedded_in_one_request(self) -> None:
        router = OfflineRouter()
        table = self.create(router)({"text": ["a", "b", "a", ""]})
        assert len(router.log) == 1
        assert router.requests[0].body["input"] == ["a", "b"]
        assert table["embedding"][0] == table["embedding"][2]
        assert table["error_type"] == [None, None, None, "RouterInputError"]
        assert (await self.create(router).acall({"text": ["a"]}))["embedding"][0] == (
            table["embedding"][0]
        )

    def test_only_new_texts_are_embedded(self, tmp_path: Path) -> None:
        router = OfflineRouter()
        self.create(router, store=ResultStore(tmp_path))({"text": ["a", "b"]})
        table = self.create(router, store=ResultStore(tmp_path))({"text": ["b", "c"]})
        assert router.requests[1].body["input"] == ["c"]
        assert table["from_store"] == [True, False]

    @pytest.mark.slow
    async def test_workers_embed_each_text_once(self, tmp_path: Path) -> None:
        """Workers that wait for each other's texts do not block each other."""
        router = OfflineRouter(latency=0.2)
        batches = [["a", "b", "c"], ["c", "b", "d"], ["d", "a"], ["a", "b", "c", "d"]]
        rows = [self.create(router, store=ResultStore(tmp_path)) for _ in batches]
        tables = await asyncio.gather(
            *(rows.acall({"text": texts}) for rows, texts in zip(rows[:2], batches, strict=False)),
            *(asyncio.to_thread(rows[n], {"text": batches[n]}) for n in (2, 3)),
        )
        assert all(None not in table["embedding"] for table in tables)
        texts = [text for request in router.requests for text in request.body["input"]]
        assert sorted(texts) == ["a", "b", "c", "d"]

    def test_failed_request_releases_its_texts(self, tmp_path: Path) -> None:
        router = OfflineRouter(faults={"openai/text-embedding-3-small": [500]})
        for status in (500, None):
            table = self.create(router, store=ResultStore(tmp_path))({"text": ["a", "b"]})
            assert table["status"] == [status, status]

    @pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
    @pytest.mark.parametrize("status", [402, 500])
    async def test_failed_request_loses_no_paid_vectors(
        self, tmp_path: Path, status: int, is_async: bool
    ) -> None:
        model = "openai/text-embedding-3-small"
        router = OfflineRouter(faults={model: [200, status]})
        client = router.client(max_retries=0)
        embeddings = OrqEmbeddings(model, chunk_size=2, max_concurrency=1, client=client)
        batch = {"text": [*"abcdef"]}
        rows = EmbeddingRows(embeddings, store=ResultStore(tmp_path))
        table = await rows.acall(batch) if is_async else rows(batch)
        last = status if status == 402 else None
        assert table["status"] == [None, None, status, status, last, last]
        table = EmbeddingRows(embeddings, store=ResultStore(tmp_path))(batch)
        assert table["error"] == [None] * 6
        texts = [request.body["input"] for request in router.requests[2 if last else 3 :]]
        assert ["a", "b"] not in texts
        assert len(router.requests) == 4

    def test_lone_surrogate_is_an_error_in_its_row(self) -> None:
        table = self.create(OfflineRouter())({"text": ["a", "\ud800"]})
        assert table["error_type"] == [None, "RouterInputError"]

    def test_invalid_texts_are_not_confused_with_valid_ones(self) -> None:
        table = self.create(OfflineRouter())({"text": ["", "''", None, "None"]})
        assert [vector is not None for vector in table["embedding"]] == [False, True, False, True]

    def test_failed_request_is_an_error_in_its_rows(self) -> None:
        router = OfflineRouter(faults={"openai/text-embedding-3-small": 500})
        assert self.create(router)({"text": ["a", "b"]})["status"] == [500, 500]

    def test_invalid_texts_make_no_request(self) -> None:
        router = OfflineRouter()
        table = self.create(router)({"text": [None, ""]})
        assert table["error_type"] == ["RouterInputError"] * 2
        assert router.requests == []


@pytest.mark.parametrize(
    ("create", "problem"),
    [
        (lambda: ChatRows("openai/gpt-4o"), "model: Expected Runnable"),  # type: ignore[arg-type]
        (lambda: create_rows(OfflineRouter(), max_concurrency=0), "max_concurrency"),
        (lambda: create_rows(OfflineRouter(), store="x"), "store: Expected ResultStore"),
        (lambda: TranscriptRows(io.BytesIO()), "parser: Expected"),  # type: ignore[arg-type]
        (lambda: ImageRows(None), "tool: Expected"),  # type: ignore[arg-type]
        (lambda: EmbeddingRows(None), "embeddings: Expected"),  # type: ignore[arg-type]
    ],
)
def test_invalid_arguments_raise(create: Any, problem: str) -> None:
    with pytest.raises(RouterInputError, match=problem):
        create()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_forked_child_has_its_own_threads() -> None:
    """The threads of the parent do not exist in the child, which would wait for them forever."""
    rows = create_rows(OfflineRouter(), max_concurrency=1)
    rows({"prompt": ["Hi"]})
    with ProcessPoolExecutor(1, get_context("fork")) as pool:
        assert pool.submit(rows, {"prompt": ["Hi"]}).result(timeout=20)["answer"][0]
