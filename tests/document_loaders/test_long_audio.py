"""An hour of speech: cut, overlapped, stitched, and every word where it was said."""

from pathlib import Path
from typing import Any

import pytest
from langchain_core.documents import Document

from orq_router_integrations import (
    OfflineRouter,
    OrqTranscriptionLoader,
    OrqTranslationLoader,
    to_vtt,
)
from orq_router_integrations.document_loaders.subtitles import from_subtitles
from orq_router_integrations.errors import ServerError

WHISPER = "openai/whisper-1"


def transcriptions(spoken: Any, router: OfflineRouter, **options: Any) -> OrqTranscriptionLoader:
    client = router.client(max_retries=0)
    return OrqTranscriptionLoader(source=spoken.path, model=WHISPER, client=client, **options)


def check_words(documents: list[Document], spoken: Any) -> None:
    assert [document.page_content for document in documents] == spoken.text.split()
    for document, word in zip(documents, spoken.words, strict=True):
        assert abs(document.metadata["start"] - word.start) < 0.05
        assert abs(document.metadata["end"] - word.end) < 0.05


@pytest.mark.parametrize("limit", [1, 8])
def test_every_word_of_an_hour_comes_back_in_its_time(hour: Any, limit: int) -> None:
    router = OfflineRouter()
    options = {"granularity": "word", "max_concurrency": limit}
    check_words(transcriptions(hour, router, **options, max_seconds=600.0).load(), hour)
    assert len(router.requests) == 7


async def test_in_async_and_again_from_the_store_without_a_request(
    hour: Any, tmp_path: Path
) -> None:
    options = {"granularity": "word", "resume": tmp_path / "kept.db"}
    documents = await transcriptions(hour, OfflineRouter(), **options).aload()
    check_words(documents, hour)
    silent = OfflineRouter()
    assert transcriptions(hour, silent, **options, max_concurrency=1).load() == documents
    assert await transcriptions(hour, silent, **options).aload() == documents
    assert silent.requests == []


@pytest.mark.parametrize("limit", [1, 3, 16])
@pytest.mark.parametrize("overlap", [0.0, 3.0])
async def test_any_overlap_and_concurrency_will_do(talk: Any, limit: int, overlap: float) -> None:
    loader = transcriptions(
        talk,
        OfflineRouter(),
        granularity="word",
        max_seconds=50.0,
        overlap_seconds=overlap,
        max_concurrency=limit,
    )
    check_words(loader.load(), talk)
    check_words(await loader.aload(), talk)


@pytest.mark.parametrize("kind", ["json", "text", "srt", "vtt"])
def test_formats_without_words_are_stitched_too(talk: Any, kind: str) -> None:
    router = OfflineRouter()
    [document] = transcriptions(talk, router, response_format=kind, max_seconds=60.0).load()
    assert document.page_content == talk.text
    assert document.metadata["end"] == document.metadata["duration"]
    assert len(router.requests) > 5


def test_segments_are_whole_sentences_and_become_subtitles(talk: Any) -> None:
    loader = OrqTranslationLoader(
        source=talk.path,
        model=WHISPER,
        client=OfflineRouter().client(),
        response_format="vtt",
        granularity="segment",
        max_seconds=60.0,
    )
    documents = loader.load()
    sentences = [f"{sentence}." for sentence in talk.text.rstrip(".").split(". ")]
    assert [document.page_content for document in documents] == sentences
    read = from_subtitles(to_vtt(documents))
    assert [document.page_content for document in read] == sentences
    assert read[-1].metadata["start"] == pytest.approx(documents[-1].metadata["start"], abs=0.001)


def test_pieces_carry_the_end_of_the_one_before_as_their_prompt(talk: Any) -> None:
    router = OfflineRouter()
    transcriptions(talk, router, prompt="A sermon.", max_seconds=60.0, max_concurrency=1).load()
    prompts = [request.body["prompt"] for request in router.requests]
    assert prompts[0] == "A sermon."
    assert len(prompts) > 5
    for prompt in prompts[1:]:
        assert prompt.startswith("A sermon. ")
        assert prompt[len("A sermon. ") :] in talk.text
        assert len(prompt) <= 210
    assert router.requests[0].body["file"]["filename"] == "talk.001.wav"


@pytest.mark.parametrize(("options", "without"), [({}, 3), ({"carry_prompt": False}, 8)])
def test_lanes_begin_without_a_prompt(talk: Any, options: dict[str, Any], without: int) -> None:
    router = OfflineRouter()
    transcriptions(talk, router, max_seconds=56.0, max_concurrency=3, **options).load()
    assert len(router.requests) == 8
    assert sum("prompt" not in request.body for request in router.requests) == without


def test_a_piece_that_fails_is_marked_in_its_place(talk: Any) -> None:
    router = OfflineRouter(faults={WHISPER: [200, 200, 500]})
    documents = transcriptions(
        talk,
        router,
        granularity="segment",
        on_error="mark",
        max_seconds=60.0,
        max_concurrency=1,
    ).load()
    [marked] = [document for document in documents if "error" in document.metadata]
    at = documents.index(marked)
    assert marked.page_content == "[not transcribed: ServerError]"
    assert marked.metadata["error"].startswith("ServerError: ")
    assert documents[at - 1].metadata["end"] <= marked.metadata["start"] + 2.5
    assert documents[at + 1].metadata["start"] >= marked.metadata["end"] - 2.5
    assert len(documents) > 80


def test_a_piece_that_is_skipped_is_counted(talk: Any, caplog: pytest.LogCaptureFixture) -> None:
    router = OfflineRouter(faults={WHISPER: [200, 500]})
    [document] = transcriptions(
        talk, router, on_error="skip", max_seconds=60.0, max_concurrency=1
    ).load()
    assert 40 < document.metadata["skipped_seconds"] <= 60
    assert "talk.wav, piece 2 of " in caplog.text
    assert document.page_content.startswith(talk.text[:500])
    assert document.page_content.endswith(talk.text[-500:])


def test_what_was_paid_for_is_kept_when_a_piece_fails(talk: Any, tmp_path: Path) -> None:
    router = OfflineRouter(faults={WHISPER: [200, 200, 500]})
    loader = transcriptions(
        talk, router, resume=tmp_path / "kept.db", max_seconds=60.0, max_concurrency=1
    )
    with pytest.raises(ServerError, match=r"^\S+talk.wav, piece 3 of 8: openai"):
        loader.load()
    [document] = loader.load()
    assert document.page_content == talk.text
    assert len(router.requests) == 3 + 6


def test_the_first_failure_calls_the_other_lanes_off(talk: Any) -> None:
    router = OfflineRouter(faults={WHISPER: 500})
    with pytest.raises(ServerError):
        transcriptions(talk, router, max_seconds=20.0, max_concurrency=2).load()
    assert len(router.requests) <= 4
