"""The resume store: by content and parameters, safe between processes, never in the way."""

import multiprocessing
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from support.recordings import recorded, recording

from orq_router_integrations import OfflineRouter, OrqTranscriptionLoader
from orq_router_integrations.document_loaders.transcript_store import TranscriptStore, compute_key
from orq_router_integrations.errors import RouterInputError
from orq_router_integrations.wire.call import Upload
from orq_router_integrations.wire.transcripts import Span, Transcript

WHISPER = "openai/whisper-1"
FOUND = Transcript("Hi.", (Span("Hi.", 0, 1),), language="en", raw={"task": "transcribe"})


def load(router: OfflineRouter, source: Any, store: Path, **options: Any) -> list[str]:
    given = {"model": WHISPER, "client": router.client(), "resume": store} | options
    documents = OrqTranscriptionLoader(source=source, **given).load()
    return [document.page_content for document in documents]


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "kept.db"


def test_a_renamed_file_is_found_and_a_changed_one_is_not(tmp_path: Path, store: Path) -> None:
    router = OfflineRouter()
    first = recorded(tmp_path / "a.wav", "One.")
    assert load(router, first, store) == load(router, first.rename(tmp_path / "b.wav"), store)
    assert len(router.requests) == 1
    assert load(router, recorded(tmp_path / "b.wav", "Two."), store) == ["Two."]
    assert len(router.requests) == 2


@pytest.mark.parametrize(
    "changed",
    [
        {"language": "de"},
        {"prompt": "Other."},
        {"temperature": 0.5},
        {"response_format": "text"},
        {"model": "groq/whisper-large-v3"},
        {"granularity": "segment"},
    ],
)
def test_other_parameters_are_another_answer(store: Path, changed: dict[str, Any]) -> None:
    router = OfflineRouter()
    load(router, recording("One."), store)
    load(router, recording("One."), store, **changed)
    assert len(router.requests) == 2


@pytest.mark.parametrize("awaited", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("faults", "sent"), [([], 1), ([400], 2), ([400, 400, 400], 4)])
async def test_what_is_asked_for_already_is_waited_for(
    store: Path, awaited: bool, faults: list[int], sent: int
) -> None:
    """Only where that fails, the next asks for itself."""
    router = OfflineRouter(faults={WHISPER: faults})
    options: dict[str, Any] = {"max_concurrency": 8, "on_error": "skip", "resume": store}
    source = [recording("One.")] * 16
    loader = OrqTranscriptionLoader(source=source, model=WHISPER, client=router.client(), **options)
    documents = await loader.aload() if awaited else loader.load()
    assert [document.page_content for document in documents] == ["One."] * (16 - len(faults))
    assert len(router.requests) == sent


def test_a_failure_is_not_kept(store: Path) -> None:
    router = OfflineRouter(faults={WHISPER: [400]})
    assert load(router, recording("One."), store, on_error="skip") == []
    assert load(router, recording("One."), store) == ["One."]


def test_what_is_no_store_is_refused_before_any_request(tmp_path: Path) -> None:
    store = tmp_path / "photo.png"
    store.write_bytes(b"\x89PNG" * 200)
    router = OfflineRouter()
    with pytest.raises(RouterInputError, match="no store of transcripts"):
        load(router, recording("One."), store)
    assert router.requests == []
    assert store.read_bytes().startswith(b"\x89PNG")


def test_a_store_that_breaks_loses_nothing(
    store: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kept = TranscriptStore.open(store)
    store.unlink()
    store.mkdir()
    assert kept.get(b"key") is None
    kept.put(b"key", FOUND)
    assert caplog.text.count("resume: cannot") == 2


def test_an_entry_that_cannot_be_read_is_asked_for_again(store: Path) -> None:
    kept = TranscriptStore.open(store)
    kept.put(b"key", FOUND)
    assert kept.get(b"key") == FOUND
    with kept._open() as table:
        table.execute("UPDATE transcripts SET transcript = '{'")
    assert kept.get(b"key") is None


def test_a_file_that_vanished_is_an_input_error(tmp_path: Path, store: Path) -> None:
    gone = Upload("gone.wav", "audio/wav", 9, (tmp_path / "gone.wav").open)
    with pytest.raises(RouterInputError, match=r"cannot read gone\.wav"):
        compute_key(gone, {})


def write(path: Path, process: int) -> None:
    store = TranscriptStore.open(path)
    for number in range(25):
        store.put(b"%d-%d" % (process, number), FOUND)


def test_processes_may_write_at_once(store: Path) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=write, args=(store, number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(30)
    kept = TranscriptStore.open(store)
    keys = [b"%d-%d" % (process, number) for process in range(3) for number in range(25)]
    assert all(kept.get(key) == FOUND for key in keys)


@pytest.mark.parametrize("table", ["transcripts (k int, v text, z text)", "transcripts (key blob)"])
def test_a_table_of_other_columns_is_refused_before_anything_is_sent(
    store: Path, table: str
) -> None:
    with closing(sqlite3.connect(store)) as other:
        other.execute(f"CREATE TABLE {table}")
    router = OfflineRouter()
    with pytest.raises(RouterInputError, match="is no store of transcripts"):
        load(router, recording("One."), store)
    assert router.requests == []


@pytest.mark.parametrize(
    "row", [5, 0.5, "", "text", b"{", b"[]", b'{"text":5,"words":[],"segments":[]}',
            b'{"text":"a","words":[{"text":"a","start":"0","end":1}],"segments":[]}'],
)  # fmt: skip
def test_a_row_that_is_no_transcript_is_asked_for_again(store: Path, row: Any) -> None:
    router = OfflineRouter()
    assert load(router, recording("One."), store) == ["One."]
    with closing(sqlite3.connect(store)) as kept, kept:
        kept.execute("UPDATE transcripts SET transcript = ?", (row,))
    assert load(router, recording("One."), store) == ["One."]
    assert len(router.requests) == 2
