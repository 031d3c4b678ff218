"""Use with text splitters, vector stores and worker processes."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from conformance.documents import get_texts
from langchain_core.documents.base import Blob
from langchain_core.embeddings import DeterministicFakeEmbedding
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_text_splitters import RecursiveCharacterTextSplitter
from support.audio_loaders import WHISPER, create_loader, load_texts
from support.recordings import save_recording

from orq_router_integrations import OrqAudioParser, OrqTranscriptionLoader

TEXTS = [f"Recording {number}. " + "It has some sentences. " * 5 for number in range(4)]


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for number, text in enumerate(TEXTS):
        save_recording(tmp_path / f"{number}.wav", text)
    return tmp_path


def test_documents_work_with_text_splitter_and_vector_store(directory: Path) -> None:
    loader = create_loader(directory, response_format="verbose_json")
    splitter = RecursiveCharacterTextSplitter(chunk_size=60, chunk_overlap=0)
    chunks = splitter.split_documents(loader.lazy_load())
    store = InMemoryVectorStore(DeterministicFakeEmbedding(size=32))
    store.add_documents(chunks)
    [document] = store.similarity_search(
        chunks[0].page_content, k=1, filter=lambda d: d.metadata["source"].endswith("0.wav")
    )
    assert document.page_content.startswith("Recording 0.")
    assert document.metadata["duration"] > 5
    assert len(loader.load_and_split(splitter)) == len(chunks)


def parse_texts(job: tuple[OrqAudioParser, Blob]) -> list[str]:
    parser, blob = job
    return get_texts(parser.parse(blob))


@pytest.mark.slow
@pytest.mark.usefixtures("served_router")
@pytest.mark.parametrize("method", ["spawn", "fork"])
def test_loaders_and_parsers_run_in_other_processes(directory: Path, method: str) -> None:
    expected = [" ".join(text.split()) for text in TEXTS]
    paths = [directory / f"{number}.wav" for number in range(4)]
    loaders = [OrqTranscriptionLoader(source=path, model=WHISPER) for path in paths]
    assert load_texts(loaders[0]) == expected[:1]  # opens connections before the fork
    parser = OrqAudioParser(model=WHISPER)
    jobs = [(parser, Blob.from_path(path)) for path in paths]
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(1 + (method == "fork"), mp_context=context) as pool:
        results = [*pool.map(load_texts, loaders), *pool.map(parse_texts, jobs)]
    assert [text for [text] in results] == expected + expected
