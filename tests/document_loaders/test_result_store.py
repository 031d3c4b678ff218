"""Stores of transcripts: keys, concurrent use, and failures."""

import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from langchain_core.stores import InMemoryByteStore
from pydantic import ValidationError
from support.audio_loaders import WHISPER, create_loader, load_texts
from support.marks import sync_and_async
from support.recordings import create_recording, save_recording

from orq_router_integrations import OfflineRouter
from orq_router_integrations._concurrency import perform_steps
from orq_router_integrations.document_loaders.result_store import open_store
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.subtitles import Span
from orq_router_integrations.wire.transcriptions import Transcript

TRANSCRIPT = Transcript("Hi.", (Span("Hi.", 0, 1),), language="en")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "transcripts.db"


def test_key_depends_on_contents_and_not_on_the_name(tmp_path: Path, path: Path) -> None:
    router = OfflineRouter()
    file = save_recording(tmp_path / "a.wav", "One.")
    assert load_texts(create_loader(file, router, store=path)) == ["One."]
    renamed_file = file.rename(tmp_path / "b.wav")
    assert load_texts(create_loader(renamed_file, router, store=path)) == ["One."]
    assert len(router.requests) == 1
    changed_file = save_recording(tmp_path / "b.wav", "Two.")
    assert load_texts(create_loader(changed_file, router, store=path)) == ["Two."]
    assert len(router.requests) == 2


@pytest.mark.parametrize(
    "options",
    [
        {"language": "de"},
        {"prompt": "Other."},
        {"temperature": 0.5},
        {"response_format": "text"},
        {"model": "groq/whisper-large-v3"},
        {"granularity": "segment"},
    ],
    ids=lambda options: next(iter(options)),
)
def test_key_depends_on_parameters(path: Path, options: dict[str, Any]) -> None:
    router = OfflineRouter()
    create_loader(create_recording("One."), router, store=path).load()
    create_loader(create_recording("One."), router, store=path, **options).load()
    assert len(router.requests) == 2


BALANCED = {"load_balancer": {"models": [{"model": "groq/whisper-large-v3", "weight": 1}]}}


@pytest.mark.parametrize("owner", ["loader", "client"])
def test_key_depends_on_the_load_balancer(path: Path, owner: str) -> None:
    """Another model may answer, so its transcript is another result."""
    router = OfflineRouter()
    create_loader(create_recording("One."), router, store=path).load()
    options: dict[str, Any] = {"controls": BALANCED} if owner == "loader" else {}
    client = router.client(controls=BALANCED) if owner == "client" else router.client()
    for _ in range(2):
        create_loader(create_recording("One."), store=path, client=client, **options).load()
    assert len(router.requests) == 2


def test_langchain_store_can_be_used() -> None:
    store = InMemoryByteStore()
    router = OfflineRouter()
    for _ in range(2):
        assert load_texts(create_loader(create_recording("One."), router, store=store)) == ["One."]
    assert len(router.requests) == 1
    [key] = store.yield_keys()
    assert isinstance(store.mget([key])[0], bytes)


@pytest.mark.parametrize(
    "store",
    [7, {}, b"transcripts.db", "sqlite:///transcripts.db"],
    ids=["int", "dict", "bytes", "URL"],
)
def test_other_types_raise(store: Any) -> None:
    with pytest.raises(ValidationError, match="Expected the path of a SQLite file"):
        create_loader("a.wav", store=store)


@sync_and_async
@pytest.mark.parametrize(
    ("faults", "request_count"),
    [([], 1), ([400], 2), ([400, 400, 400], 4)],
    ids=["success", "one failure", "three failures"],
)
async def test_concurrent_requests_for_the_same_recording_are_sent_once(
    path: Path, is_async: bool, faults: list[int], request_count: int
) -> None:
    """The next one is only sent if the previous one fails."""
    router = OfflineRouter(faults={WHISPER: faults})
    source = [create_recording("One.")] * 16
    loader = create_loader(source, router, max_concurrency=8, on_error="skip", store=path)
    documents = await loader.aload() if is_async else loader.load()
    assert [document.page_content for document in documents] == ["One."] * (16 - len(faults))
    assert len(router.requests) == request_count


def test_failures_are_not_stored(path: Path) -> None:
    router = OfflineRouter(faults={WHISPER: [400]})
    assert (
        load_texts(create_loader(create_recording("One."), router, store=path, on_error="skip"))
        == []
    )
    assert load_texts(create_loader(create_recording("One."), router, store=path)) == ["One."]


def test_other_file_raises_before_any_request(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(b"\x89PNG" * 200)
    router = OfflineRouter()
    with pytest.raises(RouterInputError, match="is not a result store"):
        create_loader(create_recording("One."), router, store=path).lazy_load()
    assert router.requests == []
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("table", ["transcripts (k int, v text, z text)", "transcripts (key blob)"])
def test_other_table_raises_before_any_request(path: Path, table: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"CREATE TABLE {table}")
    router = OfflineRouter()
    with pytest.raises(RouterInputError, match="is not a result store"):
        create_loader(create_recording("One."), router, store=path).lazy_load()
    assert router.requests == []


def test_failing_store_is_logged(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = open_store(path)
    path.unlink()
    path.mkdir()
    assert find(store, "key") is None
    store.mset([("key", TRANSCRIPT.to_json())])
    assert caplog.text.count("store: Cannot") == 2


def test_failing_langchain_store_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Stores of other packages raise errors of any type."""

    class FailingStore(InMemoryByteStore):
        def mget(self, keys: Any) -> Any:
            raise RuntimeError("connection lost")

        mset = mget

    assert load_texts(create_loader(create_recording("One."), store=FailingStore())) == ["One."]
    assert caplog.text.count("connection lost") == 2


@pytest.mark.parametrize(
    "value",
    [
        5,
        0.5,
        "",
        "text",
        b"{",
        b"[]",
        b'{"text":5,"words":[],"segments":[]}',
        b'{"text":"a","words":[{"text":"a","start":"0","end":1}],"segments":[]}',
    ],
    ids=["int", "float", "empty", "text", "truncated", "list", "invalid text", "invalid word"],
)
def test_unreadable_entry_is_replaced(path: Path, value: Any) -> None:
    router = OfflineRouter()
    for _ in range(2):
        assert load_texts(create_loader(create_recording("One."), router, store=path)) == ["One."]
    assert len(router.requests) == 1
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE transcripts SET transcript = ?", (value,))
    for _ in range(2):
        assert load_texts(create_loader(create_recording("One."), router, store=path)) == ["One."]
    assert len(router.requests) == 2


def test_file_that_disappears_raises(tmp_path: Path, path: Path) -> None:
    file = save_recording(tmp_path / "gone.wav", "One.")
    documents = create_loader([file, file], store=path, max_concurrency=1).lazy_load()
    next(documents)
    file.unlink()
    with pytest.raises(RouterInputError, match=r"gone\.wav"):
        next(documents)


def find(store: Any, key: str) -> Transcript | None:
    return perform_steps(store.wait_for_claim(key, Transcript.from_json), list)


def write_transcripts(path: Path, process: int) -> None:
    store = open_store(path)
    for number in range(25):
        store.mset([(f"{process}-{number}", TRANSCRIPT.to_json())])


@pytest.mark.slow
def test_processes_can_write_concurrently(path: Path) -> None:
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=write_transcripts, args=(path, n)) for n in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    store = open_store(path)
    keys = [f"{process}-{number}" for process in range(3) for number in range(25)]
    assert all(find(store, key) == TRANSCRIPT for key in keys)
