"""In the company of others: splitters, vector stores, worker processes."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from conformance.documents import texts
from langchain_core.documents.base import Blob
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_text_splitters import RecursiveCharacterTextSplitter
from support.recordings import recorded

from orq_router_integrations import OfflineRouter, OrqAudioParser, OrqTranscriptionLoader

WHISPER = "openai/whisper-1"
TEXTS = [f"Recording {number}. " + "It has some sentences. " * 5 for number in range(4)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number, text in enumerate(TEXTS):
        recorded(tmp_path / f"{number}.wav", text)
    return tmp_path


async def test_loaders_feed_splitters_and_vector_stores(folder: Path) -> None:
    loader = OrqTranscriptionLoader(
        source=folder,
        model=WHISPER,
        client=OfflineRouter().client(),
        response_format="verbose_json",
    )
    splitter = RecursiveCharacterTextSplitter(chunk_size=60, chunk_overlap=0)
    pieces = splitter.split_documents(loader.lazy_load())
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=32))
    store.add_documents(pieces)
    [found] = store.similarity_search(
        pieces[0].page_content, k=1, filter=lambda d: d.metadata["source"].endswith("0.wav")
    )
    assert found.page_content.startswith("Recording 0.")
    assert found.metadata["duration"] > 5
    assert len(loader.load_and_split(splitter)) == len(pieces)


def load(loader: OrqTranscriptionLoader) -> list[str]:
    return texts(loader.load())


def parse(job: tuple[OrqAudioParser, Blob]) -> list[str]:
    parser, blob = job
    return texts(parser.parse(blob))


@pytest.mark.usefixtures("served_router")
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_loaders_and_parsers_work_in_other_processes(folder: Path, method: str) -> None:
    expected = [" ".join(text.split()) for text in TEXTS]
    loaders = [
        OrqTranscriptionLoader(source=folder / f"{number}.wav", model=WHISPER)
        for number in range(4)
    ]
    assert load(loaders[0]) == expected[:1]  # warm, as it would be when a process forks
    parser = OrqAudioParser(model=WHISPER)
    jobs = [(parser, Blob.from_path(folder / f"{number}.wav")) for number in range(4)]
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1 + (method == "fork"), mp_context=context) as pool:
        found = list(pool.map(load, loaders)) + list(pool.map(parse, jobs))
    assert [text for [text] in found] == expected + expected
